"""One parameter of several trials, padded with zeros to one shape and stacked: (members, *shape)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

UNIT = 32  # into whole units of numbers a width is padded, alone and in a pack
CHANNELS = 8  # likewise of images' channels
WIDEST = 192  # numbers that a product adds up in one go; in a wider one padding moves the rounding errors


def padded(width: int, unit: int) -> int:
    """The least multiple of a unit that is no less."""
    return -(-width // unit) * unit


class Leaf:
    """One parameter of neighbouring members of a pack.

    What pads it is zero, and has a gradient of zero: no optimizer moves it. Its first two axes are padded to whole
    units, of which one trial alone has no other kernels and no other order of its sums than many together.

    Args:
        first: the place in the pack of the first of these members.
        lone: each member's own tensor.
        turned: whether it is laid in with its two axes exchanged.
        row: whether its value has an axis of one row in front of its own.
        unit: to multiples of which the first two axes are padded.
        given: whether the second is the data's, which is the same in any pack, and not padded.
        parts: into how many its first axis is cut, each of which is padded for itself; the stack has an axis for them.

    Attributes:
        members: their places in the pack.
        lone: each member's own tensor.
        decays: whether it is a weight, no bias or scale of a norm: those neither decay nor count in L1.
        trained: whether it has a gradient.
        shape: of one member, with its padding.
        value: the stack, once it is laid out.
        gradient: that of the step that is being made, (members, *shape).
    """

    def __init__(
        self,
        first: int,
        lone: Sequence[Tensor],
        *,
        turned: bool = False,
        row: bool = False,
        unit: int = UNIT,
        parts: int = 0,
        given: bool = False,
    ) -> None:
        self.members = range(first, first + len(lone))
        self.lone = list(lone)
        self.decays = lone[0].ndim > 1
        self.trained = lone[0].requires_grad
        self._turned, self._row, self._parts = turned, row, parts
        sizes = [tensor.shape[::-1] if turned else self._cut(tensor).shape for tensor in lone]
        longest = [max(axis) for axis in zip(*sizes, strict=True)]
        self.shape = [padded(length, unit) for length in longest[: 1 if given else 2]] + longest[1 if given else 2 :]
        self.value = self.gradient = torch.empty(0)

    @property
    def size(self) -> int:
        """Numbers of one member, with their padding."""
        return math.prod(self.shape)

    def lay_out(self, numbers: Tensor) -> None:
        """Have its value in these numbers: (members, size), zeros."""
        self.value = numbers.detach().view(len(self.lone), *([1] if self._row else []), *self.shape)
        self.lay(numbers, self.lone)
        self.value.requires_grad_(self.trained)

    def lay(self, numbers: Tensor, own: Sequence[Tensor | None]) -> None:
        """Copy what members have for this parameter into numbers of its size; None: nothing."""
        with torch.no_grad():
            for tensor, view in self.pairs(numbers, own):
                view.copy_(tensor)

    def take(self, numbers: Tensor, own: Sequence[Tensor | None]) -> None:
        """Copy it back."""
        with torch.no_grad():
            for tensor, view in self.pairs(numbers, own):
                tensor.copy_(view)

    def pairs(self, numbers: Tensor, own: Sequence[Tensor | None]) -> Iterator[tuple[Tensor, Tensor]]:
        """What members have for this parameter, and where each is in numbers of its size; None: nothing."""
        for view, tensor in zip(self._views(numbers), own, strict=True):
            if tensor is not None:
                yield self._cut(tensor.detach()), view

    def _cut(self, tensor: Tensor) -> Tensor:
        return tensor.view(self._parts, -1, *tensor.shape[1:]) if self._parts else tensor

    def _views(self, numbers: Tensor) -> list[Tensor]:
        """Each member's part of such numbers, with the axes of its own tensor."""
        strides = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        if self._turned:
            strides.reverse()
        start, apart = numbers.storage_offset(), numbers.stride(0)
        return [
            numbers.as_strided(self._cut(tensor).shape, strides, start + place * apart)
            for place, tensor in enumerate(self.lone)
        ]
