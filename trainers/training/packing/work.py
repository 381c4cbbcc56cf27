"""An epoch of one trial as a piece of work: trained alone, or together with those of other trials."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time
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
    """The metrics after an epoch, by plain names.

    Attributes:
        members: how many trials were trained together.
        saved: the seconds, by `clock_of`, by which that was faster for this one, as far as it is known.
    """

    train: Mapping[str, float]
    validation: Mapping[str, float]
    members: int = 1
    saved: float = 0.0


def pack_key(work: EpochWork) -> Hashable | None:
    """Works with equal keys can be trained together; None: this one trains alone."""
    from goodfit.trainers.training.packing.key import key_or_reason

    key = key_or_reason(work)
    return None if isinstance(key, str) else key


def size_of(work: EpochWork) -> int:
    """How many parameters its model has."""
    return sum(weight.numel() for weight in work.training.model.parameters())


def clock_of(work: EpochWork) -> Callable[[], float]:
    """What the epoch is timed by, in seconds: CPU time where one thread does all of it, whatever else is running."""
    import torch

    on_one_thread = work.train.y.device.type == "cpu" and torch.get_num_threads() == 1
    return thread_time if on_one_thread else perf_counter


def train_alone(work: EpochWork) -> EpochResult:
    """Train the epoch, and measure the model after it; Layers and nets of blocks as a pack of one where they can be."""
    from goodfit.trainers.nets.layers import Layers
    from goodfit.trainers.training.packing.layers import has_known_blocks

    model = work.training.model
    if not (isinstance(model, Layers) or has_known_blocks(model)) or pack_key(work) is None:
        return train_by_its_layers(work)
    (result,) = train_together([work])
    return result


def train_by_its_layers(work: EpochWork) -> EpochResult:
    """Train the epoch of any model: by the forward pass of its own layers, and torch's optimizer."""
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


def train_together(works: Sequence[EpochWork]) -> list[EpochResult]:
    """Train an epoch of each as one batched model. The others move what one comes to by rounding errors at most.

    Raises:
        torch.OutOfMemoryError: there is not enough memory for all of them; all are as they were before.
    """
    from goodfit.trainers.training.packing.epoch import train_batched

    return train_batched(works)
