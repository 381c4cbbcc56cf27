"""Failures alike end a study in which nothing succeeds, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodfit.service import scheduler as sc
from goodfit.service.records import StudyState, Trial, TrialState
from goodfit.trainers.messages import Outcome
from tests.scheduling import PLAN, Desk

MANY = replace(PLAN, trials=200, failures=3)


def test_failures_alike_end_a_study_in_which_nothing_succeeds() -> None:
    desk = Desk(MANY)
    for number in range(3):
        desk.end(number, Outcome.ERROR, message=f"ValueError: x is 0.{number}1 (tr.py:59)")
    assert len(desk.launched) == 3
    assert desk.close == sc.Close(
        StudyState.FAILED, "3 trials failed alike, and none succeeded: ValueError: x is 0.21 (tr.py:59)"
    )


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("KeyError: 'relu' (net.py:7)", "KeyError: 'gelu' (net.py:7)", True),
        ("KeyError: 'relu' (net.py:7)", "KeyError: 'relu' (net.py:9)", False),
        ("ValueError: no (net.py:7)", "TypeError: no (net.py:7)", False),
        ("val/loss is nan at epoch 3", "val/loss is -inf at epoch 12", True),
        ("val/loss is nan at epoch 3", "train/loss is nan at epoch 3", False),
        ("at 0x7f2a in 1.5e-05 s", "at 0x9bcd in 12 s", True),
        (None, None, True),
    ],
)
def test_failures_are_alike_by_their_kind_and_place_and_not_by_their_numbers(
    first: str | None, second: str | None, alike: bool
) -> None:
    desk = Desk(replace(MANY, failures=2))
    desk.end(0, Outcome.ERROR, message=first)
    desk.end(1, Outcome.ERROR, message=second)
    assert (desk.close is not None) == alike


def test_another_kind_of_failure_is_another_cause() -> None:
    desk = Desk(replace(MANY, failures=2))
    desk.end(0, Outcome.ERROR, message="no")
    desk.end(1, Outcome.NAN, message="no")
    assert desk.close is None
    desk.end(2, Outcome.NAN, message="no")
    assert desk.close is not None


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED])
def test_one_trial_that_succeeded_shows_that_others_can(state: TrialState) -> None:
    desk = Desk(MANY, trials=(Trial(0, {}, 1, state, value=0.5),))
    for number in range(1, 20):
        desk.end(number, Outcome.ERROR, message="no")
    assert desk.close is None


def test_a_running_trial_that_got_further_than_any_failure_is_waited_for() -> None:
    desk = Desk(replace(MANY, failures=2), slots=2)
    desk.report(0, 1, 0.5)
    for number in (1, 2, 3):
        desk.end(number, Outcome.ERROR, message="no")
    assert desk.close is None
    desk.end(0, Outcome.ERROR, message="no")
    desk.end(4, Outcome.STOPPED)
    assert desk.close is not None
    assert desk.trial(4).state is TrialState.QUEUED, "what was in flight is saved"


def test_failures_before_a_resume_do_not_count() -> None:
    desk = Desk(MANY)
    for number in range(3):
        desk.end(number, Outcome.ERROR, message="no")
    again = Desk(MANY, tuple(desk.scheduler.trials.values()))
    again.end(3, Outcome.ERROR, message="no")
    assert again.close is None


def test_any_number_may_fail_where_the_study_says_so() -> None:
    desk = Desk(replace(MANY, trials=30, failures=0))
    for number in range(30):
        desk.end(number, Outcome.ERROR, message="no")
    assert desk.close == sc.Close(StudyState.FAILED, "no trial was trained to its end: 30 of 30 trials failed with: no")
