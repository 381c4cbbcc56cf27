"""What a search is measured on: a space, learning curves, and how good random configurations are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from goodfit.search_spaces.space import Space
from goodfit.service.objective import Objective

Floats = NDArray[np.float64]

WORST = 2.0  # a regret beyond that counts as this, so that one failure does not decide a mean


Refused = Callable[[Mapping[str, Any]], bool]
Nearest = Callable[[Mapping[str, Any], Refused], dict[str, Any] | None]


class Curve(Protocol):
    """The training of one configuration; epochs count from 1."""

    def value(self, epoch: int) -> float:
        """The objective after an epoch; NaN ends the training."""
        ...

    def seconds(self, epoch: int) -> float:
        """How long that epoch takes."""
        ...


@dataclass(frozen=True, slots=True)
class WholeCurve:
    """A curve of which every epoch is known."""

    values: Sequence[float] | Floats
    durations: Sequence[float] | Floats

    def value(self, epoch: int) -> float:
        return float(self.values[epoch - 1])

    def seconds(self, epoch: int) -> float:
        return float(self.durations[epoch - 1])


@dataclass(frozen=True, slots=True)
class Reference:
    """What random configurations of a task, trained to their end, come to.

    Attributes:
        best: the best of them, each at its best epoch.
        median: of them, likewise.
        seconds: a full training, the median.
    """

    best: float
    median: float
    seconds: float

    @classmethod
    def of(cls, objective: Objective, values: Floats, durations: Floats) -> Reference:
        """Of curves as rows; a configuration that never has a finite value is left out of the first two."""
        signed = np.where(np.isfinite(values), objective.sign * values, math.inf).min(axis=1)
        bests = objective.sign * signed[np.isfinite(signed)]
        return cls(objective.best(bests.tolist()), float(np.median(bests)), float(np.median(durations.sum(axis=1))))

    def regret(self, value: float) -> float:
        """How far a value is from the best, in units of how far the median is; below 0 it is better than all."""
        if not math.isfinite(value):
            return WORST
        return min(WORST, (self.best - value) / (self.best - self.median))


@dataclass(frozen=True, slots=True)
class Task:
    """One problem.

    Attributes:
        name: of the task.
        space: what is searched.
        epochs: of a full training.
        objective: the metric of the curves, and whether more or less of it is better.
        reference: what regret is measured by.
        curve: the curve of a configuration.
        nearest: of a task that knows some configurations only: the one nearest to a configuration, among those that
            the function does not refuse; None: it refuses all.
    """

    name: str
    space: Space
    epochs: int
    objective: Objective
    reference: Reference
    curve: Callable[[Mapping[str, Any]], Curve]
    nearest: Nearest | None = None

    @property
    def epoch_seconds(self) -> float:
        """Of a median epoch."""
        return self.reference.seconds / self.epochs
