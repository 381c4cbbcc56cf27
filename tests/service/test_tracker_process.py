"""The mirror's loop, its pipes, and the process that the tracker owns; without MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from goodfit.service.errors import TrackingError, UnknownStudy, Unreachable
from goodfit.service.tracker import MlflowTracker, process, ui_command, ui_link
from goodfit.service.tracker.process import LONGEST_PAUSE, PERIOD, PipeInbox, mirror_loop, mirror_until_closed


class FakeMirror:
    """Answers each sync with the next of a script: how many are behind, or a failure."""

    def __init__(self, *answers: int | str, refused: Mapping[int, str] | None = None) -> None:
        self._answers = list(answers)
        self.refused = refused or {}
        self.closed = self.forgotten = 0

    def sync(self) -> int:
        answer = self._answers.pop(0) if self._answers else 0
        if isinstance(answer, str):
            raise TrackingError(answer)
        return answer

    def close_study(self) -> None:
        self.closed += 1

    def forget(self) -> None:
        self.forgotten += 1


class FakeInbox:
    """What the parent says at each wait for news; after the last it is gone."""

    def __init__(self, *words: str, closing_after: int | None = None) -> None:
        self._words = list(words)
        self._closing_after = closing_after
        self.pauses: list[float] = []
        self.closing = self.gone = False

    def pause(self, seconds: float, closing: bool) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) == self._closing_after:
            self.closing = True

    def await_news(self) -> None:
        word = self._words.pop(0) if self._words else "gone"
        self.closing = self.closing or word == "close"
        self.gone = word == "gone"


def _said(mirror: FakeMirror, inbox: FakeInbox) -> list[str]:
    said: list[str] = []
    mirror_loop(mirror, inbox, said.append)
    return said


def test_it_pushes_on_news_and_ends_when_told_to_with_nothing_left() -> None:
    inbox = FakeInbox("wake", "close")
    assert _said(FakeMirror(0, 0, 0), inbox) == ["behind 0", "well", "behind 0", "well", "behind 0", "well", "done 0"]
    assert inbox.pauses == [PERIOD, PERIOD]


def test_it_goes_on_at_once_while_there_is_more() -> None:
    inbox = FakeInbox("close")
    said = _said(FakeMirror(100, 50, 0), inbox)
    assert [line for line in said if line != "well"] == ["behind 100", "behind 50", "behind 0", "behind 0", "done 0"]
    assert inbox.pauses == [PERIOD]


def test_it_stops_when_the_parent_is_gone() -> None:
    assert _said(FakeMirror(0), FakeInbox()) == ["behind 0", "well"]


@pytest.mark.filterwarnings("ignore")
def test_trouble_is_told_and_waited_out_longer_each_time(capfd: pytest.CaptureFixture[str]) -> None:
    inbox = FakeInbox("close")
    said = _said(FakeMirror(*["MLflow is\naway"] * 8, 0), inbox)
    assert said[:2] == ["trouble MLflow is away", "trouble MLflow is away"]
    assert said[8:10] == ["behind 0", "well"]
    assert inbox.pauses[:8] == [0.5, 1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE]
    assert "TrackingError" in capfd.readouterr().err  # the log has the traceback


def test_while_somebody_waits_for_the_end_it_tries_again_soon() -> None:
    inbox = FakeInbox(closing_after=3)
    said = _said(FakeMirror(*["away"] * 5, 0), inbox)
    assert inbox.pauses == [0.5, 1, 2, 1, 1]
    assert said[-1] == "done 0"


def test_a_study_is_closed_when_all_is_pushed() -> None:
    mirror = FakeMirror(3, 0)
    _said(mirror, FakeInbox("close"))
    assert mirror.closed == 2  # after each push that leaves nothing


def test_refused_trials_are_told_and_do_not_keep_it_from_ending() -> None:
    said = _said(FakeMirror(2, 2, refused={4: "no\ngood", 7: "bad"}), FakeInbox("close"))
    assert said[:2] == ["behind 2", "trouble MLflow refuses trial 4 (and 1 more): no good"]
    assert said[-1] == "done 2"


class Locks:
    """A lock that answers from a script: ours for so many looks, another's (0), or out of reach (None)."""

    def __init__(self, *answers: int | None) -> None:
        self._answers = list(answers)

    @contextmanager
    def __call__(self) -> Iterator[Callable[[], bool] | None]:
        answer = self._answers.pop(0)
        if answer is None:
            raise Unreachable("PostgreSQL is away")
        looks = iter([True] * answer)
        yield (lambda: next(looks, False)) if answer else None


def _said_alone(mirror: FakeMirror, inbox: FakeInbox, locks: Locks, *fences: bool | Exception) -> list[str]:
    said: list[str] = []
    answers = list(fences)

    def superseded() -> bool:
        answer = answers.pop(0) if answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer

    mirror_until_closed(mirror, inbox, said.append, locks, superseded)
    return said


