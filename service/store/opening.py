"""From a URL to a database whose tables are as the code expects them.

Alembic is imported only where there is something to migrate: it costs a third of `goodfit ls`.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError

from goodfit.service.errors import HomeError
from goodfit.service.store.database_errors import BUSY_SECONDS, translated
from goodfit.service.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

VERSION_TABLE = "goodfit_version"  # MLflow and Optuna both own an `alembic_version`
REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
)  # every migration in order; the last is what this code needs
CONNECT_SECONDS = 10
_MIGRATION_LOCK = 0x600DF17  # of PostgreSQL's advisory locks: any number that nobody else takes
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. `place` is its name for people; `secret` its password."""

    engine: Engine
    place: str
    secret: str | None = None


def open_database(url: str) -> Database:
    """Connect, and create the tables where there are none; those of a SQLite file are upgraded too.

    Args:
        url: sqlite:///FILE (a path as it is, without escapes) or postgresql://USER:PASSWORD@HOST/DATABASE.

    Raises:
        HomeError: the database cannot be used, was written by a newer Goodfit, or is a server's and has to be
            upgraded first: others may be at work on it.
    """
    database = _connect(url)
    try:
        with translated(database.place, database.secret):
            _prepare(database, upgrades=database.engine.dialect.name == "sqlite")
    except BaseException:
        database.engine.dispose()
        raise
    return database


def upgrade_database(url: str) -> tuple[str, str | None, str]:
    """Bring a database to the version of this code: its place, the version it had (None: it was empty) and has."""
    database = _connect(url)
    try:
        with translated(database.place, database.secret):
            before = _prepare(database, upgrades=True)
    finally:
        database.engine.dispose()
    return database.place, before, REVISIONS[-1]


def _connect(url: str) -> Database:
    return _sqlite(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else _postgresql(url)


def _sqlite(file: str) -> Database:
    if not file or file.startswith(":memory:"):
        raise HomeError("the database URL names no file; write sqlite:///FILE")
    path = Path(file).absolute()
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},  # transactions begin in _begin alone
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return Database(engine, f"the database {path}")


def _set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")  # with WAL: a power cut may cost the last commits, never the file
    cursor.close()


def _begin(connection: Connection) -> None:
    """A writer takes its lock at once: a reader that turns writer half-way may be refused without waiting."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: str) -> Database:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise HomeError("the database URL cannot be read; write sqlite:///FILE or postgresql://...") from error
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise HomeError(f"there is no store on {parsed.drivername!r}; write sqlite:///FILE or postgresql://...")
    defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": "goodfit", "client_encoding": "utf8"}
    # A server that is cut off without a word is noticed in half a minute.
    defaults |= {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
    options: dict[str, Any] = {name: value for name, value in defaults.items() if name not in parsed.query}
    host = parsed.host or parsed.query.get("host") or "localhost"
    port = f":{parsed.port}" if parsed.port else ""
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args=options,
        pool_pre_ping=True,  # 0.1 ms a transaction; a restarted server goes unnoticed
    )
    password = parsed.password or parsed.query.get("password")
    place = f"PostgreSQL at {host}{port} (database {parsed.database})"
    return Database(engine, place, str(password) if password else None)


def _prepare(database: Database, *, upgrades: bool) -> str | None:
    """Make the tables as the code expects them; returns the version that they had."""
    with database.engine.connect() as connection:
        version = _version(connection, database.place)
    if version == REVISIONS[-1]:
        return version
    if version is not None and not upgrades:
        raise HomeError(
            f"{database.place} is at version {version}, this Goodfit needs version {REVISIONS[-1]}: back it up, end "
            "every older Goodfit that uses it, then `goodfit upgrade`"
        )
    if database.engine.dialect.name == "sqlite":
        _write_ahead(database.engine)
    with database.engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        version = _version(connection, database.place)
        if version is None:
            _refuse_strangers(connection, database.place)
        if version != REVISIONS[-1]:  # else another process was quicker
            from goodfit.service.store.migrations import upgrade

            upgrade(connection, VERSION_TABLE)
    return version


def _version(connection: Connection, place: str) -> str | None:
    """The migration that the database is at; None before the first."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608
    if version is not None and version not in REVISIONS:
        raise HomeError(
            f"{place} is at version {version}, this Goodfit knows versions up to {REVISIONS[-1]}: "
            "a newer Goodfit wrote it; upgrade Goodfit, or choose another home"
        )
    return version


def _refuse_strangers(connection: Connection, place: str) -> None:
    """Optuna, too, has tables named `studies` and `trials`."""
    theirs = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if theirs:
        raise HomeError(
            f"{place} has another program's tables ({', '.join(theirs)}); "
            "give Goodfit a database or a schema of its own"
        )


def _write_ahead(engine: Engine) -> None:
    """Readers and the writer no longer wait for each other. The file remembers it."""
    deadline = time.monotonic() + BUSY_SECONDS
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        while True:
            try:
                cursor.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # SQLite does not wait here for another process that opens the file for the first time too.
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
