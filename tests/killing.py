"""A store whose process dies at one of its writes, and one that keeps what a process that dies at each would leave."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
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


class Witness:
    """A store in SQLite that is copied at each of its writes, before it or right after it.

    A study that goes on from each copy is one that was killed there, and what came before is run once for all.

    Args:
        store: in goodfit.db.
        folder: of the database; the copies get folders in it.
        clock: what time it is, kept with each copy.
        after: which of the two.
    """

    def __init__(self, store: SqlStore, folder: Path, clock: Callable[[], float], *, after: bool) -> None:
        self._store, self._folder, self._clock, self._after = store, folder, clock, after
        self.moments: list[tuple[Path, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def apply(self, lease: Lease, batch: Batch) -> None:
        if not self._after:
            self._keep()
        self._store.apply(lease, batch)
        if self._after:
            self._keep()

    def _keep(self) -> None:
        kept = self._folder / f"{len(self.moments) + 1}"
        kept.mkdir()
        with (
            closing(sqlite3.connect(self._folder / "goodfit.db")) as now,
            closing(sqlite3.connect(kept / "goodfit.db")) as copy,
        ):
            now.backup(copy)
        self.moments.append((kept, self._clock()))
