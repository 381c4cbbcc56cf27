"""One mirror a study, wherever it runs: two of them would write each point to MLflow twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from goodfit.service.store.database_errors import translated
from goodfit.service.store.opening import Database

_LOCKS = 0x600DF18  # of PostgreSQL's advisory locks of two numbers: any that nobody else takes


@contextmanager
def only_mirror(database: Database, study_id: int) -> Iterator[Callable[[], bool] | None]:
    """Hold the study's mirror lock, and tell whether that still holds; None where another has it.

    On PostgreSQL it is a lock of this session, which ends with the process or the connection; on SQLite, whose
    users share a machine, of a file beside the database.
    """
    if database.engine.dialect.name == "sqlite":
        with _locked(Path(f"{database.engine.url.database}-mirrors") / str(study_id)) as ours:
            yield (lambda: True) if ours else None
        return
    with translated(database.place, database.secret):
        connection = database.engine.connect()
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        ours = bool(connection.execute(select(func.pg_try_advisory_lock(_LOCKS, study_id))).scalar_one())
    try:
        yield (lambda: _lives(connection)) if ours else None
    finally:
        with suppress(SQLAlchemyError):  # where the connection has ended, so has the lock
            if ours:
                connection.execute(select(func.pg_advisory_unlock(_LOCKS, study_id)))
            connection.close()


def _lives(connection: Connection) -> bool:
    """Whether this connection, and with it its locks, has lasted."""
    if connection.invalidated:
        return False
    try:
        connection.exec_driver_sql("SELECT 1")
    except SQLAlchemyError:
        return False
    return True


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    import fcntl

    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
