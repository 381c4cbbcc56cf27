"""How long a trial waits for the batches of torch's DataLoaders, whichever library iterates over them.

While a trial trains, the time that a DataLoader takes to give a batch counts as waiting for data: with worker processes
that is what they are behind, without them all that reading and collating takes. Torch is imported nowhere here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from time import perf_counter
from types import ModuleType
from typing import Any

from goodfit.trainers.seeding import after_import

MODULE = "torch.utils.data.dataloader"
_current: tuple[tuple[int, Callable[[float], None]], ...] = ()  # of the trial that runs: its thread, and who is told


@contextlib.contextmanager
def timed(waited: Callable[[float], None]) -> Iterator[None]:
    """While a trial trains in this thread, say how long each batch was waited for."""
    global _current
    before, _current = _current, (*_current, (threading.get_ident(), waited))
    after_import(MODULE, _time)
    try:
        yield
    finally:
        _current = before


def _time(module: ModuleType) -> None:
    """Have the iterators of DataLoaders measure the time of each batch."""
    loader: Any = module
    kind = loader._BaseDataLoaderIter  # noqa: SLF001
    following = kind.__next__
    if getattr(following, "is_timed", False):
        return

    def timed_next(self: Any) -> Any:
        began = perf_counter()
        try:
            return following(self)
        finally:
            if _current and _current[-1][0] == threading.get_ident():
                _current[-1][1](perf_counter() - began)

    timed_next.is_timed = True  # type: ignore[attr-defined]
    kind.__next__ = timed_next
