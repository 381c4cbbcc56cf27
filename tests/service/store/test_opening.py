"""Opening a store: what is created, what is refused, what is imported for it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import traceback
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from goodfit.service.errors import HomeError
from goodfit.service.records import Study
from goodfit.service.store import SqlStore, migrations, open_store, opening, upgrade_database


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def tables(url: str) -> set[str]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.strip()


def test_a_store_is_created_and_found_again(database_url: str) -> None:
    with closing(open_store(database_url)) as store:
        store.add_study(Study("digits", {}, "abc", 1.0))
    with closing(open_store(database_url)) as store:
        assert [study.name for study in store.studies()] == ["digits"]
    service = {"study_files", "study_runs", "study_sources", "tokens", "audit"}
    assert (
        tables(database_url)
        == {"studies", "trials", "reports", "decisions", "versions", "leases", "goodfit_version"} | service
    )


def test_a_sqlite_store_lets_readers_read_while_one_writes(sqlite_url: str) -> None:
    with closing(open_store(sqlite_url)) as store, closing(open_store(sqlite_url)) as reader:
        store.add_study(Study("digits", {}, "abc", 1.0))
        with store.writing() as connection:
            connection.execute(text("UPDATE studies SET message = 'half-way'"))
            assert reader.study("digits").message is None
        assert reader.study("digits").message == "half-way"


def test_a_sqlite_path_is_taken_as_it_is(tmp_path: Path) -> None:
    odd = tmp_path / "50% off? #1 größe.db"
    open_store(f"sqlite:///{odd}").close()
    assert odd.exists()


def test_a_relative_sqlite_path_starts_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(open_store("sqlite:///here.db")) as store:
        assert store.place == f"the database {tmp_path / 'here.db'}"
    assert (tmp_path / "here.db").exists()


def test_a_reader_in_the_way_of_the_first_opening_is_waited_for(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    reader.execute("CREATE TABLE runs (id INTEGER)")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM runs").fetchall()
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            reader.execute("COMMIT")

    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(opening, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=sleep))
    open_store(sqlite_url).close()
    reader.close()
    assert len(waited) == 3


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://", "sqlite:///FILE"),
        ("mysql://ann:sesame@host/x", "'mysql'"),
        ("/home/me/goodfit.db", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_url_that_is_no_store_is_refused(url: str, words: str) -> None:
    with pytest.raises(HomeError, match=words) as caught:
        open_store(url)
    assert "sesame" not in str(caught.value)


def test_a_database_of_a_newer_goodfit_is_refused_and_left_alone(database_url: str) -> None:
    open_store(database_url).close()
    execute(database_url, "UPDATE goodfit_version SET version_num = '9999'")
    with pytest.raises(HomeError, match=rf"version 9999.*up to {opening.REVISIONS[-1]}.*upgrade Goodfit"):
        open_store(database_url)
    execute(database_url, f"UPDATE goodfit_version SET version_num = '{opening.REVISIONS[-1]}'")
    open_store(database_url).close()


def at_version(url: str, to: str) -> None:
    """An empty database as an older Goodfit left it."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        migrations.upgrade(connection, opening.VERSION_TABLE, to)
    engine.dispose()


def test_a_server_of_an_older_goodfit_is_refused_until_it_is_upgraded(postgresql_url: str) -> None:
    at_version(postgresql_url, "0002")
    with pytest.raises(HomeError, match=r"is at version 0002.*needs version.*`goodfit upgrade`"):
        open_store(postgresql_url)
    assert "tokens" not in tables(postgresql_url)
    assert upgrade_database(postgresql_url)[1:] == ("0002", opening.REVISIONS[-1])
    assert upgrade_database(postgresql_url)[1:] == (opening.REVISIONS[-1], opening.REVISIONS[-1])
    with closing(open_store(postgresql_url)) as store:
        assert store.studies() == []


def test_a_file_of_an_older_goodfit_upgrades_itself(sqlite_url: str) -> None:
    at_version(sqlite_url, "0002")
    with closing(open_store(sqlite_url)) as store:
        assert store.census() == {}


def test_an_empty_database_is_set_up_by_an_upgrade_too(database_url: str) -> None:
    assert upgrade_database(database_url)[1] is None
    open_store(database_url).close()


