"""Pruning: every decision is Optuna's own on the same history, and what is refused says why."""

from __future__ import annotations

import math
import warnings
from random import Random
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from pydantic import TypeAdapter

from goodfit.service import spec
from goodfit.service.errors import InputError
from goodfit.service.objective import Objective
from goodfit.service.records import Trial, TrialState
from goodfit.service.sampler import PRUNING_METHODS, OptunaSampler
from goodfit.service.sampler.sorted_pruners import Complete
from goodfit.testing.recorder import EPOCHS, FLAT, Pruning, a_sampler


def patient(wrapped: BasePruner | None, **options: Any) -> BasePruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return PatientPruner(wrapped, **options)


# The study file's words, and the pruner that Optuna's users would make for them.
PRUNERS: list[tuple[str, dict[str, Any], BasePruner]] = [
    ("none", {}, NopPruner()),
    ("median", {}, MedianPruner()),
    ("median", {"n_startup_trials": 1, "n_warmup_steps": 3}, MedianPruner(1, 3)),
    ("median", {"n_startup_trials": 0, "interval_steps": 2, "n_min_trials": 3}, MedianPruner(0, 0, 2, n_min_trials=3)),
    ("percentile", {"percentile": 25.0, "n_startup_trials": 2}, PercentilePruner(25.0, 2)),
    ("asha", {}, SuccessiveHalvingPruner(min_resource=1)),
    ("asha", {"min_resource": 2, "reduction_factor": 2}, SuccessiveHalvingPruner(min_resource=2, reduction_factor=2)),
    ("asha", {"reduction_factor": 2, "min_early_stopping_rate": 1}, SuccessiveHalvingPruner(1, 2, 1)),
    ("asha", {"min_resource": 1, "reduction_factor": 2, "bootstrap_count": 3}, SuccessiveHalvingPruner(1, 2, 0, 3)),
    ("hyperband", {}, HyperbandPruner(max_resource=EPOCHS)),
    ("hyperband", {"max_resource": "auto", "reduction_factor": 2}, HyperbandPruner(1, EPOCHS, 2)),
    ("threshold", {"upper": 0.8}, ThresholdPruner(upper=0.8)),
    ("threshold", {"lower": 0.2, "n_warmup_steps": 2, "interval_steps": 3}, ThresholdPruner(0.2, None, 2, 3)),
    ("patient", {"patience": 2}, patient(MedianPruner(), patience=2)),
    (
        "patient",
        {"patience": 1, "min_delta": 0.1, "n_startup_trials": 1},
        patient(MedianPruner(1), patience=1, min_delta=0.1),
    ),
    (
        "patient",
        {"patience": 0, "wrapped_pruner": "percentile", "percentile": 60.0, "n_startup_trials": 1},
        patient(PercentilePruner(60.0, 1), patience=0),
    ),
    ("patient", {"patience": 1, "wrapped_pruner": "none"}, patient(None, patience=1)),
]

# Which trial goes on, and what it reports; few values, so that ties are common. NaN fails the trial.
MOVES = st.lists(
    st.tuples(st.integers(0, 59), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0, math.nan]) | st.floats(0, 1)),
    min_size=20,
    max_size=250,
)


