"""A population on the real stack: models are handed on, kills lose nothing, and the winner is trained again alike."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.client import connect
from goodfit.service.records import Trial, TrialState
from tests import zoo
from tests.e2e.cli import PATIENCE, Home, kill_tree, until

pytestmark = pytest.mark.e2e

DIGITS: dict[str, Any] = {
    "trainer": "mlp",
    "data": {"source": "iris"},
    "space": {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 0.3, "log": True},
        "weight_decay": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
        "width": [4, 8],
    },
    "fixed": {"depth": 1, "optimizer": "sgd"},
    "search": {"method": "pbt", "population": 4, "interval": 2, "seed": 1},
    "training": {"epochs": 6},
    "budget": {},
    "confirm": {"top": 1, "seeds": 1},
}


def test_the_winner_of_a_population_is_trained_again_to_the_same_curve(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.ok("run", str(home.study("pbt", **DIGITS)), "--executor", "local")
    rows = home.json("trials", "pbt")
    assert [row["state"] for row in rows] == ["COMPLETE"] * 4
    taken = [trial for trial in connect(home.path)["pbt"].records() if trial.schedule is not None]
    assert taken

    number = taken[-1].number
    shown = home.json("show", "pbt", str(number))
    assert shown["schedule"][0]["epoch"] == 1
    assert shown["schedule"][-1]["params"] == shown["params"]
    assert "from epoch 1 (trial" in home.ok("show", "pbt", str(number))
    why = home.json("why", "pbt", str(number))
    assert [reason["event"] for reason in why["reasons"]].count("took over") >= 1
    assert home.json("replay", "pbt")["differences"] == []

    best = home.json("best", "pbt")["best"][0]
    assert best["test"]["seeds"] == 1
    for given in ((), ("--trial", str(number))):
        trial = int(given[1]) if given else best["trial"]
        study = home.ok("best", "pbt", "--study", *given)
        (home.folder / "again.yaml").write_text(study)
        home.ok("run", str(home.folder / "again.yaml"), "--executor", "local")
        again = home.json("show", f"pbt-trial-{trial}", "0")["curve"]
        assert again == home.json("show", "pbt", str(trial))["curve"]


HANDED_ON: dict[str, Any] = {
    "trainer": zoo.named("learner"),
    "space": {"x": {"type": "float", "low": 0, "high": 1}},
    "fixed": {"y": "a", "seconds": 0.05},
    "search": {"method": "pbt", "population": 5, "interval": 2, "seed": 3},
    "training": {"epochs": 7},
    "budget": {},
    "resources": {"parallel": 2, "cpus": 0.5},
}


def learned(trial: Trial) -> list[float]:
    """The losses of the model that a trial has in the end, where nothing of it was lost or trained twice."""
    value, losses = 0.0, []
    for epoch in range(1, trial.epochs + 1):
        x = [one.params["x"] for one in trial.stretches if one.epoch <= epoch][-1]
        value = 0.8 * value + x / epoch
        losses.append(value + 1.0 / epoch)
    return losses


def outcome(home: Home, name: str) -> list[tuple[Any, ...]]:
    study = connect(home.path)[name]
    return [(one.number, one.params, one.seed, one.state, one.value, one.schedule) for one in study.records()]


@pytest.mark.soak
def test_a_population_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.ok("run", str(home.study("whole", **HANDED_ON)), "--executor", "local")
    assert any(one[-1] for one in outcome(home, "whole"))
    process = home.start("run", str(home.study("killed", **HANDED_ON)))
    before = home.reports()
    for reports in (6, 16, 26):
        until(lambda: home.reports() - before >= reports or process.poll() is not None, "progress")  # noqa: B023
        kill_tree(process)
        process = home.start("resume", "killed")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert outcome(home, "killed") == outcome(home, "whole")
    study = connect(home.path)["killed"]
    for trial in study.records():
        assert (trial.state, trial.message, trial.epochs) == (TrialState.COMPLETE, None, 7)
        losses = [report.metrics["val/loss"] for report in study.reports(trial.number)]
        assert losses == pytest.approx(learned(trial))
    assert {count for *_, count in points(home)} == {1}


def points(home: Home) -> list[tuple[str, str, int, int]]:
    """(run, metric, step) and how often MLflow has it, of runs that are there."""
    query = """
        SELECT metrics.run_uuid, metrics.key, metrics.step, count(*) FROM metrics
        JOIN runs ON runs.run_uuid = metrics.run_uuid AND runs.lifecycle_stage = 'active'
        JOIN tags ON tags.run_uuid = metrics.run_uuid AND tags.key = 'goodfit.trial'
        GROUP BY 1, 2, 3
    """
    with sqlite3.connect(home.path / "mlflow.db") as connection:
        return [tuple(row) for row in connection.execute(query)]  # type: ignore[misc]