def test_a_database_of_another_program_is_refused_and_left_alone(database_url: str) -> None:
    execute(database_url, "CREATE TABLE studies (study_id INTEGER)", "CREATE TABLE alembic_version (version_num TEXT)")
    with pytest.raises(HomeError, match=r"another program's tables \(studies\).*of its own"):
        open_store(database_url)
    assert tables(database_url) == {"studies", "alembic_version"}


def test_a_neighbour_with_its_own_tables_is_no_trouble(database_url: str) -> None:
    execute(database_url, "CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE runs (id INTEGER)")
    open_store(database_url).close()
    assert {"alembic_version", "runs", "studies"} <= tables(database_url)


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = migrations.upgrade

    def failing(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "upgrade", failing)
        with pytest.raises(RuntimeError, match="the power went"):
            open_store(database_url)
    assert tables(database_url) == set()
    open_store(database_url).close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "goodfit.db"
    file.write_bytes(b"my thesis, chapter one. " * 400)
    with pytest.raises(HomeError, match=r"goodfit\.db is not a SQLite database; move that file"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes() == b"my thesis, chapter one. " * 400


def test_a_folder_or_a_missing_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "goodfit.db"):
        with pytest.raises(HomeError, match=r"cannot be opened for writing.*choose another home"):
            open_store(f"sqlite:///{path}")


def test_a_file_that_cannot_be_written_is_refused(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = opening._set_up

    def read_only(connection: sqlite3.Connection, entry: object) -> None:  # rights do not bind root; this does
        real(connection, entry)  # type: ignore[arg-type]
        connection.execute("PRAGMA query_only=ON")

    monkeypatch.setattr(opening, "_set_up", read_only)
    with pytest.raises(HomeError, match=r"goodfit\.db cannot be opened for writing.*readonly"):
        open_store(sqlite_url)


@pytest.mark.parametrize(
    "url", ["postgresql://ann:sesame@127.0.0.1:1/goodfit", "postgres://127.0.0.1:1/goodfit?user=ann&password=sesame"]
)
def test_a_postgresql_that_is_away_is_named_without_its_password(url: str) -> None:
    with pytest.raises(
        HomeError, match=r"PostgreSQL at 127\.0\.0\.1:1 .*cannot be reached.*GOODFIT_DATABASE"
    ) as caught:
        open_store(url)
    assert "sesame" not in "".join(traceback.format_exception(caught.value))


def test_a_postgresql_database_that_is_not_there_is_named(postgresql_server: str) -> None:
    url = make_url(postgresql_server).set(database="no_such_database").render_as_string(hide_password=False)
    with pytest.raises(HomeError, match=r"no_such_database.*cannot be reached"):
        open_store(url)


def test_a_postgresql_that_restarts_is_used_again(postgresql_url: str) -> None:
    with closing(open_store(postgresql_url)) as store, closing(open_store(postgresql_url)) as other:
        store.add_study(Study("digits", {}, "abc", 1.0))
        with other.reading() as connection:
            mine = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            ended = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'goodfit' AND pid <> :mine"
                ),
                {"mine": mine},
            ).all()
        assert ended
        assert [study.name for study in store.studies()] == ["digits"]


def test_a_connection_that_breaks_inside_a_batch_is_an_error_of_ours(postgresql_url: str) -> None:
    def break_off(store: SqlStore) -> None:
        with store.writing() as connection:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            connection.execute(text("SELECT 1"))

    with closing(open_store(postgresql_url)) as store:
        with pytest.raises(HomeError, match="cannot be reached"):
            break_off(store)
        assert store.studies() == []


def test_a_present_store_is_opened_and_read_without_alembic_or_what_training_needs(sqlite_url: str) -> None:
    open_store(sqlite_url).close()
    code = (
        "import sys; from goodfit.service.store import open_store; store = open_store(sys.argv[1]); "
        "store.studies(); store.counts(); "
        "print([name for name in sys.argv[2:] if name in sys.modules])"
    )
    heavy = ["alembic", "psycopg", "torch", "ray", "mlflow", "optuna", "pandas", "numpy"]
    assert run(code, sqlite_url, *heavy, "sqlalchemy.dialects.postgresql") == "[]"
