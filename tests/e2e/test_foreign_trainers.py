"""Functions for Ray Tune and objectives for Optuna by the real command line: what is wrong, and a kill."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from tests.e2e.cli import PATIENCE, Home, kill_tree

pytestmark = pytest.mark.e2e

STUDY = """\
name: NAME
trainer: theirs.py:train
objective: {metric: METRIC, direction: minimize}
training: {epochs: 8}
budget: {trials: 4}
"""
RANGES = "def train(trial): return trial.suggest_float('x', 0, trial.number + 1)"
NO_METRIC = (
    "from ray import tune\nparam_space = {'x': tune.uniform(0, 1)}\ndef train(config): tune.report({'mean_loss': 1})"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def written(home: Home, text: str, metric: str, more: str = "") -> str:
    (home.folder / "theirs.py").write_text(text)
    (home.folder / "study.yaml").write_text(STUDY.replace("NAME", "theirs").replace("METRIC", metric) + more)
    return str(home.folder / "study.yaml")


@pytest.mark.parametrize(
    ("text", "metric", "told"),
    [
        (RANGES, "value", "x is asked for as float 0 to 2, and was float 0 to 1 in a trial before"),
        (NO_METRIC, "loss", "the objective loss is not reported; reported are: mean_loss; did you mean mean_loss?"),
        ("def train(trial):\n    trial.suggest_int('a', 0, 1)\n    return trial.suggest_int('a', 0, 2)", "value",
         "a is asked for twice in a trial, as int 0 to 1 and as int 0 to 2"),
    ],
)  # fmt: skip
def test_what_no_trial_can_succeed_with_ends_the_study_and_is_named(home: Home, text: str, metric: str, told: str):
    done = home.run("run", written(home, text, metric), "--executor", "local")
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


SLOW = """
import json, os, tempfile, time
import numpy as np
from ray import tune
param_space = {"factor": tune.uniform(0.5, 0.9)}

def given_data(config, data):
    epoch, loss = 0, float(data.mean())
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder, open(os.path.join(folder, "state.json")) as file:
            epoch, loss = json.load(file)
    print("begins after", epoch, flush=True)
    while epoch < 8:
        epoch, loss = epoch + 1, loss * config["factor"]
        time.sleep(0.3)
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "state.json"), "w") as file:
                json.dump([epoch, loss], file)
            tune.report({"loss": loss}, checkpoint=tune.Checkpoint.from_directory(folder))

train = tune.with_resources(tune.with_parameters(given_data, data=np.ones(1000)), {"cpu": 0.5})
"""


def test_a_killed_study_goes_on_from_the_checkpoints_that_its_function_reported(home: Home):
    file = written(home, SLOW, "loss", "pruning: {method: none}\n")
    process = home.start("run", file)
    deadline = time.monotonic() + PATIENCE
    while epochs(home) < 10 and time.monotonic() < deadline:
        time.sleep(0.1)
    kill_tree(process)
    assert epochs(home) < 32
    done = home.run("resume", "theirs")
    assert done.returncode == 0, done.stderr
    trials = home.json("trials", "theirs")
    assert home.json("show", "theirs")["spec"]["resources"]["cpus"] == 0.5
    assert [trial["state"] for trial in trials] == ["COMPLETE"] * 4
    for trial in trials:
        assert trial["value"] == pytest.approx(trial["params"]["factor"] ** 8)
    logs = [home.run("logs", "theirs", str(trial["trial"])).stdout for trial in trials]
    assert any(f"begins after {epoch}" in log for log in logs for epoch in range(1, 9))


def epochs(home: Home) -> int:
    """How many epochs the store has."""
    try:
        with sqlite3.connect(f"file:{home.path / 'goodfit.db'}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM reports").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