class Both:
    """The same study on Goodfit's sampler and on Optuna alone, as its users write it: ask, report, tell."""

    def __init__(self, method: str, options: dict[str, Any], pruner: BasePruner, direction: str) -> None:
        self.ours = a_sampler(pruning=method, options=options, direction=direction)
        self.study = optuna.create_study(study_name="digits", direction=direction, pruner=pruner)
        self.best = max if direction == "maximize" else min
        self.running: dict[int, tuple[optuna.Trial, list[float]]] = {}
        self.count = 0
        self.pruned = 0

    def move(self, choice: int, value: float) -> None:
        if not self.running or (choice % 3 == 0 and len(self.running) < 5):
            self.ours.ask(self.count)
            self.running[self.count] = (self.study.ask(), [])
            self.count += 1
            return
        number = sorted(self.running)[choice % len(self.running)]
        trial, curve = self.running[number]
        curve.append(value)
        trial.report(value, len(curve))
        self.ours.report(number, len(curve), value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of curves that are all NaN
            expected = trial.should_prune()
        assert self.ours.should_prune(number) is bool(expected)
        self.pruned += expected
        told = self.ours.judged_after(number, len(curve) - 1)
        assert told is None or not expected or told == len(curve)
        if value != value:
            self.end(number, TrialState.FAILED)
        elif expected:
            self.end(number, TrialState.PRUNED)
        elif len(curve) == EPOCHS:
            self.end(number, TrialState.COMPLETE)

    def end(self, number: int, state: TrialState) -> None:
        trial, curve = self.running.pop(number)
        value = self.best(curve) if state is TrialState.COMPLETE else None
        native = {
            TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
            TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
            TrialState.FAILED: optuna.trial.TrialState.FAIL,
        }
        self.study.tell(trial, value, state=native[state])
        self.ours.tell(Trial(number, {}, 0, state, epochs=len(curve), value=value))


@pytest.fixture(autouse=True)
def _optuna_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.parametrize(
    ("method", "options", "pruner"), PRUNERS, ids=lambda part: part if isinstance(part, str) else ""
)
@settings(max_examples=25, deadline=None)
@given(moves=MOVES, direction=st.sampled_from(["minimize", "maximize"]))
def test_every_decision_is_optunas_own_on_the_same_history(
    method: str, options: dict[str, Any], pruner: BasePruner, moves: list[tuple[int, float]], direction: str
) -> None:
    both = Both(method, options, pruner, direction)
    for choice, value in moves:
        both.move(choice, value)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize(
    ("method", "options", "pruner"), PRUNERS[1:], ids=lambda part: part if isinstance(part, str) else ""
)
def test_in_a_long_study_every_method_prunes_some_trials_and_exactly_those_of_optuna(
    method: str, options: dict[str, Any], pruner: BasePruner, direction: str
) -> None:
    both, random = Both(method, options, pruner, direction), Random(1)
    for _ in range(1200):
        both.move(random.randrange(60), random.random())
    assert 0 < both.pruned < both.count


@given(
    curve=st.lists(st.floats() | st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=40),
    percent=st.floats(0, 100) | st.sampled_from([0.0, 25.0, 50.0, 100.0]),
)
def test_a_percentile_of_sorted_values_is_numpys_to_the_last_bit(curve: list[float], percent: float) -> None:
    complete = Complete()
    for value in curve:
        complete.add({1: value})
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = float(np.nanpercentile(np.array(curve), percent))
    found = complete.percentile(1, percent, 1)
    assert found == expected or (math.isnan(found) and math.isnan(expected))
    assert math.isnan(complete.percentile(1, percent, len(curve) + 1))
    assert math.isnan(complete.percentile(2, percent, 1))


def test_every_method_is_compared_with_optuna() -> None:
    assert {method for method, _, _ in PRUNERS} == set(PRUNING_METHODS)


def test_asha_starts_at_a_hundredth_of_the_epochs_as_optuna_does_once_it_knows_them() -> None:
    sampler = a_sampler(pruning="asha", options={"reduction_factor": 2}, epochs=300)
    for number, value in enumerate((0.1, 0.2)):
        sampler.ask(number)
        for epoch in (1, 2):
            sampler.report(number, epoch, value)
            assert not sampler.should_prune(number)
        sampler.report(number, 3, value)
    assert [sampler.should_prune(0), sampler.should_prune(1)] == [False, True]


def test_without_pruning_reports_leave_no_trace() -> None:
    sampler = a_sampler(pruning="none")
    sampler.ask(0)
    for epoch in range(1, 4):
        sampler.report(0, epoch, math.nan)
    assert not sampler.should_prune(0)


@pytest.mark.parametrize(
    "words",
    [
        {"method": "none"},
        {"method": "median", "n_warmup_steps": 2},
        {"method": "percentile", "percentile": 25},
        {"method": "asha"},
        {"method": "asha", "min_resource": 3, "bootstrap_count": 2},
        {"method": "hyperband"},
        {"method": "threshold", "upper": 2},
        {"method": "patient", "patience": 3},
        {"method": "patient", "patience": 3, "wrapped": "none"},
        {"method": "patient", "patience": 3, "wrapped": {"method": "percentile", "percentile": 30}},
    ],
    ids=lambda words: "-".join(words),
)
def test_what_a_study_file_may_say_is_understood(words: dict[str, Any]) -> None:
    section = TypeAdapter(spec.Pruning).validate_python(words)
    sampler = a_sampler(pruning=section.method, options=section.options)
    sampler.ask(0)
    sampler.report(0, 1, 0.5)
    assert sampler.should_prune(0) is False


def built(method: str, **options: Any) -> OptunaSampler:
    return a_sampler(pruning=method, options=options)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("medain", {}, "no method 'medain'; did you mean median?"),
        ("median", {"n_warmup_step": 3}, "median has no option 'n_warmup_step'; did you mean n_warmup_steps?"),
        ("percentile", {}, "percentile needs percentile"),
        ("percentile", {"percentile": 140.0}, "percentile: .*between 0 and 100"),
        ("patient", {}, "patient needs patience"),
        ("patient", {"patience": 3, "wrapped_pruner": "asha"}, "patient cannot wrap 'asha'; .*choose from: median"),
        ("patient", {"patience": 3, "wrapped_pruner": "none", "percentile": 3}, "no option 'percentile' without"),
        ("patient", {"patience": 3, "percentile": 3}, "median has no option 'percentile'"),
        ("threshold", {}, "threshold: Either lower or upper"),
        ("asha", {"reduction_factor": 1}, "asha: .*reduction_factor >= 2"),
    ],
)
def test_what_optuna_would_refuse_is_refused_with_what_is_wrong(
    method: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^pruning: .*{message}"):
        built(method, **options)


def test_an_unknown_search_method_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no method 'bayes'; did you mean bayesian"):
        OptunaSampler(
            name="digits",
            space=FLAT,
            method="bayes",
            seed=0,
            try_defaults=True,
            defaults={},
            pruning=Pruning(),
            objective=Objective("val/loss", "minimize"),
            epochs=3,
        )


@pytest.mark.parametrize(
    ("method", "options", "rungs"),
    [
        ("asha", {"min_resource": 2, "reduction_factor": 3}, [2, 6, 18]),
        ("asha", {"min_resource": 2, "reduction_factor": 3, "min_early_stopping_rate": 1}, [6, 18]),
        ("median", {}, []),
        ("none", {}, []),
    ],
)
def test_the_epochs_at_which_a_trial_is_judged_are_known_before(
    method: str, options: dict[str, Any], rungs: list[int]
) -> None:
    sampler = a_sampler(pruning=method, options=options)
    sampler.ask(0)
    found, epoch = [], sampler.judged_after(0, 0)
    while epoch is not None and epoch < 20:
        found.append(epoch)
        epoch = sampler.judged_after(0, epoch)
    assert found == rungs
