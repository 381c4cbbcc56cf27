"""The slots of a study's workers: which trials take them, and which wait for a free one."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from goodfit.service.records import Trial


class Workers:
    """What runs and what waits, by the trials' numbers.

    Attributes:
        slots: how many trials of the usual share may run at a time.
        to_resume: trials being paused that are to go on as soon as their workers have let them go.
        overtime: trials whose attempt is past its time.
    """

    def __init__(self) -> None:
        self.slots = 0
        self.to_resume: set[int] = set()
        self.overtime: set[int] = set()
        self._queue: deque[int] = deque()
        self._resumed: set[int] = set()  # in the queue, after a pause
        self._running: dict[int, int] = {}  # trial -> how many slots it takes
        self._load = 0  # the sum of these

    def __contains__(self, number: int) -> bool:
        """Whether the trial runs."""
        return number in self._running

    def __iter__(self) -> Iterator[int]:
        """The trials that run or wait."""
        yield from self._running
        yield from self._queue

    @property
    def running(self) -> list[int]:
        return sorted(self._running)

    @property
    def waiting(self) -> Sequence[int]:
        """In the order in which they are to start."""
        return self._queue

    @property
    def is_idle(self) -> bool:
        """Whether no trial runs."""
        return not self._running

    @property
    def is_free(self) -> bool:
        return self._load < self.slots

    def resumes(self, number: int) -> bool:
        """Whether the trial waits to go on after a pause."""
        return number in self._resumed

    def wait(self, number: int, *, front: bool = False, resumed: bool = False) -> None:
        """Put a trial into the queue; at its front where it has been trained already and goes on."""
        if resumed:
            self._resumed.add(number)
        if front:
            self._queue.appendleft(number)
        else:
            self._queue.append(number)

    def next(self, trial: Callable[[int], Trial]) -> Trial | None:
        """The first trial of the queue, if it may start now: one that takes more than all may when nothing runs."""
        if not self._queue:
            return None
        first = trial(self._queue[0])
        fits = self._load + _weight(first) <= self.slots or (self.slots > 0 and not self._running)
        return first if fits else None

    def start(self, trial: Trial) -> None:
        """Give slots to the first trial of the queue."""
        self._queue.remove(trial.number)
        self._resumed.discard(trial.number)
        self._running[trial.number] = _weight(trial)
        self._load += _weight(trial)

    def end(self, number: int) -> None:
        """Free the slots of a trial that runs."""
        self._load -= self._running.pop(number)

    def drop(self, numbers: set[int]) -> None:
        """Take trials out of the queue."""
        self._queue = deque(number for number in self._queue if number not in numbers)


def _weight(trial: Trial) -> int:
    """How many slots a trial takes."""
    return math.ceil(trial.share)
