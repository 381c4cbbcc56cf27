"""Pruning for several objectives: asynchronous successive halving by non-dominated rank.

Optuna's pruners know one objective. Here a trial that comes to a rung (an epoch) is held against all that have been
there, and goes on if it is on their Pareto front, or if so few have a better rank that it is among the best
1/reduction_factor. Trials that break a constraint come after all that keep them, by how much they break them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.service.objective import Objective
from goodfit.service.pareto import Point, ranks
from goodfit.service.records import Report

# Of `pruning: auto`: rungs at an eighth, a quarter and a half of the epochs.
AUTO_FACTOR, AUTO_RUNGS, AUTO_FEWEST = 2, 3, 6


class FrontPruner:
    """Judges trials at the rungs, from what all trials reported there.

    Args:
        rungs: epochs, ascending.
        factor: of so many trials at a rung, at least one goes on.
        fewest: how many have come to a rung before one is pruned there.
        objective: the objectives and the constraints.
    """

    def __init__(self, rungs: Sequence[int], factor: int, fewest: int, objective: Objective) -> None:
        self._factor, self._fewest, self._objective = factor, fewest, objective
        self._seen: dict[int, dict[int, tuple[float, Point]]] = {rung: {} for rung in rungs}
        self._pruned: set[int] = set()

    @classmethod
    def of(cls, method: str, options: Mapping[str, Any], epochs: int, objective: Objective) -> FrontPruner | None:
        """The pruner of a study file's `pruning`; None for method none."""
        if method == "none":
            return None
        if method == "auto":
            rungs = sorted({math.ceil(epochs / AUTO_FACTOR**place) for place in range(1, AUTO_RUNGS + 1)} - {epochs})
            return cls(rungs, AUTO_FACTOR, AUTO_FEWEST, objective)
        factor, least = int(options["reduction_factor"]), options["min_resource"]
        rung = max(epochs // 100, 1) if least == "auto" else int(least)
        rung *= factor ** int(options["min_early_stopping_rate"])
        found = []
        while rung < epochs:
            found.append(rung)
            rung *= factor
        return cls(found, factor, int(options["bootstrap_count"]) + 1, objective)

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Take in an epoch that measures the first objective, and judge its trial if it is a rung."""
        if epoch in self._seen:
            self._note(number, epoch, metrics)
            self.judge(number, epoch)

    def rebuild(self, reports: Sequence[Report]) -> None:
        """Know what all trials reported, as if each had been told; nothing is judged by that."""
        for report in reports:
            if report.epoch in self._seen and self._objective.metric in report.metrics:
                self._note(report.trial, report.epoch, report.metrics)

    def judge(self, number: int, epoch: int, *, pruned: bool = False) -> None:
        """Judge a trial at the last epoch that it has reported; `pruned`: it was found worse before."""
        if pruned or (number in self._seen.get(epoch, {}) and self._is_worse(number, self._seen[epoch])):
            self._pruned.add(number)

    def should_prune(self, number: int) -> bool:
        """Whether the trial should end, as judged at the last rung that it came to."""
        return number in self._pruned

    def _note(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        losses = self._objective.losses(metrics)
        violation = math.inf if losses is None else self._objective.violation(metrics) or 0.0
        self._seen[epoch].setdefault(number, (violation, losses or ()))

    def _is_worse(self, number: int, seen: Mapping[int, tuple[float, Point]]) -> bool:
        """Whether a trial's rank is beyond the best 1/factor of those at a rung."""
        if len(seen) < self._fewest:
            return False
        violation, _ = seen[number]
        if violation:
            better = sum(other < violation for other, _ in seen.values())
        else:
            feasible = {one: losses for one, (other, losses) in seen.items() if not other}
            found = dict(zip(feasible, ranks(list(feasible.values())), strict=True))
            better = sum(rank < found[number] for rank in found.values())
        return better * self._factor >= len(seen)
