"""Optuna's TPE, which makes the same proposals here at half of the cost.

It reads a trial's parameters once, where Optuna reads those of all trials for each proposal, and it weighs all
candidates at once (densities.py). What splits the trials, what makes a mixture of each part, and what draws the
candidates are Optuna's own; tests/service/test_sampler_tpe.py holds both side by side.
"""
# ruff: noqa: ARG002 - the signatures are Optuna's

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial

if TYPE_CHECKING:  # Optuna's own name
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

Floats = NDArray[np.float64]


class Rows:
    """The parameters of trials as Optuna's models take them: a row each, NaN where a trial has no such parameter."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._values: Floats = np.empty((0, 0))

    def put(self, trial: FrozenTrial) -> None:
        for name in trial.params:
            self._columns.setdefault(name, len(self._columns))
        rows, columns = self._values.shape
        if trial.number >= rows or len(self._columns) > columns:
            known, space = self._values, rows if trial.number < rows else 2 * trial.number + 16  # twice: seldom copied
            self._values = np.full((space, len(self._columns)), np.nan)
            self._values[:rows, :columns] = known
        row = self._values[trial.number]
        row[:] = np.nan
        for name, value in trial.params.items():
            row[self._columns[name]] = trial.distributions[name].to_internal_repr(value)

    def of(self, numbers: Sequence[int], names: Collection[str]) -> Floats:
        """Those of these trials that have all of the parameters, a column each."""
        if not numbers or not self._columns.keys() >= set(names):
            return np.empty((0, len(names)))
        found = self._values[np.ix_(numbers, [self._columns[name] for name in names])]
        return found[~np.isnan(found).any(1)]


class Tpe(TPESampler):
    """Optuna's TPE for one draw.

    Args:
        seed: of the draw.
        rows: the parameters of the trials that it learns from.
    """

    def __init__(self, seed: int, rows: Rows) -> None:
        super().__init__(seed=seed)
        self._rows = rows

    def _get_internal_repr(
        self, trials: list[FrozenTrial], search_space: dict[str, BaseDistribution], study: optuna.Study
    ) -> dict[str, Floats]:
        found = self._rows.of([trial.number for trial in trials], search_space)
        return dict(zip(search_space, found.T, strict=True))

    def _compute_acquisition_func(
        self, samples: dict[str, Floats], mpe_below: _ParzenEstimator, mpe_above: _ParzenEstimator
    ) -> Floats:
        from goodfit.service.sampler.densities import log_density  # SciPy: not for commands that propose nothing

        return log_density(mpe_below, samples) - log_density(mpe_above, samples)
