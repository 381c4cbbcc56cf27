"""Searches for several objectives, and under constraints: proposals, pruning, and that a rebuilt one goes on alike."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import optuna
import pytest

from goodfit.search_spaces.space import Choice, Float, Space
from goodfit.service.objective import Constraint, Objective
from goodfit.service.pareto import hypervolume
from goodfit.service.records import Report, Trial, TrialState, losses_of, pareto_front, ranked
from goodfit.service.sampler import to_optuna_study
from goodfit.service.sampler.auto import AutoAllocator
from goodfit.service.sampler.front_pruning import FrontPruner
from goodfit.service.sampler.nsga import POPULATION
from goodfit.service.sampler.search import OptunaSampler
from goodfit.testing.recorder import METRIC, a_sampler

SPACE = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0), Choice("kind", ("a", "b"))))
PAIR = Objective(METRIC, "minimize", (Objective("val/accuracy", "maximize"),))
EPOCHS = 8


def metrics_of(params: Mapping[str, Any], epoch: int) -> dict[str, float]:
    """Two that pull x apart; what y and kind add is bad for both, and shows from the first epoch."""
    x, worse = params["x"], abs(params["y"] - 0.3) + 0.3 * (params["kind"] == "b")
    left = (EPOCHS - epoch) / EPOCHS
    return {METRIC: x**2 + worse + left, "val/accuracy": 1 - (x - 1) ** 2 - worse - left, "size": 3 * x}


@dataclass
class Play:
    """Trains what a sampler proposes, some at once; the records that a store would have."""

    sampler: OptunaSampler
    objective: Objective
    at_once: int = 3
    trials: dict[int, Trial] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)

    def step(self, drawn: random.Random) -> None:
        running = [number for number, trial in self.trials.items() if trial.state is TrialState.RUNNING]
        if len(running) < self.at_once:
            number = len(self.trials)
            params = self.sampler.ask(number)
            assert params is not None
            self.trials[number] = Trial(number, params, number, TrialState.RUNNING)
            return
        self._train(drawn.choice(running))

    def _train(self, number: int) -> None:
        trial = self.trials[number]
        epoch, metrics = trial.epochs + 1, metrics_of(trial.params, trial.epochs + 1)
        self.sampler.report(number, epoch, metrics[METRIC], metrics)
        self.reports.append(Report(number, epoch, metrics, float(epoch)))
        trial = replace(
            trial, epochs=epoch, value=metrics[METRIC], best_epoch=epoch,
            measured=self.objective.measured(metrics), violation=self.objective.violation(metrics),
        )  # fmt: skip
        ended = None
        if epoch == EPOCHS:
            ended = TrialState.COMPLETE
        elif self.sampler.should_prune(number):
            ended, trial = TrialState.PRUNED, replace(trial, prune_at=epoch)
        self.trials[number] = trial if ended is None else trial.to(ended)
        if ended is not None:
            self.sampler.tell(self.trials[number])

    def run(self, trials: int, seed: int = 1) -> Play:
        drawn = random.Random(seed)
        while sum(trial.state is not TrialState.RUNNING for trial in self.trials.values()) < trials:
            self.step(drawn)
        return self


def sampler(method: str, objective: Objective = PAIR, pruning: str = "none", **more: Any) -> OptunaSampler:
    return a_sampler(SPACE, method, pruning, objective=objective, **{"epochs": EPOCHS, **more})


@pytest.mark.parametrize("pruning", ["none", "auto"])
@pytest.mark.parametrize("method", ["random", "bayesian", "nsga2"])
def test_a_rebuilt_search_goes_on_alike(method: str, pruning: str) -> None:
    play = Play(sampler(method, pruning=pruning), PAIR).run(70)
    again = sampler(method, pruning=pruning)
    again.rebuild(list(play.trials.values()), play.reports)
    number = len(play.trials)
    assert [again.ask(n) for n in range(number, number + 6)] == [play.sampler.ask(n) for n in range(number, number + 6)]
    states = {trial.state for trial in play.trials.values()}
    assert (TrialState.PRUNED in states) == (pruning == "auto")


def volume(trials: Mapping[int, Trial]) -> float:
    front = [losses_of(one, PAIR) for one in pareto_front(trials.values(), PAIR)]
    return hypervolume([point for point in front if point], (2.0, 1.0))


@pytest.mark.parametrize("method", ["bayesian", "nsga2"])
def test_a_search_by_a_model_dominates_more_than_chance(method: str) -> None:
    trials = 120 if method == "nsga2" else 60
    assert trials > POPULATION
    searched = [volume(Play(sampler(method, seed=seed), PAIR).run(trials).trials) for seed in range(3)]
    drawn = [volume(Play(sampler("random", seed=seed), PAIR).run(trials).trials) for seed in range(3)]
    assert sum(searched) > sum(drawn)


def test_pruned_trials_are_kept_away_from() -> None:
    """The worse half of them has kind b, or a y that is far off."""
    play = Play(sampler("bayesian", pruning="auto"), PAIR).run(80)
    late = [trial for trial in play.trials.values() if trial.number >= 40]
    assert sum(trial.params["kind"] == "b" for trial in late) < 0.35 * len(late)


def test_a_rung_lets_the_front_and_the_better_half_go_on() -> None:
    pruner = FrontPruner([2], 2, 4, PAIR)
    points = [(0.5, 0.5), (0.4, 0.4), (0.6, 0.4), (0.7, 0.3), (0.1, 0.9), (0.45, 0.5)]
    told = []
    for number, (loss, accuracy) in enumerate(points):
        pruner.report(number, 1, {METRIC: 0.0, "val/accuracy": 0.0})
        pruner.report(number, 2, {METRIC: loss, "val/accuracy": accuracy})
        told.append(pruner.should_prune(number))
    assert told == [False, False, False, True, False, False]


def test_what_breaks_a_bound_or_was_not_measured_goes_last() -> None:
    objective = replace(PAIR, constraints=(Constraint.of("size <= 1"),))
    pruner = FrontPruner([1], 2, 1, objective)
    best = {METRIC: 0.0, "val/accuracy": 1.0}
    kept = {METRIC: 9.0, "val/accuracy": 0.0, "size": 1.0}
    cases = [{**best, "size": 1.5}, {**best, "size": 1.2}, kept, {METRIC: 0.0}]
    for number, metrics in enumerate(cases):
        pruner.report(number, 1, metrics)
    assert [pruner.should_prune(number) for number in range(4)] == [False, False, False, True]
    pruner.report(4, 1, {**best, "size": 1.6})
    assert pruner.should_prune(4)


def test_asha_has_its_own_rungs() -> None:
    options = {"min_resource": 1, "reduction_factor": 3, "min_early_stopping_rate": 1, "bootstrap_count": 0}
    pruner = FrontPruner.of("asha", options, 30, PAIR)
    assert pruner is not None
    assert sorted(pruner._seen) == [3, 9, 27]
    assert FrontPruner.of("none", {}, 30, PAIR) is None


def test_users_get_optunas_study_of_several_objectives() -> None:
    objective = replace(PAIR, constraints=(Constraint.of("size <= 1"),))
    play = Play(sampler("random", objective, "auto"), objective).run(20)
    study = to_optuna_study("s", SPACE, objective, list(play.trials.values()), play.reports)
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    front = pareto_front(play.trials.values(), objective)
    assert {trial.number for trial in study.best_trials} == {one.number for one in front}
    complete = [trial for trial in study.trials if trial.state is optuna.trial.TrialState.COMPLETE]
    assert all(trial.constraints["size <= 1"] >= 0 for trial in complete)


BOUND = Objective(METRIC, "minimize", constraints=(Constraint.of("size <= 1"),))


def test_a_search_keeps_to_where_the_bounds_are_kept() -> None:
    """The objective alone wants a large x; the bound allows a third of it."""
    objective = Objective("val/accuracy", "maximize", constraints=BOUND.constraints)

    def late(method: str) -> int:
        given = sampler(method, objective)
        for number in range(60):
            params = given.ask(number)
            assert params is not None
            metrics = metrics_of(params, EPOCHS)
            trials.append(
                Trial(
                    number, params, 0, TrialState.COMPLETE, value=metrics["val/accuracy"], epochs=EPOCHS,
                    measured=objective.measured(metrics), violation=objective.violation(metrics),
                )
            )  # fmt: skip
            given.tell(trials[-1])
        return sum(trial.feasible for trial in trials[30:])

    trials: list[Trial] = []
    by_model = late("bayesian")
    assert ranked(trials, objective)[0].params["x"] <= 1 / 3
    trials = []
    assert by_model > late("random")


def test_auto_ranks_what_breaks_a_bound_behind_all_others() -> None:
    allocator = AutoAllocator(sampler("random", BOUND), SPACE, BOUND, epochs=EPOCHS, seed=1)
    params = [{"x": x, "y": 0.3, "kind": "a"} for x in (0.9, 0.2, 0.6)]
    for number, one in enumerate(params):
        found = allocator.next(number, 4)
        assert found is not None
        for epoch in range(1, found.until or EPOCHS):
            metrics = metrics_of(one, epoch)
            allocator.report(number, epoch, 1 - metrics[METRIC], metrics)
        metrics = metrics_of(one, found.until or EPOCHS)
        allocator.report(number, found.until or EPOCHS, 1 - metrics[METRIC], metrics)
        allocator.reached(number, found.until or EPOCHS, 1.0)
    best = allocator._search.runs.best[:3]
    assert list(map(float, sorted(best))) == [float(best[place]) for place in (0, 2, 1)]
    assert all(math.isfinite(value) for value in best)
