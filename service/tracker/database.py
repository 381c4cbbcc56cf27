"""MLflow's SQLite file: made whole or not at all.

MLflow makes its tables in dozens of migrations, which takes seconds; a file that a kill left between two of
them is refused by MLflow for good. So the tables are made beside the file's place, and moved there at the end.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from goodfit.service.errors import TrackingError

_SQLITE = "sqlite:///"


def sqlite_file(tracking_uri: str) -> Path | None:
    """The file of a SQLite database; None where the runs go elsewhere."""
    if not tracking_uri.startswith(_SQLITE) or "?" in tracking_uri:
        return None
    return Path(tracking_uri.removeprefix(_SQLITE))


def is_unmade(file: Path) -> bool:
    """Whether nobody has begun to make it, so that there is nothing in it."""
    return file.parent.is_dir() and not file.exists() and not _lock(file).exists()


def _lock(file: Path) -> Path:
    return file.with_name(f"{file.name}.lock")


def make_sqlite(file: Path, make_tables: Callable[[str], None]) -> None:
    """Make MLflow's database where there is none; does nothing where there is one.

    Args:
        file: its place.
        make_tables: makes MLflow's tables in the database of a tracking URI, and leaves nothing of it open; raises
            TrackingError where it cannot.

    Raises:
        TrackingError: it could not be made; nothing of it is left.
    """
    if file.exists() or not file.parent.is_dir():  # MLflow says what is wrong with the folder
        return
    part = file.with_name(f"{file.name}.part")
    parts = (part, part.with_name(f"{part.name}-journal"))
    with _lock(file).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of a mirror that makes it for another study, or made it and was killed
        if file.exists():
            return
        try:
            for left in parts:
                left.unlink(missing_ok=True)
            make_tables(f"{_SQLITE}{part}")
            part.replace(file)
        except TrackingError as error:
            raise TrackingError(f"the database {file} cannot be made: {error}") from error
        finally:
            for left in parts:
                left.unlink(missing_ok=True)
