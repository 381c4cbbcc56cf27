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
    assert "once the cause is fixed" in again.stderr
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


LOAD = """
import numpy as np

def load():
    x = np.random.default_rng(0).normal(size=(60, 3))
    return x, (x[:, 0] > 0).astype(int)
"""


def test_a_data_function_that_returns_other_rows_is_refused_until_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(LOAD)
    home = Home(tmp_path)
    file = home.study(
        "moved",
        trainer="mlp",
        data={"source": "mine.py:load"},
        space={"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1}},
        objective={"metric": "val/loss", "direction": "minimize"},
        training={"epochs": 1},
        budget={"trials": 1},
    )
    home.ok("run", str(file), "--executor", "local")

    (tmp_path / "mine.py").write_text(LOAD + "# the same rows\n")
    more = home.run("resume", "moved", "--set", "budget.trials=2", "--executor", "local")
    assert more.returncode == 0, more.stderr
    assert "the code has changed: mine.py was edited" in more.stderr

    (tmp_path / "mine.py").write_text(LOAD.replace("rng(0)", "rng(1)"))
    refused = home.run("resume", "moved", "--set", "budget.trials=3", "--executor", "local")
    assert refused.returncode == 2
    assert (
        "the data of study moved have changed since its trials were trained: mine.py:load returns other data"
        in refused.stderr
    )
    assert "resume moved --changed" in refused.stderr
    assert len(home.json("trials", "moved")) == 2
    meant = home.run("resume", "moved", "--set", "budget.trials=3", "--changed", "--executor", "local")
    assert meant.returncode == 0, meant.stderr
    found = [home.json("show", "moved", str(number)) for number in range(3)]
    assert found[0]["data"] == found[1]["data"] != found[2]["data"]
    assert found[0]["code"] != found[1]["code"] != found[2]["code"]
    assert "cannot be compared" in home.ok("diagnose", "moved")
