"""What every store must do for the queue: who waits, claims that are handed on, what MLflow lacks."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import pytest

from goodfit.service.errors import Fenced, StudyHeld
from goodfit.service.ports import Store
from goodfit.service.records import Batch, Lease, Report, Study, StudyState, Trial, TrialState
from goodfit.testing.stores.opening import Opened, OpenStore, remove

TTL = 30.0


def alive(owner: str) -> bool:
    return False


def queued(store: Store, name: str, at: float | None = 5.0, **more: Any) -> Study:
    return store.add_study(Study(name, {}, "f", 1.0, queued=at, **more))


def acquire(store: Store, study: Study, owner: str = "a") -> Lease:
    return store.acquire(study.id, owner, 0.0, TTL, alive)


def put(store: Store, study: Study, *states: StudyState) -> None:
    """Bring a study by way of these states to the last of them."""
    lease = acquire(store, study)
    changed = study
    for state in states:
        changed = changed.to(state)
    store.apply(lease, Batch(study=changed))
    store.release(lease)


def names(store: Store) -> list[str]:
    return [study.name for study, _ in store.waiting()]


def reopened(study: Study, **changes: Any) -> Study:
    return study.to(StudyState.QUEUED, message=None, ended=None, stop_asked=False, **changes)


def finish(store: Store, study: Study, trials: int = 2, state: StudyState = StudyState.DONE) -> None:
    lease = acquire(store, study)
    store.apply(lease, Batch({n: Trial(n, {}, n, TrialState.COMPLETE, epochs=3) for n in range(trials)}))
    store.apply(lease, Batch(study=study.to(StudyState.RUNNING).to(state)))
    store.release(lease)


def mirror(store: Store, study: Study, *trials: int) -> None:
    store.note_mirrored(study.id, {n: (f"run-{n}", 3, "COMPLETE/") for n in trials})


def _mirror(open_store: OpenStore, study_id: int, told: Connection) -> None:
    with open_store().only_mirror(study_id) as ours:
        told.send(bool(ours))
        told.recv()


class QueueContract(Opened):
    """Which studies wait, claims that are handed on, what MLflow lacks."""

    def test_the_services_studies_wait_in_the_order_in_which_they_came(self, store: Store) -> None:
        for name, at in (("late", 9.0), ("early", 2.0), ("mine", None), ("middle", 5.0), ("beside", 5.0)):
            queued(store, name, at)
        assert names(store) == ["early", "middle", "beside", "late"]

    def test_a_study_that_waits_comes_whole_and_with_its_lease(self, store: Store) -> None:
        study = queued(store, "digits", submitter="ana", priority=3)
        assert store.waiting() == [(study, None)]
        lease = acquire(store, study)
        assert store.waiting() == [(study, lease)]
        store.release(lease)
        assert store.waiting() == [(study, None)]

    def test_only_what_is_queued_or_running_waits(self, store: Store) -> None:
        ways = {
            "runs": [StudyState.RUNNING],
            "done": [StudyState.RUNNING, StudyState.DONE],
            "failed": [StudyState.FAILED],
            "stopped": [StudyState.STOPPED],
            "interrupted": [StudyState.RUNNING, StudyState.INTERRUPTED],
        }
        for name, states in ways.items():
            put(store, queued(store, name), *states)
        queued(store, "removed")
        remove(store, "removed")
        assert names(store) == ["runs"]

    @pytest.mark.parametrize("state", [StudyState.STOPPED, StudyState.FAILED, StudyState.INTERRUPTED, StudyState.DONE])
    def test_a_study_at_rest_can_be_queued_again_with_another_spec(self, store: Store, state: StudyState) -> None:
        study = queued(store, "digits", None)
        put(store, study, StudyState.RUNNING, state)
        store.ask_stop(study.id, True)
        lease = acquire(store, study)
        again = reopened(store.study("digits"), queued=77.0, spec={"budget": {"trials": 40}}, priority=3)
        store.reopen(lease, again, by="ana")
        found = store.study("digits")
        assert (found.state, found.queued, found.stop_asked, found.ended) == (StudyState.QUEUED, 77.0, False, None)
        assert (found.spec, found.priority) == ({"budget": {"trials": 40}}, 3)
        assert names(store) == ["digits"]

    def test_trials_that_are_trained_again_keep_their_curves_as_far_as_they_go_on(self, store: Store) -> None:
        study = queued(store, "digits", None)
        lease = acquire(store, study)
        failed = {
            number: Trial(number, {}, 1, TrialState.FAILED, attempts=2, epochs=3, value=0.5, ended=9.0)
            for number in range(3)
        }
        reports = [Report(number, epoch, {"val/loss": 0.5}, 1.0) for number in range(3) for epoch in (1, 2, 3)]
        store.apply(lease, Batch(trials=failed, reports=reports))
        store.note_mirrored(study.id, {number: (f"run-{number}", 3, "FAILED/") for number in range(3)})
        kept = store.trials(study.id)
        anew = replace(kept[0], state=TrialState.QUEUED, epochs=0, value=None, ended=None, began=3)
        goes_on = replace(kept[1], state=TrialState.QUEUED, ended=None)
        store.reopen(lease, store.study("digits"), [anew, goes_on])
        trials = store.trials(study.id)
        assert trials == [replace(anew, mlflow_run_id=None), goes_on, kept[2]]
        assert [(one.trial, one.epoch) for one in store.reports(study.id)] == [
            (n, e) for n in (1, 2) for e in (1, 2, 3)
        ]
        assert store.mirrored_epochs(study.id, [0, 1, 2]) == {0: 0, 1: 3, 2: 3}

    def test_only_who_holds_a_study_reopens_it(self, store: Store) -> None:
        study = queued(store, "digits", None)
        lease = acquire(store, study)
        store.hand_over(lease, "b", 0.0, TTL)
        with pytest.raises(Fenced):
            store.reopen(lease, replace(study, queued=77.0), [Trial(0, {}, 1)])
        assert names(store) == []
        assert store.trials(study.id) == []

    def test_what_a_study_was_trained_with_is_forgotten_where_its_user_says_so(self, store: Store) -> None:
        study = queued(store, "digits", None, inputs={"format": 1, "data": {"digest": "a"}})
        put(store, study, StudyState.RUNNING, StudyState.STOPPED)
        assert store.study("digits").inputs == {"format": 1, "data": {"digest": "a"}}
        store.reopen(acquire(store, study), reopened(store.study("digits"), inputs=None))
        assert store.study("digits").inputs is None

    def test_why_studies_wait_is_noted_and_taken_back(self, store: Store) -> None:
        one, two = queued(store, "one"), queued(store, "two")
        store.note_waits({one.id: "waits for 1 GPU: the cluster has 0", two.id: "3 of 3 studies run"})
        assert store.study("one").waits_for == "waits for 1 GPU: the cluster has 0"
        store.note_waits({one.id: None, 999: "it was removed meanwhile"})
        store.note_waits({})
        assert [study.waits_for for study, _ in store.waiting()] == [None, "3 of 3 studies run"]

    def test_a_runner_does_not_touch_what_is_the_queues(self, store: Store) -> None:
        study = queued(store, "digits", submitter="ana", priority=1)
        store.note_waits({study.id: "3 of 3 studies run"})
        lease = acquire(store, study)
        stale = replace(study, queued=None, submitter=None, priority=9, waits_for=None)
        store.apply(lease, Batch(study=stale.to(StudyState.RUNNING)))
        found = store.study("digits")
        assert (found.queued, found.submitter, found.priority) == (5.0, "ana", 1)
        assert found.waits_for == "3 of 3 studies run"

    def test_a_claim_is_handed_on_with_the_next_fence(self, store: Store) -> None:
        study = queued(store, "digits")
        claim = acquire(store, study, "controller")
        held = store.hand_over(claim, "runner", 10.0, TTL)
        assert held == Lease(study.id, "runner", claim.fence + 1, 10.0 + TTL)
        assert store.holder(study.id) == held
        with pytest.raises(Fenced, match="runner took over"):
            store.apply(claim, Batch(trials={0: Trial(0, {}, 1)}))
        with pytest.raises(Fenced):
            store.renew(claim, 10.0, TTL)
        store.release(claim)  # another's already
        with pytest.raises(StudyHeld):
            acquire(store, study, "other")
        store.apply(held, Batch(trials={0: Trial(0, {}, 1)}))

    def test_a_claim_that_is_gone_cannot_be_handed_on(self, store: Store) -> None:
        study = queued(store, "digits")
        claim = acquire(store, study)
        second = store.hand_over(claim, "b", 1.0, TTL)
        for late in (claim, replace(claim, fence=99)):
            with pytest.raises(Fenced):
                store.hand_over(late, "c", 2.0, TTL)
        store.release(second)
        with pytest.raises(Fenced, match="given back"):
            store.hand_over(second, "c", 2.0, TTL)
        remove(store, "digits")
        with pytest.raises(Fenced, match="removed"):
            store.hand_over(second, "c", 2.0, TTL)

    def test_a_late_claim_that_nobody_else_took_can_be_handed_on(self, store: Store) -> None:
        claim = acquire(store, queued(store, "digits"))
        assert store.hand_over(claim, "runner", 10 * TTL, TTL).owner == "runner"

    def test_files_travel_with_their_study_and_go_with_it(self, store: Store) -> None:
        files = {"my_net.py": "def train(trial):\n    pass  # größe 数字\n", "helper.py": ""}
        study = store.add_study(Study("digits", {}, "f", 1.0), files)
        plain = queued(store, "plain")
        assert store.files(study.id) == files
        assert store.files(plain.id) == {}
        remove(store, "digits")
        assert store.files(study.id) == {}

    def test_a_study_at_rest_is_behind_until_mlflow_has_all_of_it(self, store: Store) -> None:
        study = queued(store, "digits")
        assert store.behind(10) == []
        finish(store, study)
        assert [one.id for one in store.behind(10)] == [study.id]
        mirror(store, study, 0)
        assert [one.id for one in store.behind(10)] == [study.id]
        mirror(store, study, 1)
        assert [one.id for one in store.behind(10)] == [study.id]  # its model is not there yet
        store.note_study_mirrored(study.id, champion=0, mlflow_run_id="r")
        assert store.behind(10) == []

    def test_only_studies_of_the_service_at_rest_are_behind_the_oldest_first(self, store: Store) -> None:
        studies = [queued(store, f"s{n}") for n in range(3)]
        for study in studies[::-1]:
            finish(store, study)
        finish(store, queued(store, "mine", None))
        running = queued(store, "runs")
        lease = acquire(store, running)
        store.apply(lease, Batch({0: Trial(0, {}, 1)}, study=running.to(StudyState.RUNNING)))
        stopped = queued(store, "stopped")
        finish(store, stopped, 1, StudyState.STOPPED)
        assert [one.name for one in store.behind(10)] == ["s0", "s1", "s2", "stopped"]
        assert [one.name for one in store.behind(2)] == ["s0", "s1"]
        mirror(store, stopped, 0)
        assert [one.name for one in store.behind(10)] == ["s0", "s1", "s2"]

    def test_a_study_has_one_mirror_at_a_time(self, store: Store) -> None:
        one, two = queued(store, "one"), queued(store, "two")
        with store.only_mirror(one.id) as first:
            with store.only_mirror(one.id) as second, store.only_mirror(two.id) as other:
                assert [bool(one) for one in (first, second, other)] == [True, False, True]
            with store.only_mirror(one.id) as third:
                assert not third  # the second's end took nothing away
        with store.only_mirror(one.id) as again:
            assert again

    def test_a_mirror_that_is_killed_makes_way(self, store: Store, open_store: OpenStore) -> None:
        study = queued(store, "digits")
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_mirror, args=(open_store, study.id, there))
        process.start()
        assert here.recv() is True
        with store.only_mirror(study.id) as ours:
            assert not ours
        process.kill()
        process.join()
        for end in (here, there):
            end.close()
        for _ in range(100):  # PostgreSQL sees after a moment that the connection is gone
            with store.only_mirror(study.id) as ours:
                if ours:
                    return
        raise AssertionError("the lock of a dead process stays")
