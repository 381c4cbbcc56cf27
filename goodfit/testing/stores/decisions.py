"""What every store must do for the decisions of a search, and for trials that are paused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from goodfit.service.errors import Fenced, GoodfitError
from goodfit.service.ports import Store
from goodfit.service.records import Batch, Decision, Report, Seen, Trial, TrialState
from goodfit.testing.stores.opening import Opened, remove
from goodfit.testing.stores.studies import Unkept, held


def a_decision(index: int, **more: Any) -> Decision:
    """What trial 0 was given."""
    seen = (Seen(index, 3, 0.1 + 0.2, "target"), Seen(index + 1, 4, None, "complete"))
    why = {"by": "model", "score": 0.1 + 0.7, "rank": 2, "forecast": [-math.inf, 1 / 3], "ends": False}
    plain = {"index": index, "trial": 0, "new": True, "until": 3, "workers": 8, "seen": seen, "why": why}
    return Decision(**{**plain, **more})


class DecisionsContract(Opened):
    """Decisions are written with what follows from them, once, by whoever holds the study."""

    def test_a_decision_comes_back_as_it_was(self, store: Store) -> None:
        study, lease = held(store)
        given = [a_decision(0), a_decision(1, new=False, until=None, seen=(), why={})]
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}, decisions=given))
        kept = store.decisions(study.id)
        assert kept == given
        assert isinstance(kept[0].new, bool)
        assert isinstance(kept[0].seen[0], Seen)

    def test_decisions_come_in_their_order_and_of_their_study_alone(self, store: Store) -> None:
        (one, lease), (two, other) = held(store, "one"), held(store, "two")
        for turn in ((0, 1), (2,), (3, 4, 5, 6, 7, 8, 9, 10)):
            store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}, decisions=[a_decision(n) for n in turn]))
        store.apply(other, Batch(trials={0: Trial(0, {}, 1)}, decisions=[a_decision(0)]))
        assert [decision.index for decision in store.decisions(one.id)] == list(range(11))
        assert store.decisions(two.id) == [a_decision(0)]

    def test_a_decision_is_written_with_its_batch_or_not_at_all(self, store: Store) -> None:
        study, lease = held(store)
        batch = Batch({0: Trial(0, {}, 1)}, [Report(0, 2, Unkept(), 0.0)], decisions=[a_decision(0)])
        with pytest.raises(GoodfitError, match="nothing of it was kept"):
            store.apply(lease, batch)
        assert (store.trials(study.id), store.decisions(study.id)) == ([], [])
        store.apply(lease, replace(batch, reports=[]))
        with pytest.raises(GoodfitError, match="nothing of it was kept"):
            store.apply(lease, Batch({1: Trial(1, {}, 1)}, decisions=[a_decision(1), a_decision(0)]))
        assert (len(store.trials(study.id)), store.decisions(study.id)) == (1, [a_decision(0)])

    def test_a_decision_alone_is_written(self, store: Store) -> None:
        study, lease = held(store)
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}))
        assert Batch(decisions=[a_decision(0)])
        store.apply(lease, Batch(decisions=[a_decision(0)]))
        assert store.decisions(study.id) == [a_decision(0)]

    def test_an_older_lease_decides_nothing(self, store: Store) -> None:
        study, lease = held(store)
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}, decisions=[a_decision(0)]))
        newer = store.acquire(study.id, "newer:1:1", 0.0, 30.0, lambda _: True)
        with pytest.raises(Fenced):
            store.apply(lease, Batch(decisions=[a_decision(1)]))
        store.apply(newer, Batch(decisions=[a_decision(1, until=6)]))
        assert store.decisions(study.id) == [a_decision(0), a_decision(1, until=6)]

    def test_decisions_are_gone_with_their_study(self, store: Store) -> None:
        (one, lease), (two, other) = held(store, "one"), held(store, "two")
        for holder in (lease, other):
            store.apply(holder, Batch(trials={0: Trial(0, {}, 1)}, decisions=[a_decision(0)]))
        remove(store, "one")
        assert (store.decisions(one.id), store.decisions(two.id)) == ([], [a_decision(0)])

    @pytest.mark.parametrize("until", [None, 1, 1000])
    def test_a_paused_trial_comes_back_with_its_target(self, store: Store, until: int | None) -> None:
        study, lease = held(store)
        paused = Trial(0, {}, 1, TrialState.PAUSED, attempts=1, epochs=1, until=until)
        store.apply(lease, Batch(trials={0: paused}))
        assert store.trials(study.id) == [paused]
        assert store.counts()[study.id] == {"PAUSED": 1}
        goes_on = paused.to(TrialState.QUEUED, until=3)
        store.apply(lease, Batch(trials={0: goes_on}))
        assert store.trials(study.id) == [goes_on]
