"""Keeps a process running: starts it, starts it again with growing pauses when it ends, and ends it with the server.

The process notices the server's death by itself: its standard input ends.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

FIRST_PAUSE = 1.0  # seconds before it is started again; each further pause is twice as long
LONGEST_PAUSE = 60.0
STEADY_SECONDS = 60.0  # after which a process counts as one that runs: the pauses begin anew
END_SECONDS = 15.0  # it may take to end by itself


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Supervisor:
    """Supervises one process.

    Args:
        command: what to run.
        name: how messages call it.
        environment: of the process; None: this one's.
        say: gets a line each time it ends.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        command: Sequence[str],
        name: str,
        *,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = _say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command, self._name, self._environment = list(command), name, environment
        self._say, self._clock = say, clock
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name=f"supervisor of the {name}", daemon=True)
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the process, in the background."""
        self._thread.start()

    def end(self, seconds: float = END_SECONDS) -> None:
        """Have the process end, by force after some seconds; returns once it has."""
        self._ending.set()
        with self._lock:
            process = self._process
        if process is not None:
            self._close_input(process)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._say(f"the {self._name} does not end; killing it")
                process.kill()
                process.wait()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        pause = FIRST_PAUSE
        while (began := self._started()) is not None:
            process, at = began
            code = process.wait()
            self._close_input(process)
            if self._ending.is_set():
                return
            if self._clock() - at >= STEADY_SECONDS:
                pause = FIRST_PAUSE
            self._say(f"the {self._name} ended ({_end_of(code)}); starting it again in {pause:g} s")
            if self._ending.wait(pause):
                return
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _started(self) -> tuple[subprocess.Popen[bytes], float] | None:
        with self._lock:  # not between the end's look at the process and its own end
            if self._ending.is_set():
                return None
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                self._command,
                stdin=subprocess.PIPE,
                env=None if self._environment is None else dict(self._environment),
                start_new_session=True,  # Ctrl-C reaches the server, which ends it in its own time
            )
            self.starts += 1
            return self._process, self._clock()

    @staticmethod
    def _close_input(process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()


def _end_of(code: int) -> str:
    """A process's end in a few words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
