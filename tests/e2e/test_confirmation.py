"""A winner that holds: confirmed on fresh seeds and the test split, whatever was killed; and one of no worth."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

from goodfit import connect
from goodfit.service.tracker.experiment import connect as mlflow_client
from tests.e2e.cli import Home, kill_tree, until

pytestmark = pytest.mark.e2e

STUDY = """
name: sure
trainer: TRAINER
data: {source: wine, split: {validation: 0.2, test: 0.3}}
space: {learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}}
objective: {metric: val/loss, direction: minimize}
search: {method: random, seed: 3}
pruning: {method: none}
training: {epochs: 8}
budget: {trials: 4}
confirm: {top: 2, seeds: 2}
"""

OWN = """
import torch
from torch import nn

def train(trial):
    data = trial.data
    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y)
    vx, vy = torch.from_numpy(data.validation.x), torch.from_numpy(data.validation.y)
    model = nn.Linear(x.shape[1], len(data.classes))
    optimizer = torch.optim.Adam(model.parameters(), lr=trial.config["learning_rate"])
    trial.restore(model, optimizer)
    for epoch in trial.epochs():
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        with torch.no_grad():
            val = nn.functional.cross_entropy(model(vx), vy)
        trial.report(train={"loss": loss.item()}, val={"loss": val.item()})
"""


def home_of(folder: Path, trainer: str = "mlp") -> Home:
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text(OWN)
    (folder / "sure.yaml").write_text(STUDY.replace("TRAINER", trainer))
    return Home(folder, {"OMP_NUM_THREADS": "1"})


def confirmations(home: Home) -> list[Any]:
    return connect(home.path)["sure"].confirmations()


@pytest.fixture(scope="module")
def of_mlps(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home where the study is done."""
    home = home_of(tmp_path_factory.mktemp("of_mlps"))
    home.ok("run", "sure.yaml", "--executor", "local")
    return home


@pytest.fixture(scope="module")
def of_own(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Likewise, with a user's own trainer."""
    home = home_of(tmp_path_factory.mktemp("of_own"), "own.py:train")
    home.ok("run", "sure.yaml", "--executor", "local")
    return home


@pytest.mark.parametrize("done", ["of_mlps", "of_own"])
def test_the_best_says_how_sure_it_is_and_is_the_champion(done: str, request: pytest.FixtureRequest) -> None:
    home: Home = request.getfixturevalue(done)
    facts = home.json("best", "sure", "-k", "4")["best"]
    tests = [row["test"] for row in facts]
    assert [test["seeds"] for test in tests[:2]] == [2, 2]
    assert tests[2:] == [None, None]
    again = confirmations(home)
    for row in facts[:2]:
        scores = [trial.test["loss"] for trial in again if trial.confirms == row["trial"]]
        assert row["test"]["mean"] == pytest.approx(sum(scores) / 2)
        assert row["test"]["std"] == pytest.approx(abs(scores[0] - scores[1]) / math.sqrt(2))
    assert all(trial.size == 13 * 3 + 3 if done == "of_own" else trial.size > 100 for trial in again)
    assert len(home.json("trials", "sure")) == 4, "the search's own"
    told = home.json("diagnose", "sure")
    assert told["winner"]["trial"] == facts[0]["trial"]
    study = connect(home.path)["sure"].record
    assert study.champion == facts[0]["trial"]
    assert study.test_opened is not None
    assert study.test_opened_by


def test_confirmations_are_runs_of_their_own_in_mlflow(of_mlps: Home) -> None:
    client = mlflow_client(f"sqlite:///{of_mlps.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sure")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    trials = [run for run in runs if "goodfit.trial" in run.data.tags]
    again = [run for run in runs if "goodfit.confirmation" in run.data.tags]
    assert len(trials) == 4
    assert len(again) == 4
    for run in again:
        assert run.data.tags["goodfit.confirms"] in {tag.data.tags["goodfit.trial"] for tag in trials}
        assert {"test/loss", "test/accuracy", "val/loss", "diagnosis/confidence"} <= set(run.data.metrics)
    assert {"goodfit.severity", "goodfit.confidence", "goodfit.gap"} <= set(trials[0].data.tags)


def test_a_confirmation_that_was_killed_goes_on_and_comes_to_the_same(of_mlps: Home, tmp_path: Path) -> None:
    whole, killed = of_mlps, home_of(tmp_path / "killed")
    process = killed.start("run", "sure.yaml", "--executor", "local")
    until(lambda: killed.reports() >= 4 * 8 + 10 or process.poll() is not None, "the confirmation")
    kill_tree(process)
    opened = connect(killed.path)["sure"].record.test_opened
    assert opened is not None
    killed.ok("resume", "sure", "--executor", "local")
    assert connect(killed.path)["sure"].record.test_opened == opened
    there, here = confirmations(whole), confirmations(killed)
    assert [trial.label for trial in here] == ["COMPLETE"] * 4
    for one, other in zip(here, there, strict=True):
        assert (one.confirms, one.seed, one.value) == (other.confirms, other.seed, other.value)
        assert one.test == pytest.approx(other.test)
    assert killed.json("best", "sure")["best"][0]["trial"] == whole.json("best", "sure")["best"][0]["trial"]


def test_without_test_rows_a_confirmation_is_refused_with_the_reason(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    refused = home.run("run", "sure.yaml", "--set", "data.split.test=0")
    assert refused.returncode == 2
    assert "confirm: is scored on the test split, and data.split.test is 0" in refused.stderr


def test_labels_that_mean_nothing_lead_to_no_proud_winner(tmp_path: Path) -> None:
    chance = random.Random(0)
    rows = [f"{chance.gauss(0, 1):.4f},{chance.gauss(0, 1):.4f},{chance.choice('ab')}" for _ in range(400)]
    (tmp_path / "noise.csv").write_text("\n".join(["x,z,label", *rows]))
    home = Home(tmp_path, {"OMP_NUM_THREADS": "1"})
    (tmp_path / "noise.yaml").write_text("""
name: noise
trainer: mlp
data: {source: noise.csv, target: label, split: {validation: 0.3}}
space: {learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}, width: [16, 64]}
objective: {metric: val/accuracy, direction: maximize}
search: {method: random}
pruning: {method: none}
training: {epochs: 6}
budget: {trials: 20}
""")
    page = home.ok("run", "noise.yaml", "--executor", "local")
    codes = {finding["code"]: finding["severity"] for finding in home.json("diagnose", "noise")["findings"]}
    assert codes.get("no_better_than_chance") == "serious"
    assert "serious" in page
    assert "No better than chance" in home.ok("best", "noise")
    assert "do not rely on it" in home.ok("diagnose", "noise")


def test_a_study_is_confirmed_after_its_end(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.ok("run", str(home.study("later")), "--executor", "local")
    assert home.json("best", "later")["best"][0]["test"] is None
    home.ok("confirm", "later", "--top", "2", "--seeds", "2", "--executor", "local")
    study = connect(home.path)["later"]
    assert [trial.state for trial in study.confirmations()] == ["COMPLETE"] * 4
    assert len({trial.confirms for trial in study.confirmations()}) == 2
    assert len(study.trials()) == 4
    assert home.run("confirm", "unknown").returncode == 2
