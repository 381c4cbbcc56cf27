"""What every store must do for decisions about the release of models, for figures of studies, and for their log."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import pytest

from goodfit.service.audit_chain import check_chain
from goodfit.service.errors import IllegalChange, UnknownStudy
from goodfit.service.ports import Store
from goodfit.service.records import AuditEntry, Batch, StudyState
from goodfit.testing.stores.opening import Opened, OpenStore, remove
from goodfit.testing.stores.studies import held


def an_entry(action: str = "approve", who: str = "ann", **after: object) -> AuditEntry:
    before = {"champion": None, "candidate": 1 / 3}
    return AuditEntry(1 / 3, who, action, "digits", "trial 1 is champion", None, before, {"trial": 1, **after})


class ReleasesContract(Opened):
    """Decisions follow one another, are never lost, and stand in the log."""

    def test_decisions_are_entries_of_the_log_in_their_order(self, store: Store) -> None:
        study, _ = held(store)
        assert (study.decided, store.releases(study.id)) == (0, [])
        assert store.decide(study.id, 1, an_entry("release")).decided == 1
        store.decide(study.id, 2, an_entry("reject", "bea", note="no\x00\udcff"))
        found = store.releases(study.id)
        assert [(one.action, one.who, one.study) for one in found] == [
            ("release", "ann", study.id),
            ("reject", "bea", study.id),
        ]
        assert (found[0].at, found[0].before) == (1 / 3, {"champion": None, "candidate": 1 / 3})
        assert found[1].after == {"trial": 1, "note": "no\x00\udcff"}
        assert store.study("digits").decided == 2

    def test_a_decision_that_does_not_follow_the_last_one_is_refused(self, store: Store) -> None:
        study, _ = held(store)
        store.decide(study.id, 1, an_entry())
        for number in (1, 3):
            with pytest.raises(IllegalChange, match="decided at the same time"):
                store.decide(study.id, number, an_entry("reject"))
        assert [one.action for one in store.releases(study.id)] == ["approve"]
        with pytest.raises(UnknownStudy):
            store.decide(77, 1, an_entry())

    def test_of_two_decisions_at_once_one_holds(self, store: Store, open_store: OpenStore) -> None:
        study, _ = held(store)
        refused: list[Exception] = []

        def decide(who: str) -> None:
            other = open_store()
            try:
                other.decide(study.id, 1, an_entry(who=who))
            except IllegalChange as error:
                refused.append(error)
            finally:
                other.close()

        threads = [threading.Thread(target=decide, args=(who,)) for who in ("ann", "bea", "cem")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(refused), len(store.releases(study.id)), store.study("digits").decided) == (2, 1, 1)

    def test_a_runner_does_not_touch_decisions_and_figures(self, store: Store) -> None:
        study, lease = held(store)
        store.decide(study.id, 1, an_entry())
        store.note_figures(study.id, {"label_errors": {"share": 0.01}})
        store.note_study_mirrored(study.id, registered=1)
        store.apply(lease, Batch(study=study.to(StudyState.RUNNING)))
        store.reopen(lease, replace(study, state=StudyState.RUNNING))
        kept = store.study("digits")
        assert (kept.decided, kept.registered, kept.figures) == (1, 1, {"label_errors": {"share": 0.01}})

    def test_figures_are_kept_by_their_kind(self, store: Store) -> None:
        study, _ = held(store)
        store.note_figures(study.id, {"label_errors": {"share": math.nan, "data": "d"}, "other": [1]}, "ann")
        found = store.note_figures(study.id, {"label_errors": {"share": 0.5}})
        assert found.figures == store.study("digits").figures == {"label_errors": {"share": 0.5}, "other": [1]}
        assert store.note_figures(study.id, {"label_errors": None, "other": None}).figures is None
        entry = store.access.audit(subject="digits")[2]
        assert (entry.action, entry.who, entry.detail) == ("figures", "ann", "label_errors, other")

    def test_each_entry_is_chained_to_the_one_before(self, store: Store) -> None:
        study, lease = held(store)
        store.annotate(study.id, "\udcff", {"a": "b\x00"}, by="\ud800")
        store.apply(lease, Batch(study=study.to(StudyState.RUNNING)))
        store.decide(study.id, 1, an_entry(gates=[{"held": False, "value": math.inf}]))
        held(store, "other")
        entries = store.access.audit(subject="digits")[::-1]
        found = check_chain(entries)
        assert (found.entries, found.unhashed, found.broken) == (4, 0, None)
        assert found.head == entries[-1].hash
        assert [entry.before for entry in entries[1:3]] == [{"note": None, "tags": None}, {"state": "QUEUED"}]
        for place in range(4):
            changed = [*entries[:place], replace(entries[place], who="eve"), *entries[place + 1 :]]
            assert check_chain(changed).broken == place + 1
        assert check_chain([entries[0], *entries[2:]]).broken == 2

    def test_writers_of_one_subject_do_not_fork_its_chain(self, store: Store, open_store: OpenStore) -> None:
        study, _ = held(store)

        def write(who: str) -> None:
            other = open_store()
            for _ in range(5):
                other.annotate(study.id, who, {}, by=who)
            other.close()

        threads = [threading.Thread(target=write, args=(str(number),)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = check_chain(store.access.audit(subject="digits")[::-1])
        assert (found.entries, found.broken) == (16, None)

    def test_the_log_of_a_removed_study_stays_and_its_decisions_are_not_the_next_ones(self, store: Store) -> None:
        study, _ = held(store)
        store.decide(study.id, 1, an_entry())
        remove(store, "digits")
        again, _ = held(store)
        assert store.releases(again.id) == []
        assert (again.decided, again.figures) == (0, None)
        found = check_chain(store.access.audit(subject="digits")[::-1])
        assert (found.entries, found.broken) == (4, None)
