"""How fast the trials of a worker train alone and together: measured, to decide by it how an epoch is trained.

Either way an epoch is trained that had to be trained, with the same result, so measuring costs no more than the
difference in time. Models of about the same size are taken to be equally fast alone.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Sequence

TIMES = 2  # measurements before one is believed: the first of a kind pays for what is made once
KEPT = 4  # the best of the last so many counts: what else the machine does makes times longer, never shorter
AGAIN = 16  # epochs one by one before the group is tried together again, doubled with each failure

Kind = tuple[Hashable, int]  # the pack key, and the size of the model, or of the group, in powers of two


class Pace:
    """What epochs of one worker took, in seconds."""

    def __init__(self) -> None:
        self._alone: dict[Kind, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._ratios: dict[Kind, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))  # together by one by one
        self._waits: dict[Kind, int] = {}  # epochs until a slow group is tried again
        self._next_wait: dict[Kind, int] = {}

    def to_measure(self, key: Hashable, sizes: Sequence[int]) -> set[int]:
        """Which of these models, by their places, train alone now to learn how long that takes: one of each size."""
        found: dict[Kind, int] = {}
        for place, size in enumerate(sizes):
            kind = key, size.bit_length()
            if len(self._alone[kind]) < TIMES:
                found.setdefault(kind, place)
        return set(found.values())

    def alone(self, key: Hashable, size: int) -> float:
        """The seconds of an epoch of such a model alone; 0 where that is not known."""
        return min(self._alone[key, size.bit_length()], default=0.0)

    def trains_together(self, key: Hashable, sizes: Sequence[int]) -> bool:
        """Whether a group is faster together, as far as it is known."""
        kind = key, len(sizes).bit_length()
        ratios = self._ratios[kind]
        if len(ratios) < TIMES or min(ratios) <= 1.0:
            return True
        left = self._waits.get(kind)
        if left is None:
            left = self._next_wait.get(kind, AGAIN)
            self._next_wait[kind] = 2 * left
        self._waits[kind] = left - 1
        if left > 0:
            return False
        del self._waits[kind]
        ratios.clear()
        return True

    def note_alone(self, key: Hashable, size: int, seconds: float) -> None:
        """An epoch of one model took so long."""
        self._alone[key, size.bit_length()].append(seconds)

    def note_together(self, key: Hashable, sizes: Sequence[int], seconds: float) -> None:
        """An epoch of a group took so long."""
        alone = sum(self.alone(key, size) for size in sizes)
        if alone > 0:
            self._ratios[key, len(sizes).bit_length()].append(seconds / alone)
