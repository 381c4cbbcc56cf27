"""Studies that go on after their end, by the real command line: mended trainers, longer budgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.cli import Home

pytestmark = pytest.mark.e2e

TRAINER = """
from pathlib import Path

def train(trial):
    for epoch in trial.epochs():
        if not Path(__file__).with_name("mended").exists():
            raise ValueError(f"expected 10 features, got {trial.config['x']}")
        trial.report(train={"loss": 1.0 / epoch}, val={"loss": 1.0 / epoch})
"""


def test_a_study_that_failed_says_so_and_goes_on_once_its_trainer_is_mended(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(TRAINER)
    home = Home(tmp_path)
    file = home.study(
        "broken", trainer="theirs.py:train", budget={"trials": 200, "failures": 3}, training={"epochs": 2}
    )
    failed = home.run("run", str(file), "--executor", "local")
    assert failed.returncode == 1
    assert "study broken failed: 3 trials failed alike, and none succeeded: ValueError: expected 10" in failed.stderr
    assert "resume broken --retry-failed" in failed.stderr
    shown = home.json("show", "broken")
    assert shown["trials"] == {"FAILED(error)": 3}
    assert "--retry-failed" in shown["go_on"]

    fewer = home.run("resume", "broken", "--set", "budget.trials=3")
    assert fewer.returncode == 1
    assert "study broken has failed: 3 trials failed alike" in fewer.stderr
    assert "budget.trials: 200 -> 3" in fewer.stderr
    again = home.run("run", str(file), "--set", "budget.trials=3")
    assert again.returncode == 1, "nothing is left to do, and it does not start the workers for it"
    assert "once the cause is mended" in again.stderr
    other = home.run("run", str(file))
    assert other.returncode == 2
    assert "resume broken --set budget.trials=200" in other.stderr

    (tmp_path / "mended").touch()
    mended = home.run("resume", "broken", "--retry-failed", "--executor", "local")
    assert mended.returncode == 0, mended.stderr
    assert "3 trials trained again" in mended.stderr
    more = home.run("resume", "broken", "--set", "budget.trials=5", "--executor", "local", "--json")
    assert more.returncode == 0, more.stderr
    assert len(json.loads(more.stdout)["best"]) == 5
    assert json.loads(more.stdout)["notes"] == []
    trials = home.json("trials", "broken")
    assert [(trial["state"], trial["attempts"]) for trial in trials] == [("COMPLETE", 2)] * 3 + [("COMPLETE", 1)] * 2
    refused = home.run("resume", "broken", "--set", "training.epochs=9")
    assert refused.returncode == 2
    assert "training.epochs: cannot be changed" in refused.stderr
    assert home.points() == sorted(set(home.points()))
    assert all(count == 1 for *_, count in home.points())
