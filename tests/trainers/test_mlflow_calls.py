"""`mlflow` inside a trainer: its calls are noted among the trial's artifacts, and no database is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.tracker.content import Point, logged_by_trainer
from tests.training import attempt
from trainers.messages import Outcome

TEXT = """
import mlflow
def train(trial):
    mlflow.autolog(disable=True)
    with mlflow.start_run(run_name="mine"):
        mlflow.log_param("lr", 0.1)
        mlflow.set_tag("colour", "blue")
        mlflow.log_text("hello", "note.txt")
        for epoch in trial.epochs():
            mlflow.log_metric("inside", epoch / 2, step=epoch)
            trial.report(train={"loss": 1.0}, val={"accuracy": 0.5})
        assert mlflow.active_run() is not None
    mlflow.log_metric("after", 7.0)
"""


@pytest.mark.filterwarnings("ignore")
def test_what_a_trainer_logs_is_noted_for_the_trials_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text(TEXT)
    line = attempt(tmp_path / "t", trainer=f"{tmp_path / 'theirs.py'}:train", epochs=2)
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    artifacts = tmp_path / "t" / "artifacts"
    points, params, tags = logged_by_trainer(artifacts)
    assert [(point.key, point.step, point.value) for point in points] == [
        ("inside", 1, 0.5),
        ("inside", 2, 1.0),
        ("after", 0, 7.0),
    ]
    assert all(isinstance(point, Point) and point.at > 1e12 for point in points)
    assert (params, tags) == ({"lr": "0.1"}, {"colour": "blue"})
    assert (artifacts / "mlflow" / "note.txt").read_text() == "hello"
    assert {path.name for path in tmp_path.iterdir()} == {"theirs.py", "t", "__pycache__"} - {
        name for name in ("__pycache__",) if not (tmp_path / name).exists()
    }


def test_a_trainer_that_logs_nothing_leaves_nothing(tmp_path: Path) -> None:
    assert logged_by_trainer(tmp_path) == ([], {}, {})
