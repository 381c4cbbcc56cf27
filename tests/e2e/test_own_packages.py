"""A project with packages named like the rooms: its trainer finds them, and Goodfit is found by its one name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.cli import Home

pytestmark = pytest.mark.e2e
NAMES = ("service", "trainers", "search_spaces", "data", "utils")
TRAINER = "".join(f"from {name}.parts import VALUE as {name}\n" for name in NAMES) + (
    "def train(trial):\n"
    "    for epoch in trial.epochs():\n"
    f"        trial.report(val={{'loss': trial.config['x'] / epoch, 'mine': {' + '.join(NAMES)}}})\n"
)
STUDY = """\
name: mine
trainer: tune.py:train
space: {x: {type: float, low: 0.5, high: 1}}
objective: {metric: val/loss, direction: minimize}
training: {epochs: 3}
budget: {trials: 2}
"""
USE = "import goodfit; best = goodfit.connect('home')['mine'].best(); assert best.value < 1; print(best.trial)"


def test_a_project_with_packages_of_these_names_is_run_resumed_and_read(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "parts.py").write_text(f"VALUE = {10**number}\n")
    (tmp_path / "tune.py").write_text(TRAINER)
    (tmp_path / "study.yaml").write_text(STUDY)
    home = Home(tmp_path, {"PYTHONPATH": ""}, own_interpreters=True)
    home.ok("run", "study.yaml")
    home.ok("resume", "mine", "--set", "budget.trials=3", "--executor", "local")
    assert [trial["state"] for trial in home.json("trials", "mine")] == ["COMPLETE"] * 3
    done = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, env=home.env(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
