"""An epoch of several trials as one batched model, whose every part is what the trial would have alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from goodfit.trainers.training.packing.layers import stacked
from goodfit.trainers.training.packing.losses import Losses
from goodfit.trainers.training.packing.metrics import metrics_of
from goodfit.trainers.training.packing.optimizers import Optimizers
from goodfit.trainers.training.packing.stack import Forward, Stack

if TYPE_CHECKING:
    from goodfit.trainers.training.loop import Tensors, Training

NUMBERS_AT_ONCE = 2**18  # of the rows of several steps: they stay in cache
ROWS_AT_ONCE = 64  # when measuring; the same for any number of members: a product of other rows may round otherwise


def train_epoch(
    trainings: Sequence[Training], epochs: Sequence[int], data: Tensors, measured: Sequence[Tensors]
) -> list[list[dict[str, float]]]:
    """Train an epoch of each member on the same data, and measure the models after it.

    Until its end the members are as they were before: what is trained are copies, laid into stacks and taken out again.

    Args:
        trainings: of the members, side by side where their layers are of the same kinds.
        epochs: which epoch it is of each.
        data: the rows to train on.
        measured: the splits whose metrics are wanted.

    Returns:
        Of each split, the metrics of each member.
    """
    inputs = [split.x for split in measured if isinstance(split.x, Tensor)]
    if not isinstance(data.x, Tensor) or len(inputs) < len(measured):
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
    values, answers = [leaf.value for leaf in stack.leaves], facts.outputs
    with contextlib.ExitStack() as masks, torch.enable_grad():
        for training, epoch, batches in zip(trainings, epochs, orders, strict=True):
            masks.enter_context(training.masks(epoch, batches))
        for x, y, rows in _batches(data.x, data.y, orders):
            if half is None:
                outputs = forward(x)
            else:
                with torch.autocast(x.device.type, dtype=half):
                    outputs = forward(x).float()
            loss = losses(outputs[..., :answers], y, rows)
            optimizers.step(torch.autograd.grad(loss, values))
    stack.training = False
    with torch.inference_mode():
        found = [
            metrics_of(_outputs(forward, x, len(trainings))[..., :answers], x, split.y, facts)
            for x, split in zip(inputs, measured, strict=True)
        ]
    for buffer in stack.buffers:
        buffer.take(buffer.value, buffer.lone)
    optimizers.take_out()
    for training, last in zip(trainings, rates[-1], strict=True):
        for group in training.optimizer.param_groups:
            group["lr"] = last
    return found


def _batches(x: Tensor, y: Tensor, orders: Sequence[Sequence[Tensor]]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """What the layers of each step take, its targets, and which of the training rows these are.

    Those of several steps are read at once. The inputs are (members, rows, ...), or (rows, members, ...) of images, the
    others (members, rows, ...).
    """
    sizes = [len(batch) for batch in orders[0]]
    rows = torch.stack([torch.cat(list(batches)) for batches in orders])
    axis = 1 - _members_axis(x)
    numbers = len(orders) * max(sizes) * x[0].numel()
    at_once = max(1, NUMBERS_AT_ONCE // numbers)
    start = 0
    for first in range(0, len(sizes), at_once):
        steps = sizes[first : first + at_once]
        these = rows[:, start : start + sum(steps)]
        start += sum(steps)
        inputs = x[these.t()] if axis == 0 else x[these]
        yield from zip(
            torch.split(inputs, steps, axis), torch.split(y[these], steps, 1), torch.split(these, steps, 1), strict=True
        )


def _members_axis(x: Tensor) -> int:
    """Where the members come in what the layers take of such data."""
    return 1 if x.ndim == 4 else 0


def _outputs(forward: Forward, x: Tensor, members: int) -> Tensor:
    """Of all members on the same rows: (members, rows, outputs)."""
    axis = _members_axis(x)
    parts = [
        forward(part.unsqueeze(axis).expand(*part.shape[:axis], members, *part.shape[axis:]))
        for part in torch.split(x, ROWS_AT_ONCE)
    ]
    return torch.cat(parts, 1)
