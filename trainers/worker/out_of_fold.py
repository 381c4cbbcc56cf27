"""A trainer trained on some rows and asked for others: out-of-fold predictions, and scores by the number of rows.

Each training is that of a trial, with the trial's configuration, seed and epochs, in a folder of its own; what is
asked for is the model of its best epoch. No row is predicted by a model that was trained on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
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
    for number in range(int(fold.max()) + 1):
        inside, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        data = rows.data(inside, held)
        part = replace(training, folder=training.folder / f"fold-{number + 1}")
        try:
            best_metrics(part, data)
            outputs = _predicted(part, data.validation, data)
        finally:
            shutil.rmtree(part.folder, ignore_errors=True)
        if not number:
            found = _room(training.folder, len(rows), outputs)
        found[held] = outputs
    return found


def best_metrics(training: Training, data: Data) -> dict[str, float]:
    """Train once, and the metrics of the epoch with the best objective; its model is kept in the folder.

    Raises:
        Stopped: it was asked to stop; whatever the trainer raises.
    """
    channel: Channel = (counting := _Counting(training))
    source = training.assignment.data
    own_data = None if source is None else replace(source, folds=None, labels="keep")
    own = replace(
        training.assignment, folder=training.folder, root=None, place=None, data=own_data, reported=0, attempt=1,
        began=1, pause_at=None, test=False, fork=None, snapshots=None,
    )  # fmt: skip

    def load(spec: DataSpec, *, test: bool = False) -> Data:  # noqa: ARG001 - as Load has it
        return data

    attempt = Attempt(training.trainer, own, load, channel, _now, _now, _nothing, _nothing)
    if attempt.run().outcome is not Outcome.COMPLETE:
        raise Stopped
    choose = max if own.direction == "maximize" else min
    measured = {epoch: metrics for epoch, metrics in counting.curve.items() if own.metric in metrics}
    if not measured:
        raise BadTrainer(f"trainer {training.trainer.name} did not report {own.metric}")
    return measured[choose(measured, key=lambda epoch: measured[epoch][own.metric])]


def require_build(trainer: Trainer) -> None:
    """BadTrainer where the models of a trainer cannot be asked."""
    if trainer.build is None:
        raise BadTrainer(
            f"trainer {trainer.name} declares no build=, so its models cannot be asked for their predictions; "
            "declare register(..., build=build_model)"
        )


def _predicted(training: Training, split: Split, data: Data) -> np.ndarray:
    """Probabilities, or numbers in the units of the data, by the model that was kept."""
    import torch

    from goodfit.trainers.training.group_outcomes import with_thresholds
    from goodfit.trainers.training.loop import Tensors, predict

    facts = data.facts
    best = training.folder / "best.pt"
    if training.trainer.build is None or not best.exists():
        raise BadTrainer(
            f"trainer {training.trainer.name} kept no checkpoint; register the model with trial.restore(model)"
        )
    module = training.trainer.build(training.trainer.configure(training.assignment.params), facts)
    with_thresholds(module, facts.groups)
    module.load_state_dict(read_checkpoint(best)["model"])
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
