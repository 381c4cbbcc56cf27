"""Proposals near what is believed to be good: right beliefs are made use of, wrong ones cost a few trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from goodfit.search_spaces.space import Choice, Float, Int, Space
from goodfit.service.records import TrialState
from goodfit.service.sampler import OptunaSampler, sampler_of
from goodfit.service.sampler.guide import MOST_GUIDED, Belief, Guide, Scored
from goodfit.service.sampler.observed import standings
from goodfit.service.spec import StudySpec
from goodfit.service.spec.warm_start import Earlier, WarmStart
from goodfit.testing.recorder import CONDITIONAL, Recorder, a_sampler
from goodfit.testing.samplers import check_resume, many_moves
from tests.serving import spec_of

SPACE = Space((Float("x", 0.0, 1.0), Float("y", 1e-4, 1.0, log=True), Choice("act", ("relu", "gelu"))))
CENTER = {"x": 0.3, "y": 1e-2, "act": "gelu"}


def guide(*centers: Mapping[str, Any], space: Space = SPACE) -> Guide:
    return Guide(space, [Belief("warm_start", list(centers) or [CENTER])])


def seen(count: int, good: bool, near: bool) -> list[Scored]:
    """Trials of which every third is near the center, or none, with better or worse scores than the others."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        here = near and number % 3 == 0
        params = {**CENTER, "x": 0.3 + 0.02 * rng.random()} if here else {"x": rng.random(), "y": 0.5, "act": "relu"}
        found.append(Scored(number, params, (-1.0 if good else 1.0) if here else 0.3 * rng.standard_normal()))
    return found


def test_a_belief_that_held_keeps_its_share_and_one_that_did_not_loses_it() -> None:
    (fresh,) = guide().shares([])
    (held,) = guide().shares(seen(12, good=True, near=True))
    (wrong,) = guide().shares(seen(12, good=False, near=True))
    assert MOST_GUIDED / 2 < held <= MOST_GUIDED
    assert fresh > 0.3
    assert wrong < 0.03


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_how_far_a_trial_was_trained_says_nothing_of_how_good_it_is(sign: float) -> None:
    losses = {1: {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}, 8: {3: 0.5, 2: math.nan}}
    stops = {epoch: {number: sign * loss for number, loss in values.items()} for epoch, values in losses.items()}
    found = standings(stops, sign)
    assert sorted(found, key=lambda number: found[number]) == [0, 1, 3, 2]
    first, second = -found[0], -found[1]  # of four, the scores of the best and the next
    best = found[3] * 2 - first  # of two
    assert found[2] == pytest.approx((second - best) / 2)
    assert first > second > 0 > best


def test_beliefs_count_for_less_the_more_is_known() -> None:
    shares = [guide().shares(seen(count, good=False, near=False))[0] for count in (0, 20, 200)]
    assert shares[0] > shares[1] > shares[2] > 0


def test_several_beliefs_share() -> None:
    two = Guide(SPACE, [Belief("warm_start", [CENTER]), Belief("prior", [{"x": 0.9}])])
    assert sum(two.shares([])) == pytest.approx(guide().shares([])[0])


def test_it_draws_near_the_best_and_only_what_is_believed() -> None:
    drawn = [found for seed in range(200) if (found := guide(CENTER, {"x": 0.9}).draw(seed, list)) is not None]
    assert 60 < len(drawn) < 120
    whole = [params for _, params in drawn if len(params) == 3]
    assert len(whole) < len(drawn), "the second center says something of x alone"
    assert np.median([abs(params["x"] - 0.3) for params in whole]) < 0.1
    assert np.median([abs(params["x"] - 0.9) for _, params in drawn if len(params) == 1]) < 0.1


def test_what_is_not_in_the_space_is_left_out() -> None:
    assert Guide(SPACE, [Belief("warm_start", [{"x": 7.0}, {"gone": 1}])]).shares([]) == []
    assert Guide(SPACE, [Belief("warm_start", [{"x": 7.0}])]).draw(0, list) is None


def test_a_conditional_space_is_guided_too() -> None:
    center = {"optimizer": "sgd", "momentum": 0.8, "nesterov": True, "warmup": 10, "dropout": 0.2}
    sampler = a_sampler(CONDITIONAL, guide=guide(center, space=CONDITIONAL))
    for number in range(30):
        assert CONDITIONAL.check(sampler.ask(number) or {}) == []


def played(objective: Callable[[Mapping[str, Any]], float], trials: int, **more: Any) -> list[float]:
    """The values of a study's trials, one after the other."""
    recorder = Recorder(a_sampler(SPACE, **more))
    for number in range(trials):
        params = recorder.ask()
        assert params is not None
        recorder.report(number, objective(params))
        recorder.end(number, TrialState.COMPLETE)
    return [float(trial.value or 0.0) for trial in recorder.trials.values()]


