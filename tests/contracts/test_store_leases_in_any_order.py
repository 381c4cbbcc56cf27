"""What every Store must do about leases, on each database, in whatever order things happen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from goodfit.service.errors import Fenced, StudyHeld
from goodfit.service.ports import Store
from goodfit.service.records import Batch, Lease, Study, Trial
from goodfit.service.store import open_store

TTL = 30.0


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    yield opened
    opened.close()


@dataclass
class Holder:
    lease: Lease
    until: float
    released: bool = False


class Leasing(RuleBasedStateMachine):
    """Any sequence of runners that come, renew, write, die, let go: only the last to come may write."""

    def __init__(self, store: Store, name: str) -> None:
        super().__init__()
        self.store = store
        self.id = store.add_study(Study(name, {}, "abc", 1.0)).id
        self.now = 0.0
        self.holders: list[Holder] = []
        self.killed: set[str] = set()

    @property
    def current(self) -> Holder | None:
        return self.holders[-1] if self.holders and not self.holders[-1].released else None

    @rule(seconds=st.sampled_from([1.0, 10.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.current)
    @rule()
    def the_holder_dies(self) -> None:
        self.killed.add(self.holders[-1].lease.owner)

    @rule()
    def another_comes(self) -> None:
        current = self.current
        free = current is None or current.until <= self.now or current.lease.owner in self.killed
        owner = f"owner-{len(self.holders)}"
        if not free:
            with pytest.raises(StudyHeld):
                self.store.acquire(self.id, owner, self.now, TTL, self.killed.__contains__)
            return
        lease = self.store.acquire(self.id, owner, self.now, TTL, self.killed.__contains__)
        assert all(lease.fence > holder.lease.fence for holder in self.holders)
        self.holders.append(Holder(lease, self.now + TTL))

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def one_renews(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from(self.holders))
        if holder is self.current:
            assert self.store.renew(holder.lease, self.now, TTL) is False
            holder.until = self.now + TTL
        else:
            with pytest.raises(Fenced):
                self.store.renew(holder.lease, self.now, TTL)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def one_writes(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from(self.holders))
        batch = Batch(trials={0: Trial(0, {"by": holder.lease.owner}, 1)})
        if holder is self.current:
            self.store.apply(holder.lease, batch)
            assert self.store.trials(self.id)[0].params == {"by": holder.lease.owner}
        else:
            with pytest.raises(Fenced):
                self.store.apply(holder.lease, batch)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def one_lets_go(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from(self.holders))
        self.store.release(holder.lease)
        holder.released = True
        shown, current = self.store.holder(self.id), self.current
        assert (shown is None) == (current is None)
        assert shown is None or current is None or shown.fence == current.lease.fence


def test_only_the_last_to_come_may_write_whatever_happens(store: Store) -> None:
    made = iter(range(10**6))
    run_state_machine_as_test(
        cast("type[Leasing]", lambda: Leasing(store, f"study-{next(made)}")),
        settings=settings(
            max_examples=60,
            stateful_step_count=15,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
