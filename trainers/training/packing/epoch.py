"""An epoch of several trials as one batched model, whose every part is what the trial would have alone."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from goodfit.trainers.data import Facts
from goodfit.trainers.training.packing.layers import stacked
from goodfit.trainers.training.packing.losses import Losses
from goodfit.trainers.training.packing.metrics import metrics_of
from goodfit.trainers.training.packing.optimizers import Optimizers
from goodfit.trainers.training.packing.stack import Stack

if TYPE_CHECKING:
    from goodfit.trainers.training.loop import Tensors, Training


def train_epoch(trainings: Sequence[Training], epochs: Sequence[int], data: Tensors) -> None:
    """Train an epoch of each member on the same data.

    Until its end the members are as they were before: what is trained are copies, laid into stacks and taken out again.

    Args:
        trainings: of the members, side by side where their layers are of the same kinds.
        epochs: which epoch it is of each.
        data: the rows to train on.
    """
    if not isinstance(data.x, Tensor):
        raise TypeError("rows that are still in their files are not packed")
    facts = trainings[0].facts
    stack = Stack([facts.input_shape[0] if facts.kind == "image" else facts.inputs] * len(trainings))
    forward = stacked([training.model for training in trainings], stack)
    orders = [training.batches(epoch, data.y) for training, epoch in zip(trainings, epochs, strict=True)]
    steps = len(orders[0])
    rates = [
        [one.rate(epoch, index / steps) for one, epoch in zip(trainings, epochs, strict=True)] for index in range(steps)
    ]
    optimizers = Optimizers(trainings, stack.leaves, torch.tensor(rates, dtype=torch.float64, device=data.y.device))
    losses, half = Losses(trainings, data.y), trainings[0].half
    values = [leaf.value for leaf in stack.leaves]
    with contextlib.ExitStack() as masks, torch.enable_grad():
        for training, epoch, batches in zip(trainings, epochs, orders, strict=True):
            masks.enter_context(training.masks(epoch, batches))
        for step in zip(*orders, strict=True):
            rows = torch.stack(step)
            with torch.autocast(data.y.device.type, dtype=half, enabled=half is not None):
                outputs = forward(_inputs(data.x, rows))
            loss = losses(outputs.float(), data.y[rows], rows)
            optimizers.step(torch.autograd.grad(loss, values))
    for leaf in (*stack.leaves, *stack.buffers):
        leaf.take(leaf.value, leaf.lone)
    optimizers.take_out()
    for training, last in zip(trainings, rates[-1], strict=True):
        for group in training.optimizer.param_groups:
            group["lr"] = last


def _inputs(x: Tensor, rows: Tensor) -> Tensor:
    """The members' rows, as the layers take them: (members, rows, ...), or (rows, members, ...) of images."""
    return x[rows.t()] if x.ndim == 4 else x[rows]


def measure(models: Sequence[torch.nn.Module], data: Tensors, facts: Facts) -> list[dict[str, float]]:
    """The metrics of each model on the same rows."""
    from goodfit.trainers.training.loop import predict

    return metrics_of(torch.stack([predict(model, data.x, facts) for model in models]), data.y, facts)
