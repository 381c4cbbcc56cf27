"""One parameter of several trials, padded with zeros to one shape and stacked: (members, *shape)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Leaf:
    """One parameter of neighbouring members of a pack.

    What pads it is zero, and has a gradient of zero: no optimizer moves it.

    Args:
        first: the place in the pack of the first of these members.
        lone: each member's own tensor.
        turned: whether it is laid in with its two axes exchanged.
    """

    def __init__(self, first: int, lone: Sequence[Tensor], *, turned: bool = False) -> None:
        self.members = range(first, first + len(lone))  # their places in the pack
        self.lone = list(lone)
        self.decays = (
            lone[0].ndim > 1
        )  # it is a weight, no bias or scale of a norm: those neither decay nor count in L1
        self._turned = turned
        sizes = [self._oriented(tensor).shape for tensor in lone]
        shape = [max(axis) for axis in zip(*sizes, strict=True)]
        self.value = torch.zeros(len(lone), *shape, dtype=lone[0].dtype, device=lone[0].device)
        self.lay(self.value, self.lone)
        self.value.requires_grad_(lone[0].requires_grad)

    def lay(self, stack: Tensor, own: Sequence[Tensor | None]) -> None:
        """Copy what members have for this parameter into a stack of its shape; None: nothing."""
        with torch.no_grad():
            for view, tensor in zip(self._views(stack), own, strict=True):
                if tensor is not None:
                    view.copy_(tensor)

    def take(self, stack: Tensor, own: Sequence[Tensor | None]) -> None:
        """Copy it back."""
        with torch.no_grad():
            for view, tensor in zip(self._views(stack), own, strict=True):
                if tensor is not None:
                    tensor.copy_(view)

    def empty(self) -> Tensor:
        """A stack of zeros of this shape."""
        return torch.zeros_like(self.value, requires_grad=False)

    def by_member(self, numbers: Tensor) -> Tensor:
        """Numbers of all members of the pack, (..., members), as they multiply this stack."""
        own = numbers[..., self.members.start : self.members.stop].to(self.value.dtype)
        return own.reshape(*own.shape, *[1] * (self.value.ndim - 1))

    def _views(self, stack: Tensor) -> list[Tensor]:
        """Each member's part of a stack, with the axes of its own tensor."""
        return [self._oriented(self._part(row, own)) for row, own in zip(stack.unbind(), self.lone, strict=True)]

    def _part(self, row: Tensor, own: Tensor) -> Tensor:
        for axis, length in enumerate(self._oriented(own).shape):
            row = row.narrow(axis, 0, length)
        return row

    def _oriented(self, tensor: Tensor) -> Tensor:
        return tensor.t() if self._turned else tensor
