"""A trainer trained on some rows and asked for others: out-of-fold predictions, and scores by the number of rows.

Each training is that of a trial, with the trial's configuration, seed and epochs, in a folder of its own. No row is
predicted by a model that was trained on it, nor by one that its label has chosen: an out-of-fold model is trained for
as many epochs as the trial took to its best one, or as a training that holds out another fold takes.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.all_rows import AllRows
from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.files import read_checkpoint
from goodfit.trainers.messages import Assignment, DataSpec, Message, Outcome, Reported
from goodfit.trainers.trial import Channel
from goodfit.trainers.worker.attempt import Attempt

if TYPE_CHECKING:
    from goodfit.trainers.data import Data
    from goodfit.trainers.data.facts import Split
    from goodfit.trainers.registry import Trainer

MOST_IN_MEMORY = 2**26  # outputs of all rows; more are kept in a file while they are used


class Stopped(Exception):
    """Whoever asked for it has asked to stop."""


@dataclass(frozen=True, slots=True)
class Training:
    """What is trained, and where.

    Attributes:
        trainer: resolved.
        assignment: the configuration, the seed, the epochs and the objective; its data and folder do not count.
            `until`: how many epochs out-of-fold models are trained; None: that is found by training.
        folder: for its files; what is left there is removed after each training.
        on_epoch: called after each epoch.
        stop_asked: whether to stop.
    """

    trainer: Trainer
    assignment: Assignment
    folder: Path
    on_epoch: Callable[[], None] = lambda: None
    stop_asked: Callable[[], bool] = lambda: False


class _Counting:
    """A channel that counts epochs and keeps their metrics."""

    def __init__(self, training: Training) -> None:
        self.curve: dict[int, dict[str, float]] = {}
        self._training = training

    def send(self, message: Message) -> None:
        if isinstance(message, Reported):
            self.curve[message.epoch] = dict(message.metrics)
            self._training.on_epoch()

    def stop_asked(self, trial: int) -> bool:  # noqa: ARG002 - there is one
        return self._training.stop_asked()

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002
        return not self._training.stop_asked()


def out_of_fold(training: Training, rows: AllRows, fold: np.ndarray) -> np.ndarray:
    """What models say of the rows that they were not trained on: probabilities (rows, classes), or numbers (rows,).

    Args:
        training: of each fold.
        rows: all of them.
        fold: of each row its number, from 0.

    Raises:
        BadTrainer: the trainer says not how to rebuild its model, or its model does not fit the data.
        Stopped: it was asked to stop.
    """
    require_build(training.trainer)
    found: np.ndarray = np.empty(0)
    until: int | None = None
    for number in range(int(fold.max()) + 1):
        held = fold == number
        if number < 2:  # what suits the others is found with the first fold held out, what suits that with another
            until = training.assignment.until or _best_epoch(training, rows, fold, 1 - number)
        data = rows.data(np.flatnonzero(~held), np.flatnonzero(held))
        part = replace(training, folder=training.folder / f"fold-{number + 1}")
        try:
            _curve(part, data, until)
            outputs = _predicted(part, data.validation, data)
        finally:
            shutil.rmtree(part.folder, ignore_errors=True)
        if not number:
            found = _room(training.folder, len(rows), outputs)
        found[held] = outputs
    return found


def _best_epoch(training: Training, rows: AllRows, fold: np.ndarray, number: int) -> int:
    """The epoch that is best on a fold, trained on the others."""
    held = fold == number
    part = replace(training, folder=training.folder / "epochs")
    try:
        return _best(training, _curve(part, rows.data(np.flatnonzero(~held), np.flatnonzero(held)), None))
    finally:
        shutil.rmtree(part.folder, ignore_errors=True)


def best_metrics(training: Training, data: Data) -> dict[str, float]:
    """Train once, and the metrics of the epoch with the best objective.

    Raises:
        Stopped: it was asked to stop; whatever the trainer raises.
    """
    curve = _curve(training, data, None)
    return curve[_best(training, curve)]


def _curve(training: Training, data: Data, until: int | None) -> dict[int, dict[str, float]]:
    """Train so many epochs, None: as a trial is; the metrics by epoch. The model is kept in the folder."""
    channel: Channel = (counting := _Counting(training))
    source = training.assignment.data
    own_data = None if source is None else replace(source, folds=None, labels="keep")
    own = replace(
        training.assignment, folder=training.folder, root=None, place=None, data=own_data, reported=0, attempt=1,
        began=1, pause_at=None, test=False, fork=None, snapshots=None, until=until,
        patience=training.assignment.patience if until is None else None,
    )  # fmt: skip

    def load(spec: DataSpec, *, test: bool = False) -> Data:  # noqa: ARG001 - as Load has it
        return data

    attempt = Attempt(training.trainer, own, load, channel, _now, _now, _nothing, _nothing)
    if attempt.run().outcome is not Outcome.COMPLETE:
        raise Stopped
    return counting.curve


def _best(training: Training, curve: Mapping[int, Mapping[str, float]]) -> int:
    """The epoch with the best objective; of equal ones the first, as a trial has it."""
    metric = training.assignment.metric
    measured = {epoch: metrics[metric] for epoch, metrics in curve.items() if metric in metrics}
    numbers = {epoch: value for epoch, value in measured.items() if not math.isnan(value)}
    if not numbers:
        raise BadTrainer(f"trainer {training.trainer.name} did not report {metric} as a number")
    return (max if training.assignment.direction == "maximize" else min)(numbers, key=numbers.__getitem__)


def require_build(trainer: Trainer) -> None:
    """BadTrainer where a trainer does not say how its models are built."""
    if trainer.build is None:
        raise BadTrainer(
            "labels are judged by nets that predict rows they were not trained on, and trainer "
            f"{trainer.name} declares no build=, by which one is made; declare register(..., build=build_model)"
        )


def _predicted(training: Training, split: Split, data: Data) -> np.ndarray:
    """Probabilities, or numbers in the units of the data, by the model of the last epoch."""
    import torch

    from goodfit.trainers.training.group_outcomes import with_thresholds
    from goodfit.trainers.training.loop import Tensors, predict

    facts = data.facts
    last = training.folder / "last.pt"
    if training.trainer.build is None or not last.exists():
        raise BadTrainer(
            f"trainer {training.trainer.name} kept no checkpoint; register the model with trial.restore(model)"
        )
    module = training.trainer.build(training.trainer.configure(training.assignment.params), facts)
    with_thresholds(module, facts.groups)
    module.load_state_dict(read_checkpoint(last)["objects"][0])  # the model comes first
    outputs = predict(module, Tensors.of(split, torch.device("cpu")).x, facts).double()
    if facts.task == "classification":
        return np.asarray(outputs.softmax(dim=1).numpy(), dtype=np.float32)
    return facts.preparation.original(outputs.numpy())


def _room(folder: Path, rows: int, outputs: np.ndarray) -> np.ndarray:
    """An array for the outputs of all rows; of very many a file, which goes when the folder does."""
    shape = (rows, *outputs.shape[1:])
    if int(np.prod(shape)) <= MOST_IN_MEMORY:
        return np.empty(shape, dtype=outputs.dtype)
    folder.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(folder / "outputs.npy", "w+", outputs.dtype, shape)


def _now() -> float:
    import time

    return time.monotonic()


def _nothing(*_: object) -> None:
    pass
