"""What every store must do for leases: one holder at a time, older fences refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from goodfit.service.errors import Fenced, StudyHeld, UnknownStudy
from goodfit.service.ports import Store
from goodfit.service.records import Batch, Lease, Report, Study, Trial
from goodfit.testing.stores.opening import Opened, OpenStore, remove

TTL = 30.0


def alive(owner: str) -> bool:
    return False


def refused(store: Store, lease: Lease) -> None:
    before = store.trials(lease.study_id)
    with pytest.raises(Fenced):
        store.apply(lease, Batch(trials={0: Trial(0, {"by": lease.owner}, 1)}, reports=[Report(0, 1, {}, 0.0)]))
    with pytest.raises(Fenced):
        store.renew(lease, 0.0, TTL)
    assert store.trials(lease.study_id) == before


def at_once(*calls: Callable[[], object]) -> list[object]:
    """The results or exceptions of calls that start together, each in a thread of its own."""
    barrier = threading.Barrier(len(calls))
    results: list[object] = [None] * len(calls)

    def perform(index: int, call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            results[index] = call()
        except Exception as error:  # noqa: BLE001 - it is the result
            results[index] = error

    threads = [threading.Thread(target=perform, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class LeasesContract(Opened):
    """One holder of a study at a time; older fences are refused."""

    @pytest.fixture
    def study(self, store: Store) -> Study:
        return store.add_study(Study("digits", {}, "abc", 1.0))

    def test_a_new_study_has_no_holder(self, store: Store, study: Study) -> None:
        assert store.holder(study.id) is None
        assert store.holder(study.id + 1) is None

    def test_a_lease_is_shown_as_it_was_given(self, store: Store, study: Study) -> None:
        lease = store.acquire(study.id, "host:7:1700000000.5", 10.0, TTL, alive)
        assert lease == Lease(study.id, "host:7:1700000000.5", lease.fence, 40.0)
        assert store.holder(study.id) == lease

    def test_a_held_study_is_refused_and_its_holder_named(self, store: Store, study: Study) -> None:
        lease = store.acquire(study.id, "host:7:1", 0.0, TTL, alive)
        for owner in ("other:8:1", "host:7:1"):
            with pytest.raises(StudyHeld, match=r"'digits' is run by host:7:1 already.*goodfit stop digits.*in 20 s"):
                store.acquire(study.id, owner, 10.0, TTL, alive)
        assert store.holder(study.id) == lease
        assert store.renew(lease, 11.0, TTL) is False

    def test_a_lease_past_its_time_is_free(self, store: Store, study: Study) -> None:
        old = store.acquire(study.id, "a", 0.0, TTL, alive)
        with pytest.raises(StudyHeld):
            store.acquire(study.id, "b", TTL - 0.001, TTL, alive)
        new = store.acquire(study.id, "b", TTL, TTL, alive)
        assert new.fence > old.fence
        refused(store, old)

    def test_the_lease_of_a_dead_owner_is_free_at_once(self, store: Store, study: Study) -> None:
        old = store.acquire(study.id, "a", 0.0, TTL, alive)
        asked: list[str] = []

        def dead(owner: str) -> bool:
            asked.append(owner)
            return owner == "a"

        new = store.acquire(study.id, "b", 1.0, TTL, dead)
        assert asked == ["a"]
        assert new.fence > old.fence
        refused(store, old)

    def test_a_renewed_lease_lasts_longer(self, store: Store, study: Study) -> None:
        lease = store.acquire(study.id, "a", 0.0, TTL, alive)
        store.renew(lease, 20.0, TTL)
        with pytest.raises(StudyHeld):
            store.acquire(study.id, "b", 49.0, TTL, alive)
        assert store.acquire(study.id, "b", 50.0, TTL, alive).owner == "b"

    def test_a_late_holder_that_nobody_followed_goes_on(self, store: Store, study: Study) -> None:
        lease = store.acquire(study.id, "a", 0.0, TTL, alive)
        store.renew(lease, 1000.0, TTL)
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}))
        assert len(store.trials(study.id)) == 1

    def test_a_released_lease_is_free_and_its_writes_are_refused(self, store: Store, study: Study) -> None:
        lease = store.acquire(study.id, "a", 0.0, TTL, alive)
        store.release(lease)
        assert store.holder(study.id) is None
        refused(store, lease)
        assert store.acquire(study.id, "b", 0.0, TTL, alive).fence > lease.fence

    def test_releasing_anothers_lease_does_nothing(self, store: Store, study: Study) -> None:
        old = store.acquire(study.id, "a", 0.0, TTL, alive)
        new = store.acquire(study.id, "b", TTL, TTL, alive)
        store.release(old)
        assert store.holder(study.id) == new
        store.release(new)
        store.release(new)
        assert store.holder(study.id) is None

    def test_refusals_say_why(self, store: Store, study: Study) -> None:
        old = store.acquire(study.id, "a", 0.0, TTL, alive)
        new = store.acquire(study.id, "b", TTL, TTL, alive)
        with pytest.raises(Fenced, match="b took over"):
            store.apply(old, Batch())
        store.release(new)
        with pytest.raises(Fenced, match="given back"):
            store.apply(new, Batch())
        remove(store, "digits")
        with pytest.raises(Fenced, match="removed"):
            store.apply(new, Batch())

    def test_a_lease_on_a_removed_study_is_refused_even_if_the_name_is_back(self, store: Store, study: Study) -> None:
        lease = store.acquire(study.id, "a", 0.0, TTL, alive)
        remove(store, "digits")
        again = store.add_study(Study("digits", {}, "abc", 2.0))
        store.acquire(again.id, "b", 0.0, TTL, alive)
        refused(store, lease)
        with pytest.raises(UnknownStudy):
            store.acquire(study.id, "a", 0.0, TTL, alive)

    def test_a_stop_is_seen_by_the_next_renewal_and_can_be_taken_back(self, store: Store, study: Study) -> None:
        lease = store.acquire(study.id, "a", 0.0, TTL, alive)
        assert store.renew(lease, 1.0, TTL) is False
        store.ask_stop(study.id, True)
        assert store.renew(lease, 2.0, TTL) is True
        assert store.study("digits").stop_asked is True
        store.ask_stop(study.id, False)
        assert store.renew(lease, 3.0, TTL) is False

    def test_a_stop_of_a_study_that_is_not_there_is_refused(self, store: Store, study: Study) -> None:
        remove(store, "digits")
        with pytest.raises(UnknownStudy, match="removed"):
            store.ask_stop(study.id, True)

    def test_of_several_at_once_exactly_one_gets_the_lease(
        self, store: Store, study: Study, open_store: OpenStore
    ) -> None:
        stores = [open_store() for _ in range(3)]
        try:
            for turn in range(10):
                now = turn * 2 * TTL  # the last lease has run out
                results = at_once(
                    *(partial(one.acquire, study.id, f"owner-{i}", now, TTL, alive) for i, one in enumerate(stores))
                )
                won = [result for result in results if isinstance(result, Lease)]
                assert len(won) == 1, results
                assert sum(isinstance(result, StudyHeld) for result in results) == 2, results
                assert won[0].fence == turn + 1
        finally:
            for one in stores:
                one.close()

    def test_a_takeover_comes_before_or_after_a_batch_never_inside(
        self, store: Store, study: Study, open_store: OpenStore
    ) -> None:
        other = open_store()
        try:
            for turn in range(10):
                now = turn * 2 * TTL
                old = store.acquire(study.id, "old", now, TTL, alive)
                batch = Batch(trials={n: Trial(n, {"turn": turn}, 1) for n in range(5)})
                written, new = at_once(
                    partial(store.apply, old, batch),
                    partial(other.acquire, study.id, "new", now + TTL, TTL, alive),
                )
                assert isinstance(new, Lease)
                found = [trial.params["turn"] for trial in store.trials(study.id)]
                assert found.count(turn) == (5 if written is None else 0)
                assert written is None or isinstance(written, Fenced)
                other.release(new)
        finally:
            other.close()

    def test_removing_a_study_that_is_being_written_harms_nobody(self, store: Store, open_store: OpenStore) -> None:
        other = open_store()
        try:
            for turn in range(10):
                study = store.add_study(Study("busy", {}, "abc", 1.0))
                lease = store.acquire(study.id, "a", 0.0, TTL, alive)
                store.apply(lease, Batch(trials={n: Trial(n, {}, n) for n in range(20)}))
                more = Batch(trials={n: Trial(n, {}, n, epochs=1) for n in range(turn, 40)})
                seen = dict.fromkeys(reversed(range(20)), ("run", 0, "QUEUED"))
                applied, removed, confirmed = at_once(
                    partial(store.apply, lease, more),
                    partial(remove, other, "busy"),
                    partial(other.note_mirrored, study.id, seen),
                )
                assert removed is None
                assert applied is None or isinstance(applied, Fenced)
                assert confirmed is None or isinstance(confirmed, UnknownStudy)
                assert store.trials(study.id) == []
        finally:
            other.close()
