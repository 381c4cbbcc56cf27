"""A study with pauses on the real stack: its process tree is killed while trials are paused, and nothing is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from goodfit.service.client import connect
from goodfit.service.records import FINISHED, TrialState
from goodfit.service.store import open_store
from tests import zoo
from tests.e2e.cli import Home, kill_tree, until

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

STUDY = {
    "trainer": zoo.named("learner"),
    "space": {"x": {"type": "float", "low": 0, "high": 1}, "y": ["a", "b"]},
    "fixed": {"seconds": 0.03},
    "search": {"method": "auto", "seed": 3, "try_defaults": False},
    "pruning": {"method": "auto"},
    "training": {"epochs": 8},
    "budget": {"trials": 14},
    "resources": {"parallel": 2, "cpus": 0.5},
}


def paused(home: Home) -> int:
    try:
        with sqlite3.connect(f"file:{home.path / 'goodfit.db'}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM trials WHERE state = 'PAUSED'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_study_that_is_killed_while_trials_are_paused_goes_on_with_them(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = home.start("run", str(home.study("auto", **STUDY)))
    until(lambda: paused(home) >= 3 or process.poll() is not None, "three paused trials")
    kill_tree(process)
    study = connect(home.path)["auto"]
    held = {trial.number for trial in study.records() if trial.state is TrialState.PAUSED}
    assert held
    home.ok("resume", "auto")
    trials = study.records()
    assert {trial.state for trial in trials} <= FINISHED
    assert [trial.number for trial in trials] == list(range(14))
    assert any(trial.state is TrialState.COMPLETE for trial in trials)
    for trial in trials:
        assert trial.message is None
        losses = [report.metrics["val/loss"] for report in study.reports(trial.number)]
        assert losses == zoo.learned(trial.params["x"], trial.params["y"], trial.epochs)
        assert trial.prune_at == (trial.epochs if trial.state is TrialState.PRUNED else None)
    store = open_store(f"sqlite:///{home.path / 'goodfit.db'}")
    decisions = store.decisions(store.study("auto").id)
    store.close()
    assert [decision.index for decision in decisions] == list(range(len(decisions)))
    assert [decision.trial for decision in decisions if decision.new] == list(range(14))
    assert {count for *_, count in home.points()} == {1}
    assert {int(number) for number, *_ in home.points()} == set(range(14))
