"""Controls: a share of the trials is drawn at random and never pruned."""

from __future__ import annotations

import pytest

from goodfit.service.records import TrialState, is_control
from goodfit.testing.recorder import Recorder, a_sampler

SHARE = 0.25


def test_about_the_share_of_the_trials_are_controls_and_never_the_first() -> None:
    numbers = [number for number in range(1000) if is_control(number, SHARE)]
    assert len(numbers) == 250
    assert numbers[0] == 3
    assert not is_control(0, 0.99)
    assert not any(is_control(number, 0.0) for number in range(100))


def test_a_control_is_drawn_as_a_random_search_draws_it_and_the_others_as_the_method_does() -> None:
    controlled, modelled = Recorder(a_sampler(method="bayesian", control=SHARE)), Recorder(a_sampler(method="bayesian"))
    random = Recorder(a_sampler(method="random"))
    for number in range(24):
        for recorder in (controlled, modelled, random):
            params = recorder.ask()
            assert params is not None
            recorder.report(number, params["learning_rate"])
            recorder.end(number, TrialState.COMPLETE)
    controls = [number for number in range(24) if is_control(number, SHARE)]
    for number in controls:
        assert controlled.trials[number].params == random.trials[number].params
    late = [number for number in range(12, 24) if number not in controls]
    assert all(controlled.trials[number].params != random.trials[number].params for number in late)


@pytest.mark.parametrize("pruning", ["median", "asha"])
def test_a_control_is_never_pruned_however_bad_it_is(pruning: str) -> None:
    options = {"n_startup_trials": 1} if pruning == "median" else {"min_resource": 1, "reduction_factor": 2}
    recorder = Recorder(a_sampler(pruning=pruning, options=options, control=SHARE))
    pruned = set()
    for number in range(16):
        recorder.ask()
        for _ in range(6):
            if recorder.report(number, float(number)):  # each worse than all before it
                pruned.add(number)
        recorder.end(number, TrialState.COMPLETE)
    assert pruned, "the others are"
    assert not [number for number in pruned if is_control(number, SHARE)]
