"""The contracts of samplers and of search methods: propose, judge, go on after a rebuild as if nothing had happened."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest

from goodfit.search_spaces.space import Space
from goodfit.service.ports import Sampler, Search, Tried
from goodfit.service.records import TrialState
from goodfit.testing.recorder import CONDITIONAL, FINITE, FLAT, Recorder, a_sampler

NewSampler = Callable[..., Sampler]
SPACES = {"flat": FLAT, "conditional": CONDITIONAL, "finite": FINITE}


def many_moves(seed: int, count: int) -> list[tuple[int, float]]:
    """What happens in a study: each move chooses what to do next, and the value to report; see Recorder.play."""
    drawn = random.Random(seed)
    return [(drawn.randrange(1000), drawn.random()) for _ in range(count)]


def check_resume(
    new_sampler: NewSampler, moves: list[tuple[int, float]], cut: int, direction: str = "minimize"
) -> Recorder:
    """Play up to the cut, rebuild a second sampler from the records, and play on with both: they must do the same."""
    recorder = Recorder(new_sampler(direction=direction), direction=direction)
    recorder.play(moves[:cut])
    resumed = new_sampler(direction=direction)
    resumed.rebuild(recorder.stored(), recorder.reports)
    recorder.samplers.append(resumed)
    recorder.play(moves[cut:])
    return recorder


class SamplerContract:
    """What every sampler must do."""

    may_end = False  # whether it proposes None before all of the space was proposed

    @pytest.fixture(params=list(SPACES))
    def space(self, request: pytest.FixtureRequest) -> Space:
        """What is searched: a plain space, one with conditions, a finite one."""
        return SPACES[request.param]

    @pytest.fixture
    def new_sampler(self, space: Space) -> NewSampler:
        """Makes a sampler of the space: `new_sampler(direction="minimize")`."""
        raise NotImplementedError("override the fixture `new_sampler`: it returns a function that makes your sampler")

    def test_a_long_study_goes_on_the_same_after_a_rebuild(self, new_sampler: NewSampler) -> None:
        recorder = check_resume(new_sampler, many_moves(seed=3, count=500), 350)
        assert TrialState.COMPLETE in {trial.state for trial in recorder.trials.values()}
        assert self.may_end or len(recorder.trials) > 25, "too few for a model of the space"

    def test_every_proposal_is_a_configuration_of_the_space_in_its_order_and_plain_types(
        self, new_sampler: NewSampler, space: Space
    ) -> None:
        recorder = Recorder(new_sampler(direction="minimize"))
        recorder.play(many_moves(seed=5, count=250))
        assert recorder.trials
        for trial in recorder.trials.values():
            assert space.check(trial.params) == []
            assert list(trial.params) == [name for name in space.names if name in trial.params]
            assert {type(value) for value in trial.params.values()} <= {bool, int, float, str}

    def test_a_proposal_does_not_depend_on_what_was_proposed_and_never_reported_in_between(
        self, new_sampler: NewSampler
    ) -> None:
        one, other = new_sampler(direction="minimize"), new_sampler(direction="minimize")
        first = [one.ask(number) for number in range(6)]
        assert [other.ask(number) for number in range(6)] == first

    @pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.CANCELLED, TrialState.PRUNED])
    def test_a_trial_can_end_before_its_first_epoch(self, new_sampler: NewSampler, state: TrialState) -> None:
        recorder = Recorder(new_sampler(direction="minimize"))
        for number in range(15):
            if recorder.ask() is None:
                break
            recorder.end(number, state)
        assert self.may_end or recorder.ask() is not None


NewSearch = Callable[..., Search]


class SearchContract(SamplerContract):
    """What every search method of an installed package must do (`goodfit.samplers`), alone and in a study."""

    may_end = True

    @pytest.fixture
    def new_search(self) -> NewSearch:
        """Makes the method: `new_search(space, seed=7, direction="minimize")`. Often it is its class."""
        raise NotImplementedError("override the fixture `new_search`: it returns your class")

    @pytest.fixture
    def new_sampler(self, space: Space, new_search: NewSearch) -> NewSampler:
        def made(direction: str) -> Sampler:
            search = new_search(space, seed=7, direction=direction)
            return a_sampler(space, "added", search=search, direction=direction)

        return made

    @pytest.mark.parametrize("direction", ["minimize", "maximize"])
    def test_a_new_object_proposes_what_one_proposes_that_never_stopped(
        self, new_search: NewSearch, space: Space, direction: str
    ) -> None:
        """A study that was interrupted goes on with a new object."""
        old = new_search(space, seed=7, direction=direction)
        tried = some_tried(space, 20)
        for number in range(20):
            proposed = old.propose(number, tried[:number])
            assert new_search(space, seed=7, direction=direction).propose(number, tried[:number]) == proposed

    def test_what_was_tried_is_left_as_it_is(self, new_search: NewSearch, space: Space) -> None:
        tried = some_tried(space, 20)
        before = copy.deepcopy(tried)
        new_search(space, seed=7, direction="minimize").propose(20, tried)
        assert tried == before

    def test_trials_without_a_value_are_no_harm(self, new_search: NewSearch, space: Space) -> None:
        """All that were tried may have failed, or still run."""
        states = ("running", "pruned", "fail")
        tried = [Tried(n, one.params, None, states[n % 3]) for n, one in enumerate(some_tried(space, 12))]
        proposed = new_search(space, seed=7, direction="minimize").propose(12, tried)
        assert proposed is None or set(proposed) <= set(space.names)


def some_tried(space: Space, count: int) -> list[Tried]:
    """Trials of a study as a search method sees them: most complete, some without a value."""
    drawn, proposing = random.Random(1), a_sampler(space)
    tried = []
    for number in range(count):
        params: dict[str, Any] = proposing.ask(number) or {}
        state = "complete" if drawn.random() < 0.7 else drawn.choice(["running", "pruned", "fail"])
        tried.append(Tried(number, params, drawn.random() if state == "complete" else None, state))
    return tried
