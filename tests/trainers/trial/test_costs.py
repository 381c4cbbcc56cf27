"""What a study is judged by besides its objective: measured by the handle, or missing in a report."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from goodfit.testing.attempts import Line, assign, handle
from goodfit.trainers.errors import MetricMissing
from goodfit.trainers.trial import Config, Trial

WANTED = ("params_millions", "epoch_seconds")


def test_costs_are_measured_where_the_study_asks_for_them(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line, wanted=("params_millions",))
    trial.restore(torch.nn.Linear(499, 4))
    for _ in trial.epochs():
        trial.report(val={"accuracy": 0.5})
    assert [report.metrics["params_millions"] for report in line.reports] == [0.002] * 3


def test_nothing_is_measured_where_it_does_not(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    trial.restore(torch.nn.Linear(4, 4))
    for _ in trial.epochs():
        trial.report(val={"accuracy": 0.5})
    assert line.reports[0].metrics == {"val/accuracy": 0.5}


def test_the_time_of_an_epoch_is_the_median_so_far(tmp_path: Path) -> None:
    line = Line()
    now = [0.0]
    trial = Trial(assign(tmp_path, wanted=("epoch_seconds",)), Config({}), None, line, ticks=lambda: now[0])
    for seconds, _ in zip([9.0, 1.0, 3.0], trial.epochs(), strict=True):
        now[0] += seconds
        trial.report(val={"accuracy": 0.5})
    assert [report.metrics["epoch_seconds"] for report in line.reports] == [9.0, 5.0, 3.0]


def test_parameters_that_cannot_be_counted_end_the_study(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line(), wanted=WANTED)
    next(trial.epochs())
    with pytest.raises(MetricMissing, match=r"params_millions is not known.*trial\.restore"):
        trial.report(val={"accuracy": 0.5})


def test_a_metric_that_is_bounded_is_missed_at_the_first_report_with_the_nearest(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line(), wanted=("val/recal",))
    next(trial.epochs())
    with pytest.raises(MetricMissing, match=r"judged by val/recal.*did you mean val/recall\?"):
        trial.report(val={"accuracy": 0.5, "recall": 0.4})


def test_an_epoch_without_the_objective_needs_nothing_else(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line(), wanted=("val/recall",))
    for epoch in trial.epochs():
        trial.report(train={"loss": 1.0}, val=None if epoch < 3 else {"accuracy": 0.5, "recall": 0.4})
    assert trial.best_epoch == 3
