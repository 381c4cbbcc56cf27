"""Models of other folds: how long they are trained, which of their epochs is taken, and what data they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.trainers.data.all_rows import all_rows
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import Assignment, DataSpec
from goodfit.trainers.registry import Trainer, resolve
from goodfit.trainers.worker.label_check import check_labels
from goodfit.trainers.worker.out_of_fold import Training, out_of_fold

BEST = {0: 2, 1: 3}  # the epoch at which the held-out rows of a fold look best, by the class of its first row; else 4


class Counting(torch.nn.Module):
    """Predicts how many epochs it was trained."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.epochs.detach().expand(len(x), 1)


def counting(trained: list[tuple[int, int]], folds: np.ndarray) -> Trainer:
    """A trainer whose best epoch depends on the held-out fold; notes that fold and the epochs.

    Args:
        trained: gets what is noted.
        folds: the prepared input of each fold.
    """

    def train(trial: Any) -> None:
        model = Counting()
        trial.restore(model)
        held = int(np.searchsorted(folds, trial.data.validation.x[0, 0]))
        for epoch in trial.epochs():
            with torch.no_grad():
                model.epochs += 1
            trial.report(train={"loss": 1.0}, val={"loss": abs(epoch - BEST.get(held, 4))})
        trained.append((held, trial.epoch))

    return Trainer("counting", train, build=lambda _config, _facts: Counting())


def spec_of(folder: Path, **columns: Any) -> DataSpec:
    pd.DataFrame(columns).to_csv(folder / "rows.csv", index=False)
    return DataSpec(str(folder / "rows.csv"), "y")


def assignment(spec: DataSpec, folder: Path, **changes: Any) -> Assignment:
    own = Assignment("s", 0, 1, "mlp", {}, spec, 0, 6, "val/loss", "minimize", folder / "trial")
    return replace(own, **changes)


@pytest.mark.parametrize(
    ("until", "trained", "epochs"),
    [
        # as many epochs as the trial took to its best one, whatever the held-out rows say
        (5, [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)], [5, 5, 5, 5, 5]),
        # two trainings that run out of patience find what suits: of fold 0 that which holds out fold 1
        (None, [(1, 5), (0, 3), (0, 4), (1, 2), (2, 2), (3, 2), (4, 2)], [3, 2, 2, 2, 2]),
    ],
)
def test_no_label_has_a_say_in_how_long_the_model_is_trained_that_judges_it(
    tmp_path: Path, until: int | None, trained: list[tuple[int, int]], epochs: list[int]
) -> None:
    spec = spec_of(tmp_path, fold=np.repeat(range(5), 4), y=np.linspace(0, 1, 20))
    rows = all_rows(spec)
    inputs, fold = np.unique(rows.split.x[:, 0], return_inverse=True)
    noted: list[tuple[int, int]] = []
    training = Training(
        counting(noted, inputs), assignment(spec, tmp_path, until=until, patience=2), tmp_path / "trained"
    )
    outputs = out_of_fold(training, rows, fold)
    assert noted == trained
    assert outputs == pytest.approx(rows.facts.preparation.original(np.array(epochs)[fold]))
    assert not any((tmp_path / "trained").glob("*"))


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (["a", "b", "a"], "class a has 2 rows, too few"),
        ([1.0, 2.0, 4.0], "the data have 3 rows, too few"),
        ([*np.linspace(0, 1, 19), float("nan")], "1 of 20 rows have no value of the target y"),
        ([*["a", "b"] * 9, "a", None], "1 of 20 rows have no value of the target y"),
        ([*np.linspace(0, 1, 19), float("inf")], "1 of 20 target values are infinite"),
    ],
)
def test_few_rows_and_rows_without_a_target_are_refused(tmp_path: Path, y: list[Any], said: str) -> None:
    spec = spec_of(tmp_path, a=np.arange(len(y)), y=y)
    training = Training(resolve("mlp"), assignment(spec, tmp_path), tmp_path / "trained")
    with pytest.raises(DataProblem, match=said):
        check_labels(training, spec)


def test_rows_that_all_belong_together_have_no_others_to_learn_from(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, a=np.ones(20), y=["a", "b"] * 10)
    training = Training(resolve("mlp"), assignment(spec, tmp_path), tmp_path / "trained")
    with pytest.raises(DataProblem, match="all rows have the same inputs"):
        check_labels(training, spec)


def test_a_study_with_folds_is_judged_on_folds_of_all_its_rows(tmp_path: Path) -> None:
    a = np.linspace(-1, 1, 40)
    spec = replace(spec_of(tmp_path, a=a, y=np.where(a > 0, "p", "n")), folds=4, test=0.2)
    training = Training(resolve("mlp"), assignment(spec, tmp_path, epochs=2), tmp_path / "trained")
    table, rows = check_labels(training, spec)
    assert sorted(table.numbers.tolist()) == list(range(40))
    assert len(rows) == len(table.judged) == 40
