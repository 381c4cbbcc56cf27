"""Proposals: defaults first, no repetitions, what the model is told, and a quiet Optuna."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.search_spaces.scalars import same
from goodfit.search_spaces.space import Choice, Fixed, Float, Int, Space
from goodfit.service.errors import InputError
from goodfit.service.ports import Tried
from goodfit.service.records import Report, Trial, TrialState
from goodfit.testing.recorder import CONDITIONAL, FINITE, METRIC, Recorder, a_sampler

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
    grid = [a_sampler(FINITE, "grid", seed=seed, try_defaults=True, defaults=defaults).ask(0) for seed in range(20)]
    assert any(params != defaults for params in grid)
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


@pytest.mark.parametrize("method", ["random", "bayesian", "grid"])
def test_when_all_configurations_were_proposed_there_is_no_other(method: str) -> None:
    sampler = a_sampler(FINITE, method, repeats=False)
    proposals = [repr(sampler.ask(number)) for number in range(27)]
    assert len(set(proposals)) == 27
    assert sampler.ask(27) is None


def test_the_seed_draws_the_order_of_a_grid() -> None:
    huge = Space((Int("a", 1, 10**6), Int("b", 1, 10**6), Float("c", 0, 1, step=1e-4)))
    one, same, other = (a_sampler(huge, "grid", seed=seed) for seed in (1, 1, 2))
    points = [one.ask(number) or {} for number in range(20)]
    assert [same.ask(number) for number in range(20)] == points
    assert other.ask(0) != points[0]
    assert all(len({point[name] for point in points}) > 10 for name in "abc")


def test_a_grid_that_an_older_version_began_in_order_is_finished_without_repetition() -> None:
    begun = [Trial(number, FINITE.grid_point(number), 0, TrialState.COMPLETE, value=0.5) for number in range(20)]
    sampler = a_sampler(FINITE, "grid")
    sampler.rebuild(begun, [])
    rest = [sampler.ask(number) for number in range(20, 27)]
    assert sorted([*rest, *(trial.params for trial in begun)], key=str) == sorted(FINITE.grid(), key=str)
    assert sampler.ask(27) is None


def test_own_configurations_come_first_and_then_the_defaults() -> None:
    own = [{"optimizer": "sgd", "momentum": 0.6, "nesterov": False, "dropout": 0.3}, {"dropout": 0.4}, {"dropout": 0.4}]
    defaults = {"optimizer": "adam", "dropout": 0.1}
    sampler = a_sampler(CONDITIONAL, start_from=own, try_defaults=True, defaults=defaults)
    assert sampler.ask(0) == {"batch_size": 64, **own[0]}
    assert sampler.ask(1) == {"batch_size": 64, "optimizer": "adam", "dropout": 0.4, "clip": 1.0}  # filled in
    assert sampler.ask(2) != {"batch_size": 64, "optimizer": "adam", "dropout": 0.4, "clip": 1.0}  # not twice
    assert sampler.ask(3) == {"batch_size": 64, "optimizer": "adam", "dropout": 0.1, "clip": 1.0}


def test_what_own_configurations_leave_open_is_drawn_where_the_defaults_are_not_wanted() -> None:
    drawn = [a_sampler(CONDITIONAL, seed=seed, start_from=[{"dropout": 0.4}]).ask(0) or {} for seed in range(20)]
    assert {params["dropout"] for params in drawn} == {0.4}
    assert {params["optimizer"] for params in drawn} == {"sgd", "adam"}


def test_own_configurations_are_not_begun_anew_after_a_rebuild() -> None:
    own = [{"depth": 1, "bias": "1", "dropout": 0.2}, {"depth": 3, "bias": True}]
    live, resumed = (a_sampler(FINITE, "bayesian", start_from=own) for _ in range(2))
    first = live.ask(0)
    assert first is not None
    resumed.rebuild([Trial(0, first, 0, TrialState.RUNNING)], [])
    assert [resumed.ask(number) for number in (1, 2)] == [live.ask(number) for number in (1, 2)]


@BOTH
def test_choices_may_be_lists_and_mappings(method: str) -> None:
    hidden = ([256, 256], [1024], [128, 64, 32])
    space = Space((Choice("hidden", hidden), Choice("mixed", (False, 0, 0.1, {"a": [1]})), Float("rate", 0.0, 1.0)))
    recorder = Recorder(a_sampler(space, method, start_from=[{"hidden": [1024], "mixed": {"a": [1]}}]))
    for number in range(30):
        params = recorder.ask()
        assert params is not None
        assert space.check(params) == []
        recorder.report(number, float(len(params["hidden"])))
        recorder.end(number, TrialState.COMPLETE)
    assert (recorder.trials[0].params["hidden"], recorder.trials[0].params["mixed"]) == ([1024], {"a": [1]})
    tried = [trial.params for trial in recorder.trials.values()]
    assert all(any(same(params["hidden"], one) for params in tried) for one in hidden)
    resumed = a_sampler(space, method)
    resumed.rebuild(recorder.stored(), recorder.reports)
    assert resumed.ask(30) == recorder.ask()


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


class Proposes:
    """A search method that returns the same each time."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def propose(self, number: int, tried: Sequence[Tried]) -> dict[str, Any]:
        return self.params


def test_a_search_method_may_name_fixed_parameters_with_their_values_alone() -> None:
    named = {"batch_size": 64, "optimizer": "adam", "clip": 1.0}
    proposed = a_sampler(CONDITIONAL, "added", search=Proposes(named)).ask(0)
    assert proposed is not None
    assert {name: proposed[name] for name in named} == named
    for strange in ({"batch_size": 32}, {"batch": 64}, {"optimizer": "adamw"}):
        with pytest.raises(InputError, match=f"method added proposes {next(iter(strange))}: .*not in the space"):
            a_sampler(CONDITIONAL, "added", search=Proposes(named | strange)).ask(0)
