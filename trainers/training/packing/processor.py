"""Keeps a worker's threads to the processor on which it has been training, as long as it has that for itself.

Where there is more to do than there are processors (a study's runner, its mirror), Linux puts two training threads onto
one of them every now and then, and takes a while to see it: each gets half of its time meanwhile. A thread that stays
where it is does not meet the other. One that does share its processor is set free, so that Linux finds it another.
The trials' threads, of which one runs while that one waits, find in its processor's caches what they need.
"""

from __future__ import annotations

import os
from pathlib import Path

OWN, SHARED = 0.75, 0.6  # CPU time by time: of a thread that has a processor for itself, and of one that shares it
WINDOW = 0.05  # seconds of training that are judged at once
STAT = Path("/proc/thread-self/stat")
LAST_PROCESSOR = 36  # among the fields after the name: proc_pid_stat(5)


class Processor:
    """That of the one thread that calls `note` and `let_go`. Does nothing where there is no choice.

    Attributes:
        allowed: where that thread may run.
    """

    def __init__(self) -> None:
        self._all = self.allowed = os.sched_getaffinity(0) if STAT.exists() else set[int]()
        self._busy, self._seconds = 0.0, 0.0

    def note(self, busy: float, seconds: float) -> None:
        """The thread has trained for so many seconds, for so many of which it was running."""
        if len(self._all) < 2:
            return
        self._busy, self._seconds = self._busy + busy, self._seconds + seconds
        if self._seconds < WINDOW:
            return
        share, self._busy, self._seconds = self._busy / self._seconds, 0.0, 0.0
        if self.allowed is self._all and share >= OWN:
            self._allow({_last_processor()})
        elif share < SHARED:
            self.let_go()

    def let_go(self) -> None:
        """Let the thread run anywhere, until it is noted again: what it does next is not training."""
        if self.allowed is not self._all:
            self._allow(self._all)

    def _allow(self, processors: set[int]) -> None:
        if _run_on(processors):
            self.allowed = processors

    def place(self, allowed: set[int] | None, *, beside: bool) -> set[int] | None:
        """Have another thread, which calls this, run where this one does, or anywhere; where it may run then.

        Args:
            allowed: where it may run so far; None: where the thread may that started it.
            beside: run where this one does.
        """
        wanted = self.allowed if beside else self._all
        if len(self._all) < 2 or wanted is allowed or not _run_on(wanted):
            return allowed
        return wanted


def _last_processor() -> int:
    return int(STAT.read_text().rpartition(")")[2].split()[LAST_PROCESSOR])


def _run_on(processors: set[int]) -> bool:
    """Whether the system lets the thread have these alone: it may have taken one away since."""
    try:
        os.sched_setaffinity(0, processors)
    except OSError:
        return False
    return True
