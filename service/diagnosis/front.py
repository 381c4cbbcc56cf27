"""The Pareto front of a study with several objectives, and how the volume that it dominates grew trial by trial.

The hypervolume is counted from a reference a tenth of the range beyond the worst complete trial in each objective, as a
share of the box between it and the best in each: 0 to 1. It compares trials of one study, not studies.

A study that goes on after its end keeps the box of that end, so that what was shown of its hypervolume stays true.
Trials beyond the best of that box bring more than 1, those beyond its reference bring nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goodfit.service.objective import Objective
from goodfit.service.pareto import Point, added_volume, dominates
from goodfit.service.records import Trial, is_candidate, losses_of, pareto_front

BEYOND = 0.1  # of an objective's range, from its worst value to the reference


@dataclass(frozen=True, slots=True)
class Front:
    """A front, and how it came to be.

    Attributes:
        objectives: of the study.
        trials: of the front, by the first objective.
        reference: from which the hypervolume is counted, in the objectives' own values; empty without trials.
        volumes: trial number and hypervolume of the front of the trials up to it, of those that can be the best.
    """

    objectives: tuple[Objective, ...]
    trials: tuple[int, ...]
    reference: tuple[float, ...]
    volumes: tuple[tuple[int, float], ...]

    @property
    def hypervolume(self) -> float:
        """Of the whole front; 0 without trials."""
        return self.volumes[-1][1] if self.volumes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "objectives": [one.to_dict() for one in self.objectives],
            "trials": list(self.trials),
            "reference": {one.metric: value for one, value in zip(self.objectives, self.reference, strict=False)},
            "hypervolume": self.hypervolume,
            "volumes": [list(one) for one in self.volumes],
        }


def front_of(trials: Sequence[Trial], objective: Objective, kept: Mapping[str, Any] | None = None) -> Front:
    """The front of a study's trials; empty where none can be the best.

    Args:
        trials: of the study.
        objective: with several metrics.
        kept: the box that the study keeps, by box_of; None: that of these trials.
    """
    ordered, placed = _placed(trials, objective)
    if not placed:
        return Front(objective.all, (), (), ())
    best, reference = _box([point for _, point in placed]) if kept is None else (kept["best"], kept["reference"])
    whole = math.prod(end - start for start, end in zip(best, reference, strict=True))
    own = tuple(one.sign * end for one, end in zip(objective.all, reference, strict=True))
    numbers = tuple(trial.number for trial in pareto_front(ordered, objective))
    return Front(objective.all, numbers, own, tuple(_volumes(placed, tuple(reference), whole)))


def box_of(trials: Sequence[Trial], objective: Objective) -> dict[str, list[float]] | None:
    """What the hypervolume of these trials is a share of, less being better; None where none can be the best."""
    _, placed = _placed(trials, objective)
    if not placed:
        return None
    best, reference = _box([point for _, point in placed])
    return {"best": list(best), "reference": list(reference)}


def _placed(trials: Sequence[Trial], objective: Objective) -> tuple[list[Trial], list[tuple[int, Point]]]:
    """The trials that can be the best, in order, and the losses of those that have all."""
    ordered = sorted((trial for trial in trials if is_candidate(trial)), key=lambda trial: trial.number)
    return ordered, [(trial.number, point) for trial in ordered if (point := losses_of(trial, objective)) is not None]


def _box(points: Sequence[Point]) -> tuple[Point, Point]:
    """The best loss of each objective, and the reference."""
    ranges = [(min(column), max(column)) for column in zip(*points, strict=True)]
    spans = [(worst - best) or abs(worst) or 1.0 for best, worst in ranges]
    reference = tuple(worst + BEYOND * span for (_, worst), span in zip(ranges, spans, strict=True))
    return tuple(best for best, _ in ranges), reference


def _volumes(placed: Sequence[tuple[int, Point]], reference: Point, whole: float) -> Iterator[tuple[int, float]]:
    volume, front = 0.0, list[Point]()
    for number, point in placed:
        if not any(other == point or dominates(other, point) for other in front):
            volume += added_volume(point, front, reference) / whole
            front = [*(other for other in front if not dominates(point, other)), point]
        yield number, volume
