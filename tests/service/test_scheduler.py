"""The scheduler alone: events in, actions out, whatever the order of what workers say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodfit.service import scheduler as sc
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, StudyState, Trial, TrialState
from goodfit.trainers.messages import Ended, EndSearch, Noted, Outcome, Reported
from tests.scheduling import PLAN, Desk


def test_a_study_trains_its_budget_and_closes_done():
    desk = Desk()
    for number in range(3):
        assert desk.launched[-1] == (number, 1)
        desk.report(number, 1, 0.5)
        desk.end(number)
    assert [trial.state for trial in desk.scheduler.trials.values()] == [TrialState.COMPLETE] * 3
    assert desk.close == sc.Close(StudyState.DONE)
    assert len(desk.did(sc.Close)) == 1


def test_a_trainer_may_end_the_search_and_what_runs_goes_on_to_its_end():
    desk = Desk(replace(PLAN, trials=10), slots=2)
    desk.report(0, 1, 0.5)
    desk.tell(EndSearch(0, 1), EndSearch(1, 1))
    desk.end(0)
    assert desk.launched == [(0, 1), (1, 1)]
    desk.report(1, 1, 0.4)
    desk.end(1)
    assert desk.close == sc.Close(StudyState.DONE, "the trainer of trial 0 ended the search")
    assert [trial.state for trial in desk.scheduler.trials.values()] == [TrialState.COMPLETE] * 2


def test_a_search_that_a_trainer_ended_goes_on_where_the_study_is_edited():
    desk = Desk(replace(PLAN, trials=10))
    desk.tell(EndSearch(0, 1))
    desk.note(desk.scheduler.revise(desk.scheduler.plan, desk.now))
    desk.report(0, 1, 0.5)
    desk.end(0)
    assert desk.launched[-1] == (1, 1)


def test_value_is_the_best_epoch_and_the_last_is_kept_beside_it():
    desk = Desk()
    for epoch, loss in enumerate([0.9, 0.4, 0.4, 0.7], start=1):
        desk.report(0, epoch, loss, final=epoch == 4)
    desk.end(0)
    trial = desk.trial(0)
    assert (trial.value, trial.best_epoch, trial.last_value, trial.epochs) == (0.4, 2, 0.7, 4)


def test_an_epoch_without_the_objective_is_kept_and_neither_judged_nor_best():
    desk = Desk(replace(PLAN, prune=True))
    desk.report(0, 1, 0.5)
    before = len(desk.log)
    desk.tell(Reported(0, 1, 2, {"train/loss": 0.1}, desk.now))
    trial = desk.trial(0)
    assert (trial.value, trial.best_epoch, trial.last_value, trial.epochs) == (0.5, 1, 0.5, 2)
    assert [type(action) for action in desk.log[before:]] == [sc.Record, sc.Keep]
    desk.report(0, 3, 0.4)
    assert desk.trial(0).best_epoch == 3


def test_a_trial_that_its_trainer_prunes_is_pruned_at_its_last_epoch():
    desk = Desk()
    desk.report(0, 1, 0.5)
    desk.end(0, Outcome.PRUNED)
    desk.end(1, Outcome.PRUNED)
    assert [(desk.trial(n).state, desk.trial(n).prune_at) for n in (0, 1)] == [
        (TrialState.PRUNED, 1),
        (TrialState.PRUNED, 0),
    ]


def test_as_many_trials_run_as_there_are_slots_and_no_more():
    desk = Desk(slots=2)
    assert [number for number, _ in desk.launched] == [0, 1]
    desk.report(1, 1, 0.5)
    desk.end(1)
    assert [number for number, _ in desk.launched] == [0, 1, 2]
    desk.end(0)
    assert len(desk.launched) == 3


def test_a_grid_that_is_exhausted_ends_the_study_before_its_budget():
    desk = Desk(points=2)
    desk.end(0)
    desk.end(1)
    assert len(desk.scheduler.trials) == 2
    assert desk.close == sc.Close(StudyState.DONE)


def test_a_report_that_is_there_already_changes_nothing():
    desk = Desk()
    desk.report(0, 1, 0.5)
    before = len(desk.log)
    desk.report(0, 1, 0.1)
    assert len(desk.log) == before
    assert desk.trial(0).value == 0.5


def test_a_word_from_an_older_attempt_is_late():
    desk = Desk()
    desk.end(0, Outcome.LOST)
    desk.report(0, 1, 0.1, attempt=1)
    desk.end(0, Outcome.COMPLETE, attempt=1)
    assert desk.trial(0).state is TrialState.RUNNING
    assert desk.trial(0).epochs == 0


def test_a_pruned_trial_ends_at_the_epoch_of_the_decision():
    desk = Desk(sc.Plan(Objective("val/loss", "minimize"), 4, trials=3, prune=True))
    desk.report(0, 1, 0.5)
    assert desk.did(sc.Judge) == [sc.Judge(0, 1)]
    desk.tell(sc.Judged(0, 1, True))
    assert desk.did(sc.Stop) == [sc.Stop(0)]
    desk.report(0, 2, 0.1)
    desk.end(0, Outcome.STOPPED)
    trial = desk.trial(0)
    assert (trial.state, trial.epochs, trial.prune_at, trial.value) == (TrialState.PRUNED, 1, 1, 0.5)


def test_the_last_report_of_a_trial_is_not_judged():
    desk = Desk(sc.Plan(Objective("val/loss", "minimize"), 4, trials=3, prune=True))
    desk.report(0, 1, 0.5, final=True)
    assert desk.did(sc.Judge) == []


def test_with_folds_the_last_mean_counts_and_not_the_best():
    desk = Desk(sc.Plan(Objective("val/loss", "minimize"), 3, folds=True, trials=1))
    for fold, mean in enumerate((0.2, 0.4, 0.3), start=1):
        desk.report(0, fold, mean, final=fold == 3)
    curve = ({"val/loss": 0.5}, {"val/loss": 0.3})
    ended = Ended(0, 1, Outcome.COMPLETE, curve=curve)
    desk.tell(ended)
    trial = desk.trial(0)
    assert (trial.value, trial.best_epoch, trial.state) == (0.3, 3, TrialState.COMPLETE)
    assert desk.did(sc.Settle) == [sc.Settle(trial, ended)]


def test_a_lost_trial_is_tried_again_until_its_retries_are_spent():
    desk = Desk()
    desk.report(0, 1, 0.5)
    for attempt in (1, 2):
        desk.end(0, Outcome.LOST, attempt=attempt)
        assert desk.launched[-1] == (0, attempt + 1)
    desk.end(0, Outcome.LOST, attempt=3, message="killed")
    trial = desk.trial(0)
    assert (trial.label, trial.worker_deaths, trial.attempts, trial.epochs) == ("FAILED(lost)", 3, 3, 1)
    assert "died 3 times in a row: killed" in str(trial.message)


def test_a_lost_trial_that_gets_on_between_its_workers_deaths_is_tried_again_for_as_long_as_it_does():
    desk = Desk(sc.Plan(Objective("val/loss", "minimize"), 9, trials=1))
    for attempt in range(1, 7):
        desk.report(0, attempt, 1 / attempt, attempt=attempt)
        desk.end(0, Outcome.LOST, attempt=attempt)
    assert desk.trial(0).state is TrialState.RUNNING
    assert desk.launched[-1] == (0, 7)


def test_deaths_under_the_runner_before_are_not_counted_against_a_trial():
    left = Trial(0, {}, 1).to(TrialState.RUNNING, attempts=2, worker_deaths=2)
    desk = Desk(trials=(left,))
    desk.end(0, Outcome.LOST, attempt=3)
    assert (desk.trial(0).state, desk.trial(0).worker_deaths) == (TrialState.RUNNING, 1)


@pytest.mark.parametrize(("outcome", "failure"), [(Outcome.ERROR, Failure.ERROR), (Outcome.NAN, Failure.NAN)])
def test_a_failure_keeps_its_kind_and_its_message_and_is_not_tried_again(outcome, failure):
    desk = Desk()
    desk.end(0, outcome, message="what went wrong")
    trial = desk.trial(0)
    assert (trial.state, trial.failure, trial.message) == (TrialState.FAILED, failure, "what went wrong")
    assert [number for number, _ in desk.launched] == [0, 1]


def test_a_study_without_one_complete_trial_has_failed():
    desk = Desk()
    for number in range(3):
        desk.end(number, Outcome.ERROR)
    assert desk.close is not None
    assert desk.close.state is StudyState.FAILED


def test_an_unusable_study_stops_at_once():
    desk = Desk(slots=2)
    desk.end(0, Outcome.UNUSABLE, message="val/loss is not reported")
    assert desk.did(sc.Stop) == [sc.Stop(1)]
    desk.end(1, Outcome.STOPPED)
    assert desk.close == sc.Close(StudyState.FAILED, "val/loss is not reported")
    assert len(desk.launched) == 2


def test_when_the_time_is_up_trials_in_flight_are_kept_as_cancelled():
    desk = Desk(slots=2)
    desk.report(0, 1, 0.5)
    desk.tell(sc.CloseAsked(sc.Reason.TIME))
    desk.end(0, Outcome.STOPPED)
    desk.report(1, 1, 0.3, final=True)
    desk.end(1, Outcome.COMPLETE)
    assert desk.trial(0).state is TrialState.CANCELLED
    assert desk.trial(0).value == 0.5
    assert desk.trial(1).state is TrialState.COMPLETE
    assert desk.close == sc.Close(StudyState.DONE)


def test_an_interrupt_puts_trials_back_into_the_queue():
    desk = Desk(slots=2)
    desk.report(0, 1, 0.5)
    desk.tell(sc.CloseAsked(sc.Reason.INTERRUPT))
    desk.end(0, Outcome.STOPPED)
    assert desk.close is None
    desk.end(1, Outcome.STOPPED)
    assert [trial.state for trial in desk.scheduler.trials.values()] == [TrialState.QUEUED] * 2
    assert desk.close == sc.Close(StudyState.INTERRUPTED)


def test_a_full_disk_saves_and_says_so():
    desk = Desk()
    desk.end(0, Outcome.NO_DISK, message="No space left on device")
    assert desk.trial(0).state is TrialState.QUEUED
    assert desk.close == sc.Close(StudyState.INTERRUPTED, "No space left on device")


def test_a_full_disk_while_the_study_ends_cancels_and_leaves_nothing_in_the_queue():
    desk = Desk()
    desk.tell(sc.CloseAsked(sc.Reason.TIME))
    desk.end(0, Outcome.NO_DISK, message="No space left on device")
    assert desk.trial(0).state is TrialState.CANCELLED


def test_files_that_are_away_again_and_again_interrupt_the_study_and_fail_no_trial():
    desk = Desk(sc.Plan(Objective("val/loss", "minimize"), 4, trials=9, retries=2))
    for attempt in (1, 2):
        desk.end(0, Outcome.AWAY, attempt, message="Input/output error")
        assert desk.trial(0).state is TrialState.RUNNING
    desk.end(0, Outcome.AWAY, 3, message="Input/output error")
    assert desk.trial(0).state is TrialState.QUEUED
    assert desk.close == sc.Close(StudyState.INTERRUPTED, "Input/output error")


def test_what_a_user_should_know_of_a_trial_is_kept_with_it():
    desk = Desk()
    desk.report(0, 1, 0.5, final=True)
    desk.end(0, Outcome.COMPLETE, message="last.pt is damaged; the trial is trained again from its start")
    assert desk.trial(0).message == "last.pt is damaged; the trial is trained again from its start"


def test_notes_come_together_by_key_and_go_with_a_model_that_is_trained_anew():
    desk = Desk()
    desk.tell(Noted(0, 1, {"about": "first", "rows": 7}))
    desk.tell(Noted(0, 1, {"about": "second"}))
    desk.tell(Noted(0, 9, {"about": "of another attempt"}))
    assert desk.trial(0).notes == {"about": "second", "rows": 7}
    desk.end(0, Outcome.ERROR, message="ValueError")
    assert desk.trial(0).notes == {"about": "second", "rows": 7}
    assert sc.again(desk.trial(0)).notes is None


def test_reaching_the_target_ends_the_study():
    desk = Desk(sc.Plan(Objective("val/loss", "minimize"), 4, trials=9, target=0.2), slots=2)
    desk.report(0, 1, 0.2, final=True)
    desk.end(0)
    desk.end(1, Outcome.STOPPED)
    assert desk.trial(1).state is TrialState.CANCELLED
    assert desk.close == sc.Close(StudyState.DONE)
    assert len(desk.launched) == 2


def test_a_trial_past_its_time_is_stopped_and_failed_with_what_it_had():
    desk = Desk()
    desk.report(0, 1, 0.5)
    desk.tell(sc.Overtime(0), sc.Overtime(0))
    assert desk.did(sc.Stop) == [sc.Stop(0)]
    desk.end(0, Outcome.STOPPED)
    assert (desk.trial(0).label, desk.trial(0).value) == ("FAILED(timeout)", 0.5)


def test_a_trial_that_does_not_stop_is_killed():
    desk = Desk()
    desk.tell(sc.Overtime(0), sc.Unresponsive(0))
    desk.turn()
    assert desk.did(sc.Kill) == [sc.Kill(0)]
    assert desk.trial(0).label == "FAILED(timeout)"
    assert desk.launched[-1] == (1, 1)


def test_a_resumed_study_takes_up_what_was_in_flight():
    trials = (
        Trial(0, {}, 1, TrialState.COMPLETE, attempts=1, value=0.5),
        Trial(1, {}, 2, TrialState.RUNNING, attempts=1, epochs=2, value=0.4, best_epoch=2),
        Trial(2, {}, 3, TrialState.RUNNING, attempts=1, epochs=1, prune_at=1),
    )
    desk = Desk(trials=trials)
    assert desk.launched == [(1, 2)]
    assert desk.trial(2).state is TrialState.PRUNED
    desk.report(1, 2, 9.0, attempt=2)
    desk.report(1, 3, 0.3, attempt=2, final=True)
    desk.end(1, attempt=2)
    assert (desk.trial(1).value, desk.trial(1).best_epoch, desk.trial(1).epochs) == (0.3, 3, 3)
    assert desk.close == sc.Close(StudyState.DONE)


def test_a_worker_that_was_preempted_is_not_counted():
    desk = Desk()
    for attempt in range(1, 8):
        desk.end(0, Outcome.PREEMPTED, attempt=attempt)
    assert (desk.trial(0).state, desk.trial(0).worker_deaths, desk.launched[-1]) == (TrialState.RUNNING, 0, (0, 8))


def test_a_trial_that_runs_out_of_memory_gets_twice_the_share_once():
    desk = Desk(slots=2)
    desk.report(0, 1, 0.5)
    desk.end(0, Outcome.OOM, message="no more")
    assert [number for number, _ in desk.launched] == [0, 1]  # it waits for two slots, and nobody goes before it
    assert (desk.trial(0).state, desk.trial(0).share) == (TrialState.QUEUED, sc.MORE)
    desk.end(1)
    assert desk.launched[2:] == [(0, 2)]
    desk.report(0, 2, 0.4, attempt=2, final=True)
    desk.end(0, attempt=2)
    trial = desk.trial(0)
    assert (trial.state, trial.share, trial.attempts, trial.message) == (TrialState.COMPLETE, sc.MORE, 2, None)
    assert desk.launched[3:] == [(2, 1)]


def test_a_trial_that_runs_out_of_memory_again_has_failed():
    desk = Desk()
    desk.end(0, Outcome.OOM, message="no more")
    assert desk.launched == [(0, 1), (0, 2)]  # with one slot it gets more when nothing else runs
    desk.end(0, Outcome.OOM, attempt=2, message="the cluster has no room")
    trial = desk.trial(0)
    assert (trial.label, trial.message) == (
        "FAILED(oom)",
        "no more; with 2 times the share: the cluster has no room",
    )
    assert desk.launched[-1] == (1, 1)


def test_a_resumed_study_gives_a_trial_the_share_that_it_had():
    left = Trial(0, {}, 1, TrialState.RUNNING, attempts=2, epochs=1, share=sc.MORE, message="no more")
    desk = Desk(trials=(left,), slots=2)
    assert desk.launched == [(0, 3)]
    desk.end(0, Outcome.OOM, attempt=3, message="no more")
    assert desk.trial(0).label == "FAILED(oom)"


@pytest.mark.parametrize(("reason", "state"), [(sc.Reason.TIME, "FAILED(oom)"), (sc.Reason.INTERRUPT, "QUEUED")])
def test_out_of_memory_while_the_study_closes_is_not_tried_again_by_it(reason, state):
    desk = Desk()
    desk.tell(sc.CloseAsked(reason))
    desk.end(0, Outcome.OOM)
    assert desk.trial(0).label == state
    assert len(desk.launched) == 1


def test_fewer_slots_let_trials_go_on_and_more_start_new_ones():
    desk = Desk(slots=3)
    desk.tell(sc.Slots(1))
    desk.turn()
    assert len(desk.scheduler.running) == 3
    assert desk.did(sc.Stop) == desk.did(sc.Kill) == []
    desk.end(0)
    desk.end(1)
    assert len(desk.launched) == 3
    assert len(desk.scheduler.running) == 1


def test_without_slots_a_study_waits():
    desk = Desk(slots=0)
    assert (desk.launched, desk.close) == ([], None)
    desk.tell(sc.Slots(1))
    desk.turn()
    assert desk.launched == [(0, 1)]


def marked(desk: Desk, number: int = 0) -> tuple[str | None, str | None]:
    trial = desk.trial(number)
    return trial.code, trial.data


def test_trials_are_marked_with_the_code_and_the_data_that_trained_them():
    desk = Desk(replace(PLAN, code="c1", data="d1"))
    assert marked(desk) == ("c1", "d1")
    desk.report(0, 1, 0.5)
    desk.tell(Ended(0, 1, Outcome.COMPLETE, data="d1"))
    desk.turn()
    desk.tell(Ended(1, 1, Outcome.COMPLETE, data="d2"))  # this worker loaded the data after they had changed
    assert [marked(desk, number) for number in (0, 1)] == [("c1", "d1"), ("c1", "d2")]


@pytest.mark.parametrize(("epochs", "marks"), [(2, ("c1+c2", "d1+d2")), (0, ("c2", "d2"))])
def test_a_trial_that_goes_on_with_other_code_and_data_has_the_marks_of_both(epochs: int, marks: tuple[str, str]):
    desk = Desk(replace(PLAN, code="c1", data="d1"))
    for epoch in range(1, epochs + 1):
        desk.report(0, epoch, 0.5)
    desk.tell(sc.CloseAsked(sc.Reason.INTERRUPT))
    desk.end(0, Outcome.STOPPED)
    again = Desk(replace(PLAN, code="c2", data="d2"), (desk.trial(0),))
    assert marked(again) == marks
    again.tell(Ended(0, 2, Outcome.COMPLETE, data="d2"))
    assert marked(again) == marks
