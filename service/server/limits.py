"""Token buckets: how often somebody may ask. Pure but for the clock, which is passed in."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

KEPT = 10_000  # askers; the one who has not asked for longest is forgotten first


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in one go, and so many a second after that."""

    burst: float
    a_second: float


class Buckets:
    """A bucket for each asker; it is full in the beginning."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # asker -> (tokens, at)
        self._lock = threading.Lock()

    def wait(self, asker: str) -> float:
        """Take one; 0, or the seconds until there is one again, where there is none."""
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(asker, (self._rate.burst, now))
            left = min(self._rate.burst, left + max(0.0, now - at) * self._rate.a_second)
            self._left[asker] = (left - 1, now) if left >= 1 else (left, now)
            if len(self._left) > KEPT:
                self._left.popitem(last=False)
        return 0.0 if left >= 1 else (1 - left) / self._rate.a_second
