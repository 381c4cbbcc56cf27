"""The trial's loop turned inside out, without any framework."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from goodfit.testing.attempts import Line, handle
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.integrations.bridge import Epochs


class Loop:
    """A framework in small: it owns the loop, calls back after each epoch, and drops its state at the end."""

    def __init__(self, epochs: Epochs) -> None:
        self.epochs = epochs
        self.drawn: list[float] = []
        self.steps = 0

    def run(self) -> None:
        going_on = self.epochs.begin()
        while going_on:
            self.steps += 1
            self.drawn.append(random.random())
            going_on = self.epochs.end({"loss": 1 / self.steps}, {"accuracy": 0.5})
        self.steps = -1

    def state_dict(self) -> dict[str, int]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.steps = state["steps"]


def test_it_gives_every_epoch_once_and_then_says_stop(tmp_path: Path) -> None:
    line = Line()
    Loop(Epochs(handle(tmp_path, line))).run()
    assert [(report.epoch, report.final) for report in line.reports] == [(1, False), (2, False), (3, True)]
    assert line.reports[1].metrics == {"train/loss": 0.5, "val/accuracy": 0.5}


def test_a_stop_that_was_asked_ends_the_frameworks_loop_at_its_next_epoch(tmp_path: Path) -> None:
    line = Line(stop_after=2)
    Loop(Epochs(handle(tmp_path, line, epochs=10))).run()
    assert len(line.reports) == 2


def test_early_stopping_ends_it_too(tmp_path: Path) -> None:
    line = Line()
    Loop(Epochs(handle(tmp_path, line, epochs=10, patience=3))).run()
    assert len(line.reports) == 4, "0.5 is never beaten"


def test_the_last_state_is_saved_before_the_framework_drops_it(tmp_path: Path) -> None:
    trial = handle(tmp_path, Line(stop_after=2), epochs=10, checkpoint_epochs=100)
    loop = Loop(Epochs(trial))
    trial.restore(loop)
    loop.run()
    trial.save()  # as the worker does
    assert torch.load(tmp_path / "last.pt", weights_only=True)["objects"] == [{"steps": 2}]


def test_a_resumed_loop_draws_the_numbers_that_an_uninterrupted_one_draws(tmp_path: Path) -> None:
    def run(folder: Path, line: Line, **changes: int) -> Loop:
        trial = handle(folder, line, epochs=5, **changes)
        loop = Loop(Epochs(trial))
        trial.restore(loop)
        loop.run()
        return loop

    whole = run(tmp_path / "whole", Line())
    first = run(tmp_path / "parts", Line(stop_after=2))
    second = run(tmp_path / "parts", Line(), attempt=2, reported=2)
    assert first.drawn + second.drawn == whole.drawn


def test_a_trial_that_was_over_when_its_worker_died_begins_no_epoch(tmp_path: Path) -> None:
    first = handle(tmp_path, Line())
    loop = Loop(Epochs(first))
    first.restore(loop)
    loop.run()
    second = handle(tmp_path, Line(), attempt=2, reported=3)
    second.restore(Loop(Epochs(second)))
    assert not Epochs(second).begin()


def test_an_epoch_cannot_end_before_one_begins(tmp_path: Path) -> None:
    with pytest.raises(BadTrainer, match=r"trial\.report was called before `for epoch in trial\.epochs\(\)`"):
        Epochs(handle(tmp_path, Line())).end(None, {"accuracy": 1.0})
