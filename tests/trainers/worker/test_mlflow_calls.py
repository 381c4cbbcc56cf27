"""`mlflow` inside a trainer: its calls are noted among the trial's artifacts, and no database is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.tracker.content import Point, logged_by_trainer
from goodfit.testing.attempts import attempt
from goodfit.trainers.messages import Outcome

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


LOOP = """
import mlflow, torch
def train(trial):
    trial.restore(torch.nn.Linear(2, 2))
    for epoch in trial.epochs():
        mlflow.log_metric("inside", epoch, step=epoch)
        trial.report(train={"loss": 1.0}, val={"accuracy": 0.5})
"""


@pytest.mark.filterwarnings("ignore")
def test_what_was_logged_before_an_interruption_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text(LOOP)
    settings = {"trainer": f"{tmp_path / 'theirs.py'}:train", "epochs": 4, "checkpoint_epochs": 1}
    attempt(tmp_path / "t", **settings, stop_after=2)
    attempt(tmp_path / "t", **settings, attempt=2, reported=2)
    points, *_ = logged_by_trainer(tmp_path / "t" / "artifacts")
    assert [(point.step, point.value) for point in points] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]


@pytest.mark.parametrize(
    "content", ["", "[]", "null", '{"points": [["a"]], "params": {}, "tags": {}}', '{"points": 1}']
)
def test_damaged_notes_are_told_and_stop_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "mlflow.json").write_text(content)
    points, params, tags = logged_by_trainer(tmp_path)
    assert (points, params) == ([], {})
    assert "mlflow.json is damaged" in tags["goodfit.damaged"]


def test_a_trainer_that_logs_nothing_leaves_nothing(tmp_path: Path) -> None:
    assert logged_by_trainer(tmp_path) == ([], {}, {})
