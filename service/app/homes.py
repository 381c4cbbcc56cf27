"""The store of a home, and the specs in it."""

from __future__ import annotations

import os
from pathlib import Path
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
        elif not is_made(settings):
            raise errors.HomeError(
                f"no studies in {settings.home}: run one with `goodfit run FILE`, "
                "or name another home with --home (in Python: connect(FOLDER))"
            )
    return open_store(settings.database_url, patience if settings.database else 0.0)


def is_made(settings: Settings) -> bool:
    """Whether a home has a database; HomeError where this user may not use it."""
    if settings.database is not None:
        return True
    home, file = settings.home, settings.home / "goodfit.db"
    try:
        made = file.exists()
    except PermissionError as error:
        raise errors.HomeError(f"cannot read {home}: {_another_home(home)}") from error
    for path, mode, what in ((home, os.R_OK | os.X_OK, "read"), (file, os.R_OK, "read"), (file, os.W_OK, "write")):
        if made and not os.access(path, mode):
            raise errors.HomeError(f"cannot {what} {path}: {_another_home(path)}")
    return made


def _another_home(path: Path) -> str:
    """Whose a home is, and what to do."""
    try:
        whose = f"it belongs to {path.owner()}"
    except (OSError, KeyError):  # it cannot be looked at, or its owner has no name here
        whose = "it belongs to another user"
    return f"{whose}; name a home of your own with --home (in Python: connect(FOLDER)), or have its permissions changed"


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
