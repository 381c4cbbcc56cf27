"""The tracker held to its contract, on MLflow with a process of its own and a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goodfit.service.ports import Tracker
from goodfit.service.tracker import MlflowTracker
from goodfit.testing import TrackerContract
from goodfit.testing.lab import Lab
from goodfit.testing.trackers import Shown, Start
from tests.mirror_child import command
from tests.tracking import new_mlflow, seen

AWAY = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_mlflow(tmp_path / "mlflow")


class TestMlflow(TrackerContract):
    trouble = AWAY

    @pytest.fixture
    def start_at(self, lab: Lab, tmp_path: Path) -> Iterator[Callable[[str], Tracker]]:
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

    @pytest.fixture
    def start(self, start_at: Callable[[str], Tracker], uri: str) -> Start:
        return lambda: start_at(uri)

    @pytest.fixture
    def start_unreachable(self, start_at: Callable[[str], Tracker]) -> Start:
        return lambda: start_at(AWAY)

    @pytest.fixture
    def shown(self, uri: str) -> Shown:
        def shown() -> set[int]:
            found = {name: run for name, run in seen(uri).items() if name.startswith("trial ")}
            assert {run["status"] for run in found.values()} == {"FINISHED"}
            return {int(name.removeprefix("trial ")) for name in found}

        return shown

    def test_whatever_the_store_has_is_mirrored_by_the_end(
        self, lab: Lab, start: Start, shown: Shown, uri: str, tmp_path: Path
    ) -> None:
        super().test_whatever_the_store_has_is_mirrored_by_the_end(lab, start, shown)
        found = seen(uri)
        assert set(found) == {"digits", "trial 0", "trial 1", "trial 2"}
        assert found["digits"]["status"] == "FINISHED"
        assert lab.study.champion == 2
        assert "what a library prints" in (tmp_path / "mlflow.log").read_text()
