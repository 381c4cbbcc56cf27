"""MLflow's SQLite file: made whole or not at all.

MLflow makes its tables in dozens of migrations, which takes seconds; a file that a kill left between two of
them is refused by MLflow for good. So the tables are made beside the file's place, and moved there at the end.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from goodfit.service.errors import TrackingError

FULL = "database or disk is full"  # what SQLite says
NO_ROOM = "no room is left on its disk; what is missing is sent once there is room again"
_SQLITE = "sqlite:///"
# In a process of its own: MLflow keeps connections to a file that it failed to fill, and there may be another try.
MAKE_TABLES = (sys.executable, "-P", "-W", "ignore", "-m", "goodfit.service.tracker")


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """What the command said last."""
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return NO_ROOM if FULL in last else last


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


def make_sqlite(file: Path, make_tables: Sequence[str] = MAKE_TABLES) -> None:
    """Make MLflow's database where there is none; does nothing where there is one.

    Args:
        file: its place.
        make_tables: a command that makes MLflow's tables in the database of the tracking URI that follows.

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
            done = subprocess.run(  # noqa: S603 - our own command; it has the lock as long as it lives
                [*make_tables, f"{_SQLITE}{part}"],
                check=False,
                capture_output=True,
                text=True,
                pass_fds=(lock.fileno(),),
            )
            if done.returncode != 0:
                raise TrackingError(f"the database {file} cannot be made: {_why(done)}")
            part.replace(file)
        finally:
            for left in parts:
                left.unlink(missing_ok=True)
