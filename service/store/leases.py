"""Who may write a study: leases with fences. Every function works inside its caller's transaction.

Whoever changes anything of a study locks its lease row first, and keeps it locked to the end of the
transaction (SQLite: the whole database; PostgreSQL: the row). So what was seen of the lease stays true
until all is written, and two writers of one study never wait for each other crosswise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from goodfit.service.errors import Fenced, StudyHeld, UnknownStudy
from goodfit.service.records import Lease
from goodfit.service.store.tables import leases, studies

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, Connection
    from sqlalchemy.engine import Row

_KEY: BindParameter[int] = bindparam("study")
_READ = select(leases.c.study_id, leases.c.owner, leases.c.fence, leases.c.until).where(leases.c.study_id == _KEY)
_LOCK = _READ.with_for_update()
_GRANT = update(leases).where(leases.c.study_id == _KEY)
_RELEASE = _GRANT.where(leases.c.fence == bindparam("held")).values(owner=None)
_EXTEND = _GRANT.values(until=bindparam("end"))
_NAME = select(studies.c.name).where(studies.c.id == _KEY)
_STOP_ASKED = select(studies.c.stop_asked).where(studies.c.id == _KEY)


def lock(connection: Connection, study_id: int) -> Row[int, str | None, int, float]:
    """The lease's row, nobody else's until the transaction ends."""
    row = connection.execute(_LOCK, {"study": study_id}).first()
    if row is None:
        raise UnknownStudy(f"study {study_id} does not exist; it may have been removed")
    return row


def acquire(
    connection: Connection, study_id: int, owner: str, now: float, ttl: float, dead: Callable[[str], bool]
) -> Lease:
    """Take the lease with the next fence, if nobody alive has it."""
    row = lock(connection, study_id)
    if row.owner is not None and row.until > now and not dead(row.owner):
        name = connection.execute(_NAME, {"study": study_id}).scalar_one()
        raise StudyHeld(
            f"study {name!r} is run by {row.owner} already; `goodfit show {name}` says how far it is, "
            f"`goodfit stop {name}` ends it, and if that process is gone the study is free in {row.until - now:.0f} s"
        )
    lease = Lease(study_id, owner, row.fence + 1, now + ttl)
    connection.execute(_GRANT, {"study": study_id, "owner": lease.owner, "fence": lease.fence, "until": lease.until})
    return lease


def hand_over(connection: Connection, lease: Lease, owner: str, now: float, ttl: float) -> Lease:
    """Give the lease to another owner; what the old one still writes is refused from here on."""
    require(connection, lease)
    given = Lease(lease.study_id, owner, lease.fence + 1, now + ttl)
    values = {"study": given.study_id, "owner": given.owner, "fence": given.fence, "until": given.until}
    connection.execute(_GRANT, values)
    return given


def require(connection: Connection, lease: Lease) -> None:
    """Refuse whoever has lost the lease."""
    row = connection.execute(_LOCK, {"study": lease.study_id}).first()
    if row is not None and row.fence == lease.fence and row.owner is not None:
        return
    if row is None:
        why = "the study was removed"
    elif row.owner is None:
        why = "the lease was given back"
    else:
        why = f"{row.owner} took over"
    raise Fenced(
        f"{lease.owner} may no longer write study {lease.study_id}: {why}; what it wrote before is kept, nothing after"
    )


def extend(connection: Connection, lease: Lease, until: float) -> bool:
    """Keep the lease for longer; whether a stop was asked for."""
    require(connection, lease)
    connection.execute(_EXTEND, {"study": lease.study_id, "end": until})
    return bool(connection.execute(_STOP_ASKED, {"study": lease.study_id}).scalar_one())


def release(connection: Connection, lease: Lease) -> None:
    """Give the lease back, if it is still this one. Its fence stays, so that the next is greater."""
    connection.execute(_RELEASE, {"study": lease.study_id, "held": lease.fence})


def fence(connection: Connection, study_id: int) -> int:
    """Of the last lease that was given, whether or not it is held."""
    row = connection.execute(_READ, {"study": study_id}).first()
    if row is None:
        raise UnknownStudy(f"study {study_id} does not exist; it may have been removed")
    return int(row.fence)


def read(connection: Connection, study_id: int) -> Lease | None:
    """The lease, unless it was released."""
    row = connection.execute(_READ, {"study": study_id}).first()
    return None if row is None or row.owner is None else Lease(*row)