def test_a_mirror_ends_when_another_runner_has_the_study() -> None:
    assert _said_alone(FakeMirror(), FakeInbox("wake"), Locks(), True) == [
        "trouble another runner has the study now, and its own mirror"
    ]
    said = _said_alone(FakeMirror(0, 0), FakeInbox("wake", "wake"), Locks(9), False, False, True, True)
    assert said == ["behind 0", "well", "trouble another runner has the study now, and its own mirror"]


def test_a_mirror_whose_lock_is_gone_takes_it_again_and_trusts_nothing_that_it_knew() -> None:
    mirror = FakeMirror(0, 0, 0)
    said = _said_alone(mirror, FakeInbox("wake", "close"), Locks(1, 0, None, 9))
    assert said[:4] == [
        "behind 0",
        "well",
        "trouble the mirror of an earlier run is still running",
        "trouble PostgreSQL is away",
    ]
    assert said[-1] == "done 0"
    assert mirror.forgotten == 1


def test_the_mirror_of_a_study_that_was_removed_has_nothing_to_do() -> None:
    assert _said_alone(FakeMirror(), FakeInbox("wake"), Locks(), UnknownStudy("removed")) == ["done 0"]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_the_inbox_knows_at_once_what_was_said_before_it_was_there(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"wake\nclo")
    os.write(pipe[1], b"se\n")
    inbox = PipeInbox(pipe[0])
    assert (inbox.closing, inbox.gone) == (True, False)
    os.close(pipe[1])
    assert PipeInbox(pipe[0]).gone


def test_the_inbox_hears_news_and_the_end(pipe: tuple[int, int]) -> None:
    inbox = PipeInbox(pipe[0])
    os.write(pipe[1], b"wa")
    os.write(pipe[1], b"ke\n")
    inbox.await_news()
    assert (inbox.closing, inbox.gone) == (False, False)
    os.write(pipe[1], b"wake\nclose\n")
    inbox.pause(600.0, closing=False)  # cut short by the close
    assert inbox.closing
    os.close(pipe[1])
    inbox.pause(600.0, closing=True)  # and by the end
    assert inbox.gone


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., MlflowTracker]]:
    """Starts a tracker on a few lines of Python instead of a mirror."""
    started: list[MlflowTracker] = []

    def start(code: str, **options: float) -> MlflowTracker:
        child = [sys.executable, "-Sc", f"import sys\n{code}"]
        started.append(MlflowTracker(child, tmp_path / "log.txt", **options))
        return started[-1]

    yield start
    for tracker in started:
        tracker.close(0.0)


OBEDIENT = """
for line in sys.stdin:
    word = line.strip()
    print("behind 3" if word == "wake" else "done 0", flush=True)
"""


def test_the_tracker_passes_words_on_and_hears_the_answers(start: Callable[..., MlflowTracker]) -> None:
    tracker = start(OBEDIENT)
    tracker.wake()
    assert tracker.close(30.0) is True
    assert (tracker.behind(), tracker.trouble()) == (0, None)


def test_waking_never_waits_for_a_mirror_that_does_not_listen(start: Callable[..., MlflowTracker]) -> None:
    tracker = start("import select; hangup = select.poll(); hangup.register(0, 0); hangup.poll()")
    for _ in range(100_000):
        tracker.wake()
    assert tracker.behind() == 0


def test_a_mirror_that_died_is_told_with_its_log(start: Callable[..., MlflowTracker], tmp_path: Path) -> None:
    tracker = start("sys.exit('cannot start')")
    tracker._process.wait()
    assert tracker.trouble() == f"the process that writes to MLflow ended with exit code 1; see {tmp_path / 'log.txt'}"
    tracker.wake()
    assert tracker.close(30.0) is False
    assert "ended with exit code 1" in (tracker.trouble() or "")
    assert "cannot start" in (tmp_path / "log.txt").read_text()


def test_a_mirror_that_died_is_started_again_after_a_while(tmp_path: Path) -> None:
    now = [0.0]
    child = [sys.executable, "-Sc", "import sys; print('behind 1', flush=True); sys.stdin.readline()"]
    tracker = MlflowTracker(child, tmp_path / "log.txt", clock=lambda: now[0])
    first = tracker._process
    first.kill()
    first.wait()
    tracker.wake()
    assert tracker._process is first
    now[0] = 31.0
    tracker.wake()
    assert tracker._process is not first
    tracker.close(0.0)


def test_closing_gives_up_on_a_mirror_in_trouble_and_says_so(start: Callable[..., MlflowTracker]) -> None:
    tracker = start("print('trouble MLflow is away', flush=True)\nfor line in sys.stdin: pass", away_seconds=0.0)
    assert tracker.close(600.0) is False
    assert tracker.trouble() == "MLflow is away"


