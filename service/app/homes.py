"""The store of a home, and the specs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodfit.service import errors
from goodfit.service.app.code import with_code
from goodfit.service.settings import Settings, make_folder

if TYPE_CHECKING:
    from goodfit.service.ports import Store, Studies
    from goodfit.service.records import Study
    from goodfit.service.spec import StudySpec


PATIENCE = 600.0  # seconds that a run waits for a database that is away


def open_home(settings: Settings, *, create: bool = False, patience: float = 0.0) -> Store:
    """The store of a home; HomeError when there is none and it is not to be made.

    Args:
        settings: the home.
        create: make it where there is none.
        patience: seconds that each later call waits for a database server that is away.
    """
    from goodfit.service.store import open_store

    if settings.database is None:
        if create:
            make_folder(settings.home)
        elif not (settings.home / "goodfit.db").exists():
            raise errors.HomeError(
                f"no studies in {settings.home}: run one with `goodfit run FILE`, "
                "or name another home with --home (in Python: connect(FOLDER))"
            )
    return open_store(settings.database_url, patience if settings.database else 0.0)


def upgrade_home(settings: Settings) -> tuple[str, str | None, str]:
    """Bring the database to this version: its place, the version it had (None: it was empty), the one it has."""
    from goodfit.service.store import upgrade_database

    if settings.database is None:
        make_folder(settings.home)
    return upgrade_database(settings.database_url)


def spec_of(study: Study) -> StudySpec:
    """The spec that a study was made with; modules that it names are found from here on."""
    from goodfit.service.spec import StudySpec, look_for_modules

    spec = StudySpec.from_dict(study.spec)
    look_for_modules(spec.modules)
    return spec


def spec_here(store: Studies, study: Study) -> StudySpec:
    """The same, with the code that travelled with the study laid down on this machine."""
    return with_code(spec_of(study), store.files(study.id))
