"""What every store must do for trackers: what is ahead of the mirror, what is confirmed."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from goodfit.service.errors import UnknownStudy
from goodfit.service.ports import Store
from goodfit.service.records import Batch, Failure, Lease, Report, Study, Trial, TrialState
from goodfit.testing.stores.opening import Opened, OpenStore, remove


def numbers(store: Store, lease: Lease, limit: int = 100) -> list[int]:
    return [trial.number for trial in store.unmirrored(lease.study_id, limit)]


class MirrorContract(Opened):
    """What is ahead of the tracker's mirror, and what it has confirmed."""

    @pytest.fixture
    def lease(self, store: Store) -> Lease:
        study = store.add_study(Study("digits", {}, "abc", 1.0))
        return store.acquire(study.id, "here:1:1", 0.0, 30.0, lambda owner: False)

    def test_a_new_trial_is_ahead_until_it_is_confirmed(self, store: Store, lease: Lease) -> None:
        trial = Trial(0, {"a": 1.5}, 1)
        store.apply(lease, Batch(trials={0: trial}))
        assert store.unmirrored(lease.study_id, 10) == [trial]
        store.note_mirrored(lease.study_id, {0: ("run-0", 0, "QUEUED/")})
        assert store.unmirrored(lease.study_id, 10) == []
        assert store.trials(lease.study_id) == [replace(trial, mlflow_run_id="run-0")]

    def test_a_longer_curve_or_another_state_puts_a_trial_ahead(self, store: Store, lease: Lease) -> None:
        running = Trial(0, {}, 1, TrialState.RUNNING, epochs=2)
        store.apply(lease, Batch(trials={0: running, 1: replace(running, number=1)}))
        seen = ("run", 2, "RUNNING/")
        store.note_mirrored(lease.study_id, {0: seen, 1: seen})
        assert numbers(store, lease) == []
        store.apply(lease, Batch(trials={0: replace(running, epochs=3)}))
        assert numbers(store, lease) == [0]
        store.apply(lease, Batch(trials={1: replace(running, number=1, state=TrialState.FAILED, failure=Failure.NAN)}))
        assert numbers(store, lease) == [1, 0]
        store.note_mirrored(lease.study_id, {0: ("run", 3, "RUNNING/"), 1: ("run", 2, "FAILED(oom)/")})
        assert numbers(store, lease) == [1]  # another kind of failure is another state
        store.note_mirrored(lease.study_id, {1: ("run", 2, "FAILED(nan)/")})
        assert numbers(store, lease) == []

    def test_finished_trials_come_first_and_the_limit_holds(self, store: Store, lease: Lease) -> None:
        states = [TrialState.RUNNING, TrialState.COMPLETE, TrialState.QUEUED, TrialState.PRUNED, TrialState.CANCELLED]
        store.apply(lease, Batch(trials={n: Trial(n, {}, n, state) for n, state in enumerate(states)}))
        assert numbers(store, lease) == [1, 3, 4, 0, 2]
        assert numbers(store, lease, limit=2) == [1, 3]

    def test_an_interrupted_confirmation_leaves_the_trial_ahead(self, store: Store, lease: Lease) -> None:
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1, TrialState.COMPLETE, epochs=9)}))
        store.note_mirrored(lease.study_id, {0: ("run", 5, "COMPLETE")})
        assert numbers(store, lease) == [0]
        assert store.mirrored_epochs(lease.study_id, [0]) == {0: 5}

    def test_mirrored_epochs_are_told_for_each_trial_asked_for(self, store: Store, lease: Lease) -> None:
        store.apply(lease, Batch(trials={n: Trial(n, {}, n, epochs=9) for n in range(4)}))
        store.note_mirrored(lease.study_id, {1: ("a", 4, "QUEUED/"), 2: ("b", 6, "QUEUED/")})
        assert store.mirrored_epochs(lease.study_id, [3, 1, 77]) == {3: 0, 1: 4, 77: 0}
        assert store.mirrored_epochs(lease.study_id, []) == {}

    def test_a_runner_does_not_touch_what_the_tracker_wrote(self, store: Store, lease: Lease) -> None:
        trial = Trial(0, {}, 1, TrialState.RUNNING, epochs=3)
        store.apply(lease, Batch(trials={0: trial}))
        store.note_mirrored(lease.study_id, {0: ("run-0", 3, "RUNNING/")})
        store.apply(lease, Batch(trials={0: replace(trial, state=TrialState.COMPLETE, mlflow_run_id="not mine")}))
        assert store.trials(lease.study_id)[0].mlflow_run_id == "run-0"
        assert store.mirrored_epochs(lease.study_id, [0]) == {0: 3}

    def test_confirming_needs_no_lease(self, store: Store, lease: Lease) -> None:
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}))
        store.release(lease)
        store.note_mirrored(lease.study_id, {0: ("run", 0, "QUEUED/")})
        store.note_study_mirrored(lease.study_id, mlflow_run_id="parent")
        assert store.unmirrored(lease.study_id, 1) == []
        assert store.study("digits").mlflow_run_id == "parent"

    def test_a_studys_mirror_columns_are_set_one_by_one(self, store: Store, lease: Lease) -> None:
        store.note_study_mirrored(lease.study_id, mlflow_experiment_id="4", mlflow_run_id="r")
        store.note_study_mirrored(lease.study_id, model_uri="models:/digits/1", champion=7)
        store.note_study_mirrored(lease.study_id)
        study = store.study("digits")
        found = (study.mlflow_experiment_id, study.mlflow_run_id, study.model_uri, study.champion)
        assert found == ("4", "r", "models:/digits/1", 7)

    def test_the_tracker_cannot_change_what_is_the_runners(self, store: Store, lease: Lease) -> None:
        with pytest.raises(ValueError, match=r"no column 'state'.*choose from: champion"):
            store.note_study_mirrored(lease.study_id, state="DONE")
        with pytest.raises(ValueError, match=r"'mlflow_runid'.*did you mean mlflow_run_id"):
            store.note_study_mirrored(lease.study_id, mlflow_runid="r")

    def test_confirming_a_removed_study_is_refused(self, store: Store, lease: Lease) -> None:
        remove(store, "digits")
        with pytest.raises(UnknownStudy, match="removed"):
            store.note_mirrored(lease.study_id, {0: ("run", 0, "QUEUED/")})
        with pytest.raises(UnknownStudy, match="removed"):
            store.note_study_mirrored(lease.study_id, mlflow_run_id="r")

    def test_a_tracker_confirms_while_a_runner_applies(self, store: Store, lease: Lease, open_store: OpenStore) -> None:
        epochs, trials = 40, range(5)
        done = threading.Event()
        errors: list[BaseException] = []

        def track() -> None:
            other = open_store()
            try:
                while True:
                    last = done.is_set()
                    behind = other.unmirrored(lease.study_id, 3)
                    other.note_mirrored(
                        lease.study_id, {trial.number: ("run", trial.epochs, trial.mark) for trial in behind}
                    )
                    if last and not behind:
                        return
            except BaseException as error:  # noqa: BLE001 - shown by the test
                errors.append(error)
            finally:
                other.close()

        tracker = threading.Thread(target=track)
        tracker.start()
        try:
            for epoch in range(1, epochs + 1):
                state = TrialState.RUNNING if epoch < epochs else TrialState.COMPLETE
                found = {n: Trial(n, {}, n, state, epochs=epoch) for n in reversed(trials)}
                store.apply(lease, Batch(found, [Report(n, epoch, {"m": 1.0}, 0.0) for n in trials]))
        finally:
            done.set()
            tracker.join(timeout=300)
        assert not errors
        assert not tracker.is_alive()
        assert len(store.reports(lease.study_id)) == epochs * len(trials)
        assert store.mirrored_epochs(lease.study_id, list(trials)) == dict.fromkeys(trials, epochs)
        assert {trial.label for trial in store.trials(lease.study_id)} == {"COMPLETE"}

    def test_one_mirror_at_a_time_and_the_next_when_it_ends(
        self, store: Store, lease: Lease, open_store: OpenStore
    ) -> None:
        other = open_store()
        with store.only_mirror(lease.study_id) as ours:
            assert ours is not None
            assert ours()
            with other.only_mirror(lease.study_id) as theirs:
                assert theirs is None
            with other.only_mirror(lease.study_id + 1) as elsewhere:
                assert elsewhere is not None
        with other.only_mirror(lease.study_id) as theirs:
            assert theirs is not None
        other.close()

    def test_a_fence_stays_when_its_lease_is_released(self, store: Store, lease: Lease) -> None:
        assert store.fence(lease.study_id) == lease.fence
        store.release(lease)
        assert store.fence(lease.study_id) == lease.fence
        remove(store, "digits")
        with pytest.raises(UnknownStudy, match="removed"):
            store.fence(lease.study_id)
