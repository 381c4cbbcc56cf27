"""MLflow's SQLite file: whole or not there, whenever the process that makes it is killed."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from goodfit.service.errors import TrackingError
from goodfit.service.tracker.database import make_sqlite, sqlite_file
from goodfit.service.tracker.experiment import connect, prepare

FIRST_START = (
    "import sys; from goodfit.service.tracker.experiment import connect; connect(sys.argv[1]).search_experiments()"
)


def _tables(folder: Path) -> int:
    """How many tables stand in the folder's databases by now."""
    count = 0
    for file in folder.glob("mlflow.db*"):
        with contextlib.suppress(sqlite3.Error), sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            count += int(connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0])
    return count


def test_a_kill_while_mlflow_makes_its_tables_costs_nothing(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", FIRST_START, uri])
    while _tables(tmp_path) < 8:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    client = connect(uri)
    client.create_experiment("after")
    assert {found.name for found in client.search_experiments()} == {"Default", "after"}
    assert not list(tmp_path.glob("*.part*"))


def test_a_database_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("theirs")
    make_sqlite(file, pytest.fail)
    assert file.read_text() == "theirs"


def test_one_that_cannot_be_made_leaves_nothing_and_is_made_at_the_next_try(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"

    def half(uri: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_text("half")
        raise TrackingError("no room")

    with pytest.raises(TrackingError, match=f"{file} cannot be made: no room"):
        make_sqlite(file, half)
    assert [left.name for left in tmp_path.iterdir()] == ["mlflow.db.lock"]

    def whole(uri: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_text("whole")

    make_sqlite(file, whole)
    assert file.read_text() == "whole"


def _small(connection: sqlite3.Connection, _record: object) -> None:
    """Let SQLite find its disk full after a few tables."""
    connection.execute("PRAGMA max_page_count = 20")


def test_a_full_disk_is_called_one_and_keeps_nobody_from_the_next_try(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    event.listen(Engine, "connect", _small)
    try:
        with pytest.raises(TrackingError, match=r"mlflow\.db cannot be made: no room is left on its disk"):
            prepare(uri)
    finally:
        event.remove(Engine, "connect", _small)
    assert not list(tmp_path.glob("*.part*"))
    prepare(uri)
    assert [found.name for found in connect(uri).search_experiments()] == ["Default"]


@pytest.mark.parametrize("uri", ["http://localhost:5000", "postgresql://u@h/d", "sqlite:///a.db?timeout=9"])
def test_runs_that_go_elsewhere_need_no_file(uri: str) -> None:
    assert sqlite_file(uri) is None


def test_the_file_of_a_tracking_uri() -> None:
    assert sqlite_file("sqlite:////home/me/mlflow.db") == Path("/home/me/mlflow.db")
