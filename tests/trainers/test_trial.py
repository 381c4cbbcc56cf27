"""The trial's handle: the loop, the reports, checkpoints and early stopping."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.testing.attempts import Line, assign, handle
from goodfit.trainers.errors import BadTrainer, MetricMissing, Mismatch
from goodfit.trainers.files import write_checkpoint
from goodfit.trainers.messages import Reported
from goodfit.trainers.seeding import mixed_seed, sow
from goodfit.trainers.trial import Config, NotANumber, Trial
from tests.training import fill_disk, needs_full_disk


class Counter:
    """Something stateful that is easy to look into."""

    def __init__(self) -> None:
        self.steps = 0

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: Any) -> None:
        self.steps = state["steps"]


def test_epochs_run_from_one_to_the_last_and_the_last_report_is_final(tmp_path: Path) -> None:
    line = Line()
    trial = handle(tmp_path, line)
    for epoch in trial.epochs():
        trial.report(train={"loss": 1 / epoch}, val={"accuracy": 0.5})
    assert [(report.epoch, report.final) for report in line.reports] == [(1, False), (2, False), (3, True)]
    assert line.reports[1].metrics == {"train/loss": 0.5, "val/accuracy": 0.5}
    assert trial.finished
    assert trial.epochs_total == 3


def test_a_report_outside_the_loop_is_refused(tmp_path: Path) -> None:
    line = Line()
    with pytest.raises(BadTrainer, match=r"outside `for epoch in trial\.epochs\(\)`"):
        handle(tmp_path, line).report(val={"accuracy": 1.0})
    assert not line.messages


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


def test_a_resumed_trial_knows_that_its_objective_was_reported_before(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line(), epochs=4, checkpoint_epochs=1)
    trial.restore(Counter())
    for epoch, val in zip(trial.epochs(), [{"accuracy": 0.5}, None], strict=False):
        trial.report(train={"loss": 1 / epoch}, val=val)
    again = handle(tmp_path, Line(), epochs=4, attempt=2, reported=2)
    assert again.restore(Counter()) == 2
    for _ in again.epochs():
        again.report(val={"loss": 1.0})
    assert again.best_epoch == 1
    again._require_objective()


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


@pytest.mark.parametrize("ask", [lambda config: config["lr"], lambda config: config.lr], ids=["key", "attribute"])
def test_a_parameter_that_is_not_there_names_those_that_are_and_the_nearest(ask: Any) -> None:
    config = Config({"depth": 3, "learning_rate": 0.1})
    with pytest.raises((KeyError, AttributeError)) as caught:
        ask(config)
    told = "this trial has no parameter 'lr'; it has: depth, learning_rate; did you mean 'learning_rate'?"
    assert str(caught.value) == told
    assert config.get("lr", 7) == 7
    assert not hasattr(config, "lr")


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


def test_a_later_attempt_loads_the_state_and_sends_again_what_the_store_lacks(tmp_path: Path) -> None:
    first, counter = handle(tmp_path, Line(stop_after=3), epochs=5, checkpoint_epochs=1), Counter()
    first.restore(counter)
    for _ in first.epochs():
        counter.steps += 10
        first.report(val={"accuracy": counter.steps / 100})

    line, again = Line(), Counter()
    second = handle(tmp_path, line, epochs=5, attempt=2, reported=1)
    assert second.restore(again) == 3
    assert again.steps == 30
    assert [(report.epoch, report.attempt) for report in line.reports] == [(2, 2), (3, 2)]
    assert next(second.epochs()) == 4


def test_a_trial_that_ended_before_its_worker_died_ends_at_once(tmp_path: Path) -> None:
    first, counter = handle(tmp_path, Line(), epochs=2), Counter()
    first.restore(counter)
    for _ in first.epochs():
        first.report(val={"accuracy": 0.5})

    line = Line()
    second = handle(tmp_path, line, epochs=2, attempt=2, reported=1)
    second.restore(Counter())
    assert list(second.epochs()) == []
    assert [(report.epoch, report.final) for report in line.reports] == [(2, True)]


def test_early_stopping_goes_on_counting_after_a_restart(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 10, "patience": 3, "checkpoint_epochs": 1}
    first = handle(tmp_path, Line(stop_after=2), **settings)
    first.restore(Counter())
    for value, _ in zip([0.9, 0.1], first.epochs(), strict=False):
        first.report(val={"accuracy": value})

    line = Line()
    second = handle(tmp_path, line, attempt=2, reported=2, **settings)
    second.restore(Counter())
    for _ in second.epochs():
        second.report(val={"accuracy": 0.1})
    assert [report.epoch for report in line.reports] == [3, 4]


def test_best_and_last_are_kept_apart(tmp_path: Path) -> None:
    trial, counter = handle(tmp_path, Line()), Counter()
    trial.restore(counter)
    for value, epoch in zip([0.5, 0.9, 0.7], trial.epochs(), strict=False):
        counter.steps = epoch
        trial.report(val={"accuracy": value})
    best, last = (torch.load(tmp_path / name, weights_only=True) for name in ("best.pt", "last.pt"))
    assert best == {"epoch": 2, "model": {"steps": 2}}
    assert (last["epoch"], last["objects"]) == (3, [{"steps": 3}])


def test_the_best_state_is_a_copy_that_later_steps_do_not_change(tmp_path: Path) -> None:
    model = torch.nn.Linear(1, 1)
    trial = handle(tmp_path, Line(), checkpoint_epochs=100)
    trial.restore(model)
    for value, _ in zip([0.9, 0.1, 0.1], trial.epochs(), strict=False):
        with torch.no_grad():
            model.weight.fill_(value)
        trial.report(val={"accuracy": value})
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert best["model"]["weight"].item() == pytest.approx(0.9)


def test_checkpoints_come_as_often_as_asked(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line(), epochs=5, checkpoint_epochs=2)
    trial.restore(Counter())
    saved = []
    for _ in trial.epochs():
        trial.report(val={"accuracy": 0.5})
        last = tmp_path / "last.pt"
        saved.append(torch.load(last, weights_only=True)["epoch"] if last.exists() else 0)
    assert saved == [0, 2, 2, 4, 5]


def test_a_clock_that_goes_back_delays_no_checkpoint(tmp_path: Path) -> None:
    wall, ticks = [9000.0], [0.0]
    trial = Trial(assign(tmp_path, epochs=50), Config(), None, Line(), lambda: wall[0], ticks=lambda: ticks[0])
    trial.restore(Counter())
    for epoch in trial.epochs():
        wall[0] -= 1000.0
        ticks[0] += 1.0
        trial.report(val={"accuracy": 0.5})
        assert torch.load(tmp_path / "last.pt", weights_only=True)["epoch"] == epoch
        if epoch == 3:
            break


def test_checkpoints_cost_at_most_a_twentieth_of_the_time(tmp_path: Path) -> None:
    now = [0.0]
    line = Line()
    trial = Trial(assign(tmp_path, epochs=50), Config(), None, line, lambda: now[0])

    class Slow(Counter):
        def state_dict(self) -> dict[str, Any]:
            now[0] += 0.5  # the model's state is asked for twice in a save that has a new best
            return super().state_dict()

    trial.restore(Counter(), Slow())
    saves = 0
    for _ in trial.epochs():
        now[0] += 1.0
        before = now[0]
        trial.report(val={"accuracy": 0.5})
        saves += now[0] > before
    # Each save costs 0.5 s, which 10 s of training pay for: the first, one each 11 epochs, the last.
    assert saves == 6


def test_a_checkpoint_of_other_objects_than_are_restored_does_not_fit(tmp_path: Path) -> None:
    first = handle(tmp_path, Line(), epochs=1)
    first.restore(Counter())
    for _ in first.epochs():
        first.report(val={"accuracy": 0.5})
    with pytest.raises(Mismatch, match=r"last\.pt does not fit what the trainer restores"):
        handle(tmp_path, Line(), attempt=2).restore(Counter(), Counter())


def test_without_restore_nothing_is_written(tmp_path: Path) -> None:
    trial = handle(tmp_path / "trial", Line())
    for _ in trial.epochs():
        trial.report(val={"accuracy": 0.5})
    trial.save()
    assert not (tmp_path / "trial").exists()


def test_each_epoch_draws_numbers_of_its_own_whatever_came_before() -> None:
    sow(3, 1)
    first = torch.rand(2)
    torch.rand(100)
    sow(3, 1)
    assert torch.equal(torch.rand(2), first)
    sow(3, 2)
    assert not torch.equal(torch.rand(2), first)
    assert mixed_seed(3, 1) != mixed_seed(1, 3)


def test_a_config_without_a_dataclass_is_read_by_key_or_attribute() -> None:
    config = Config(depth=3)
    assert config.depth == config["depth"] == 3
    with pytest.raises(AttributeError, match="no parameter 'width'; it has: depth"):
        _ = config.width


def test_a_report_carries_the_clock(tmp_path: Path) -> None:
    line = Line()
    trial = Trial(assign(tmp_path), Config(), None, line, lambda: 42.0)
    next(trial.epochs())
    trial.report(val={"accuracy": 0.5})
    assert line.messages == [Reported(7, 1, 1, {"val/accuracy": 0.5}, 42.0)]


@needs_full_disk
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_checkpoint_without_room_fails_as_a_full_disk_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    write_checkpoint(tmp_path / "last.pt", {"epoch": 1})
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left") as caught:
        write_checkpoint(tmp_path / "last.pt", {"weights": torch.zeros(size)})
    assert caught.value.errno == errno.ENOSPC
    assert torch.load(tmp_path / "last.pt", weights_only=True) == {"epoch": 1}
    assert len(list(tmp_path.iterdir())) == 1
