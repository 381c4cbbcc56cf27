"""The sampler held to its contract, by every search and pruning method; and what it does besides."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.search_spaces.space import Float, Int, Space
from goodfit.service.records import Report, Trial, TrialState
from goodfit.testing import SamplerContract, SearchContract
from goodfit.testing.recorder import CONDITIONAL, EPOCHS, FINITE, FLAT, METRIC, Recorder, a_sampler
from goodfit.testing.samplers import NewSampler, NewSearch, check_resume, many_moves
from tests import zoo

GRID = Space((Float("learning_rate", 0.1, 1.0, points=4), Int("depth", 1, 9)))
NUMBERS = Space(
    (
        Float("learning_rate", 1e-4, 1e-1, log=True),
        Int("width", 16, 512, log=True, step=16),
        Float("dropout", 0.0, 0.5),
    )
)
SEARCHES: list[tuple[str, Space]] = [
    ("grid", GRID),
    ("random", FLAT),
    ("random", CONDITIONAL),
    ("bayesian", FLAT),
    ("bayesian", CONDITIONAL),
    ("bayesian", FINITE),
    ("cmaes", NUMBERS),
    ("qmc", FLAT),
    ("qmc", FINITE),
]
# A proposal takes a large part of a second: held to the contract on shorter studies.
GAUSSIAN = ("gp", FLAT)
PRUNINGS: list[tuple[str, dict[str, Any]]] = [
    ("none", {}),
    ("median", {"n_startup_trials": 2}),
    ("percentile", {"percentile": 40.0, "n_startup_trials": 1, "interval_steps": 2, "n_warmup_steps": 1}),
    ("asha", {"reduction_factor": 2}),
    ("asha", {"min_resource": 2, "reduction_factor": 2, "bootstrap_count": 2}),
    ("hyperband", {"reduction_factor": 2}),
    ("threshold", {"upper": 0.9}),
    ("patient", {"patience": 1, "n_startup_trials": 1}),
]

# Few different values, so that ties are common; NaN ends its trial.
VALUES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, math.nan]) | st.floats(0, 1)
MOVES = st.lists(st.tuples(st.integers(0, 1000), VALUES), max_size=90)


def making(search: tuple[str, Space], pruning: tuple[str, dict[str, Any]] = ("none", {})) -> NewSampler:
    """Makes samplers of one kind."""
    method, space = search
    return functools.partial(a_sampler, space, method, *pruning)


class TestOptunaSampler(SamplerContract):
    @pytest.fixture(params=SEARCHES, ids=lambda search: f"{search[0]}-{len(search[1])}")
    def search(self, request: pytest.FixtureRequest) -> tuple[str, Space]:
        found: tuple[str, Space] = request.param
        return found

    @pytest.fixture
    def space(self, search: tuple[str, Space]) -> Space:
        return search[1]

    @pytest.fixture
    def new_sampler(self, search: tuple[str, Space]) -> NewSampler:
        return making(search)


class TestExample(SearchContract):
    """The search method of the example package."""

    @pytest.fixture
    def new_search(self, monkeypatch: pytest.MonkeyPatch) -> NewSearch:
        monkeypatch.syspath_prepend(Path(zoo.__file__).parents[1] / "examples" / "extensions")
        from hill_climbing import HillClimbing

        return HillClimbing


@pytest.mark.parametrize("pruning", PRUNINGS, ids=lambda pruning: f"{pruning[0]}-{len(pruning[1])}")
@settings(max_examples=15, deadline=None)
@given(
    search=st.sampled_from(SEARCHES),
    moves=MOVES,
    share=st.floats(0, 1),
    direction=st.sampled_from(["minimize", "maximize"]),
)
def test_a_rebuilt_sampler_proposes_and_prunes_like_one_that_never_stopped(
    pruning: tuple[str, dict[str, Any]],
    search: tuple[str, Space],
    moves: list[tuple[int, float]],
    share: float,
    direction: str,
) -> None:
    check_resume(making(search, pruning), moves, int(share * len(moves)), direction)


@settings(max_examples=20, deadline=None)
@given(
    search=st.sampled_from(SEARCHES),
    pruning=st.sampled_from(PRUNINGS),
    seed=st.integers(0, 999),
    cut=st.integers(100, 300),
)
def test_a_long_study_can_be_cut_anywhere(
    search: tuple[str, Space], pruning: tuple[str, dict[str, Any]], seed: int, cut: int
) -> None:
    check_resume(making(search, pruning), many_moves(seed, count=320), cut, "maximize")


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: f"{search[0]}-{len(search[1])}")
@pytest.mark.parametrize("pruning", PRUNINGS[1:], ids=lambda pruning: f"{pruning[0]}-{len(pruning[1])}")
def test_a_long_study_with_pruning_goes_on_the_same_after_a_rebuild(
    search: tuple[str, Space], pruning: tuple[str, dict[str, Any]]
) -> None:
    recorder = check_resume(making(search, pruning), many_moves(seed=3, count=500), 350)
    states = {trial.state for trial in recorder.trials.values()}
    assert TrialState.PRUNED in states
    assert TrialState.COMPLETE in states
    assert len(recorder.trials) > 25, "too few for the model of bayesian search"


@pytest.mark.parametrize("pruning", [("none", {}), ("asha", {"reduction_factor": 2})], ids=lambda pruning: pruning[0])
def test_a_gaussian_process_goes_on_the_same_after_a_rebuild(pruning: tuple[str, dict[str, Any]]) -> None:
    count = 230 if pruning[0] == "none" else 75  # of what is pruned more ends
    recorder = check_resume(making(GAUSSIAN, pruning), many_moves(seed=3, count=count), count - 12)
    known = [trial for trial in recorder.trials.values() if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert len(known) > 11, "too few for a model"
    assert all(FLAT.check(trial.params) == [] for trial in recorder.trials.values())


@pytest.mark.parametrize("method", ["random", "bayesian", "qmc"])
def test_another_seed_gives_other_proposals(method: str) -> None:
    assert a_sampler(method=method, seed=1).ask(0) != a_sampler(method=method, seed=2).ask(0)


def test_the_grid_is_proposed_once_point_by_point_and_then_nothing() -> None:
    sampler = a_sampler(GRID, "grid")
    points = [sampler.ask(number) for number in range(36)]
    assert sorted(points, key=str) == sorted(GRID.grid(), key=str)
    assert sampler.ask(36) is None
    assert sampler.ask(36) is None


def test_a_grid_is_exhausted_after_a_rebuild_too() -> None:
    recorder = Recorder(a_sampler(GRID, "grid"))
    for _ in range(36):
        recorder.ask()
    resumed = a_sampler(GRID, "grid")
    resumed.rebuild(recorder.stored(), [])
    assert resumed.ask(36) is None


def test_numbers_are_asked_for_in_order() -> None:
    sampler = a_sampler()
    sampler.ask(0)
    with pytest.raises(ValueError, match=r"trial 2 was asked for, but 1 is next"):
        sampler.ask(2)


def test_records_with_a_hole_are_refused() -> None:
    params = {"learning_rate": 0.1, "depth": 1, "activation": "relu"}
    with pytest.raises(ValueError, match=r"the study has trial 2, but no trial 1"):
        a_sampler().rebuild([Trial(0, params, 0), Trial(2, params, 0)], [])


def test_an_epoch_that_was_reported_stays_as_it_was() -> None:
    sampler = a_sampler(pruning="threshold", options={"upper": 0.5})
    sampler.ask(0)
    sampler.report(0, 1, 0.1)
    sampler.report(0, 1, 0.9)
    assert not sampler.should_prune(0)


def test_the_judgement_stays_until_the_next_report() -> None:
    """Optuna's own ASHA prunes at the first question and not at the second."""
    sampler = a_sampler(pruning="asha", options={"reduction_factor": 2, "min_resource": 1})
    for number, value in enumerate([0.1, 0.2, 0.3]):
        sampler.ask(number)
        sampler.report(number, 1, value)
    assert [sampler.should_prune(2), sampler.should_prune(2)] == [True, True]


