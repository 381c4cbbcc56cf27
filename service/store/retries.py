"""A store whose calls outlast a database that is away, such as one that is restarted.

Of a call that found nobody it cannot be known whether it was carried out: only calls that may be made twice
are tried again. Taking a lease is made such here.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from goodfit.retrying import backoff, retried
from goodfit.service.errors import Fenced, Unreachable
from goodfit.service.records import Lease
from goodfit.service.store.opening import Database, open_database
from goodfit.service.store.sql import SqlStore

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds; doubled with each failure

# Not those that put something new there: add_study, edit, reopen, remove, tokens. Nor only_mirror, which is no call.
_AGAIN = (
    "files", "study", "studies", "page_of_studies", "trials", "page_of_trials", "trial", "reports", "top", "confirming",
    "tally", "counts", "decisions", "page_of_decisions", "versions", "pending",
    "release", "holder", "fence", "apply", "ask_stop", "waiting", "note_waits", "behind",
    "unmirrored", "mirrored_epochs", "note_mirrored", "note_study_mirrored",
)  # fmt: skip


class PatientStore(SqlStore):
    """A SqlStore that tries again while its database cannot be reached.

    Args:
        database: open.
        patience: seconds after which a call gives up; Unreachable then.
        sleep: waits for so many seconds.
        clock: seconds, from anywhere.
    """

    def __init__(
        self,
        database: Database,
        patience: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(database)
        self._patience, self._sleep, self._clock = patience, sleep, clock

    def acquire(self, study_id: int, owner: str, now: float, ttl: float, dead: Callable[[str], bool]) -> Lease:
        def attempt(waited: float, again: bool) -> Lease:
            ours = (lambda name: name == owner or dead(name)) if again else dead  # the first may have been granted
            return SqlStore.acquire(self, study_id, owner, now + waited, ttl, ours)

        return self._patiently(attempt)

    def hand_over(self, lease: Lease, owner: str, now: float, ttl: float) -> Lease:
        def attempt(waited: float, again: bool) -> Lease:
            try:
                return SqlStore.hand_over(self, lease, owner, now + waited, ttl)
            except Fenced:
                held = SqlStore.holder(self, lease.study_id) if again else None
                if held is None or (held.owner, held.fence) != (owner, lease.fence + 1):
                    raise
                return held  # the first was carried out

        return self._patiently(attempt)

    def renew(self, lease: Lease, now: float, ttl: float) -> bool:
        # The lease lasts from when it is renewed, not from when that was first tried.
        return self._patiently(lambda waited, _again: SqlStore.renew(self, lease, now + waited, ttl))

    def _patiently(self, attempt: Callable[[float, bool], T]) -> T:
        """What an attempt gives: it is told how long this has waited, and whether it is not the first."""
        begun, pauses, failures = self._clock(), backoff(FIRST_PAUSE, LONGEST_PAUSE), list[Exception]()

        def pause(error: Exception) -> float | None:
            left = self._patience - (self._clock() - begun)
            if left <= 0 or not isinstance(error, Unreachable):
                return None
            if not failures:
                logging.getLogger(__name__).warning("%s; trying again for %.0f s", error, left)
            failures.append(error)
            return min(next(pauses), left)

        return retried(lambda: attempt(self._clock() - begun, bool(failures)), pause, self._sleep)


def _patient(name: str) -> Callable[..., Any]:
    plain = getattr(SqlStore, name)

    @functools.wraps(plain)
    def call(self: PatientStore, *arguments: Any, **named: Any) -> Any:
        return self._patiently(lambda _waited, _again: plain(self, *arguments, **named))

    return call


for _name in _AGAIN:
    setattr(PatientStore, _name, _patient(_name))


def open_store(url: str, patience: float = 0.0) -> SqlStore:
    """Open the store at sqlite:///FILE or postgresql://...; its tables are created or upgraded where needed.

    Args:
        url: where it is.
        patience: seconds for which each later call tries to reach the database, where that may be done twice.
            Opening does not wait: a URL that is wrong should be told at once.

    Raises:
        HomeError: the database cannot be used, or was written by a newer Goodfit.
    """
    database = open_database(url)
    return PatientStore(database, patience) if patience > 0 else SqlStore(database)
