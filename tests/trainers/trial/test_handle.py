"""The trial as its trainer sees it: the loop, early stopping, what other libraries' trials have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.testing.attempts import Line, handle


def test_epochs_run_from_one_to_the_last_and_the_last_report_is_final(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    for epoch in trial.epochs():
        trial.report(train={"loss": 1 / epoch}, val={"accuracy": 0.5})
    assert [(report.epoch, report.final) for report in line.reports] == [(1, False), (2, False), (3, True)]
    assert line.reports[1].metrics == {"train/loss": 0.5, "val/accuracy": 0.5}
    assert trial.finished
    assert trial.epochs_total == 3


def test_epochs_without_validation_are_reported_and_neither_best_nor_patience_counts_them(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line, epochs=30, patience=3)
    for epoch in trial.epochs():
        val = {"accuracy": 0.5 if epoch <= 10 else 0.4} if epoch % 5 == 0 else None
        trial.report(train={"loss": 1 / epoch}, val=val)
        assert trial.best_epoch == (5 if epoch >= 5 else 0)
    assert [report.epoch for report in line.reports] == list(range(1, 11)), (
        "judged at 10, the first validation after it"
    )
    assert line.reports[3].metrics == {"train/loss": 0.25}
    trial._require_objective()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda trial: trial.suggest_float("lr", 0, 1), "declared in the study file under `space:`.*trial.config"),
        (lambda trial: trial.params["lr"], "'params': its hyperparameters are in trial.config"),
        (lambda trial: trial.should_prune(), "`for epoch in trial.epochs\\(\\)` ends when the trial is pruned"),
        (lambda trial: trial.set_user_attr("a", 1), "trial.artifacts"),
        (lambda trial: trial.numbre, "Goodfit's trial has no 'numbre'$"),
    ],
)
def test_what_other_libraries_trials_have_names_what_takes_its_place(tmp_path: Path, ask: Any, told: str) -> None:
    trial = handle(tmp_path, Line())
    with pytest.raises(AttributeError, match=told):
        ask(trial)
    assert not hasattr(trial, "suggest_int")


def test_patience_counts_the_epochs_since_the_best(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line, epochs=10, patience=2)
    for value, _ in zip([0.5, 0.7, 0.7, 0.6, 0.9], trial.epochs(), strict=False):
        trial.report(val={"accuracy": value})
    assert [report.final for report in line.reports] == [False, False, False, True]


def test_patience_follows_the_direction(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line, epochs=10, patience=2, metric="val/loss", direction="minimize")
    for value, _ in zip([0.9, 0.8, 0.7, 0.8, 0.9, 0.1], trial.epochs(), strict=False):
        trial.report(val={"loss": value})
    assert len(line.reports) == 5


def test_the_loop_ends_when_a_stop_is_asked(tmp_path: Path) -> None:
    line = Line(stop_after=2)
    trial = handle(tmp_path, line, epochs=10)
    for _ in trial.epochs():
        trial.report(val={"accuracy": 0.5})
    assert len(line.reports) == 2
    assert not trial.finished
