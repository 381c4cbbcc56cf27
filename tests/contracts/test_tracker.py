"""What every Tracker keeps, on MLflow with a process of its own and a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goodfit.service.ports import Tracker
from goodfit.service.tracker import MlflowTracker
from tests.mirror_child import command
from tests.tracking import Lab, new_mlflow, seen


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.store.close()


@pytest.fixture
def start(lab: Lab, tmp_path: Path) -> Iterator[Callable[[str], Tracker]]:
    """Starts a tracker of the lab's study; closed at the end whatever happens."""
    started: list[Tracker] = []

    def start(uri: str) -> Tracker:
        database = f"sqlite:///{tmp_path / 'goodfit.db'}"
        child = command(database, lab.name, uri, str(tmp_path / "artifacts"))
        started.append(MlflowTracker(child, tmp_path / "mlflow.log", away_seconds=0.5))
        return started[-1]

    yield start
    for tracker in started:
        tracker.close(0.0)


def test_whatever_the_store_has_is_mirrored_by_the_end(
    lab: Lab, start: Callable[[str], Tracker], tmp_path: Path
) -> None:
    uri = new_mlflow(tmp_path / "mlflow")
    tracker = start(uri)
    lab.run(0, epochs=1)
    tracker.wake()
    for number in range(3):
        lab.finish(number)
        tracker.wake()
    lab.end()
    waits: list[int] = []
    assert tracker.close(60.0, waits.append) is True
    assert waits
    assert (tracker.behind(), tracker.trouble(), lab.behind()) == (0, None, 0)
    found = seen(uri)
    assert set(found) == {"digits", "trial 0", "trial 1", "trial 2"}
    assert found["digits"]["status"] == "FINISHED"
    assert lab.study.champion == 2
    assert tracker.close(60.0) is True
    assert "what a library prints" in (tmp_path / "mlflow.log").read_text()


def test_while_mlflow_is_away_nothing_waits_and_nothing_is_lost(
    lab: Lab, start: Callable[[str], Tracker], tmp_path: Path
) -> None:
    uri = new_mlflow(tmp_path / "mlflow")
    tracker = start("http://127.0.0.1:9")  # the discard port: nobody listens
    lab.finish(0)
    tracker.wake()
    assert tracker.close(60.0) is False
    assert "http://127.0.0.1:9" in (tracker.trouble() or "")
    assert lab.behind() == 1
    tracker = start(uri)
    assert tracker.close(60.0) is True
    assert seen(uri)["trial 0"]["status"] == "FINISHED"


def test_what_there_is_no_time_for_is_left_for_the_next(
    lab: Lab, start: Callable[[str], Tracker], tmp_path: Path
) -> None:
    lab.finish(0)
    tracker = start(new_mlflow(tmp_path / "mlflow"))
    assert tracker.close(0.0) is False
    assert lab.behind() in (0, 1)  # it may have been quick
    assert start(new_mlflow(tmp_path / "mlflow")).close(60.0) is True
    assert lab.behind() == 0
