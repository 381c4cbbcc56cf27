"""Proposals: defaults first, no repetitions, what the model is told, and a quiet Optuna."""

from __future__ import annotations

import logging
import math
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.space import Choice, Fixed, Float, Int, Space
from service.records import Report, Trial, TrialState
from tests.sampling import CONDITIONAL, FINITE, METRIC, Recorder, a_sampler

BOTH = pytest.mark.parametrize("method", ["random", "bayesian"])


def first(space: Space, defaults: dict[str, Any], **more: Any) -> dict[str, Any]:
    params = a_sampler(space, "bayesian", try_defaults=True, defaults=defaults, **more).ask(0)
    assert params is not None
    return params


def test_trial_0_takes_the_trainers_defaults() -> None:
    defaults = {"optimizer": "sgd", "momentum": 0.8, "nesterov": True, "warmup": 10, "dropout": 0.1, "batch_size": 32}
    assert first(CONDITIONAL, defaults) == {**defaults, "batch_size": 64}


def test_a_default_that_is_not_active_or_not_in_its_range_is_not_taken() -> None:
    defaults = {"optimizer": "adam", "momentum": 0.8, "nesterov": True, "dropout": 0.9, "unknown": 1}
    params = first(CONDITIONAL, defaults)
    assert list(params) == ["batch_size", "optimizer", "dropout", "clip"]
    assert params["optimizer"] == "adam"
    assert params["dropout"] <= 0.5


@pytest.mark.parametrize("value", ["lion", None, 1, math.nan, [1]])
def test_a_default_that_is_no_choice_never_reaches_optuna(value: object) -> None:
    assert first(CONDITIONAL, {"optimizer": value, "dropout": value})["optimizer"] in ("sgd", "adam")


def test_a_default_comes_in_the_parameters_own_type() -> None:
    space = Space((Float("l1", 0, 1), Int("depth", 1, 4), Float("dropout", 0.0, 0.5, step=0.1)))
    params = first(space, {"l1": 0, "depth": 2.0, "dropout": 0.1 + 0.2})
    assert params == {"l1": 0.0, "depth": 2, "dropout": 0.3}
    assert [type(value) for value in params.values()] == [float, int, float]


def test_the_defaults_are_not_tried_in_a_grid_or_when_they_are_not_wanted() -> None:
    defaults = {"depth": 3, "bias": "1", "dropout": 0.2}
    assert first(FINITE, defaults) == defaults
    assert a_sampler(FINITE, "grid", try_defaults=True, defaults=defaults).ask(0) == FINITE.grid_point(0)
    untried = [a_sampler(FINITE, seed=seed, try_defaults=False, defaults=defaults).ask(0) for seed in range(20)]
    assert any(params != defaults for params in untried)


def test_only_trial_0_takes_the_defaults() -> None:
    sampler = a_sampler(try_defaults=True, defaults={"learning_rate": 1e-3})
    rates = [(sampler.ask(number) or {})["learning_rate"] for number in range(4)]
    assert rates[0] == 1e-3
    assert len(set(rates)) == 4


@BOTH
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_finite_space_is_proposed_without_repetition_until_all_of_it_was(method: str, seed: int) -> None:
    recorder = Recorder(a_sampler(FINITE, method, seed=seed))
    size = FINITE.cardinality()
    assert size == 27
    for _ in range(size):
        params = recorder.ask()
        assert params is not None
        number = len(recorder.trials) - 1
        recorder.report(number, params["depth"] + params["dropout"])
        recorder.end(number, TrialState.COMPLETE)
    assert len({repr(trial.params) for trial in recorder.trials.values()}) == size
    assert recorder.ask() in [trial.params for trial in recorder.trials.values()]


@BOTH
def test_parallel_workers_get_different_configurations(method: str) -> None:
    sampler = a_sampler(FINITE, method)
    proposals = [repr(sampler.ask(number)) for number in range(27)]
    assert len(set(proposals)) == 27


@BOTH
def test_a_branch_that_is_spent_gives_way_to_the_continuous_one(method: str) -> None:
    space = Space((Choice("optimizer", ("adam", "sgd")), Float("momentum", 0.0, 1.0, when={"optimizer": "sgd"})))
    sampler = a_sampler(space, method)
    proposals = [sampler.ask(number) for number in range(40)]
    assert proposals.count({"optimizer": "adam"}) == 1


