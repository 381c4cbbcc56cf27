"""`budget: {epochs: N}`: no epoch more is trained, and the last trials end where it does."""

from __future__ import annotations

from dataclasses import replace

from goodfit.service import scheduler as sc
from goodfit.service.records import StudyState, TrialState
from goodfit.trainers.messages import Outcome
from tests.scheduling import PLAN, Desk

TEN = replace(PLAN, trials=None, epoch_budget=10)  # of 4 epochs a trial


def train(desk: Desk, trial: int) -> None:
    """Report until the trial ends of its own accord, or is told to stop."""
    for epoch in range(1, PLAN.epochs + 1):
        desk.report(trial, epoch, 1.0, final=epoch == PLAN.epochs)
        if desk.told_to_stop(trial):
            desk.end(trial, Outcome.STOPPED)
            return
    desk.end(trial)


def test_the_last_trial_ends_where_the_budget_does() -> None:
    desk = Desk(TEN)
    for trial in range(3):
        train(desk, trial)
    assert [desk.trial(trial).epochs for trial in range(3)] == [4, 4, 2]
    assert [desk.trial(trial).state for trial in range(3)] == [TrialState.COMPLETE] * 2 + [TrialState.PRUNED]
    assert desk.trial(2).prune_at == 2
    assert desk.close == sc.Close(StudyState.DONE)


def test_what_runs_has_its_epochs_kept_and_no_trial_starts_without_any() -> None:
    desk = Desk(TEN, slots=8)
    assert [desk.trial(number).until for number, _ in desk.launched] == [None, None, 2]


def test_epochs_that_a_trial_gives_back_go_to_another() -> None:
    desk = Desk(TEN, slots=2)
    desk.report(0, 1, 1.0, final=True)  # early stopping
    desk.end(0)
    train(desk, 1)
    train(desk, 2)
    train(desk, 3)
    assert sum(trial.epochs for trial in desk.scheduler.trials.values()) == 10
    assert desk.close == sc.Close(StudyState.DONE)


def test_a_search_that_goes_on_counts_what_it_trained_before() -> None:
    first = Desk(TEN)
    train(first, 0)
    train(first, 1)
    again = Desk(TEN, tuple(trial for trial in first.scheduler.trials.values() if trial.number < 2))
    assert [(number, again.trial(number).until) for number, _ in again.launched] == [(2, 2)]


def test_a_budget_below_one_full_training_ends_without_a_winner() -> None:
    desk = Desk(replace(TEN, epoch_budget=3))
    train(desk, 0)
    assert desk.trial(0).state is TrialState.PRUNED
    why = "no trial was trained to its end: budget.epochs is 3, a training 4 epochs"
    assert desk.close == sc.Close(StudyState.FAILED, why)


def test_nothing_is_left_to_do_once_all_is_trained() -> None:
    desk = Desk(TEN)
    for trial in range(3):
        train(desk, trial)
    assert sc.is_over(TEN, list(desk.scheduler.trials.values()), time_spent=False)
