"""Dropout of several trials: each has the masks that it has alone, of its own width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.trainers.nets.dropout import ChannelDropout, Dropout
from goodfit.trainers.training.packing.stack import Forward, Stack, dimension

NUMBERS_AT_ONCE = 2**20  # of the masks of several steps: 4 MB


def dropped(members: Sequence[Dropout], stack: Stack, first: int) -> Forward:
    """The same dropout of each member."""
    if not any(member.p for member in members):
        return lambda x: x
    widths = stack.widths[first : first + len(members)]
    drawn: list[Tensor] = []

    def forward(x: Tensor) -> Tensor:
        if not stack.training:
            return x
        if not drawn:
            drawn.extend(reversed(_draw(members, widths, x).unbind()))
        mask, at = drawn.pop(), 1 - dimension(x)
        return x * (mask if mask.shape[at] == x.shape[at] else mask.narrow(at, 0, x.shape[at]))

    return forward


def _draw(members: Sequence[Dropout], widths: Sequence[int], x: Tensor) -> Tensor:
    """The masks of the next steps: (steps, *those of x), of channels (steps, rows, members, channels, 1, 1)."""
    masks = [member.masks for member in members if member.masks is not None]
    axis, rows = dimension(x), masks[0].rows
    width = x.shape[2:] if not isinstance(members[0], ChannelDropout) else (x.shape[2], 1, 1)
    numbers = rows * len(members) * torch.Size(width).numel()
    steps = min(max(1, NUMBERS_AT_ONCE // numbers), max(1, masks[0].left))
    size = (rows, len(members)) if axis else (len(members), rows)
    drawn = torch.ones(steps, *size, *width, dtype=x.dtype, device=x.device)
    for mask, member, own, into in zip(masks, members, widths, drawn.unbind(1 + axis), strict=True):
        if member.p:
            torch.mul(mask.draw(steps, (own, *width[1:])), mask.scale, out=into[:, :, :own])
    return drawn
