"""Dropout of several trials: each has the masks that it has alone, of its own width."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from goodfit.trainers.nets.dropout import ChannelDropout, Dropout, Masks, numbers_on
from goodfit.trainers.training.packing.composed import Back, Layer, Same, unknown
from goodfit.trainers.training.packing.layout import dimension
from goodfit.trainers.training.packing.stack import Stack

NUMBERS_AT_ONCE, ON_GPU = {"cpu": 2**20}, 2**23  # of the masks of several steps: 4 MB, elsewhere 32


def dropped(members: Sequence[Dropout], stack: Stack, first: int) -> Layer:
    """The same dropout of each member."""
    if not any(member.p for member in members):
        return Same()
    return _Dropped(members, stack, stack.widths[first : first + len(members)], stack.positions)


class _Dropped(Layer):
    def __init__(self, members: Sequence[Dropout], stack: Stack, widths: Sequence[int], positions: int) -> None:
        self._members, self._stack, self._widths, self._positions = members, stack, widths, positions
        self._feed = stack.feed()
        self._drawn: list[Tensor] = []  # masks of the next steps, the last first

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        if not self._stack.training:
            return x, unknown
        mask, at = self._feed.take(partial(self._next, x.shape, x.dtype)), 1 - dimension(x)
        if mask.shape[at] != x.shape[at]:
            mask = mask.narrow(at, 0, x.shape[at])
        return x * mask, lambda gradient: gradient.mul_(mask)

    def _next(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        if not self._drawn:
            self._drawn = [*reversed(_draw(self._members, self._widths, self._positions, shape, dtype).unbind())]
        return self._drawn.pop()


def _draw(
    members: Sequence[Dropout], widths: Sequence[int], positions: int, shape: torch.Size, dtype: torch.dtype
) -> Tensor:
    """The masks of the next steps for numbers of this shape: (steps, *shape), of channels (steps, *shape[:3], 1, 1)."""
    masks = [member.masks for member in members if member.masks is not None]
    axis, rows, device = 2 if len(shape) == 5 else 1, masks[0].rows * positions, masks[0].device
    left = max(1, next(mask.left for member, mask in zip(members, masks, strict=True) if member.p))
    width = shape[2:] if not isinstance(members[0], ChannelDropout) else (shape[2], 1, 1)
    at_once = NUMBERS_AT_ONCE.get(device.type, ON_GPU)
    most = max(1, at_once // (rows * len(members) * torch.Size(width).numel()))
    steps = -(-left // -(-left // most))  # as many each time
    size = (rows, len(members)) if axis > 1 else (len(members), rows)
    drawn = torch.empty(steps, *size, *width, dtype=dtype, device=device)
    kinds = [(own if member.p else 0, mask) for own, member, mask in zip(widths, members, masks, strict=True)]
    first = 0
    for own, group in itertools.groupby(kinds, operator.itemgetter(0)):
        alike = [mask for _, mask in group]
        into = drawn.narrow(axis, first, len(alike))
        into.narrow(3, own, width[0] - own).fill_(1.0)
        if own:
            kept = Masks.draw(alike, steps, (*[positions] * (positions > 1), own, *width[1:]))
            kept = (kept.flatten(2, 3) if positions > 1 else kept).movedim(0, axis)
            scales = numbers_on(device, dtype, *(mask.scale for mask in alike))
            torch.mul(kept, scales.view(-1, *[1] * (kept.ndim - 1 - axis)), out=into.narrow(3, 0, own))
        first += len(alike)
    return drawn
