"""A trial whose loss is not a number is infeasible: the search keeps away from there, pruners never hear of it."""

from __future__ import annotations

import math
from dataclasses import replace

import optuna
import pytest

from goodfit.search_spaces.space import Float, Space
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Report, Trial, TrialState
from goodfit.service.sampler import to_optuna_study
from goodfit.testing.recorder import METRIC, a_sampler

SPACE = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))
TRIALS = 60


def trained(number: int, params: dict[str, float], *, told: bool) -> Trial:
    """Best next to a cliff: x above 0.6 is not a number; and if the sampler is not told why, a mere failure."""
    x, y = params["x"], params["y"]
    if x > 0.6:
        failure = Failure.NAN if told else Failure.ERROR
        return Trial(number, params, 1, TrialState.FAILED, failure=failure, epochs=int(10 * (1 - x)))
    return Trial(number, params, 1, TrialState.COMPLETE, value=(x - 0.6) ** 2 + (y - 0.5) ** 2, epochs=9)


def searched(seed: int, *, told: bool, rebuilt_at: int | None = None) -> list[Trial]:
    sampler = a_sampler(SPACE, "bayesian", seed=seed)
    trials: list[Trial] = []
    for number in range(TRIALS):
        if number == rebuilt_at:
            sampler = a_sampler(SPACE, "bayesian", seed=seed)
            sampler.rebuild(trials, [])
        params = sampler.ask(number)
        assert params is not None
        trials.append(trained(number, params, told=told))
        sampler.tell(trials[-1])
    return trials


def failed(trials: list[Trial]) -> int:
    """Of the second half, once there is a model."""
    return sum(trial.state is TrialState.FAILED for trial in trials[TRIALS // 2 :])


def test_fewer_trials_are_spent_where_losses_are_not_numbers() -> None:
    told = sum(failed(searched(seed, told=True)) for seed in range(4))
    untold = sum(failed(searched(seed, told=False)) for seed in range(4))
    assert told < 0.6 * untold, (told, untold)


def test_a_rebuilt_search_goes_on_alike() -> None:
    assert searched(3, told=True) == searched(3, told=True, rebuilt_at=40)


def test_a_space_where_nothing_is_a_number_is_searched_on() -> None:
    sampler = a_sampler(Space((Float("x", 0.0, 1.0),)), "bayesian")
    seen = set()
    for number in range(30):
        params = sampler.ask(number)
        assert params is not None
        seen.add(params["x"])
        sampler.tell(Trial(number, params, 1, TrialState.FAILED, failure=Failure.NAN, epochs=int(9 * params["x"])))
    assert len(seen) == 30


@pytest.mark.parametrize("pruning", ["median", "asha", "hyperband"])
def test_no_pruner_is_told_of_it(pruning: str) -> None:
    """A failure for whatever reason weighs the same in the pruners' eyes."""
    answers = []
    for failure in (Failure.NAN, Failure.ERROR):
        sampler = a_sampler(SPACE, "random", pruning, {"n_startup_trials": 2} if pruning == "median" else {})
        for number in range(8):
            params = sampler.ask(number)
            assert params is not None
            if number % 2:
                sampler.report(number, 1, 0.1)
                sampler.report(number, 2, math.nan)
                sampler.tell(Trial(number, params, 1, TrialState.FAILED, failure=failure, epochs=2))
                continue
            for epoch in range(1, 10):
                sampler.report(number, epoch, number / epoch)
                answers.append((failure, number, epoch, sampler.should_prune(number)))
            sampler.tell(Trial(number, params, 1, TrialState.COMPLETE, value=number / 9, epochs=9))
    half = len(answers) // 2
    assert [answer[1:] for answer in answers[:half]] == [answer[1:] for answer in answers[half:]]


def test_users_see_a_failed_trial() -> None:
    trials = [replace(trained(number, {"x": number / 4, "y": 0.5}, told=True), seed=number) for number in range(5)]
    reports = [Report(4, 1, {METRIC: 0.5}, 0.0), Report(4, 2, {METRIC: math.nan}, 0.0)]
    study = to_optuna_study("s", SPACE, Objective(METRIC, "minimize"), trials, reports)
    states = [trial.state for trial in study.trials]
    assert states == [optuna.trial.TrialState.COMPLETE] * 3 + [optuna.trial.TrialState.FAIL] * 2
    assert study.best_trial.number == 2
