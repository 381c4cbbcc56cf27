"""A store whose process dies at one of its writes."""

from __future__ import annotations

from typing import Any

from goodfit.service.records import Batch, Lease
from goodfit.service.store import SqlStore


class Killed(BaseException):
    """The process is gone: nothing after this line was done."""


class Mortal:
    """A store whose process dies at a given write: before it, or right after it."""

    def __init__(self, store: SqlStore, dies_at: int, *, after: bool) -> None:
        self._store, self.left, self.after = store, dies_at, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def apply(self, lease: Lease, batch: Batch) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        self._store.apply(lease, batch)
        if self.left == 0:
            raise Killed
