"""The Pareto front of a study with several objectives, and how the volume that it dominates grew trial by trial.

The hypervolume is counted from a reference a tenth of the range beyond the worst complete trial in each objective, as a
share of the box between it and the best in each: 0 to 1. It compares trials of one study, not studies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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


def front_of(trials: Sequence[Trial], objective: Objective) -> Front:
    """The front of a study's trials; empty where none can be the best."""
    ordered = sorted((trial for trial in trials if is_candidate(trial)), key=lambda trial: trial.number)
    placed = [(trial.number, point) for trial in ordered if (point := losses_of(trial, objective)) is not None]
    if not placed:
        return Front(objective.all, (), (), ())
    columns = list(zip(*(point for _, point in placed), strict=True))
    ranges = [(min(column), max(column)) for column in columns]
    spans = [(worst - best) or abs(worst) or 1.0 for best, worst in ranges]
    reference = tuple(worst + BEYOND * span for (_, worst), span in zip(ranges, spans, strict=True))
    box = math.prod(end - best for (best, _), end in zip(ranges, reference, strict=True))
    own = tuple(one.sign * end for one, end in zip(objective.all, reference, strict=True))
    numbers = tuple(trial.number for trial in pareto_front(ordered, objective))
    return Front(objective.all, numbers, own, tuple(_volumes(placed, reference, box)))


def _volumes(placed: Sequence[tuple[int, Point]], reference: Point, box: float) -> Iterator[tuple[int, float]]:
    volume, front = 0.0, list[Point]()
    for number, point in placed:
        if not any(other == point or dominates(other, point) for other in front):
            volume += added_volume(point, front, reference) / box
            front = [*(other for other in front if not dominates(point, other)), point]
        yield number, min(1.0, volume)
