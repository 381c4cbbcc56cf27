"""Two objectives and a bound on a real trainer: killed in the middle, resumed, and shown by every face."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from goodfit import connect
from goodfit.service.records import FINISHED, TrialState, pareto_front
from tests.e2e.cli import Home, kill_tree, until

pytestmark = pytest.mark.e2e

STUDY: dict[str, Any] = {
    "trainer": "mlp",
    "data": {"source": "wine"},
    "space": {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "width": {"type": "int", "low": 2, "high": 256, "log": True},
        "depth": {"type": "int", "low": 1, "high": 3},
    },
    "objective": [
        {"metric": "val/accuracy", "direction": "maximize"},
        {"metric": "params_millions", "direction": "minimize"},
    ],
    "constraints": ["params_millions <= 0.05", "epoch_seconds <= 60"],
    "search": {"method": "auto"},
    "training": {"epochs": 8},
    "budget": {"trials": 14},
    "confirm": {"top": 2, "seeds": 1},
}


def tags(home: Home, key: str) -> list[str]:
    with sqlite3.connect(home.path / "mlflow.db") as connection:
        return [str(value) for (value,) in connection.execute("SELECT value FROM tags WHERE key = ?", (key,))]


def test_a_study_of_two_objectives_survives_a_kill_and_shows_its_front(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = home.start("run", str(home.study("pair", **STUDY)), "--executor", "local")
    until(lambda: home.reports() >= 30 or process.poll() is not None, "30 reports")
    kill_tree(process)
    home.ok("resume", "pair", "--executor", "local")
    study = connect(home.path)["pair"]
    trials = study.records()
    assert [trial.number for trial in trials] == list(range(14))
    assert {trial.state for trial in trials} <= FINISHED
    for trial in trials:
        measured = trial.measured or {}
        (size,) = {report.metrics["params_millions"] for report in study.reports(trial.number)}
        assert measured["params_millions"] == size
        assert trial.feasible == (size <= 0.05)
        assert 0 < measured["epoch_seconds"] < 60
    front = pareto_front(trials, study.record.objective)
    assert front
    assert all(trial.state is TrialState.COMPLETE and trial.feasible for trial in front)

    found = home.json("best", "pair", "--pareto")
    assert [row["trial"] for row in found["best"]] == [trial.number for trial in front]
    assert set(found["best"][0]["values"]) == {"val/accuracy", "params_millions", "epoch_seconds"}
    assert 0 < found["hypervolume"] <= 1
    assert "trial: " in home.ok("best", "pair", "--pareto", "--yaml")
    assert "Pareto front" in home.ok("best", "pair", "--pareto")
    confirmed = {trial.confirms for trial in study.confirmations()}
    assert confirmed == {trial.number for trial in front[:2]}
    assert study.best().test is not None
    assert {count for *_, count in home.points()} == {1}
    assert tags(home, "goodfit.front") == [", ".join(str(trial.number) for trial in front)]
    assert json.loads(tags(home, "goodfit.hypervolume")[0]) == pytest.approx(found["hypervolume"], rel=1e-5)
    assert study.to_optuna().best_trials
    (home.folder / "page.html").unlink(missing_ok=True)
    home.ok("report", "pair", "-o", str(home.folder / "page.html"))
    assert "Pareto front" in (home.folder / "page.html").read_text()


def test_a_bound_on_a_metric_that_no_report_has_ends_the_study_at_the_first(tmp_path: Path) -> None:
    home = Home(tmp_path)
    done = home.run("run", str(home.study("misspelt", constraints=["val/los <= 2"])), "--executor", "local")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "judged by val/los" in done.stderr
    assert "did you mean val/loss?" in done.stderr
    assert len(connect(home.path)["misspelt"].records()) == 1
