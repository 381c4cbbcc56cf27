"""A worker's scratch folder, kept at a place: pushed as it is written, pulled by the next attempt."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from goodfit.trainers.artifacts.places import Place, fetch, files_of
from goodfit.trainers.errors import PlaceAway

LAST = ("facts.json", "best.pt", "last.pt", "fork.json")  # in this order: what is seen has all that it needs
FOLLOW_SECONDS = 2.0


class Keeper:
    """Keeps a scratch folder's files at a place.

    Args:
        scratch: where a worker writes; made if it is not there.
        place: where they are kept.
    """

    def __init__(self, scratch: Path, place: Place) -> None:
        self._scratch, self._place = scratch, place
        self._kept: dict[str, tuple[int, int]] = {}
        self._one_at_a_time = threading.Lock()
        scratch.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Nothing is kept from now on: what lies there is of another study that had the name."""
        self._place.remove()

    def pull(self) -> None:
        """Fetch all that an earlier attempt kept."""
        names = self._place.names()
        fetch(self._place, self._scratch, names)
        self._kept = {name: _version(self._scratch / name) for name in names}

    def push(self) -> None:
        """Keep what is new or has changed, checkpoints last, and forget what is gone."""
        with self._one_at_a_time:
            found = files_of(self._scratch)
            for name in sorted(found, key=_rank):
                self._push(name)
            for name in sorted(set(self._kept) - set(found)):
                self._place.drop(name)
                del self._kept[name]

    @contextlib.contextmanager
    def following(self, name: str, seconds: float = FOLLOW_SECONDS) -> Iterator[None]:
        """Meanwhile, push one file by itself whenever it has grown: a log, for who reads it while it is written."""
        over = threading.Event()

        def follow() -> None:
            while not over.wait(seconds):
                with contextlib.suppress(PlaceAway, OSError), self._one_at_a_time:  # the next push will tell
                    self._push(name)

        thread = threading.Thread(target=follow, name="goodfit-keeper", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _push(self, name: str) -> None:
        version = _version(self._scratch / name)
        if self._kept.get(name) != version:
            self._place.put(self._scratch / name, name)
            self._kept[name] = version


def _rank(name: str) -> tuple[int, str]:
    last: Sequence[str] = LAST
    own = name.rpartition("/")[2]
    return (last.index(own) + 1 if own in last else 0, name)


def _version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_size
