"""Training rows whose labels are likely wrong: left out or counted for less, judged once, within the training split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import load
from goodfit.trainers.data.label_table import LabelTable
from goodfit.trainers.data.quality.labels import Judged
from goodfit.trainers.messages import Assignment, DataSpec
from goodfit.trainers.registry import resolve
from goodfit.trainers.worker import label_treatment
from goodfit.trainers.worker.label_treatment import Suspects, treated
from goodfit.trainers.worker.out_of_fold import Stopped, Training


def table_of(issue: np.ndarray, score: np.ndarray, given: np.ndarray) -> LabelTable:
    rows = len(issue)
    judged = Judged(issue, score, given, np.ones(rows, dtype=bool))
    return LabelTable("s", "classification", ("a", "b"), "text", np.arange(rows), np.zeros(rows), given, judged)


@pytest.fixture
def spec(tmp_path: Path) -> DataSpec:
    random = np.random.default_rng(0)
    y = np.tile([0, 1], 50)
    frame = pd.DataFrame({"a": y * 4 + random.normal(0, 0.5, 100), "y": np.where(y == 1, "b", "a")})
    frame.loc[[3, 10, 31, 44, 70], "y"] = frame.loc[[4, 11, 30, 45, 71], "y"].to_numpy()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    return DataSpec(str(tmp_path / "rows.csv"), "y", labels="drop")


def test_suspects_are_left_out_or_counted_for_less_and_each_class_keeps_a_row(spec: DataSpec) -> None:
    data = load(spec)
    y = data.train.y
    issue = (y == 1) | (np.arange(len(y)) == np.flatnonzero(y == 0)[0])
    score = np.linspace(0, 0.4, len(y))
    found = table_of(issue, score, y)
    fewer = treated(data, found, "drop")
    assert len(fewer.train) == fewer.facts.rows["train"] == (y == 0).sum()  # less one, and the last of class b
    assert (fewer.train.y == 1).sum() == 1
    assert fewer.validation is data.validation
    lighter = treated(data, found, "reweigh")
    assert lighter.train.weights is not None
    assert lighter.train.weights[~issue].tolist() == [1.0] * int((~issue).sum())
    assert lighter.train.weights[issue] == pytest.approx(score[issue])
    assert lighter.validation.weights is None


def test_they_are_judged_once_by_the_defaults_and_found_again_by_other_workers(
    spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "study"
    (root / "trials").mkdir(parents=True)
    own = Assignment(
        "s", 3, 1, "mlp", {"learning_rate": 1e-9}, spec, 7, 6, "val/loss", "minimize", root / "trials" / "00003",
        root=root, judging={"learning_rate": 0.03},
    )  # fmt: skip
    training = Training(resolve("mlp"), own, own.folder / "judging")
    found = Suspects().of(training, spec, "digest")
    train = load(spec).train
    assert len(found.judged) == len(train) == 60
    assert 1 <= found.issues <= 6
    assert (found.given == train.y).all()
    assert set(np.flatnonzero(found.judged.is_issue).tolist()) <= set(range(60))
    assert not training.folder.exists()
    assert sorted(path.name for path in (root / "quality").iterdir())[-1] == "treated.json"
    calls: list[Any] = []
    monkeypatch.setattr(label_treatment, "judged_rows", lambda *given: calls.append(given) or found)
    other = replace(training, assignment=replace(own, params={}, seed=9, trial=4))
    again = Suspects().of(other, replace(spec, labels="reweigh"), "digest")
    assert (again.judged.score == found.judged.score).all()
    assert not calls
    suspects = Suspects()
    for _ in range(2):
        suspects.of(other, spec, "another")
    assert len(calls) == 1


def test_a_study_that_stops_does_not_wait_for_it(spec: DataSpec, tmp_path: Path) -> None:
    own = Assignment("s", 0, 1, "mlp", {}, spec, 0, 5, "val/loss", "minimize", tmp_path / "t", judging={})
    with pytest.raises(Stopped):
        Suspects().of(Training(resolve("mlp"), own, tmp_path / "j", stop_asked=lambda: True), spec, "d")
