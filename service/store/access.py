"""Tokens and the audit log on SQL; of a token's secret there is a hash alone."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from goodfit.service.audit_chain import hash_of
from goodfit.service.errors import InputError
from goodfit.service.records import AuditEntry, Token
from goodfit.service.store.columns import encoded, spelled
from goodfit.service.store.tables import audit, tokens

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from goodfit.service.store.sql import SqlStore

_TOKEN = (
    tokens.c.id,
    tokens.c.name,
    tokens.c.role,
    tokens.c.created,
    tokens.c.created_by,
    tokens.c.expires,
    tokens.c.revoked,
)
_BY_HASH = select(*_TOKEN).where(tokens.c.hash == bindparam("digest"))
_BY_ID = select(*_TOKEN).where(tokens.c.id == bindparam("wanted"))
_ALL = select(*_TOKEN).order_by(tokens.c.created, tokens.c.id)
_REVOKE = update(tokens).where(tokens.c.id == bindparam("wanted")).values(revoked=bindparam("at"))
_ENTRY = tuple(audit.c[field.name] for field in fields(AuditEntry))
_LOG = select(*_ENTRY).order_by(audit.c.id.desc())
_LAST_HASH = (
    select(audit.c.hash)
    .where(audit.c.subject == bindparam("of"), audit.c.hash.is_not(None))
    .order_by(audit.c.id.desc())
    .limit(1)
)
Change = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]  # what it was before, and what it is since
_CHAINS = 0x600DF19  # of PostgreSQL's advisory locks of two numbers: any that nobody else takes


class SqlAccess:
    """The Access of service/ports/, in the database of a store."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    def add_token(self, token: Token, digest: str) -> None:
        row = {name: getattr(token, name) for name in (column.name for column in _TOKEN)}
        with self._store.writing() as connection:
            connection.execute(insert(tokens), {**row, "hash": digest})
            note(connection, token.created_by, "create-token", token.name, f"{token.role} {token.id}", token.created)

    def token_of(self, digest: str) -> Token | None:
        with self._store.reading() as connection:
            row = connection.execute(_BY_HASH, {"digest": digest}).first()
            return None if row is None else Token(*row)

    def tokens(self) -> list[Token]:
        with self._store.reading() as connection:
            return [Token(*row) for row in connection.execute(_ALL)]

    def revoke(self, token_id: str, at: float, by: str) -> Token:
        with self._store.writing() as connection:
            row = connection.execute(_BY_ID, {"wanted": token_id}).first()
            if row is None:
                raise InputError(f"there is no token {token_id!r}; `goodfit token ls` lists them")
            token = Token(*row)
            if token.revoked is None:
                connection.execute(_REVOKE, {"wanted": token_id, "at": at})
                note(connection, by, "revoke-token", token.name, token_id, at)
                token = Token(*connection.execute(_BY_ID, {"wanted": token_id}).one())
            return token

    def audit(self, *, subject: str | None = None, limit: int = 100, offset: int = 0) -> list[AuditEntry]:
        query = _LOG if subject is None else _LOG.where(audit.c.subject == subject)
        with self._store.reading() as connection:
            return [AuditEntry(*row) for row in connection.execute(query.limit(limit).offset(offset))]


def note(
    connection: Connection,
    who: str,
    action: str,
    subject: str,
    detail: str = "",
    at: float | None = None,
    *,
    study: int | None = None,
    change: Change = (None, None),
) -> None:
    """Write down who did what, in the transaction that does it, chained to the subject's entry before.

    Nothing is locked after it in a transaction: on PostgreSQL it waits for whoever writes of the same subject.
    """
    when = time.time() if at is None else at
    before, after = map(_plain, change)
    entry = AuditEntry(when, spelled(who), action, spelled(subject), spelled(detail), study, before, after)
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time
        connection.execute(select(func.pg_advisory_xact_lock(_CHAINS, func.hashtext(entry.subject))))
    previous = connection.execute(_LAST_HASH, {"of": entry.subject}).scalar()
    row = {field.name: getattr(entry, field.name) for field in fields(AuditEntry)}
    connection.execute(insert(audit), {**row, "hash": hash_of(entry, previous or "")})


def entries_of(connection: Connection, study_id: int, actions: Sequence[str]) -> list[AuditEntry]:
    """What of these kinds was done to a study, oldest first."""
    query = select(*_ENTRY).where(audit.c.study == study_id, audit.c.action.in_(actions)).order_by(audit.c.id)
    return [AuditEntry(*row) for row in connection.execute(query)]


def _plain(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Values as they will be read back; None of none."""
    found: dict[str, Any] | None = json.loads(encoded(values)) if values else None
    return found