def away(x: float, act: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda params: abs(params["x"] - x) + (params["act"] != act)


@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_a_right_belief_pays_and_a_wrong_one_costs_little(method: str) -> None:
    def best(x: float, act: str, belief: Sequence[Belief]) -> float:
        ends = []
        for seed in range(8):
            more = {"guide": Guide(SPACE, belief)} if belief else {}
            ends.append(min(played(away(x, act), 30, method=method, seed=seed, **more)))
        return float(np.mean(ends))

    belief = [Belief("warm_start", [CENTER])]
    assert best(0.3, "gelu", belief) < 0.6 * best(0.3, "gelu", [])
    assert best(0.95, "relu", belief) < best(0.95, "relu", []) + 0.03


def test_the_first_configurations_come_after_the_defaults_and_are_named() -> None:
    sampler = a_sampler(
        SPACE,
        try_defaults=True,
        defaults={"x": 0.5},
        start_from=[{"x": 0.1}],
        firsts=[("warm_start", CENTER), ("warm_start", {"x": 9.0})],
    )
    first = [sampler.ask(number) or {} for number in range(3)]
    assert [params["x"] for params in first] == [0.1, 0.5, 0.3]
    assert first[2] == CENTER
    assert [sampler.origin(number) for number in range(3)] == ["start_from", "defaults", "warm_start"]
    assert sampler.origin(3) is None


@pytest.mark.parametrize("pruning", ["none", "asha"])
@pytest.mark.parametrize("method", ["random", "bayesian", "qmc"])
def test_a_guided_study_goes_on_the_same_after_a_rebuild(method: str, pruning: str) -> None:
    space = Space((Float("x", 0.0, 1.0), Int("depth", 1, 9)))

    def made(direction: str) -> Any:
        beliefs = [Belief("warm_start", [{"x": 0.3, "depth": 2}]), Belief("prior", [{"x": 0.5}])]
        options = {"reduction_factor": 2} if pruning == "asha" else {}
        firsts = [("warm_start", {"x": 0.3, "depth": 2})]
        return a_sampler(
            space, method, pruning, options, direction=direction, guide=Guide(space, beliefs), firsts=firsts
        )

    check_resume(made, many_moves(seed=4, count=250), 150)


def spec(**parameters: Any) -> StudySpec:
    space = [{"name": name, **item} for name, item in parameters.items()]
    return spec_of(space=space, defaults={"learning_rate": 0.05}, pruning={"method": "none"})


RATE = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}
DEPTH = {"type": "int", "low": 1, "high": 9}


def test_of_the_search_that_pauses_the_best_of_an_earlier_study_runs_to_its_end() -> None:
    start = WarmStart(study="old", of=2, trials=tuple(Earlier(params={"x": x}, rank=1) for x in (0.3, 0.4)))
    given = spec_of("new", search={"method": "auto"})
    given = given.model_copy(update={"space": Space((Float("x", 0.0, 1.0),))})
    given = given.model_copy(update={"training": given.training.model_copy(update={"epochs": 16})})
    made: Any = sampler_of(given.with_search(warm_start=(start,)), "s", {"x": 0.5})
    made.rebuild([], [], [])
    proposed = [made.next(number, 4) for number in range(3)]
    assert [one.params["x"] for one in proposed] == [0.5, 0.3, 0.4]
    assert [one.until is None for one in proposed] == [True, True, False]


def test_priors_are_tried_after_the_defaults_and_beside_them() -> None:
    sampler = sampler_of(spec(learning_rate=RATE, depth={**DEPTH, "prior": 3}), "s", {"learning_rate": 0.05})
    assert isinstance(sampler, OptunaSampler)
    first = [sampler.ask(number) or {} for number in range(2)]
    assert first[1] == {"learning_rate": 0.05, "depth": 3}
    drawn = [(sampler.ask(number) or {})["depth"] for number in range(2, 60)]
    assert sum(depth == 3 for depth in drawn) > 15


def test_priors_that_are_the_defaults_are_tried_once() -> None:
    assert spec(learning_rate={**RATE, "prior": 0.05}).believed == []
    assert spec(learning_rate=RATE).believed == []
    assert spec(learning_rate={**RATE, "prior": 0.01}).believed == [("prior", {"learning_rate": 0.01})]


@pytest.mark.parametrize("method", ["auto", "random", "bayesian", "gp", "cmaes", "qmc"])
def test_every_method_begins_with_what_is_believed(method: str) -> None:
    start = WarmStart(study="old", of=1, trials=(Earlier(params={"learning_rate": 0.002, "depth": 7}, rank=1),))
    given = spec(learning_rate={**RATE, "prior": 0.01}, depth=DEPTH).with_search(method=method, warm_start=(start,))
    made: Any = sampler_of(given, "s", {"learning_rate": 0.05})
    asked = [made.next(n, 2).params if method == "auto" else made.ask(n) for n in range(3)]
    assert [params["learning_rate"] for params in asked] == [0.05, 0.01, 0.002]
    assert asked[2]["depth"] == 7
