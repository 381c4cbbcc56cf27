"""An epoch of one trial as a piece of work: trained alone, or together with those of other trials."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goodfit.trainers.data import Facts
    from goodfit.trainers.training.loop import Tensors, Training


@dataclass(frozen=True, slots=True)
class EpochWork:
    """What an epoch of one trial needs.

    Attributes:
        seed: the trial's own.
        train: the rows to train on.
        measured: the training rows that the train metrics come from.
    """

    training: Training
    seed: int
    epoch: int
    train: Tensors
    measured: Tensors
    validation: Tensors
    facts: Facts


@dataclass(frozen=True, slots=True)
class EpochResult:
    """The metrics after an epoch, by plain names."""

    train: Mapping[str, float]
    validation: Mapping[str, float]


def pack_key(work: EpochWork) -> Hashable | None:  # noqa: ARG001 - nothing trains together yet
    """Works with equal keys can be trained together; None: this one trains alone."""
    return None


def size_of(work: EpochWork) -> int:
    """How many parameters its model has."""
    return sum(weight.numel() for weight in work.training.model.parameters())


def train_alone(work: EpochWork) -> EpochResult:
    """Train the epoch, and measure the model after it."""
    from goodfit.trainers.training.group_outcomes import fit_thresholds
    from goodfit.trainers.training.loop import evaluate, predict

    training, facts = work.training, work.facts
    training.epoch(work.epoch, work.train)
    if facts.groups is not None and facts.groups.spec.thresholds != "none":
        outputs = predict(training.model, work.measured.x, facts)
        fit_thresholds(training.model, outputs, work.measured, facts.groups)
    return EpochResult(
        train=evaluate(training.model, work.measured, facts, training.loss, by_group=False),
        validation=evaluate(training.model, work.validation, facts, training.loss),
    )


def train_together(works: Sequence[EpochWork]) -> list[EpochResult | Exception]:
    """Train an epoch of each as one batched model; an exception is that of one trial.

    Raises:
        torch.OutOfMemoryError: there is not enough memory for all of them; all are as they were before.
    """
    return [train_alone(work) for work in works]
