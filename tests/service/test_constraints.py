"""Bounds of metrics, and which trials are the best under them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from goodfit.service.diagnosis.feasibility import why_no_front, why_none_feasible
from goodfit.service.diagnosis.front import front_of
from goodfit.service.objective import Constraint, Objective
from goodfit.service.records import Trial, TrialState, judged_by, pareto_front, ranked

SMALL = Constraint.of("params_millions <= 2")
QUICK = Constraint.of("epoch_seconds <= 5")
BOUND = Objective("val/accuracy", "maximize", constraints=(SMALL, QUICK))
PAIR = Objective("val/accuracy", "maximize", (Objective("params_millions", "minimize"),))


def trial(number: int, value: float | None, objective: Objective = BOUND, **metrics: float) -> Trial:
    """A complete trial that was judged as its runner does."""
    measured, violation = objective.measured(metrics), objective.violation(metrics)
    return Trial(
        number, {"x": number}, number, TrialState.COMPLETE, value=value, best_epoch=1, epochs=1,
        measured=measured, violation=violation,
    )  # fmt: skip


def numbers(trials: list[Trial]) -> list[int]:
    return [one.number for one in trials]


@pytest.mark.parametrize("text", ["params_millions <= 2", "val/f1 >= 0.9", "val/x <= -1e-05", "val/a b >= 1e+300"])
def test_a_constraint_reads_as_it_is_written(text: str) -> None:
    assert str(Constraint.of(text)) == text
    assert Constraint.of(str(Constraint.of(text))) == Constraint.of(text)


@pytest.mark.parametrize("text", ["", "a < 2", "a", "<= 2", "a <= b", "1 <= a <= 2"])
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"METRIC|could not convert"):
        Constraint.of(text)


def test_a_violation_counts_in_units_of_the_bound() -> None:
    assert [SMALL.violation(value) for value in (1.0, 2.0, 3.0)] == [0.0, 0.0, 0.5]
    assert Constraint("val/f1", ">=", 0.8).violation(0.6) == pytest.approx(0.25)
    assert Constraint("val/bias", "<=", 0.0).violation(0.25) == 0.25
    assert SMALL.violation(None) == SMALL.violation(math.nan) == math.inf


def test_the_best_is_the_best_that_keeps_the_constraints() -> None:
    trials = [
        trial(0, 0.9, params_millions=2.5, epoch_seconds=1.0),
        trial(1, 0.7, params_millions=1.0, epoch_seconds=1.0),
        trial(2, 0.8, params_millions=2.0, epoch_seconds=5.0),
        trial(3, 0.95, params_millions=1.0, epoch_seconds=math.nan),
    ]
    assert numbers(ranked(trials, BOUND)) == [2, 1]
    assert why_none_feasible(trials, BOUND) is None
    assert judged_by(trials[1], BOUND) == {"val/accuracy": 0.7, "params_millions": 1.0, "epoch_seconds": 1.0}


def test_that_all_break_them_is_said_with_the_nearest() -> None:
    sizes = (9.0, 2.41)
    trials = [trial(number, 0.5, params_millions=size, epoch_seconds=1.0) for number, size in enumerate(sizes)]
    assert ranked(trials, BOUND) == []
    told = str(why_none_feasible(trials, BOUND))
    assert "all 2 complete trials" in told
    assert "the nearest is trial 1: params_millions is 2.41, not <= 2" in told
    alone = str(why_none_feasible(trials[:1], BOUND))
    assert "the only complete trial breaks" in alone
    assert "params_millions is 9, not <= 2" in alone
    assert why_none_feasible([], BOUND) is None
    assert why_none_feasible([replace(trials[0], state=TrialState.PRUNED)], BOUND) is None


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_epochs_that_break_a_constraint_rank_behind_all_others_by_how_much(direction: str) -> None:
    objective = Objective("val/score", direction, constraints=(SMALL,))
    worst, best = (1e30, -1e30) if direction == "minimize" else (-1e30, 1e30)
    kept = [objective.penalized(value, {"params_millions": 1.0}) for value in (best, worst)]
    broken = [objective.penalized(best, {"params_millions": size}) for size in (2.1, 50.0, math.inf)]
    order = [*kept, *broken[:2]]
    assert sorted(order, key=lambda value: objective.sign * value) == order
    assert all(math.isfinite(value) for value in broken)
    assert math.isnan(objective.penalized(math.nan, {}))


def test_of_several_objectives_the_front_comes_first_by_the_first_of_them() -> None:
    trials = [
        trial(0, 0.9, PAIR, params_millions=4.0),
        trial(1, 0.8, PAIR, params_millions=5.0),  # dominated
        trial(2, 0.7, PAIR, params_millions=1.0),
        trial(3, 0.9, PAIR, params_millions=3.0),
        trial(4, 0.99, PAIR),  # was never measured
    ]
    assert numbers(pareto_front(trials, PAIR)) == [3, 2]
    assert numbers(ranked(trials, PAIR)) == [3, 2, 4, 0, 1]


def test_the_hypervolume_grows_trial_by_trial() -> None:
    trials = [
        trial(0, 0.5, PAIR, params_millions=4.0),
        trial(1, 0.4, PAIR, params_millions=4.5),
        trial(2, 0.9, PAIR, params_millions=3.0),
        trial(3, 0.8, PAIR, params_millions=0.5),
    ]
    front = front_of(trials, PAIR)
    assert front.trials == (2, 3)
    assert front.reference == pytest.approx((0.35, 4.9))
    volumes = [volume for _, volume in front.volumes]
    assert [number for number, _ in front.volumes] == [0, 1, 2, 3]
    assert volumes == sorted(volumes)
    assert volumes[0] == volumes[1] < volumes[2] < volumes[3] < 1.0
    assert front.hypervolume == pytest.approx((0.45 * 4.4 + 0.1 * 1.9) / (0.55 * 4.4))
    assert front.to_dict()["reference"] == pytest.approx({"val/accuracy": 0.35, "params_millions": 4.9})


def test_that_no_trial_has_all_objectives_is_said() -> None:
    lacking = [trial(number, 0.5, PAIR, params_millions=math.nan) for number in range(2)]
    said = why_no_front(lacking, PAIR)
    assert said is not None
    assert said.startswith(
        "each of the 2 complete trials lacks a finite number in one of val/accuracy, params_millions"
    )
    assert str(why_no_front(lacking[:1], PAIR)).startswith("the only complete trial lacks")
    assert front_of(lacking, PAIR).volumes == ()
    assert why_no_front([*lacking, trial(2, 0.4, PAIR, params_millions=1.0)], PAIR) is None
    assert why_no_front([], PAIR) is None
    assert why_no_front(lacking, BOUND) is None


def test_equal_trials_and_no_trials_have_a_front_too() -> None:
    equal = [trial(number, 0.5, PAIR, params_millions=1.0) for number in range(2)]
    assert front_of(equal, PAIR).trials == (0, 1)
    assert 0.0 < front_of(equal, PAIR).hypervolume <= 1.0
    assert front_of([], PAIR).to_dict()["hypervolume"] == 0.0
