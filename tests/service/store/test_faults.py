"""Databases that fail under an open store: the message, and what is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from goodfit.service.errors import GoodfitError, HomeError, Unreachable
from goodfit.service.records import Batch, Lease, Report, Study, Trial
from goodfit.service.store import SqlStore, open_store, opening
from goodfit.service.store import database_errors as faults


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SqlStore]:
    opened = open_store(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def lease(store: SqlStore) -> Lease:
    study = store.add_study(Study("digits", {}, "abc", 1.0))
    return store.acquire(study.id, "a", 0.0, 30.0, lambda owner: False)


def test_a_full_disk_keeps_what_was_committed_and_goes_on_when_there_is_room(store: SqlStore, lease: Lease) -> None:
    engine = store._database.engine
    with store.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def limited(connection: sqlite3.Connection, entry: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages + 3}")

    engine.dispose()
    event.listen(engine, "connect", limited)
    store.apply(lease, Batch({0: Trial(0, {}, 1)}, [Report(0, 1, {"m": 1.0}, 0.0)]))
    many = Batch({1: Trial(1, {}, 1)}, [Report(1, epoch, {"m": 1.0}, 0.0) for epoch in range(2000)])
    with pytest.raises(GoodfitError, match=r"no room is left for .*goodfit\.db; what was committed is safe.*resume"):
        store.apply(lease, many)
    assert store.reports(lease.study_id) == [Report(0, 1, {"m": 1.0}, 0.0)]
    assert len(store.trials(lease.study_id)) == 1
    event.remove(engine, "connect", limited)
    engine.dispose()
    store.apply(lease, many)
    assert len(store.reports(lease.study_id)) == 2001


def test_a_writer_that_does_not_let_go_is_waited_for_and_then_named(
    sqlite_url: str, store: SqlStore, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.01)
    hasty = open_store(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    with closing(other), closing(hasty):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HomeError, match=r"locked for more than .* s; what was committed is safe: end that process"):
            hasty.apply(lease, Batch({0: Trial(0, {}, 1)}))
        assert hasty.trials(lease.study_id) == []  # reading goes on
        other.execute("ROLLBACK")
        hasty.apply(lease, Batch({0: Trial(0, {}, 1)}))
    assert len(store.trials(lease.study_id)) == 1


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    file = tmp_path / "goodfit.db"
    open_store(f"sqlite:///{file}").close()
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(HomeError, match=r"goodfit\.db is damaged"), closing(open_store(f"sqlite:///{file}")) as store:
        store.studies()


def wrapped(cause: BaseException, statement: str | None = "SELECT 1") -> DBAPIError:
    return OperationalError(statement, None, cause)


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (psycopg.errors.DiskFull("could not extend file"), GoodfitError, "no room is left for DB.*resume"),
        (psycopg.errors.TooManyConnections("sorry"), Unreachable, "short of resources.*sorry"),
        (psycopg.errors.InsufficientPrivilege("denied"), HomeError, "rights.*denied"),
        (psycopg.errors.ReadOnlySqlTransaction("standby"), HomeError, "read-only.*standby.*primary"),
        (psycopg.errors.AdminShutdown("terminating"), Unreachable, "cannot be reached.*terminating"),
        (psycopg.errors.DivisionByZero("odd\n  one"), GoodfitError, "DB refused this: odd one; nothing of it"),
    ],
)
def test_postgresqls_errors_are_put_into_our_words(cause: BaseException, kind: type[GoodfitError], words: str) -> None:
    with pytest.raises(GoodfitError, match=words) as caught, faults.translated("DB"):
        raise wrapped(cause)
    assert type(caught.value) is kind


def test_a_password_in_a_drivers_message_is_hidden() -> None:
    with pytest.raises(HomeError) as caught, faults.translated("DB", "sesame"):
        raise wrapped(psycopg.OperationalError("bad conninfo: password=sesame host=x"), None)
    assert "password=*** host=x" in str(caught.value)


@pytest.mark.parametrize("error", [PoolTimeout("no connection in 30 s"), SQLAlchemyError("odd"), sqlite3.Error("odd")])
def test_no_exception_of_a_library_gets_out(error: Exception) -> None:
    with pytest.raises(GoodfitError, match="DB refused this") as caught, faults.translated("DB"):
        raise error
    assert caught.value.__cause__ is error


def test_our_own_errors_pass() -> None:
    with pytest.raises(KeyError), faults.translated("DB"):
        raise KeyError("mine")
