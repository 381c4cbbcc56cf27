"""Results that are made ahead of their use, in threads: of what lets go of Python's lock, as decoding does."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(make: Callable[[T], R], items: Iterable[T], threads: int, most: int) -> Iterator[R]:
    """What `make` gives for each item, in their order; the next ones are made while one is used.

    Closed before its end, it waits for what is being made.

    Args:
        make: called in several threads at once.
        items: in order.
        threads: how many.
        most: how many results there are at once, those in use and in the making together; at least 2.
    """
    coming: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, "goodfit-ahead")
    try:
        for item in items:
            coming.append(pool.submit(make, item))
            if len(coming) >= max(2, most):
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def usable_cpus() -> int:
    """How many CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
