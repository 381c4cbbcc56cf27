"""A study with folds: its values are means over folds, also of trials whose workers were killed between two of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit import connect
from tests.e2e.cli import Home, kill_tree, until

# `make test` kills a confirmation and a grid, and stops and resumes folds without the command line.
pytestmark = [pytest.mark.e2e, pytest.mark.soak]

STUDY = """
name: folds
trainer: mlp
data: {source: wine, split: {folds: 4, test: 0.2}}
space: {learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}}
objective: {metric: val/loss, direction: minimize}
search: {method: random, seed: 3}
pruning: {method: none}
training: {epochs: 12}
budget: {trials: 4}
"""


def test_a_study_with_folds_that_was_killed_has_the_means_of_one_that_was_not(tmp_path: Path) -> None:
    homes = []
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        homes.append(Home(tmp_path / name, {"OMP_NUM_THREADS": "1"}))
        (tmp_path / name / "folds.yaml").write_text(STUDY)
    whole, killed = homes
    whole.ok("run", "folds.yaml", "--executor", "local")
    process = killed.start("run", "folds.yaml", "--executor", "local")
    until(lambda: killed.reports() >= 6 or process.poll() is not None, "progress")
    kill_tree(process)
    killed.ok("resume", "folds", "--executor", "local")
    there, here = (home.json("trials", "folds") for home in (whole, killed))
    assert [row["state"] for row in here] == ["COMPLETE"] * 4
    assert [row["epochs"] for row in here] == [4] * 4
    for row, other in zip(here, there, strict=True):
        assert row["value"] == pytest.approx(other["value"], abs=1e-12)
        assert row["verdict"] == other["verdict"]
    study = connect(killed.path)["folds"]
    best = study.best()
    curve = study.curve(best.trial)
    assert best.value == pytest.approx(curve["fold/val/loss"].mean())
    assert list(curve["val/loss"]) == pytest.approx(list(curve["fold/val/loss"].expanding().mean()))
    assert len(study.model().predict([[13.0, 2.0, 2.4, 17.0, 100, 2.8, 3.0, 0.3, 2.0, 5.0, 1.0, 3.0, 1000]])) == 1
