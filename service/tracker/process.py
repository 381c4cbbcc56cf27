"""The mirror beside the training: its loop, its process, and the Tracker that owns the process.

The two talk in lines over pipes. To the mirror: first its private variables, then `wake`, `close`; the end of the pipe
means that the parent is gone. From it: `behind N`, `trouble TEXT`, `well`, and at the end `done N`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, NoReturn, Protocol

from goodfit.service.errors import TrackingError, UnknownStudy, Unreachable
from goodfit.service.tracker.experiment import ENVIRONMENT

PERIOD = 2.0  # seconds between pushes while trials run
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # after a failure; doubled with each
CLOSING_PAUSE = 1.0  # the longest while somebody waits for the end
RESTART_SECONDS = 30.0  # between starts of a mirror that dies
TICK = 0.2
LEAVE_SECONDS = 5.0  # for the mirror to finish the call it is in, when its parent leaves or is gone
NICENESS = 19
AUTOGROUP = Path("/proc/self/autogroup")


class Pushes(Protocol):
    """What the loop drives: a Mirror."""

    @property
    def refused(self) -> Mapping[int, str]: ...
    def sync(self) -> int: ...
    def close_study(self) -> None: ...
    def forget(self) -> None: ...


class Inbox(Protocol):
    """What the parent said."""

    @property
    def closing(self) -> bool: ...
    @property
    def gone(self) -> bool: ...
    def pause(self, seconds: float, closing: bool) -> None:
        """Wait, unless the parent closes, which it had not or had when last asked, or goes."""
        ...

    def await_news(self) -> None:
        """Wait until the parent has said something since the last call."""
        ...


Only = Callable[[], AbstractContextManager[Callable[[], bool] | None]]  # as Store.only_mirror


def mirror_until_closed(
    mirror: Pushes, inbox: Inbox, say: Callable[[str], None], only: Only, superseded: Callable[[], bool]
) -> None:
    """Push while no other mirror of the study does; wait for the one before to end, and end for the one after.

    Args:
        mirror: the study to push.
        inbox: what the parent says.
        say: tells the parent.
        only: a context in which this is the only mirror; None, or no longer true, where it is not.
        superseded: whether another runner has the study by now, and with it a mirror of its own.
    """
    failures = 0
    while not inbox.gone:
        try:
            if superseded():
                say("trouble another runner has the study now, and its own mirror")
                return
            with only() as ours:
                if ours is not None:
                    failures = 0
                    if mirror_loop(mirror, inbox, say, lambda: ours() and not superseded()):
                        return
                    mirror.forget()
                    continue
            say("trouble the mirror of an earlier run is still running")
            inbox.pause(TICK, inbox.closing)
        except UnknownStudy:
            say("done 0")  # it was removed
            return
        except Unreachable as error:
            _wait_out(error, failures, inbox, say)
            failures += 1


def _wait_out(error: Exception, failures: int, inbox: Inbox, say: Callable[[str], None]) -> None:
    say(f"trouble {_one_line(error)}")
    closing = inbox.closing
    inbox.pause(min(FIRST_PAUSE * 2**failures, CLOSING_PAUSE if closing else LONGEST_PAUSE), closing)


def mirror_loop(
    mirror: Pushes, inbox: Inbox, say: Callable[[str], None], may: Callable[[], bool] = lambda: True
) -> bool:
    """Push when there is news, until told to close and all is pushed, or until the parent is gone.

    Returns:
        False where it ended before that, since it may not push any more.
    """
    failures = 0
    while not inbox.gone:
        if not may():
            return False
        closing = inbox.closing
        try:
            behind = mirror.sync()
            more = behind > len(mirror.refused)
            if not more:
                mirror.close_study()
        except TrackingError as error:
            traceback.print_exc()
            _wait_out(error, failures, inbox, say)
            failures += 1
            continue
        failures = 0
        say(f"behind {behind}")
        say(_refusals(mirror.refused) or "well")
        if more:
            continue
        if closing:
            say(f"done {behind}")
            return True
        inbox.pause(PERIOD, closing)
        inbox.await_news()
    return True


def _refusals(refused: Mapping[int, str]) -> str:
    if not refused:
        return ""
    number, text = next(iter(refused.items()))
    others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    return f"trouble MLflow refuses trial {number}{others}: {_one_line(text)}"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


class PipeInbox:
    """The parent's lines, read by a thread so that the parent never waits; what was said before is known at once."""

    def __init__(self, pipe: int) -> None:
        self._parent = os.getppid()
        self._changed = threading.Condition()
        self._news = self._closing = self._gone = False
        self._line = b""  # of which the end is still to come
        while not self._gone and select.select([pipe], [], [], 0)[0]:
            self._hear(os.read(pipe, 4096))
        threading.Thread(target=self._read, args=(pipe,), name="inbox", daemon=True).start()

    @property
    def closing(self) -> bool:
        return self._closing

    @property
    def gone(self) -> bool:
        """Whether the pipe has ended, or the parent has though somebody else still holds the pipe."""
        return self._gone or os.getppid() != self._parent

    def pause(self, seconds: float, closing: bool) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._gone or self._closing != closing, timeout=seconds)

    def await_news(self) -> None:
        with self._changed:
            while not (self._news or self._closing or self.gone):
                self._changed.wait(timeout=PERIOD)
            self._news = False

    def await_end(self) -> None:
        """Wait until the parent is gone."""
        with self._changed:
            while not self.gone:
                self._changed.wait(timeout=PERIOD)

    def _read(self, pipe: int) -> None:
        # os.read and not sys.stdin: its lock, held by this thread, would be fatal when the process ends
        while not self._gone:
            self._hear(os.read(pipe, 4096))

    def _hear(self, text: bytes) -> None:
        """Take up what came; nothing: the pipe has ended."""
        *lines, self._line = (self._line + text).split(b"\n")
        with self._changed:
            self._news, self._gone = True, not text
            if b"close" in lines:
                self._closing = True
                _be_nice_among_sessions(0)  # somebody waits for the end from here on
            self._changed.notify_all()


