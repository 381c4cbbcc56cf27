"""Which epochs can be trained together, and why others cannot."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from goodfit.trainers.nets.attention import Decoder
from goodfit.trainers.nets.layers import Layers
from goodfit.trainers.training.packing.layers import OF_BLOCKS, has_known_blocks, kinds_of
from goodfit.trainers.training.packing.leaf import UNIT, WIDEST, padded
from goodfit.trainers.training.packing.probe import why_alone

if TYPE_CHECKING:
    from goodfit.trainers.training.packing.work import EpochWork

# Of mlp on a CPU 16 together took 0.4 of the time with 26,000 weights, 8 took 0.84 with 85,000, 4 1.1 with 177,000.
# On a GPU it has not been measured.
MOST_WEIGHTS, MOST_ON_GPU = {"cpu": 2**17}, 2**22
MOST_POSITIONS = 128  # of attention: with more torch's own kernel is as fast, and keeps no scores
MOST_CAUSAL = {"cpu": 64}  # likewise, of attention that sees nothing behind: torch's kernel leaves half of it out
LANGUAGE = "language-modelling"
TASKS = ("classification", "regression", "forecasting", LANGUAGE)


def key_or_reason(work: EpochWork) -> tuple[Hashable, ...] | str:
    """Works with equal keys can be trained together; a text says why this one trains alone."""
    training, facts, data = work.training, work.facts, work.train
    reasons = {
        "the trainer does not declare packs": not training.packs,
        f"the task is {facts.task}": facts.task not in TASKS,
        "it is another language model than Goodfit's": facts.task == LANGUAGE and not has_known_blocks(training.model),
        "the trainer has a loss of its own": training.own_loss,
        "the training rows are varied by data.augment": training.augmentation is not None,
        "the study compares groups": facts.groups is not None,
        "the images are read from their files": not isinstance(data.x, Tensor),
        "the model is trained in float16": training.scaler.is_enabled(),
    }
    if reason := next((reason for reason, holds in reasons.items() if holds), None):
        return reason
    model, device = training.model, data.y.device.type
    weights, most = sum(weight.numel() for weight in model.parameters()), MOST_WEIGHTS.get(device, MOST_ON_GPU)
    if weights > most:
        return f"the model has {weights:,} weights: above {most:,} one at a time is as fast"
    if isinstance(model, OF_BLOCKS):
        most = MOST_CAUSAL.get(device, MOST_POSITIONS) if isinstance(model, Decoder) else MOST_POSITIONS
        if model.length > most:
            return f"the rows have {model.length:,} positions: above {most} one at a time is as fast"
    if isinstance(data.x, Tensor) and (reason := why_alone(model, data.x, facts, training.config.optimizer)):
        return reason
    return (
        family_of(model),
        wide_in(model) if device == "cpu" else (),
        training.config.batch_size,
        training.row_weights is not None,
        None if training.rows_of is None else len(training.rows_of(work.epoch)),
        *((id_of(tensors.x), id_of(tensors.y)) for tensors in (work.train, work.validation)),
    )


def family_of(model: nn.Module) -> tuple[Hashable, ...]:
    """Nets of one family can be stacked: those of one structure, and Layers that begin and end alike."""
    if not isinstance(model, Layers):
        return kinds_of(model)
    first, *rest = model.children()
    return type(first).__name__, *(type(layer).__name__ for layer in rest[-model.head :])


def wide_in(model: nn.Module) -> tuple[int, ...]:
    """The widths of its layers that are more than a product adds up in one go."""
    layers = (
        model.blocks.modules() if isinstance(model, OF_BLOCKS) else model.modules()
    )  # not the outputs: all have them
    widths = {padded(layer.out_features, UNIT) for layer in layers if isinstance(layer, nn.Linear)}
    return tuple(sorted(width for width in widths if width > WIDEST))


def id_of(tensor: object) -> Hashable:
    """Equal for tensors that are the same numbers in memory."""
    return (tensor.data_ptr(), tuple(tensor.shape)) if isinstance(tensor, Tensor) else id(tensor)