def test_a_judgement_outlives_a_rebuild() -> None:
    recorder = Recorder(a_sampler(pruning="asha", options={"reduction_factor": 2}))
    judged = []
    for number, value in enumerate((0.2, 0.1, 0.3)):
        recorder.ask()
        judged.append(recorder.report(number, value))
    resumed = a_sampler(pruning="asha", options={"reduction_factor": 2})
    resumed.rebuild(recorder.stored(), recorder.reports)
    assert judged == [False, False, True]
    assert [resumed.should_prune(number) for number in range(3)] == judged


def test_a_trial_that_is_marked_for_pruning_stays_so_after_a_rebuild() -> None:
    params = {"learning_rate": 0.01, "depth": 1, "activation": "relu"}
    trial = Trial(0, params, 0, TrialState.RUNNING, epochs=1, prune_at=1)
    sampler = a_sampler(pruning="median")
    sampler.rebuild([trial], [Report(0, 1, {METRIC: 0.5}, 0.0)])
    assert sampler.should_prune(0)


def test_a_trial_that_broke_at_a_rung_is_no_rival_there() -> None:
    recorder = Recorder(a_sampler(pruning="asha", options={"reduction_factor": 2}))
    for number, value in enumerate((math.nan, math.nan, 0.1, 0.2)):
        recorder.ask()
        recorder.report(number, value)
        recorder.end(number, TrialState.FAILED)
    recorder.samplers.append(a_sampler(pruning="asha", options={"reduction_factor": 2}))
    recorder.samplers[1].rebuild(recorder.stored(), recorder.reports)
    recorder.ask()
    assert not recorder.report(4, 0.05)


def test_judging_does_not_wait_for_the_question() -> None:
    """A final epoch is reported and not judged: the rung that it reaches must count all the same."""
    asked, silent = (a_sampler(pruning="asha", options={"reduction_factor": 2}) for _ in range(2))
    for number, value in enumerate([0.3, 0.1]):
        for sampler in (asked, silent):
            sampler.ask(number)
            sampler.report(number, 1, value)
        asked.should_prune(number)
    for sampler in (asked, silent):
        sampler.ask(2)
        sampler.report(2, 1, 0.2)
    assert asked.should_prune(2)
    assert silent.should_prune(2)


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.CANCELLED, TrialState.PRUNED])
def test_a_trial_can_end_before_its_first_epoch(state: TrialState) -> None:
    recorder = Recorder(a_sampler(method="bayesian", pruning="median"))
    for _ in range(15):
        recorder.ask()
        recorder.end(len(recorder.trials) - 1, state)
    assert recorder.ask() is not None


def test_the_whole_curve_is_reported_and_the_trial_told_at_its_best() -> None:
    recorder = Recorder(a_sampler(pruning="hyperband"))
    recorder.ask()
    for epoch in range(1, EPOCHS + 1):
        recorder.report(0, abs(epoch - 4) / 10)
    recorder.end(0, TrialState.COMPLETE)
    assert recorder.trials[0].value == 0.0
