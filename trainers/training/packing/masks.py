"""Dropout of several trials: each has the masks that it has alone, of its own width."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.trainers.nets.dropout import ChannelDropout, Dropout, Masks
from goodfit.trainers.training.packing.composed import Back, Layer, Same, unknown
from goodfit.trainers.training.packing.layout import dimension
from goodfit.trainers.training.packing.stack import Stack

NUMBERS_AT_ONCE = 2**20  # of the masks of several steps: 4 MB


def dropped(members: Sequence[Dropout], stack: Stack, first: int) -> Layer:
    """The same dropout of each member."""
    if not any(member.p for member in members):
        return Same()
    return _Dropped(members, stack, stack.widths[first : first + len(members)], stack.positions)


class _Dropped(Layer):
    def __init__(self, members: Sequence[Dropout], stack: Stack, widths: Sequence[int], positions: int) -> None:
        self._members, self._stack, self._widths, self._positions = members, stack, widths, positions
        self._drawn: list[Tensor] = []  # masks of the next steps, the last first

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        if not self._stack.training:
            return x, unknown
        if not self._drawn:
            self._drawn = [*reversed(_draw(self._members, self._widths, self._positions, x).unbind())]
        mask, at = self._drawn.pop(), 1 - dimension(x)
        if mask.shape[at] != x.shape[at]:
            mask = mask.narrow(at, 0, x.shape[at])
        return x * mask, lambda gradient: gradient.mul_(mask)


def _draw(members: Sequence[Dropout], widths: Sequence[int], positions: int, x: Tensor) -> Tensor:
    """The masks of the next steps: (steps, *those of x), of channels (steps, rows, members, channels, 1, 1)."""
    masks = [member.masks for member in members if member.masks is not None]
    axis, rows, left = 1 + dimension(x), masks[0].rows * positions, max(1, masks[0].left)
    width = x.shape[2:] if not isinstance(members[0], ChannelDropout) else (x.shape[2], 1, 1)
    most = max(1, NUMBERS_AT_ONCE // (rows * len(members) * torch.Size(width).numel()))
    steps = -(-left // -(-left // most))  # as many each time
    size = (rows, len(members)) if axis > 1 else (len(members), rows)
    drawn = torch.empty(steps, *size, *width, dtype=x.dtype, device=x.device)
    kinds = [(own if member.p else 0, mask) for own, member, mask in zip(widths, members, masks, strict=True)]
    first = 0
    for own, group in itertools.groupby(kinds, operator.itemgetter(0)):
        alike = [mask for _, mask in group]
        into = drawn.narrow(axis, first, len(alike))
        into.narrow(3, own, width[0] - own).fill_(1.0)
        if own:
            kept = Masks.draw(alike, steps, (*[positions] * (positions > 1), own, *width[1:]))
            kept = (kept.flatten(2, 3) if positions > 1 else kept).movedim(0, axis)
            scales = torch.tensor([mask.scale for mask in alike], dtype=x.dtype, device=x.device)
            torch.mul(kept, scales.view(-1, *[1] * (kept.ndim - 1 - axis)), out=into.narrow(3, 0, own))
        first += len(alike)
    return drawn
