"""Trials that are paused and go on: what the scheduler does of them, whatever happens meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodfit.service import scheduler as sc
from goodfit.service.errors import IllegalChange
from goodfit.service.ports import Proposal
from goodfit.service.records import Failure, StudyState, Trial, TrialState, Verdict
from goodfit.trainers.messages import Ended, Outcome, Reported
from tests.scheduling import PAUSING, PausingDesk


def test_a_paused_trial_can_go_on_or_end_pruned_and_become_nothing_else() -> None:
    paused = Trial(0, {}, 1, TrialState.RUNNING).to(TrialState.PAUSED)
    assert {state for state in TrialState if _is_legal(paused, state)} == {TrialState.QUEUED, TrialState.PRUNED}
    before = {state for state in TrialState if _is_legal(Trial(0, {}, 1, state), TrialState.PAUSED)}
    assert before == {TrialState.RUNNING}


def _is_legal(trial: Trial, state: TrialState) -> bool:
    try:
        trial.to(state)
    except IllegalChange:
        return False
    return True


def test_a_trial_is_paused_at_its_target_and_its_worker_takes_the_next() -> None:
    desk = PausingDesk()
    desk.reach(0)
    assert desk.did(sc.Reach) == [sc.Reach(0, 2, 1.0)]
    assert desk.did(sc.Stop) == [sc.Stop(0)]
    assert desk.states == ["RUNNING", "QUEUED"], "the worker is not free yet"
    desk.let_go(0)
    assert desk.states == ["PAUSED", "RUNNING"]
    assert desk.launched == [(0, 1), (1, 1)]


def test_a_trial_goes_on_where_it_waits_without_letting_its_worker_go() -> None:
    desk = PausingDesk()
    desk.answers.append(Proposal(0, until=4))
    desk.reach(0)
    assert desk.did(sc.GoOn) == [sc.GoOn(0, 4)]
    desk.answers.append(Proposal(0, until=None))
    desk.reach(0)
    assert desk.did(sc.GoOn)[-1] == sc.GoOn(0, None)
    assert (desk.did(sc.Stop), desk.launched) == ([], [(0, 1)])
    assert desk.trial(0).until is None


def test_a_paused_trial_is_resumed_on_a_free_worker_and_no_attempt_is_counted() -> None:
    desk = PausingDesk()
    desk.pause(0)
    desk.answers.append(Proposal(0, until=4))
    desk.reach(1)
    assert desk.states == ["QUEUED", "RUNNING"]
    desk.let_go(1)
    assert desk.states == ["RUNNING", "PAUSED"]
    assert desk.launched == [(0, 1), (1, 1), (0, 1)]
    (again,) = [one.trial for one in desk.did(sc.Launch) if one.trial.until == 4]
    assert (again.attempts, again.epochs) == (1, 2)
    desk.report(0, 3, 0.1)
    assert desk.trial(0).epochs == 3


def test_a_resume_may_be_decided_while_the_worker_still_lets_the_trial_go() -> None:
    desk = PausingDesk(slots=2)
    desk.answers += [None, Proposal(0, until=4)]
    desk.reach(0)  # nothing to do for its worker; then the other one ends, and trial 0 is worth going on with
    desk.end(1, Outcome.ERROR)
    trial = desk.trial(0)
    assert (trial.state, trial.until) == (TrialState.RUNNING, 4), "the store has the decision"
    asked = len(desk.did(sc.Ask))
    desk.turn()
    assert len(desk.did(sc.Ask)) == asked, "the free worker is taken"
    desk.let_go(0)
    assert desk.launched[-2:] == [(0, 1), (2, 1)]
    assert desk.trial(0).state is TrialState.RUNNING


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.PREEMPTED, Outcome.AWAY, Outcome.OOM])
def test_a_trial_whose_worker_is_lost_while_it_is_being_paused_is_paused(outcome: Outcome) -> None:
    desk = PausingDesk(replace(PAUSING, retries=0))
    desk.reach(0)
    desk.let_go(0, outcome)
    assert desk.states == ["PAUSED", "RUNNING"]
    assert desk.trial(0).worker_deaths == 0
    assert desk.trial(0).share == (sc.MORE if outcome is Outcome.OOM else 1.0)


def test_a_full_disk_while_a_trial_is_being_paused_closes_the_study_and_keeps_the_trial() -> None:
    desk = PausingDesk()
    desk.reach(0)
    desk.let_go(0, Outcome.NO_DISK)
    assert desk.states == ["PAUSED", "QUEUED"]
    assert desk.close == sc.Close(StudyState.INTERRUPTED, None)


def test_a_trial_that_fails_while_it_is_being_paused_has_failed_and_the_study_goes_on() -> None:
    desk = PausingDesk(slots=2)
    desk.answers += [None, Proposal(0, until=4)]
    desk.reach(0)
    desk.end(1, Outcome.ERROR)  # trial 0 is to go on
    desk.let_go(0, Outcome.ERROR)
    assert desk.states == ["FAILED(error)", "FAILED(error)", "RUNNING"]


def test_a_worker_that_does_not_let_a_trial_go_is_ended() -> None:
    desk = PausingDesk()
    desk.reach(0)
    desk.tell(sc.Unresponsive(0))
    desk.turn()
    assert desk.did(sc.Kill) == [sc.Kill(0)]
    assert desk.states == ["PAUSED", "RUNNING"]


def test_a_trial_whose_time_ends_while_it_is_being_paused_has_its_time_when_it_goes_on() -> None:
    desk = PausingDesk()
    desk.reach(0)
    desk.tell(sc.Overtime(0))
    desk.let_go(0)
    desk.answers.append(Proposal(0, until=4))
    desk.pause(1)
    assert desk.states == ["RUNNING", "PAUSED"]
    desk.tell(sc.Overtime(0))
    desk.let_go(0)
    assert desk.trial(0).failure is Failure.TIMEOUT


@pytest.mark.parametrize(
    ("cut", "state"), [(sc.Judged(0, 2, True), "PRUNED"), (sc.Examined(0, 2, Verdict.OVERFIT), "COMPLETE")]
)
@pytest.mark.parametrize("answer", [None, Proposal(0, until=4), Proposal(1, {"x": 1}, until=2)])
def test_a_trial_that_is_cut_at_its_target_ends_there(cut: sc.Event, state: str, answer: Proposal | None) -> None:
    desk = PausingDesk()
    desk.report(0, 1, 0.5)
    desk.answers.append(answer)
    answers = desk.note(desk.scheduler.step(Reported(0, 1, 2, {"val/loss": 0.5}, desk.now), desk.now))
    desk.tell(cut, *answers)
    desk.let_go(0)
    assert desk.states == [state, "RUNNING"]


def test_a_trial_that_ends_at_its_target_of_its_own_accord_is_complete_and_nothing_is_decided() -> None:
    desk = PausingDesk()
    asked = len(desk.did(sc.Ask))
    desk.report(0, 1, 0.5)
    desk.report(0, 2, 0.4, final=True)
    assert len(desk.did(sc.Ask)) == asked
    assert desk.trial(0).until is None
    desk.end(0)
    assert desk.trial(0).state is TrialState.COMPLETE


def test_a_trial_that_ended_at_its_target_and_lost_its_worker_then_has_another_attempt_to_end() -> None:
    desk = PausingDesk()
    desk.report(0, 1, 0.5)
    desk.report(0, 2, 0.4, final=True)
    desk.end(0, Outcome.LOST)
    assert desk.launched == [(0, 1), (0, 2)]
    assert desk.did(sc.Launch)[-1].trial.until is None


def test_a_trial_that_cannot_be_paused_goes_on_or_is_pruned() -> None:
    desk = PausingDesk()
    desk.answers += [Proposal(0, until=4), Proposal(0, prune=True)]
    desk.reach(0, resumable=False)
    assert [ask.stays for ask in desk.did(sc.Ask)] == [False, True]
    assert desk.did(sc.GoOn) == [sc.GoOn(0, 4)]
    desk.reach(0, resumable=False)
    assert desk.trial(0).prune_at == 4
    desk.let_go(0)
    assert desk.states == ["PRUNED", "RUNNING"]


def test_what_is_paused_when_nothing_is_left_to_do_is_pruned_where_it_was_left() -> None:
    desk = PausingDesk()
    for number in range(3):
        desk.pause(number)
    assert desk.states == ["PRUNED"] * 3
    assert [trial.prune_at for trial in desk.scheduler.trials.values()] == [2, 2, 2]
    assert desk.close == sc.Close(StudyState.FAILED, "no trial was trained to its end")
    assert len(desk.did(sc.Settle)) == 3


def test_a_spent_budget_of_trials_lets_paused_ones_go_on() -> None:
    desk = PausingDesk()
    desk.pause(0)
    desk.pause(1)
    desk.answers.append(Proposal(1, until=None))
    desk.pause(2)
    assert desk.did(sc.Ask)[-1].new is False
    desk.finish(1)
    assert desk.states == ["PRUNED", "COMPLETE", "PRUNED"]
    assert desk.close == sc.Close(StudyState.DONE)
    assert len(desk.scheduler.trials) == 3


def test_the_best_are_confirmed_after_the_paused_have_ended() -> None:
    desk = PausingDesk(replace(PAUSING, trials=2, confirm=(1, 2)))
    desk.pause(0)
    desk.answers.append(Proposal(0))
    desk.pause(1)
    desk.finish(0)
    assert desk.states == ["COMPLETE", "PRUNED", "RUNNING", "QUEUED"]
    assert [trial.until for trial in desk.scheduler.trials.values() if trial.confirms is not None] == [None, None]
    desk.finish(2)
    desk.finish(3)
    assert desk.close == sc.Close(StudyState.DONE)


def test_the_target_ends_the_study_and_what_is_paused() -> None:
    desk = PausingDesk(replace(PAUSING, target=0.2))
    desk.pause(0)
    desk.answers.append(Proposal(1))
    desk.finish(1)
    assert desk.states == ["PRUNED", "COMPLETE"]
    assert desk.close == sc.Close(StudyState.DONE)


SAVED = [sc.Reason.INTERRUPT, sc.Reason.STOP, sc.Reason.NO_DISK, sc.Reason.FAILURES]


def closed_in_all_places(reason: sc.Reason) -> PausingDesk:
    """A study that is closed while trial 0 is paused, 1 and 2 are let go, 1 to go on, and 3 trains."""
    desk = PausingDesk(replace(PAUSING, trials=9), slots=3)
    desk.answers += [Proposal(3, {"x": 3}, until=2), None, Proposal(1, until=4)]
    desk.pause(0)
    desk.reach(1)
    desk.reach(2)
    assert desk.states == ["PAUSED", "RUNNING", "RUNNING", "RUNNING"]
    desk.tell(sc.CloseAsked(reason))
    for number in (1, 2, 3):
        desk.let_go(number)
    return desk


@pytest.mark.parametrize("reason", list(sc.Reason))
def test_however_a_study_closes_each_trial_is_kept_to_go_on_or_ends_where_it_was(reason: sc.Reason) -> None:
    desk = closed_in_all_places(reason)
    saves = reason in SAVED
    assert desk.states == (["PAUSED", "QUEUED", "PAUSED", "QUEUED"] if saves else ["PRUNED"] * 3 + ["CANCELLED"])
    assert (desk.trial(1).until, desk.trial(2).until) == (4, 2)
    assert desk.close is not None
    assert desk.launched == [(0, 1), (1, 1), (2, 1), (3, 1)], "nothing started after the close"


@pytest.mark.parametrize("reason", SAVED)
def test_a_study_that_was_closed_goes_on_with_its_paused_trials(reason: sc.Reason) -> None:
    closed = closed_in_all_places(reason)
    desk = PausingDesk(replace(PAUSING, trials=4), tuple(closed.scheduler.trials.values()), slots=4)
    assert {number for number, _ in desk.launched} == {1, 3}
    assert desk.states == ["PAUSED", "RUNNING", "PAUSED", "RUNNING"]


def test_a_resumed_trial_that_waits_in_the_queue_is_pruned_when_the_time_is_spent() -> None:
    desk = PausingDesk(slots=2)
    desk.pause(0)
    desk.tell(sc.Slots(1))
    desk.answers.append(Proposal(0, until=4))
    desk.reach(1)
    assert desk.states == ["QUEUED", "RUNNING", "RUNNING"]
    desk.tell(sc.CloseAsked(sc.Reason.TIME))
    desk.let_go(1)
    desk.let_go(2)
    assert desk.states == ["PRUNED", "PRUNED", "CANCELLED"]
    assert [desk.trial(number).prune_at for number in (0, 1)] == [2, 2]


def test_a_trial_that_comes_to_its_target_while_the_study_closes_is_paused_and_goes_on_later() -> None:
    desk = PausingDesk()
    desk.tell(sc.CloseAsked(sc.Reason.INTERRUPT))
    asked = len(desk.did(sc.Ask))
    desk.reach(0)
    assert len(desk.did(sc.Ask)) == asked
    desk.let_go(0)
    assert desk.states == ["PAUSED"], "queued, it would wait at its target for a decision that nobody takes"
    assert desk.close == sc.Close(StudyState.INTERRUPTED, None)


def test_a_restart_takes_up_what_was_paused_at_its_target_and_queued() -> None:
    trials = (
        Trial(0, {}, 1, TrialState.PAUSED, attempts=1, epochs=2, until=2),
        Trial(1, {}, 2, TrialState.RUNNING, attempts=1, epochs=2, until=2),  # it was being paused
        Trial(2, {}, 3, TrialState.RUNNING, attempts=1, epochs=2, until=4),  # it was being paused, and to go on
        Trial(3, {}, 4, TrialState.QUEUED, attempts=1, epochs=2, until=4),
    )
    desk = PausingDesk(replace(PAUSING, trials=4), trials, slots=4)
    assert desk.states == ["PAUSED", "PAUSED", "RUNNING", "RUNNING"]
    assert desk.launched == [(2, 2), (3, 2)]
    desk.answers.append(Proposal(1, until=4))
    desk.pause(2)
    assert desk.launched[-1] == (1, 1), "the pause outlived the runner"


def test_fewer_slots_let_trials_come_to_their_targets_and_start_nothing() -> None:
    desk = PausingDesk(slots=2)
    desk.tell(sc.Slots(0))
    desk.turn()
    desk.pause(0)
    desk.pause(1)
    assert desk.states == ["PAUSED", "PAUSED", "QUEUED"]
    assert desk.close is None
    desk.tell(sc.Slots(1))
    desk.turn()
    assert desk.launched[-1] == (2, 1)


def test_failures_alike_do_not_end_a_study_whose_paused_trials_came_further() -> None:
    desk = PausingDesk(replace(PAUSING, trials=9, failures=2))
    desk.pause(0)
    for number in (1, 2, 3):
        desk.end(number, Outcome.ERROR, message="no")
    assert desk.close is None


def test_a_late_word_of_a_paused_trial_changes_nothing() -> None:
    desk = PausingDesk()
    desk.pause(0)
    before = len(desk.log)
    desk.report(0, 3, 0.1)
    desk.tell(Ended(0, 1, Outcome.ERROR), sc.Overtime(0), sc.Unresponsive(0), sc.Judged(0, 2, True))
    assert len(desk.log) == before
    assert desk.trial(0).state is TrialState.PAUSED