def test_a_mirror_of_its_own_session_outlives_ctrl_c_but_not_its_parent(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
from goodfit.service.tracker import MlflowTracker
child = [sys.executable, "-Sc", "import sys; sys.stdin.read()"]
tracker = MlflowTracker(child, Path({str(tmp_path / "log")!r}))
assert os.getsid(tracker._process.pid) != os.getsid(0)
print(tracker._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert parent.returncode == -9, parent.stderr
    child = int(parent.stdout)
    while Path(f"/proc/{child}/stat").exists() and ") Z " not in Path(f"/proc/{child}/stat").read_text():
        os.sched_yield()  # pytest's own time limit ends a wait that never ends


def test_importing_the_tracker_does_not_import_mlflow() -> None:
    heavy = "('mlflow', 'torch', 'optuna')"
    code = f"import goodfit.service.tracker, sys; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_pages_come_from_one_worker_without_jobs(tmp_path: Path) -> None:
    command, environment = ui_command("sqlite:///x.db", tmp_path, "127.0.0.1", 5001)
    assert command[:5] == [sys.executable, "-P", "-m", "mlflow", "server"]
    options = dict(zip(command[5::2], command[6::2], strict=True))
    assert options == {
        "--backend-store-uri": "sqlite:///x.db",
        "--default-artifact-root": tmp_path.as_uri(),
        "--artifacts-destination": tmp_path.as_uri(),
        "--host": "127.0.0.1",
        "--port": "5001",
        "--workers": "1",
    }
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_a_link_opens_the_charts_of_an_experiment() -> None:
    view = "workflowType=machine_learning"
    shared = f"{view}&viewStateShareKey=goodfit"
    assert ui_link("http://h:1/", "7") == f"http://h:1/#/experiments/7/runs?{shared}"
    assert ui_link("http://h:1/", "7", charts=True).endswith(f"{shared}&compareRunsMode=CHART")
    assert ui_link("http://h:1", None) == f"http://h:1/#/experiments?{view}"


MIRROR = """
from goodfit.service.store import open_store
from goodfit.service.tracker import run_mirror

class Mirror:
    refused = {1: "for a test"}
    def sync(self):
        return 1
    def close_study(self):
        pass
    def forget(self):
        pass

run_mirror(Mirror(), lambda: open_store(sys.argv[1]).only_mirror(1))
"""


def await_word(heard: Callable[[], bool], tracker: MlflowTracker) -> None:
    """Wait for what a mirror has to say; pytest's own time limit ends a wait for one that lives and says nothing."""
    while not heard():
        assert tracker._process.poll() is None, tracker.trouble()
        os.sched_yield()


def test_a_mirror_is_nice_and_waits_for_the_one_before_it_to_end(tmp_path: Path) -> None:
    child = [sys.executable, "-c", f"import sys\n{MIRROR}", f"sqlite:///{tmp_path / 'goodfit.db'}"]
    first = MlflowTracker(child, tmp_path / "log.txt")
    second = None
    try:
        await_word(lambda: first.behind() == 1, first)  # then it has the lock
        assert os.getpriority(os.PRIO_PROCESS, first._process.pid) >= min(19, os.getpriority(os.PRIO_PROCESS, 0) + 19)
        session = Path(f"/proc/{first._process.pid}/autogroup")
        assert not session.exists() or session.read_text().split()[-1] == "19"
        second = MlflowTracker(child, tmp_path / "log.txt")
        await_word(lambda: second.trouble() is not None, second)
        assert second.trouble() == "the mirror of an earlier run is still running"
        assert first.close(60.0) is False  # one trial is refused
        await_word(lambda: second.trouble() == "MLflow refuses trial 1: for a test", second)
    finally:
        first.close(0.0)
        if second is not None:
            second.close(0.0)


STUCK = """
import sys, threading
from goodfit.service.tracker import process

class Mirror:
    refused = {}
    def sync(self):
        print("in a call that does not end", file=sys.stderr, flush=True)
        threading.Event().wait()

process.LEAVE_SECONDS = 0.0
process.run_mirror(Mirror())
"""


def test_a_mirror_ends_after_its_parent_whatever_call_it_is_in() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as mirror:
        assert mirror.stdin is not None
        assert mirror.stderr is not None
        assert mirror.stderr.readline() == "in a call that does not end\n"
        mirror.stdin.close()  # as the system does for a parent that is killed
        assert mirror.wait() == 1


def test_a_mirror_for_whose_end_somebody_waits_is_nice_among_sessions_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "AUTOGROUP", tmp_path / "autogroup")
    read, write = os.pipe()
    inbox = process.PipeInbox(read)
    os.write(write, b"wake\n")
    inbox.await_news()
    assert not (tmp_path / "autogroup").exists()
    os.write(write, b"close\n")
    inbox.await_news()
    assert inbox.closing
    assert (tmp_path / "autogroup").read_text() == "0"
    os.close(write)
