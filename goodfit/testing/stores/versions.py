"""What every store must do for the versions of an edited study's spec."""

from __future__ import annotations

from dataclasses import replace

import pytest

from goodfit.service.errors import Fenced, IllegalChange
from goodfit.service.ports import Store
from goodfit.service.records import Batch, StudyState, Trial, Version
from goodfit.testing.stores.opening import Opened, remove
from goodfit.testing.stores.studies import held

FIRST = Version(1, {"trainer": "mlp"}, (), 100.0, "local", 0, 0)


def a_version(number: int, trials: int = 4, by: str = "ann") -> Version:
    change = ("budget.trials", "4", str(trials))
    return Version(number, {"trainer": "mlp", "budget": {"trials": trials}}, (change,), 1 / 3, by)


class VersionsContract(Opened):
    """Versions follow one another, are taken up with what follows from them, and are never lost."""

    def test_a_version_waits_until_it_is_taken_up(self, store: Store) -> None:
        study, lease = held(store)
        assert store.versions(study.id) == store.pending(study.id) == []
        store.edit(study, [FIRST, a_version(2, 8)], "ann", "budget.trials: 4 -> 8")
        store.edit(study, [a_version(3, 9)], "bea")
        assert store.versions(study.id) == [FIRST, a_version(2, 8), a_version(3, 9)]
        assert store.pending(study.id) == [a_version(2, 8), a_version(3, 9)]
        assert store.study("digits").spec == study.spec
        taken = [replace(one, from_trial=1, from_decision=0) for one in store.pending(study.id)]
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}, study=study.to(StudyState.RUNNING), versions=taken))
        assert store.versions(study.id) == [FIRST, *taken]
        assert store.pending(study.id) == []
        assert store.study("digits").spec == a_version(3, 9).spec
        entries = store.access.audit(subject="digits")
        assert [(one.who, one.detail) for one in entries if one.action == "edit"] == [
            ("bea", ""),
            ("ann", "budget.trials: 4 -> 8"),
        ]

    def test_a_version_that_does_not_follow_the_last_one_is_refused(self, store: Store) -> None:
        study, lease = held(store)
        store.edit(study, [FIRST, a_version(2)])
        other = replace(a_version(2, 7), from_trial=0, from_decision=0)
        for added in ([FIRST, a_version(2, 7)], [a_version(4)]):
            with pytest.raises(IllegalChange, match="edited at the same time"):
                store.edit(study, added)
        for taken in ([FIRST, other], [other]):
            with pytest.raises(IllegalChange, match="edited at the same time"):
                store.reopen(lease, study, versions=taken)
        assert store.versions(study.id) == [FIRST, a_version(2)]

    def test_a_study_at_rest_has_its_new_spec_at_once(self, store: Store) -> None:
        study, lease = held(store)
        after = replace(study, spec=a_version(2).spec)
        taken = replace(a_version(2), from_trial=0, from_decision=0)
        store.reopen(lease, after, (), "ann", "budget.trials: 4 -> 4", [FIRST, taken])
        assert store.study("digits").spec == after.spec
        assert store.versions(study.id) == [FIRST, taken]
        assert store.access.audit(subject="digits")[0].action == "edit"

    def test_who_lost_the_lease_takes_up_nothing(self, store: Store) -> None:
        study, old = held(store)
        store.edit(study, [FIRST, a_version(2)])
        store.hand_over(old, "there:1:1", 0.0, 30.0)
        taken = [replace(a_version(2), from_trial=0, from_decision=0)]
        with pytest.raises(Fenced):
            store.apply(old, Batch(versions=taken))
        with pytest.raises(Fenced):
            store.reopen(old, study, versions=taken)
        assert store.pending(study.id) == [a_version(2)]

    def test_a_removed_study_leaves_no_versions(self, store: Store) -> None:
        study, lease = held(store)
        store.edit(study, [FIRST, a_version(2)])
        store.release(lease)
        remove(store, "digits")
        assert store.versions(study.id) == []
