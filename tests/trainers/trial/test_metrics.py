"""What a trainer reports of an epoch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.testing.attempts import Line, assign, handle
from goodfit.trainers.errors import BadTrainer, MetricMissing
from goodfit.trainers.messages import Reported
from goodfit.trainers.trial import Config, NotANumber, Trial


def test_a_report_without_the_loop_is_the_trials_only_one_however_many_epochs_it_may_train(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line, epochs=20)
    trial.report(val={"accuracy": 0.7})
    assert [(one.epoch, one.final) for one in line.reports] == [(1, True)]
    assert trial.finished
    assert list(line.curve[0][1].values()) == [0.7]
    with pytest.raises(BadTrainer, match=r"twice without `for epoch in trial\.epochs\(\)`.*once an epoch"):
        trial.report(val={"accuracy": 0.8})
    with pytest.raises(BadTrainer, match=r"before `for epoch in trial\.epochs\(\)`"):
        next(trial.epochs())


def test_an_attempt_that_finds_its_only_report_kept_does_not_send_another(tmp_path: Path) -> None:
    for reported in (0, 1):
        line = Line()
        trial = handle(tmp_path / "t", line, attempt=reported + 1, reported=reported)
        trial.restore(torch.nn.Linear(1, 1))
        trial.report(val={"accuracy": 0.7 + reported})
        assert [one.metrics for one in line.reports] == [{"val/accuracy": 0.7}] * (1 - reported)


def test_a_second_report_in_an_epoch_is_refused(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line())
    next(trial.epochs())
    trial.report(val={"accuracy": 0.5})
    with pytest.raises(BadTrainer, match="twice in epoch 1"):
        trial.report(val={"accuracy": 0.6})


def test_an_epoch_without_a_report_is_refused_at_the_next(tmp_path: Path) -> None:
    epochs = handle(tmp_path, Line()).epochs()
    next(epochs)
    with pytest.raises(BadTrainer, match="epoch 1 ended without"):
        next(epochs)


def test_a_report_without_the_objective_names_what_there_is(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line())
    next(trial.epochs())
    with pytest.raises(MetricMissing, match="val/accuracy is not reported; the trainer reports: train/loss, val/loss"):
        trial.report(train={"loss": 1.0}, val={"loss": 1.0})


def test_a_metric_may_be_none_in_an_epoch_that_does_not_measure_it(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    for accuracy, _ in zip([None, 0.5], trial.epochs(), strict=False):
        trial.report(val={"loss": 1.0, "accuracy": accuracy})
    assert [report.metrics for report in line.reports] == [{"val/loss": 1.0}, {"val/loss": 1.0, "val/accuracy": 0.5}]


def test_an_objective_that_no_epoch_reports_is_missing(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line())
    for _ in trial.epochs():
        trial.report(train={"loss": 1.0})
    with pytest.raises(MetricMissing, match="val/accuracy is not reported; the trainer reports: train/loss"):
        trial._require_objective()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.ones((2, 2)), r"val/accuracy is not one number but 4 \(ndarray, shape \(2, 2\)\); report its mean"),
        (torch.ones(3), r"val/accuracy is not one number but 3 \(Tensor, shape \(3,\)\)"),
        ([0.1, 0.2], r"val/accuracy is not one number but 2 \(list\).*val/accuracy_0, val/accuracy_1"),
        (np.zeros(0), "val/accuracy is not one number but 0"),
    ],
)
def test_an_array_of_several_numbers_is_refused_with_its_shape_and_what_to_do(
    tmp_path: Path, value: Any, told: str
) -> None:
    trial = handle(tmp_path, Line())
    next(trial.epochs())
    with pytest.raises(BadTrainer, match=told):
        trial.report(val={"accuracy": value})


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(0.25), torch.tensor([0.25]), torch.tensor([[0.25]], requires_grad=True), np.float32(0.25),
        np.array(0.25), np.full((1, 1), 0.25), torch.tensor(0.25, dtype=torch.bfloat16), pd.Series([0.25]),
        [0.25], (np.float64(0.25),),
    ],
)  # fmt: skip
def test_an_array_of_one_number_is_that_number(tmp_path: Path, value: Any) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    next(trial.epochs())
    trial.report(val={"accuracy": value})
    assert line.reports[0].metrics == {"val/accuracy": 0.25}


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (lambda trial: trial.report(0.5, 1), "by name, such as trial.report.*; got float 0.5"),
        (lambda trial: trial.report(val={"accuracy": 0.5}, step=3), "does not take step: the epochs are counted by"),
        (lambda trial: trial.report(eval_loss=0.5, epoch=1), "does not take eval_loss, epoch$"),
        (lambda trial: trial.report(val=[0.5]), "got list"),
    ],
)
def test_a_report_as_other_libraries_have_it_says_how_it_is_written(tmp_path: Path, report: Any, told: str) -> None:
    trial = handle(tmp_path, Line())
    next(trial.epochs())
    with pytest.raises(BadTrainer, match=told):
        report(trial)


def test_a_metric_that_is_no_number_is_refused_by_name(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line())
    next(trial.epochs())
    with pytest.raises(BadTrainer, match="train/loss is 'low', not a number"):
        trial.report(train={"loss": "low"}, val={"accuracy": 1.0})


def test_tensors_and_numpy_numbers_are_metrics(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    next(trial.epochs())
    trial.report(val={"accuracy": torch.tensor(0.25)})
    assert line.reports[0].metrics == {"val/accuracy": 0.25}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_reported_and_ends_the_trial(tmp_path: Path, bad: float) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    next(trial.epochs())
    with pytest.raises(NotANumber, match=r"train/loss is (nan|inf) at epoch 1"):
        trial.report(train={"loss": bad}, val={"accuracy": 0.5})
    assert line.reports[0].final
    assert not (tmp_path / "last.pt").exists()


def test_a_side_metric_that_is_not_finite_does_not_end_the_trial(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line())
    next(trial.epochs())
    trial.report(train={"perplexity": math.inf}, val={"accuracy": 0.5})
    assert not trial.finished


def test_a_report_carries_the_clock(tmp_path: Path) -> None:
    line = Line()
    trial = Trial(assign(tmp_path), Config(), None, line, lambda: 42.0)
    next(trial.epochs())
    trial.report(val={"accuracy": 0.5})
    assert line.messages == [Reported(7, 1, 1, {"val/accuracy": 0.5}, 42.0)]
