"""What the search methods find, and what they learn from."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest

from goodfit.search_spaces.space import Choice, Fixed, Float, Int, Space
from goodfit.service.records import Failure, TrialState
from goodfit.service.sampler.methods import METHODS, MOST_MODELLED, thinned
from goodfit.service.sampler.observed import as_complete, observed
from goodfit.service.sampler.search import SEARCH_METHODS, OptunaSampler
from goodfit.service.spec import search_methods
from goodfit.service.spec.sections import POPULATIONS
from goodfit.testing.recorder import METRIC, Recorder, a_sampler

BOWL = Space((Float("x", 0.0, 1.0), Float("y", 1e-4, 1.0, log=True)))
LOW = (0.3, 1e-3)


def bowl(params: dict[str, Any]) -> float:
    """Least at LOW, where it is 0."""
    return (params["x"] - LOW[0]) ** 2 + ((math.log10(params["y"]) - math.log10(LOW[1])) / 4) ** 2


def searched(sampler: OptunaSampler, trials: int, direction: str = "minimize") -> Recorder:
    """A study of the bowl, one trial after the other."""
    recorder = Recorder(sampler, direction=direction)
    for number in range(trials):
        params = recorder.ask()
        assert params is not None
        recorder.report(number, bowl(params) if direction == "minimize" else -bowl(params))
        recorder.end(number, TrialState.COMPLETE)
    return recorder


def best(recorder: Recorder) -> float:
    return min(bowl(dict(trial.params)) for trial in recorder.trials.values())


def test_every_method_of_the_study_file_is_there() -> None:
    assert {*SEARCH_METHODS, *POPULATIONS, "auto"} == set(search_methods.SEARCH_METHODS)
    assert {*METHODS} < set(SEARCH_METHODS)


@pytest.mark.parametrize(("method", "trials"), [("gp", 19), ("cmaes", 80)])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_what_learns_finds_more_than_chance(method: str, trials: int, direction: str) -> None:
    found = best(searched(a_sampler(BOWL, method, direction=direction), trials, direction))
    by_chance = [best(searched(a_sampler(BOWL, "random", seed=seed), trials)) for seed in range(5)]
    assert found < min(by_chance)


def test_a_sequence_leaves_no_part_of_the_space_out() -> None:
    """Of every 16 trials of a Sobol sequence each sixteenth of a range gets one."""
    sampler = a_sampler(Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0))), "qmc")
    points = [sampler.ask(number) or {} for number in range(32)]
    for name in ("x", "y"):
        for first in (0, 16):
            assert sorted(int(point[name] * 16) for point in points[first : first + 16]) == list(range(16))


def test_the_sequence_begins_after_what_was_given() -> None:
    space = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)))
    plain, begun = a_sampler(space, "qmc"), a_sampler(space, "qmc", start_from=[{"x": 0.5, "y": 0.5}])
    begun.ask(0)
    assert begun.ask(1) == plain.ask(0)


@pytest.mark.parametrize("method", ["gp", "cmaes"])
def test_what_was_pruned_or_diverged_is_learned_from(method: str) -> None:
    """Half of the range is pruned or breaks at once: it is left alone, without one trial that came to its end there."""
    recorder = Recorder(a_sampler(BOWL, method, pruning="median"))
    trials = 22 if method == "gp" else 45
    for number in range(trials):
        params = recorder.ask()
        assert params is not None
        if params["x"] > 0.5:
            recorder.report(number, math.nan if number % 2 else 9.0)
            state, failure = (TrialState.FAILED, Failure.NAN) if number % 2 else (TrialState.PRUNED, None)
            recorder.end(number, state, failure)
        else:
            for _ in range(2):
                recorder.report(number, bowl(params))
            recorder.end(number, TrialState.COMPLETE)
    late = [trial.params["x"] for trial in recorder.trials.values() if trial.number >= trials - 12]
    assert sum(x > 0.5 for x in late) <= len(late) / 4


def test_paused_trials_are_learned_from() -> None:
    sampler = a_sampler(BOWL, "cmaes")
    for number in range(3):
        sampler.ask(number)
    sampler.paused(0, 2, 0.9)
    sampler.paused(1, 4, 0.95)
    seen = sampler._observed()
    order = sorted(seen.trials, key=lambda trial: trial.value)
    assert [trial.number for trial in order] == [1, 0]
    assert [trial.number for trial in seen.pending] == [2]


def test_of_several_objectives_those_come_first_that_no_other_beats_in_all() -> None:
    values = {0: (1.0, 9.0), 1: (2.0, 5.0), 2: (3.0, 4.0), 3: (0.0, 10.0), 4: (3.0, 3.0)}  # the second is maximized
    trials = [
        replace_values(as_complete(optuna.trial.create_trial(value=0.0), 0.0), number, pair)
        for number, pair in values.items()
    ]
    trials[3].set_constraint("params_millions <= 2", 0.5)
    order = sorted(observed(trials, [1.0, -1.0], {}).trials, key=lambda trial: (trial.value, trial.number))
    assert [trial.number for trial in order] == [0, 1, 2, 4, 3]


def replace_values(
    trial: optuna.trial.FrozenTrial, number: int, values: tuple[float, float]
) -> optuna.trial.FrozenTrial:
    trial.number, trial.values = number, list(values)
    return trial


def test_ranks_count_and_not_values() -> None:
    """The same order on another scale gives the same proposals."""

    def proposals(scale: float) -> list[Any]:
        recorder = Recorder(a_sampler(BOWL, "gp"))
        for number in range(12):
            params = recorder.ask()
            assert params is not None
            recorder.report(number, math.exp(scale * bowl(params)))
            recorder.end(number, TrialState.COMPLETE)
        return [trial.params for trial in recorder.trials.values()]

    assert proposals(1.0) == proposals(20.0)


def test_a_long_study_shows_its_best_and_some_of_the_others_to_the_model() -> None:
    sampler = a_sampler(BOWL, "random")
    recorder = searched(sampler, 3 * MOST_MODELLED)
    seen = observed(sampler._study.get_trials(deepcopy=False), [1.0], {})
    shown = thinned(seen.trials)
    assert len(shown) == MOST_MODELLED
    values = sorted(trial.value or 0.0 for trial in recorder.trials.values())
    kept = sorted(recorder.trials[trial.number].value or 0.0 for trial in shown)
    assert kept[: MOST_MODELLED // 2] == values[: MOST_MODELLED // 2]
    assert kept[-1] > values[MOST_MODELLED]


def test_one_number_is_enough_for_every_method() -> None:
    space = Space((Int("depth", 1, 40), Choice("activation", ("relu",))))
    for method in METHODS:
        recorder = Recorder(a_sampler(space, method))
        for number in range(14):
            params = recorder.ask()
            assert params is not None
            recorder.report(number, abs(params["depth"] - 7))
            recorder.end(number, TrialState.COMPLETE)
        assert len({trial.params["depth"] for trial in recorder.trials.values()}) == 14, METRIC


COMPOSED = Space(
    (
        Choice("hidden", ([64, 64], [128], [])),
        Choice("head", ({"kind": "linear"}, {"kind": "mlp", "width": 64})),
        Int("width", 16, 256, log=True, step=16),
    )
)


@pytest.mark.parametrize("method", [method for method in SEARCH_METHODS if method != "cmaes"])
def test_lists_mappings_and_steps_of_a_logarithmic_range_are_proposed_as_they_are_written(method: str) -> None:
    """Also after they came back from a store, where a list is another object."""
    sampler, resumed = a_sampler(COMPOSED, method), a_sampler(COMPOSED, method)
    recorder = Recorder(sampler)
    for number in range(12):
        params = recorder.ask()
        assert params is not None
        assert COMPOSED.check(params) == []
        recorder.report(number, params["width"] + len(params["hidden"]))
        recorder.end(number, TrialState.COMPLETE)
    resumed.rebuild(recorder.stored(), recorder.reports)
    for number in range(12, 14):
        assert resumed.ask(number) == sampler.ask(number)


@pytest.mark.parametrize("method", ["random", "bayesian", "cmaes", "qmc"])
def test_steps_of_a_logarithmic_range_are_drawn_evenly_in_the_logarithm(method: str) -> None:
    space = Space((Int("width", 16, 1024, log=True, step=16), Float("dropout", 0.0, 0.5)))
    sampler = a_sampler(space, method)
    widths = [(sampler.ask(number) or {})["width"] for number in range(60)]
    assert all(width % 16 == 0 for width in widths)
    assert 15 <= sum(width <= 128 for width in widths) <= 45


@pytest.mark.parametrize("method", ["gp", "cmaes", "qmc"])
def test_a_condition_that_is_fixed_leaves_one_space(method: str) -> None:
    """Momentum exists in all configurations here, and warmup in none."""
    space = Space(
        (
            Fixed("optimizer", "sgd"),
            Float("rate", 0.0, 1.0),
            Float("momentum", 0.0, 1.0, when={"optimizer": "sgd"}),
            Float("warmup", 0.0, 1.0, when={"optimizer": "adam"}),
        )
    )
    assert space.conditional == ()
    recorder = Recorder(a_sampler(space, method))
    for number in range(14):
        params = recorder.ask()
        assert params is not None
        assert list(params) == ["optimizer", "rate", "momentum"]
        recorder.report(number, (params["rate"] - 0.2) ** 2 + (params["momentum"] - 0.9) ** 2)
        recorder.end(number, TrialState.COMPLETE)