def test_a_space_of_one_configuration_is_proposed_again_and_again() -> None:
    space = Space((Fixed("batch_size", 64), Int("depth", 2, 2), Choice("activation", ("relu",)), Float("l1", 0.5, 0.5)))
    sampler = a_sampler(space, "bayesian")
    only = {"batch_size": 64, "depth": 2, "activation": "relu", "l1": 0.5}
    assert [sampler.ask(number) for number in range(3)] == [only] * 3


def test_a_space_with_nothing_to_choose_gives_what_is_fixed() -> None:
    sampler = a_sampler(Space((Fixed("batch_size", 64),)), "grid")
    assert [sampler.ask(0), sampler.ask(1)] == [{"batch_size": 64}, None]


def test_steps_come_out_as_the_user_wrote_them() -> None:
    space = Space((Float("dropout", 0.0, 0.55, step=0.1), Int("width", 8, 70, step=8)))
    sampler = a_sampler(space)
    proposals = [sampler.ask(number) or {} for number in range(48)]
    assert {params["dropout"] for params in proposals} == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}
    assert {params["width"] for params in proposals} == {8, 16, 24, 32, 40, 48, 56, 64}


def test_true_and_1_are_different_choices() -> None:
    sampler = a_sampler(Space((Choice("bias", (1, True, "1", None)),)))
    proposals = [(sampler.ask(number) or {})["bias"] for number in range(4)]
    assert {repr(choice) for choice in proposals} == {"1", "True", "'1'", "None"}


def regret(params: dict[str, Any]) -> float:
    penalty = 0.0 if params["optimizer"] == "sgd" else 0.5
    return penalty + abs(params["dropout"] - 0.35) + abs(params.get("momentum", 0.5) - 0.8)


def late_regret(method: str, seed: int) -> float:
    recorder = Recorder(a_sampler(CONDITIONAL, method, seed=seed))
    for number in range(60):
        params = recorder.ask()
        assert params is not None
        recorder.report(number, regret(params))
        recorder.end(number, TrialState.COMPLETE)
    return sum(recorder.trials[number].value or 0.0 for number in range(40, 60)) / 20


def test_bayesian_search_comes_to_prefer_what_did_well() -> None:
    bayesian, random = (sum(late_regret(method, seed) for seed in range(3)) for method in ("bayesian", "random"))
    assert bayesian < 0.6 * random


def test_bayesian_search_learns_nothing_from_failed_and_cancelled_trials() -> None:
    told, untold = (Recorder(a_sampler(method="bayesian")) for _ in range(2))
    for number in range(20):
        for recorder in (told, untold):
            recorder.ask()
        state = TrialState.FAILED if number % 2 else TrialState.CANCELLED
        told.trials[number] = Trial(number, told.trials[number].params, 0, TrialState.RUNNING, value=number / 20)
        told.end(number, state)
    assert told.ask() == untold.ask()  # still at random: nothing to model


def test_a_complete_trial_without_a_value_is_no_result() -> None:
    recorder = Recorder(a_sampler(method="bayesian"))
    for number in range(12):
        recorder.ask()
        recorder.end(number, TrialState.COMPLETE)
    assert recorder.ask() is not None


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(-(2**63), 2**63), number=st.integers(1, 5))
def test_any_seed_will_do(seed: int, number: int) -> None:
    sampler = a_sampler(seed=seed)
    assert all(sampler.ask(index) for index in range(number))


def test_optunas_loggers_say_nothing_and_keep_their_level(capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    root = logging.getLogger().level
    try:
        sampler = a_sampler()
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler.rebuild([], [])
    assert logging.getLogger().level == root
    assert capfd.readouterr().err == ""


def test_a_rebuild_forgets_what_was_there_before() -> None:
    sampler = a_sampler(method="bayesian", pruning="median")
    fresh = [sampler.ask(number) for number in range(3)]
    sampler.report(0, 1, 0.5)
    sampler.rebuild([], [])
    assert [sampler.ask(number) for number in range(3)] == fresh


def test_reports_may_come_in_any_order_in_a_rebuild() -> None:
    sampler = a_sampler(pruning="asha", options={"reduction_factor": 2})
    params = {"learning_rate": 0.01, "depth": 1, "activation": "relu"}
    trials = [Trial(number, {**params, "depth": number + 1}, 0, TrialState.RUNNING) for number in (1, 0)]
    reports = [Report(n, epoch, {METRIC: 0.1 + n}, 0.0) for epoch in (2, 1) for n in (1, 0)]
    sampler.rebuild(trials, reports)
    sampler.report(0, 3, 0.1)
    assert not sampler.should_prune(0)
