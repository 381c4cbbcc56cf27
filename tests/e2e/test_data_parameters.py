"""A search over how the data are prepared and varied, from the study file to the loaded winner."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from goodfit import connect
from tests.e2e.cli import Home

pytestmark = pytest.mark.e2e

STUDY = """\
name: reaching
trainer: cnn
data: {source: digits}
space:
  prepare.scale: [standard, none]
  augment.rotate: [0, 20]
fixed: {depth: 2, width: 8, learning_rate: 0.01}
objective: {metric: val/accuracy, direction: maximize}
search: {method: grid}
training: {epochs: 2}
"""


def test_trials_prepare_and_vary_their_data_each_in_its_own_way(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "reaching.yaml").write_text(STUDY)
    home.ok("run", "reaching.yaml", "--executor", "local")
    trials = json.loads(home.ok("trials", "reaching", "--json"))
    params = [(trial["params"]["prepare.scale"], trial["params"]["augment.rotate"]) for trial in trials]
    assert sorted(params) == [("none", 0), ("none", 20), ("standard", 0), ("standard", 20)]
    assert {trial["state"] for trial in trials} == {"COMPLETE"}
    study = connect(home.path)["reaching"]
    curves = [tuple(study.curve(trial["trial"])["val/loss"]) for trial in trials]
    assert len(set(curves)) == 4
    best, model = study.best(), study.model()
    assert set(best.params) == {"prepare.scale", "augment.rotate", "depth", "width", "learning_rate"}
    assert "prepare.scale" not in model.params
    assert (model.facts.preparation.shift == (0.0,)) == (best.params["prepare.scale"] == "none")
    digits = load_digits()
    accuracy = float(np.mean(model.predict(digits.images) == digits.target))
    assert accuracy == pytest.approx(best.value, abs=0.05)  # raw images, prepared as the winner's were
    assert home.ok("resume", "reaching", "--executor", "local")
