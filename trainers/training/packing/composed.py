"""What the layers of a pack are, and how they are put together: one after the other, side by side, as a tower.

A layer that knows its own gradient needs no autograd, which takes half of the time of one small net of vectors, and a
fifth of the time of 13 together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from goodfit.trainers.training.packing.layout import apart, fitted, joined
from goodfit.trainers.training.packing.stack import Forward

Back = Callable[[Tensor], Tensor | None]


class Layer(ABC):
    """One place of the members' nets, as a function of what goes through all of them.

    Attributes:
        known: whether it knows its gradient; elsewhere autograd finds it.
    """

    known = True

    @abstractmethod
    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        """What it makes of x, and how the gradient goes back through it.

        The second takes the gradient of what it made, which it may write to, has its leaves keep theirs, and returns
        that of x: None where that is the data's. Where autograd is on, or it does not know, nobody calls it.
        """

    def __call__(self, x: Tensor) -> Tensor:
        return self.trace(x)[0]


class ByAutograd(Layer):
    """A function whose gradient autograd finds."""

    known = False

    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        return self._forward(x), unknown


def unknown(_gradient: Tensor) -> Tensor:
    """The way back through what autograd is to go back through."""
    raise TypeError("the gradient of this layer is autograd's to find")


class Same(Layer):
    """Nothing."""

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        return x, _same


def _same(gradient: Tensor) -> Tensor:
    return gradient


class Chain(Layer):
    """Layers one after the other."""

    def __init__(self, places: Iterable[Layer]) -> None:
        self.places: list[Layer] = []
        for place in places:
            if isinstance(place, Chain):
                self.places += place.places
            elif not isinstance(place, Same):
                self.places.append(place)
        self.known = all(place.known for place in self.places)

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        backs: list[Back] = []
        for place in self.places:
            x, back = place.trace(x)
            backs.append(back)

        def through(gradient: Tensor | None) -> Tensor | None:
            for back in reversed(backs):
                if gradient is None:
                    break
                gradient = back(gradient)
            return gradient

        return x, through


class Around(Layer):
    """A body, and what its input is led around it by."""

    def __init__(self, body: Layer, shortcut: Layer) -> None:
        self._body, self._shortcut = body, shortcut
        self.known = body.known and shortcut.known

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        out, back = self._body.trace(x)
        around, back_around = self._shortcut.trace(x)
        width = around.shape[2]

        def through(gradient: Tensor) -> Tensor | None:
            found = back(gradient.clone())
            others = back_around(fitted(gradient, width))
            return None if found is None or others is None else found + others

        return out + fitted(around, out.shape[2]), through


class SideBySide(Layer):
    """Layers of several kinds, of neighbouring members each.

    Args:
        runs: of how many members, and their layer.
    """

    def __init__(self, runs: Sequence[tuple[int, Layer]]) -> None:
        self._sizes = [size for size, _ in runs]
        self._layers = [layer for _, layer in runs]
        self.known = all(layer.known for layer in self._layers)

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        given = apart(x, self._sizes)
        made = [layer.trace(part) for part, layer in zip(given, self._layers, strict=True)]
        widths = [out.shape[2] for out, _ in made]

        def through(gradient: Tensor) -> Tensor | None:
            parts = zip(apart(gradient, self._sizes), widths, made, strict=True)
            found = [back(fitted(part, width)) for part, width, (_, back) in parts]
            if all(one is None for one in found):
                return None
            pairs = zip(given, found, strict=True)
            return joined([torch.zeros_like(own) if one is None else one for own, one in pairs])

        return joined([out for out, _ in made]), through


class Tower(Layer):
    """Nets of unequal depth: members leave for the head where their layers end, the shallowest first: they stand last.

    Args:
        members: how many there are.
        body: its layers, and how many members still go through each.
        pools: what the head does to whatever leaves the body.
        vectors: what it does to the vectors of all.
    """

    def __init__(self, members: int, body: Sequence[tuple[int, Layer]], pools: Layer, vectors: Layer) -> None:
        self._members, self._body, self._pools, self._vectors = members, body, pools, vectors
        self.known = all(layer.known for layer in (*(layer for _, layer in body), pools, vectors))

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        there, sizes = self._members, list[int]()
        ends: list[tuple[Tensor, Back]] = []  # of those who have left, the last first
        backs: list[tuple[Back, Back | None]] = []  # of each layer, and of those who left in front of it
        for going, layer in self._body:
            leaves: Back | None = None
            if going < there:
                x, leaving = apart(x, [going, there - going])
                ends.insert(0, self._pools.trace(leaving))
                sizes.insert(0, there - going)
                leaves, there = ends[0][1], going
            x, back = layer.trace(x)
            backs.append((back, leaves))
        ends.insert(0, self._pools.trace(x))
        sizes.insert(0, there)
        out, head = self._vectors.trace(joined([end for end, _ in ends]))
        widths = [end.shape[2] for end, _ in ends]

        def through(gradient: Tensor) -> Tensor | None:
            found = head(gradient)
            if found is None:
                return None
            parts = (fitted(part, width) for part, width in zip(apart(found, sizes), widths, strict=True))
            found = ends[0][1](next(parts))
            for back, leaves in reversed(backs):
                found = None if found is None else back(found)
                if leaves is not None:
                    found = _with(found, leaves(next(parts)))
            return found

        return out, through


def _with(gradient: Tensor | None, others: Tensor | None) -> Tensor | None:
    """The gradient of some members and of the next ones; None where it is the data's."""
    return None if gradient is None or others is None else joined([gradient, others])
