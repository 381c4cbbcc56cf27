"""What the layers of a pack have in common: their parameters, and the shapes of what goes through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from goodfit.trainers.training.packing.leaf import UNIT, Leaf

Forward = Callable[[Tensor], Tensor]


class Stack:
    """What the layers of a pack have in common while they are stacked, in the order of the forward pass.

    Attributes:
        widths: of each member, the numbers or channels at the place that is being stacked.
        leaves: the parameters that are trained.
        buffers: what is not trained, such as running means.
        training: whether the layers train, or predict.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = list(widths)
        self.leaves: list[Leaf] = []
        self.buffers: list[Leaf] = []
        self.training = True

    def leaf(
        self,
        first: int,
        lone: Sequence[Tensor],
        *,
        turned: bool = False,
        row: bool = False,
        unit: int = UNIT,
        parts: int = 0,
    ) -> Leaf:
        """One parameter of neighbouring members; its value is there once all of them are known."""
        leaf = Leaf(first, lone, turned=turned, row=row, unit=unit, parts=parts)
        if leaf.trained:
            self.leaves.append(leaf)
        else:
            self.buffers.append(leaf)
            leaf.lay_out(lone[0].new_zeros(len(lone), leaf.size))
        return leaf

    def widen(self, first: int, widths: Sequence[int]) -> None:
        self.widths[first : first + len(widths)] = widths


def dimension(x: Tensor) -> int:
    """The axis of the members."""
    return 1 if x.ndim == 5 else 0


def fitted(x: Tensor, width: int) -> Tensor:
    """With so many numbers or channels: what is cut off or added is padding."""
    at = 2
    if x.shape[at] > width:
        return x.narrow(at, 0, width)
    if x.shape[at] < width:
        return functional.pad(x, (0, 0) * (x.ndim - 1 - at) + (0, width - x.shape[at]))
    return x


def joined(parts: Sequence[Tensor]) -> Tensor:
    """The members of all parts side by side, padded to the widest."""
    if len(parts) == 1:
        return parts[0]
    widest = max(part.shape[2] for part in parts)
    return torch.cat([fitted(part, widest) for part in parts], dimension(parts[0]))
