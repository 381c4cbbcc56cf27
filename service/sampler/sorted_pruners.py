"""Optuna's pruners that compare trials, deciding the same from values that are kept sorted.

Optuna's own read every trial of the study at every report. These look a value up and put one in: a
decision costs the same in a study of 100,000 trials as in one of 100.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Mapping

import optuna
from optuna.pruners import HyperbandPruner, MedianPruner, PercentilePruner, SuccessiveHalvingPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

_RUNG = "completed_rung_"  # Optuna's name of what asha notes on a trial


class Halving(SuccessiveHalvingPruner):
    """Asha (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning").

    What a trial noted at its rungs stands on the trial, as with Optuna. It is read once a study: from
    then on all of it comes by here.
    """

    _of: object = None
    _noted: dict[int, list[float]]

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step = trial.last_step
        if step is None or self._min_resource is None:
            return False
        value, rung = trial.intermediate_values[step], 0
        while rung_key(rung) in trial.system_attrs:
            rung += 1
        while step >= self._min_resource * self._reduction_factor ** (self._min_early_stopping_rate + rung):
            if math.isnan(value):
                return True
            competing = self._competing(study, rung)
            insort(competing, value)
            study._storage.set_trial_system_attr(trial._trial_id, rung_key(rung), value)  # noqa: SLF001 - as Optuna's own
            if len(competing) <= self._bootstrap_count or not self._promotes(value, competing, study.direction):
                return True
            rung += 1
        return False

    def _promotes(self, value: float, competing: list[float], direction: StudyDirection) -> bool:
        """Whether the value is in the best 1/reduction_factor; until there are so many, whether it is the best."""
        last = max(len(competing) // self._reduction_factor, 1) - 1
        if direction == StudyDirection.MAXIMIZE:
            return value >= competing[-(last + 1)]
        return value <= competing[last]

    def _competing(self, study: optuna.Study, rung: int) -> list[float]:
        """The values that trials had at a rung, sorted."""
        if self._of is not study._storage:  # noqa: SLF001 - hyperband makes a new study object for each call
            self._of, self._noted = study._storage, defaultdict(list)  # noqa: SLF001
            for trial in study.get_trials(deepcopy=False):
                for key, value in trial.system_attrs.items():
                    if key.startswith(_RUNG):
                        self._noted[int(key.removeprefix(_RUNG))].append(value)
            for values in self._noted.values():
                values.sort()
        return self._noted[rung]


class Brackets(HyperbandPruner):
    """Hyperband (Li et al. 2018), whose brackets are asha as above."""

    def _try_initialization(self, study: optuna.Study) -> None:
        super()._try_initialization(study)
        self._pruners = [
            Halving(one._min_resource or 1, one._reduction_factor, one._min_early_stopping_rate, one._bootstrap_count)  # noqa: SLF001
            for one in self._pruners
        ]


class Complete:
    """The values that complete trials had at each epoch, sorted."""

    def __init__(self) -> None:
        self.trials = 0
        self._reports: Counter[int] = Counter()  # NaN among them
        self._values: defaultdict[int, list[float]] = defaultdict(list)

    def add(self, curve: Mapping[int, float]) -> None:
        """One more trial is complete."""
        self.trials += 1
        self._reports.update(curve.keys())
        for epoch, value in curve.items():
            if not math.isnan(value):
                insort(self._values[epoch], value)

    def percentile(self, epoch: int, percent: float, fewest: int) -> float:
        """As numpy.nanpercentile has it, to the last bit; NaN of fewer than `fewest` reports."""
        values = self._values.get(epoch)
        if not values or self._reports[epoch] < fewest:
            return math.nan
        place = (len(values) - 1) * (percent / 100)
        below = math.floor(place)
        low, high = values[below], values[min(below + 1, len(values) - 1)]
        share = place - below
        return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


class FromComplete(PercentilePruner):
    """Prunes a trial whose best value is worse than a percentile of complete trials' values at the same epoch."""

    complete: Complete

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        epoch = trial.last_step
        if not self.complete.trials or self.complete.trials < self._n_startup_trials:
            return False
        if epoch is None or epoch < self._n_warmup_steps or not self._is_due(epoch, trial.intermediate_values):
            return False
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        finite = [sign * value for value in trial.intermediate_values.values() if not math.isnan(value)]
        if not finite:
            return True
        percent = 100 - self._percentile if sign < 0 else self._percentile
        # Nothing is worse than NaN: too few reports, or none with a number.
        return min(finite) > sign * self.complete.percentile(epoch, percent, self._n_min_trials)

    def _is_due(self, epoch: int, curve: Mapping[int, float]) -> bool:
        """Whether this is the first report since the last of the epochs at which trials are compared."""
        due = (epoch - self._n_warmup_steps) // self._interval_steps * self._interval_steps + self._n_warmup_steps
        return max((other for other in curve if other != epoch), default=-1) < due


class Percentile(FromComplete):
    """Optuna's percentile pruner."""


class Median(FromComplete, MedianPruner):
    """Optuna's median pruner (Golovin et al. 2017, "Google Vizier", the median stopping rule)."""


def rung_key(rung: int) -> str:
    """Under which a trial's value at a rung stands on it."""
    return f"{_RUNG}{rung}"
