"""The store of a home, and the specs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import errors
from service.settings import Settings, make_folder

if TYPE_CHECKING:
    from service.ports import Access
    from service.records import Study
    from service.spec import StudySpec
    from service.store import SqlStore


def open_home(settings: Settings, *, create: bool = False) -> SqlStore:
    """The store of a home; HomeError when there is none and it is not to be made."""
    from service.store import open_store

    if settings.database is None:
        if create:
            make_folder(settings.home)
        elif not (settings.home / "goodfit.db").exists():
            raise errors.HomeError(
                f"no studies in {settings.home}: run one with `goodfit run FILE`, or name another home with --home"
            )
    return open_store(settings.database_url)


def open_access(store: SqlStore) -> Access:
    """Tokens and the audit log, in the database of a store."""
    from service.store import SqlAccess

    return SqlAccess(store)


def upgrade_home(settings: Settings) -> tuple[str, str | None, str]:
    """Bring the database to this version: its place, the version it had (None: it was empty), the one it has."""
    from service.store import upgrade_database

    if settings.database is None:
        make_folder(settings.home)
    return upgrade_database(settings.database_url)


def spec_of(study: Study) -> StudySpec:
    """The spec that a study was made with."""
    from service.spec import StudySpec

    return StudySpec.from_dict(study.spec)
