"""What a database says when it fails, put into Goodfit's words. The one place where that happens."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from goodfit.service.errors import GoodfitError, HomeError, Unreachable

BUSY_SECONDS = 30  # how long a writer waits for another before it gives up

_FULL = "no room is left for {place}; what was committed is safe: free some space, then `goodfit resume` the study"
_LOCKED = (
    f"another process has kept {{place}} locked for more than {BUSY_SECONDS} s; what was committed is safe: "
    "end that process, then try again"
)
_RIGHTS = "{place} cannot be opened for writing ({detail}); check the folder and its rights, or choose another home"
_SHORT = "{place} is short of resources ({detail}); what was committed is safe: try again later"
_AWAY = "{place} cannot be reached ({detail}); check that the server is up and GOODFIT_DATABASE is right"

# By the beginning of SQLite's error name or of PostgreSQL's SQLSTATE; the first match counts.
_MEANINGS: tuple[tuple[str, type[GoodfitError], str], ...] = (
    ("SQLITE_FULL", GoodfitError, _FULL),
    ("SQLITE_BUSY", HomeError, _LOCKED),
    ("SQLITE_LOCKED", HomeError, _LOCKED),
    ("SQLITE_READONLY", HomeError, _RIGHTS),
    ("SQLITE_CANTOPEN", HomeError, _RIGHTS),
    ("SQLITE_PERM", HomeError, _RIGHTS),
    ("SQLITE_AUTH", HomeError, _RIGHTS),
    ("SQLITE_NOTADB", HomeError, "{place} is not a SQLite database; move that file away, or choose another home"),
    ("SQLITE_CORRUPT", HomeError, "{place} is damaged ({detail}); restore it from a copy, or choose another home"),
    ("SQLITE_IOERR", HomeError, "the disk under {place} failed ({detail}); what was committed is safe: check the disk"),
    ("53100", GoodfitError, _FULL),  # disk_full
    ("53300", Unreachable, _SHORT),  # too_many_connections
    ("53", HomeError, _SHORT),
    ("42501", HomeError, "{place} does not give this user the rights it needs ({detail}); grant them"),
    ("25006", HomeError, "{place} is read-only ({detail}); use the primary server"),
    ("08", Unreachable, _AWAY),  # connection exceptions
    ("28", HomeError, _AWAY),  # invalid authorization
    ("3D", HomeError, _AWAY),  # no such database
    ("57P", Unreachable, _AWAY),  # shut down, crashed, starting up
)


@contextmanager
def translated(place: str, secret: str | None = None) -> Iterator[None]:
    """Let no exception of SQLAlchemy or a driver out.

    Args:
        place: the database as the user knows it: its file, or its server and name.
        secret: a password that no message may show.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _meaning(error, place, secret) from error


def _meaning(error: Exception, place: str, secret: str | None) -> GoodfitError:
    cause: BaseException = error
    if isinstance(error, StatementError) and error.orig is not None:
        cause = error.orig
    detail = " ".join(str(cause).split()) or type(cause).__name__
    if secret:
        detail = detail.replace(secret, "***")
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    if code is None and isinstance(error, DBAPIError) and (error.connection_invalidated or _never_connected(error)):
        return Unreachable(_AWAY.format(place=place, detail=detail))
    for beginning, kind, text in _MEANINGS:
        if code is not None and code.startswith(beginning):
            return kind(text.format(place=place, detail=detail))
    return GoodfitError(f"{place} refused this: {detail}; nothing of it was kept, what was committed before is safe")


def _never_connected(error: DBAPIError) -> bool:
    """A connection that was never made has no statement and no code."""
    return error.statement is None