def read_private(pipe: int) -> dict[str, str]:
    """The parent's first line: variables that are not in the environment that the process was started with."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(pipe, 1)):  # no more than the line: the rest is the inbox's
        line += byte
    found: dict[str, str] = json.loads(line or b"{}")
    return found


def run_mirror(
    mirror: Pushes,
    only: Only = lambda: contextlib.nullcontext(lambda: True),
    superseded: Callable[[], bool] = lambda: False,
) -> NoReturn:
    """What the mirror's process does: nice, alone, quiet on stdout but for its parent. Ends the process.

    Args:
        mirror: the study to push.
        only: as in mirror_until_closed: the mirror of a killed run ends before the next begins.
        superseded: likewise.
    """
    _be_nice()
    sys.stdout.flush()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print goes to the log

    def say(line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # the parent is gone; the inbox will say so
            answers.write(f"{line}\n")

    inbox = PipeInbox(sys.stdin.fileno())
    threading.Thread(target=_end_after_parent, args=(inbox,), name="end", daemon=True).start()
    mirror_until_closed(mirror, inbox, say, only, superseded)
    sys.stderr.flush()
    os._exit(0)  # all is committed; taking an interpreter with MLflow in it apart would cost the run half a second


def _end_after_parent(inbox: PipeInbox) -> None:
    """End the process soon after its parent, whatever call it is in: the study's next mirror waits for that."""
    inbox.await_end()
    time.sleep(LEAVE_SECONDS)
    os._exit(1)


def _be_nice() -> None:
    """Leave the processors to the training.

    Where Linux divides their time among sessions first, which this process has one of its own of, a process's niceness
    counts within its session alone, and the session has one, too: sched(7), "the autogroup feature".
    """
    os.nice(NICENESS)
    _be_nice_among_sessions(NICENESS)


def _be_nice_among_sessions(niceness: int) -> None:
    with contextlib.suppress(OSError):  # not of every kernel
        AUTOGROUP.write_text(str(niceness))


class MlflowTracker:
    """The Tracker: starts the mirror's process, wakes it, and listens to how it gets on.

    The process has a session of its own, so that a Ctrl-C in the terminal does not cut it short,
    and ends when this process does.

    Args:
        command: starts a process that calls run_mirror.
        log: gets whatever the process prints.
        away_seconds: how long close() waits on while MLflow is in trouble.
        private: variables that the process reads from its first line: whoever looks at it from outside sees none.
        clock: seconds, from anywhere.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        away_seconds: float = 5.0,
        private: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command, self._log, self._private = list(command), log, dict(private or {})
        self._away_seconds, self._clock = away_seconds, clock
        self._changed = threading.Condition()
        self._behind = 0
        self._trouble: str | None = None
        self._done: int | None = None
        self._closed = False
        self._start()

    def wake(self) -> None:
        if self._process.poll() is not None and self._clock() - self._started >= RESTART_SECONDS:
            self._leave()
            self._start()
        self._tell("wake")

    def behind(self) -> int:
        return self._behind

    def trouble(self) -> str | None:
        code = self._process.poll()
        if code is not None and self._done is None and not self._closed:
            return f"the process that writes to MLflow ended with exit code {code}; see {self._log}"
        return self._trouble

    def close(self, seconds: float, on_wait: Callable[[int], None] = lambda _: None) -> bool:
        """Catch up for at most `seconds`, less while MLflow is away; what is left waits for the next run."""
        if self._closed:
            return self._done == 0
        try:
            self._tell("close")
            self._catch_up(seconds, on_wait)
        finally:
            self._trouble = self.trouble()
            self._closed = True
            self._leave()
        return self._done == 0

    def _catch_up(self, seconds: float, on_wait: Callable[[int], None]) -> None:
        start = well_at = self._clock()
        while self._process.poll() is None and self._done is None:
            now = self._clock()
            well_at = now if self._trouble is None else well_at
            if now - start >= seconds or now - well_at >= self._away_seconds:
                return
            on_wait(self._behind)
            with self._changed:
                self._changed.wait_for(lambda: self._done is not None, timeout=TICK)

    def _start(self) -> None:
        self._started = self._clock()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is our own
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**ENVIRONMENT, "OMP_NUM_THREADS": "1", **os.environ},
                start_new_session=True,
            )
        if self._process.stdin is None or self._process.stdout is None:
            raise TrackingError("the process that writes to MLflow has no pipes")
        with contextlib.suppress(BrokenPipeError):  # it has ended already, which trouble() says
            os.write(self._process.stdin.fileno(), json.dumps(self._private).encode() + b"\n")
        os.set_blocking(self._process.stdin.fileno(), False)
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def _tell(self, word: str) -> None:
        stdin = self._process.stdin
        # A full pipe holds thousands of wakes that are still to be read; a broken one is seen by trouble().
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            if stdin is not None and not stdin.closed:
                os.write(stdin.fileno(), f"{word}\n".encode())

    def _listen(self, answers: IO[bytes]) -> None:
        for line in answers:
            kind, _, text = line.decode(errors="replace").strip().partition(" ")
            with self._changed:
                match kind:
                    case "behind":
                        self._behind = int(text)
                    case "trouble":
                        self._trouble = text
                    case "well":
                        self._trouble = None
                    case "done":
                        self._behind = self._done = int(text)
                self._changed.notify_all()

    def _leave(self) -> None:
        """End the process: by the end of its pipe, else by a signal; what it was writing is whole or not there."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(LEAVE_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
