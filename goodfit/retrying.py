"""Doing something again that failed in a way that passes. All rooms use it; it knows none of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


def backoff(first: float, longest: float = math.inf, total: float = math.inf) -> Iterator[float]:
    """Pauses in seconds, each twice as long as the one before, up to `longest`, until together they are `total`."""
    pause, waited = first, 0.0
    while waited < total:
        yield pause
        waited, pause = waited + pause, min(2 * pause, longest)


def retried(act: Callable[[], T], pause: Callable[[Exception], float | None], sleep: Callable[[float], None]) -> T:
    """What `act` gives, in the end.

    Args:
        act: is called again after a failure that passes.
        pause: the seconds to wait after an error; None: it does not pass, or has lasted too long, and is raised.
        sleep: waits for so many seconds.
    """
    from tenacity import RetryCallState, Retrying  # here, for the commands that repeat nothing

    seconds = 0.0

    def passes(state: RetryCallState) -> bool:
        nonlocal seconds
        error = state.outcome.exception() if state.outcome else None
        found = pause(error) if isinstance(error, Exception) else None  # a Ctrl-C is none, and is raised
        seconds = found or 0.0
        return found is not None

    return Retrying(sleep=sleep, retry=passes, wait=lambda _state: seconds)(act)
