"""Checkpoints: what is saved, how often, and what a later attempt makes of it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from goodfit.testing.attempts import Line, assign, handle
from goodfit.trainers.data import load
from goodfit.trainers.errors import Mismatch
from goodfit.trainers.files import write_checkpoint
from goodfit.trainers.trial import Config, Trial
from tests.training import IRIS, fill_disk, needs_full_disk


class Counter:
    """Something stateful that is easy to look into."""

    def __init__(self) -> None:
        self.steps = 0

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: Any) -> None:
        self.steps = state["steps"]


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


def test_a_checkpoint_takes_its_name_when_the_model_and_the_facts_have_theirs_on_the_disk(
    tmp_path: Path, disk_order: list[str]
) -> None:
    folder = tmp_path / "t"
    trial = handle(folder, Line(), load(IRIS), checkpoint_epochs=1)
    trial.restore(Counter())
    epochs = trial.epochs()
    for accuracy in (0.5, 0.6, 0.4):
        next(epochs)
        trial.report(val={"accuracy": accuracy})
    facts, best, last = ([f"flush {name}", f"name {name}"] for name in ("facts.json", "best.pt", "last.pt"))
    first, better, worse = [*facts, *best, "flush t"], [*best, "flush t"], []
    assert disk_order == [*first, *last, "flush t", *better, *last, "flush t", *worse, *last, "flush t"]
