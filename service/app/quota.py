"""The quota of a home (GOODFIT_QUOTA): kept by removing what can go; where that is not enough, a study saves and stops.

It is looked at when a study starts, and between its trials.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from goodfit.service import errors
from goodfit.service.app.garbage import collect, home_size, uses_of
from goodfit.service.screen.words import size
from goodfit.service.settings import Settings

if TYPE_CHECKING:
    from goodfit.service.ports import Store

LOOK_SECONDS = 5.0  # between two looks: each reads the sizes of all files


class Quota:
    """Whether a home is within its quota.

    Args:
        settings: the home.
        store: its studies.
        say: gets what was removed to be within it.
        clock: seconds since the epoch.
        ticks: seconds that never go back.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._store, self._say = settings, store, say
        self._clock, self._ticks = clock, ticks
        self._looked = -math.inf
        self._exceeded: str | None = None

    def exceeded(self) -> str | None:
        """What is to be done, where the last look found more than the quota allows."""
        return self._exceeded

    def require(self) -> None:
        """Look, and refuse to start where too much is kept; HomeError says what to do."""
        self.look()
        if self._exceeded is not None:
            raise errors.HomeError(self._exceeded)

    def look(self) -> None:
        """Measure the home; over its quota, remove from studies that nobody runs what can go."""
        quota, now = self._settings.quota, self._ticks()
        if quota is None or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        kept = home_size(self._settings)
        if kept > quota and (gone := self._collected()):
            self._say(
                f"removed {size(gone)} of checkpoints that nothing needs: {self._settings.home} is over its quota"
            )
            kept = home_size(self._settings)
        self._exceeded = self._advice(kept, quota) if kept > quota else None

    def _collected(self) -> int:
        gone = 0
        for use in uses_of(self._settings, self._store, (), None, self._clock()):
            if use.goes:
                with contextlib.suppress(errors.StudyHeld, errors.UnknownStudy):  # started or removed meanwhile
                    gone += collect(self._settings, self._store, use.study, None, self._clock())
        return gone

    def _advice(self, kept: int, quota: int) -> str:
        hint = self._settings.hint
        return (
            f"the home {self._settings.home} keeps {size(kept)}, more than its quota of {size(quota)} (GOODFIT_QUOTA): "
            f"{hint('gc --keep 1')} leaves the best model of each study alone, {hint('rm NAME')} removes a study; or "
            "raise the quota"
        )
