"""A budget of epochs: how many are left, and up to where a trial may train with them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from goodfit.service.records import Trial
from goodfit.service.scheduler.events import Plan


class EpochBudget:
    """Counts the epochs of a search.

    Args:
        plan: of the study; without a budget of epochs there is no end to them.
        trials: what has been trained already.

    Attributes:
        trained: epochs of the search so far.
    """

    def __init__(self, plan: Plan, trials: Iterable[Trial]) -> None:
        self._plan = plan
        self.trained = sum(trial.epochs for trial in trials if trial.confirms is None)

    def note(self, trial: Trial) -> None:
        """A trial has trained one epoch more."""
        self.trained += trial.confirms is None

    def left(self, given: Iterable[Trial]) -> float:
        """How many epochs are neither trained nor given to one of these, which run or wait for a worker."""
        if self._plan.epoch_budget is None:
            return math.inf
        reserved = sum(self._target(trial) - trial.epochs for trial in given if trial.confirms is None)
        return self._plan.epoch_budget - self.trained - reserved

    def until(self, wanted: int | None, trained: int, left: float) -> int | None:
        """Up to where a trial trains that may go on to an epoch: no further than what is left; None: to its end."""
        wanted = self._plan.epochs if wanted is None else wanted
        last = wanted if wanted <= trained + left else int(trained + left)
        return last if last < self._plan.epochs else None

    def _target(self, trial: Trial) -> int:
        return self._plan.epochs if trial.until is None else trial.until
