"""What a trial is judged by besides its objective is kept of its best epoch; what breaks a bound is not the best."""

from __future__ import annotations

from dataclasses import replace

from goodfit.service import scheduler as sc
from goodfit.service.objective import Constraint, Objective
from goodfit.service.records import Failure, StudyState, Trial, TrialState
from goodfit.service.scheduler.ending import again, confirmations_due, reaches_target
from goodfit.trainers.messages import Reported
from tests.scheduling import PLAN, Desk

BOUND = Objective("val/loss", "minimize", constraints=(Constraint.of("epoch_seconds <= 5"),))
PAIR = Objective("val/loss", "minimize", (Objective("val/accuracy", "maximize"),))


def report(desk: Desk, trial: int, epoch: int, loss: float, **more: float) -> None:
    names = {name.replace("__", "/"): value for name, value in more.items()}
    desk.tell(Reported(trial, 1, epoch, {"val/loss": loss, **names}, desk.now, epoch == PLAN.epochs))


def test_the_values_are_those_of_the_best_epoch_by_the_first_objective() -> None:
    desk = Desk(replace(PLAN, objective=PAIR))
    for epoch, (loss, accuracy) in enumerate([(0.5, 0.6), (0.3, 0.7), (0.4, 0.9), (0.6, 0.8)], start=1):
        report(desk, 0, epoch, loss, val__accuracy=accuracy)
    desk.end(0)
    trial = desk.trial(0)
    assert (trial.value, trial.best_epoch, trial.measured, trial.violation) == (0.3, 2, {"val/accuracy": 0.7}, None)


def test_a_bound_is_judged_at_the_best_epoch() -> None:
    desk = Desk(replace(PLAN, objective=BOUND))
    report(desk, 0, 1, 0.5, epoch_seconds=10.0)
    assert not desk.trial(0).feasible
    report(desk, 0, 2, 0.4, epoch_seconds=5.0)
    assert desk.trial(0).feasible
    report(desk, 0, 3, 0.6, epoch_seconds=10.0)
    assert (desk.trial(0).violation, desk.trial(0).measured) == (0.0, {"epoch_seconds": 5.0})


def test_a_study_of_one_objective_keeps_nothing_more() -> None:
    desk = Desk()
    report(desk, 0, 1, 0.5, epoch_seconds=10.0)
    assert (desk.trial(0).measured, desk.trial(0).violation) == (None, None)


def test_a_target_is_reached_within_the_bounds_alone() -> None:
    plan = replace(PLAN, objective=BOUND, target=0.5)
    found = Trial(0, {}, 0, TrialState.COMPLETE, value=0.1, violation=0.2)
    assert not reaches_target(plan, found)
    assert reaches_target(plan, replace(found, violation=0.0))


def test_a_study_whose_trials_all_break_a_bound_is_done() -> None:
    desk = Desk(replace(PLAN, objective=BOUND, confirm=(2, 2)))
    for number in range(3):
        report(desk, number, 1, 0.5, epoch_seconds=10.0)
        desk.end(number)
    assert desk.close == sc.Close(StudyState.DONE)
    assert len(desk.scheduler.trials) == 3, "there is nothing to confirm"


def test_the_top_of_the_front_is_confirmed_and_nothing_else() -> None:
    plan = replace(PLAN, objective=PAIR, confirm=(5, 1))
    values = [(0.3, 0.9), (0.2, 0.8), (0.4, 0.5)]
    trials = [
        Trial(n, {}, n, TrialState.COMPLETE, value=loss, measured={"val/accuracy": accuracy})
        for n, (loss, accuracy) in enumerate(values)
    ]
    assert [trial.number for trial, _ in confirmations_due(plan, trials)] == [1, 0]
    assert [trial.number for trial, _ in confirmations_due(replace(plan, confirm=(1, 1)), trials)] == [1]


def test_a_trial_that_begins_anew_is_judged_anew() -> None:
    judged = {"value": 0.1, "measured": {"a": 1.0}, "violation": 0.2}
    anew = again(Trial(0, {}, 0, TrialState.FAILED, failure=Failure.NAN, attempts=1, **judged))  # type: ignore[arg-type]
    assert (anew.value, anew.measured, anew.violation) == (None, None, None)
