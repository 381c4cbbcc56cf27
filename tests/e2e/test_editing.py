"""A study that is edited while it runs, exported and imported, by the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.cli import PATIENCE, Home, until

pytestmark = pytest.mark.e2e

TRAINER = """
import time

def train(trial):
    for epoch in trial.epochs():
        time.sleep(0.1)
        trial.report(train={"loss": trial.config["x"] / epoch}, val={"loss": trial.config["x"] / epoch})
"""


def test_a_running_study_takes_an_edit_up_and_is_exported(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(TRAINER)
    home = Home(tmp_path)
    file = home.study("living", trainer="theirs.py:train", budget={"trials": 1000}, training={"epochs": 3})
    running = home.start("run", str(file), "--executor", "local")
    try:
        until(lambda: home.reports() > 12, "the first trials")
        edited = home.run("edit", "living", "--set", "budget.trials=60", "--set", "space.x.high=0.5")
        assert edited.returncode == 0, edited.stderr
        assert "its runner takes it up in a moment" in edited.stdout
        _, said = running.communicate(timeout=PATIENCE)
        assert running.returncode == 0, said
    finally:
        running.kill()
    shown = home.json("show", "living")
    since = shown["versions"][1]["from_trial"]
    trials = home.json("trials", "living")
    assert len(trials) == max(60, since), "those that had begun by then are kept"
    assert all(trial["params"]["x"] <= 0.5 for trial in trials[since:])
    assert shown["outside"] == [trial["trial"] for trial in trials if trial["params"]["x"] > 0.5]
    assert home.run("replay", "living").returncode == 0
    target = f"optuna+sqlite:///{tmp_path / 'out.db'}"
    for _ in range(2):
        assert home.run("export", "living", "--to", target).returncode == 0
    back = home.run("import", target, "-o", str(tmp_path / "back.yaml"), "--trainer", "theirs.py:train")
    assert back.returncode == 0, back.stderr
    assert home.run("check", str(tmp_path / "back.yaml")).returncode == 0
    refused = home.run("edit", "living", "--set", "training.epochs=9", "--set", "data.source=iris")
    assert refused.returncode == 2
    assert "training.epochs" in refused.stderr
    assert "data.source" in refused.stderr
