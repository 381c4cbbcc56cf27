"""Starting and ending a stack: the order, what does not come up, and that exactly its own processes end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import compose, plan, processes, stack, state
from deploy.starting import StackError, Starting
from deploy.state import State

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
# One that leaves its group and its session, as Ray's workers do.
PARENT = (
    sys.executable,
    "-c",
    f"import subprocess, time; subprocess.Popen({list(SLEEPER)!r}, start_new_session=True); time.sleep(600)",
)
DEAF = (sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Where another user gets in: PostgreSQL does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="goodfit-stack-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def service(name: str, command: tuple[str, ...], *after: str, health: tuple[str, ...] | None = None) -> compose.Service:
    return compose.Service(name, command, {}, health, after)


@pytest.fixture
def mark() -> Iterator[str]:
    word = f"test-{os.getpid()}-{time.monotonic_ns()}"
    yield word
    processes.end_marked(word)


def starting(tmp_path: Path, mark: str, *services: compose.Service, said: list[str] | None = None) -> Starting:
    folders = plan.Folders(tmp_path, tmp_path / "short")
    lines = [] if said is None else said
    return Starting(folders, list(services), State(mark, str(tmp_path / "short")), [], None, lines.append)


def _sessions(mark: str) -> set[int]:
    return {os.getsid(process.pid) for process in processes.marked(mark)}


def bystander() -> subprocess.Popen[bytes]:
    return subprocess.Popen(SLEEPER, start_new_session=True)


def test_a_service_starts_when_those_before_it_are_healthy(tmp_path: Path, mark: str) -> None:
    ready = tmp_path / "ready"
    slow = (
        sys.executable,
        "-c",
        f"import pathlib, time; time.sleep(0.5); pathlib.Path({str(ready)!r}).touch(); time.sleep(600)",
    )
    check = (sys.executable, "-c", f"import pathlib, sys; sys.exit(not pathlib.Path({str(ready)!r}).exists())")
    sees = (
        sys.executable,
        "-c",
        f"import pathlib, time; assert pathlib.Path({str(ready)!r}).exists(); time.sleep(600)",
    )
    said: list[str] = []
    services = service("second", sees, "first"), service("first", slow, health=check)
    start = starting(tmp_path, mark, *services, said=said)
    start.run()
    assert said == ["  first is up", "  second is up"]
    assert all(running.process.alive for running in start.state.services)
    assert state.read(tmp_path) == start.state


def test_worker_nodes_wait_for_their_head(tmp_path: Path, mark: str) -> None:
    said: list[str] = []
    workers = [service(f"ray-worker-{number}", SLEEPER, "ray-head") for number in (1, 2)]
    starting(tmp_path, mark, *workers, service("ray-head", SLEEPER), said=said).run()
    assert said[0] == "  ray-head is up"


def test_one_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path, mark: str) -> None:
    broken = (sys.executable, "-c", "print('no room for this'); raise SystemExit(3)")
    check = (sys.executable, "-c", "raise SystemExit(1)")
    with pytest.raises(StackError, match=r"(?s)^mlflow ended; the end of .*mlflow\.log:\n  no room for this"):
        starting(tmp_path, mark, service("mlflow", broken, health=check)).run()


def test_one_that_is_not_to_be_had_is_named(tmp_path: Path, mark: str) -> None:
    with pytest.raises(StackError, match=r"^mlflow cannot be started: .*no-such-program"):
        starting(tmp_path, mark, service("mlflow", ("no-such-program",))).run()


def test_a_stack_ends_with_all_that_it_started_and_nothing_else(tmp_path: Path, mark: str) -> None:
    start = starting(tmp_path, mark, service("ray-head", PARENT), service("mlflow", SLEEPER))
    start.run()
    deadline = time.monotonic() + 120
    while len(_sessions(mark)) < 3 and time.monotonic() < deadline:  # a child is in its parent's until it left it
        time.sleep(0.05)
    ours = processes.marked(mark)
    assert len(ours) == 3
    other = bystander()
    try:
        said: list[str] = []
        assert stack.down(tmp_path, said.append)
        assert said == ["1 processes that the services left behind were killed"]
        assert not any(process.alive for process in ours)
        assert other.poll() is None
        assert not stack.down(tmp_path, said.append)
    finally:
        other.kill()
        other.wait()


def test_one_that_does_not_listen_is_killed(tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "LEAVE_SECONDS", 0.5)
    start = starting(tmp_path, mark, service("mlflow", DEAF))
    start.run()
    log = tmp_path / "logs" / "mlflow.log"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not log.stat().st_size:
        time.sleep(0.05)
    running = start.state.services[0]
    stack.down(tmp_path, lambda _: None)
    assert not running.process.alive


def test_a_pid_that_is_another_process_by_now_is_left_alone() -> None:
    other = bystander()
    try:
        gone = processes.Started(other.pid, since=1.0)
        assert not gone.alive
        gone.send(signal.SIGKILL)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_service_is_started_again_by_the_same_command(tmp_path: Path, mark: str) -> None:
    start = starting(tmp_path, mark, service("mlflow", SLEEPER), service("ray-head", SLEEPER))
    start.run()
    old = start.state.service("mlflow")
    assert old is not None
    again = stack.restart(tmp_path, "mlflow", lambda _: None)
    assert not old.process.alive
    assert again.process.alive
    assert (again.command, again.environment) == (old.command, old.environment)
    known = state.read(tmp_path)
    assert known is not None
    assert known.service("mlflow") == again
    assert known.service("ray-head") == start.state.service("ray-head")
    with pytest.raises(StackError, match=r"no service nats was started in .*; there are: "):
        stack.restart(tmp_path, "nats", lambda _: None)
    stack.down(tmp_path, lambda _: None)


def test_worker_nodes_go_and_come_with_their_head(tmp_path: Path, mark: str) -> None:
    names = ("mlflow", "ray-head", "ray-worker-1", "ray-worker-2")
    start = starting(tmp_path, mark, *(service(name, SLEEPER) for name in names))
    start.run()
    old = {one.name: one for one in start.state.services}
    said: list[str] = []
    head = stack.restart(tmp_path, "ray-head", said.append)
    assert said == [f"{name} is up again" for name in names[1:]]
    known = state.read(tmp_path)
    assert known is not None
    assert known.service("ray-head") == head
    assert known.service("mlflow") == old["mlflow"]
    for name in names[1:]:
        again = known.service(name)
        assert again is not None
        assert again.process.alive
        assert not old[name].process.alive
    stack.restart(tmp_path, "ray-worker-2", said.append)
    assert said[-1] == "ray-worker-2 is up again"
    after = state.read(tmp_path)
    assert after is not None
    assert after.service("ray-head") == head
    stack.down(tmp_path, lambda _: None)


def test_one_that_was_killed_is_started_again_only_when_the_system_has_forgotten_it(
    tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "reap", lambda: None)  # as where another has to wait for it, and takes its time
    monkeypatch.setattr(stack, "LEAVE_SECONDS", 0.5)
    start = starting(tmp_path, mark, service("mlflow", SLEEPER))
    start.run()
    old = start.state.services[0].process
    os.kill(old.pid, signal.SIGKILL)
    while old.alive:
        time.sleep(0.01)
    assert old.known
    parent = threading.Timer(0.2, lambda: os.waitpid(old.pid, 0))
    parent.start()
    again = stack.restart(tmp_path, "mlflow", lambda _: None)
    assert not old.known
    assert again.process.alive
    parent.join()
    monkeypatch.undo()
    stack.down(tmp_path, lambda _: None)


def test_two_commands_at_once_on_one_stack_are_refused(tmp_path: Path) -> None:
    with state.Alone(tmp_path, StackError("busy")), pytest.raises(StackError, match="another command is working"):
        stack.up(tmp_path)


def test_data_of_an_older_version_are_said_with_the_command_that_upgrades_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    def prepared(found: Path, *_: object) -> Starting:
        (found / "logs").mkdir(exist_ok=True)
        ends = (sys.executable, "-c", f"raise SystemExit({words[0]!r})")
        return starting(found, mark, service("goodfit", ends, health=("false",)))

    monkeypatch.setattr(stack, "prepare", prepared)
    words = ["this Goodfit needs version 0008: back it up, then `goodfit upgrade`"]
    with pytest.raises(StackError, match=rf"`make stack-upgrade STACK={tmp_path}`$"):
        stack.up(tmp_path)
    words = ["the port is taken"]  # and the log still has the words of the start before
    with pytest.raises(StackError, match=r"the port is taken$"):
        stack.up(tmp_path)
    assert state.read(tmp_path) is None


def test_commands_are_named_for_the_folder_of_the_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = State("mark", "short", urls={"api": "http://127.0.0.1:1"})
    assert "`make stack-down` ends it" in stack._already(tmp_path / ".stack", found)
    assert "`make stack-status STACK=/srv/one` shows how to use it" in stack._already(Path("/srv/one"), found)


@pytest.mark.e2e
def test_postgresql_comes_up_keeps_what_it_has_and_lives_beside_another(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    one, two = open_folder / "one", open_folder / "two"
    command = [sys.executable, "-m", "deploy.stack"]

    def run(word: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
        arguments = [*command, word, "--folder", str(folder), *more]
        return subprocess.run(arguments, cwd=plan.ROOT, capture_output=True, text=True)

    def url(folder: Path) -> str:
        known = state.read(folder)
        assert known is not None
        return known.urls["database"].replace("+psycopg", "")

    try:
        for folder in (one, two):
            done = run("up", folder, "--only", "postgres")
            assert done.returncode == 0, done.stdout + done.stderr
        assert (one / "state.json").stat().st_mode & 0o777 == 0o600
        with psycopg.connect(url(one)) as connection:
            connection.execute("CREATE TABLE kept (number int)")
        with psycopg.connect(url(two)) as connection:
            assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
        again = run("up", one, "--only", "postgres")
        assert again.returncode == 1
        assert "is up already" in again.stderr
        assert run("restart", one, "postgres").returncode == 0
        with psycopg.connect(url(one)) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        with pytest.raises(StackError, match="is up: end it"):
            stack.upgrade(one)
        assert run("down", one).returncode == 0
        assert run("status", one).returncode == 1
        assert "export" not in (status := run("status", two)).stdout
        assert status.returncode == 0
        said: list[str] = []
        monkeypatch.setattr(stack, "UPGRADES", {"goodfit": stack.UPGRADES["goodfit"], "mlflow": ("true",)})
        stack.upgrade(one, said.append)
        assert said[-2:] == ["  the database of goodfit is up to date", "  the database of mlflow is up to date"]
        monkeypatch.setattr(stack, "UPGRADES", {"goodfit": ("sh", "-c", "echo no disk >&2; exit 1")})
        with pytest.raises(StackError, match="goodfit's database cannot be upgraded: no disk"):
            stack.upgrade(one, said.append)
        assert state.read(one) is None
        assert run("up", one, "--only", "postgres").returncode == 0
        with psycopg.connect(url(one)) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        wrong = url(one).replace("goodfit:", "goodfit:x", 1)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)
    finally:
        for folder in (one, two):
            run("down", folder)
