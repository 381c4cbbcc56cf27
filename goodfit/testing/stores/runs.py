"""What every store must do for where the runs of a study came from."""

from __future__ import annotations

import pytest

from goodfit.service.errors import Fenced
from goodfit.service.ports import Store
from goodfit.service.records import Batch, StudyRun
from goodfit.testing.stores.opening import Opened, remove
from goodfit.testing.stores.studies import held

FIRST = StudyRun(1, 1 / 3, {"git": {"commit": "ab12", "diff": "+ é\n"}, "packages": {"torch": "2.13.0"}})
SECOND = StudyRun(2, 7.0, {"git": None})


class RunsContract(Opened):
    """Runs and the code that they used are kept until the study goes."""

    def test_runs_come_back_in_their_order_with_the_code_that_they_used(self, store: Store) -> None:
        study, lease = held(store)
        assert (store.runs(study.id), store.sources(study.id)) == ([], {})
        store.apply(lease, Batch(runs=[FIRST], sources={"a1": "x = 1\r\n", "b2": ""}))
        store.apply(lease, Batch(runs=[SECOND], sources={"a1": "other", "c3": "y"}))
        assert store.runs(study.id) == [FIRST, SECOND]
        assert store.sources(study.id) == {"a1": "x = 1\r\n", "b2": "", "c3": "y"}

    def test_a_run_is_noted_by_the_holder_of_the_lease_alone(self, store: Store) -> None:
        study, lease = held(store)
        store.acquire(study.id, "b:2:2", 1000.0, 30.0, lambda owner: True)
        with pytest.raises(Fenced):
            store.apply(lease, Batch(runs=[FIRST]))
        assert store.runs(study.id) == []

    def test_a_removed_study_leaves_no_runs(self, store: Store) -> None:
        study, lease = held(store)
        store.apply(lease, Batch(runs=[FIRST], sources={"a1": "x"}))
        store.release(lease)
        remove(store, "digits")
        assert (store.runs(study.id), store.sources(study.id)) == ([], {})
