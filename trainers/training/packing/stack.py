"""What the layers of a pack have in common: their parameters, and how wide what goes through them is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from goodfit.trainers.training.packing.leaf import UNIT, Leaf

Forward = Callable[[Tensor], Tensor]


class Feed:
    """What one place of a pack draws for each step, such as a mask; the place takes it once a step.

    Attributes:
        held: where a step finds it that does not draw itself (graph.py); None: the step draws.
    """

    def __init__(self) -> None:
        self.held: Tensor | None = None
        self._draw: Callable[[], Tensor] | None = None

    def take(self, draw: Callable[[], Tensor]) -> Tensor:
        """In a step: what is drawn for it; `draw` serves the next steps of as many rows, too."""
        if self.held is not None:
            return self.held
        self._draw = draw
        return draw()

    @property
    def draws(self) -> bool:
        """Whether a step has taken from it."""
        return self._draw is not None

    def next(self) -> Tensor:
        """Outside of a step: what is drawn for the next one."""
        if self._draw is None:
            raise RuntimeError("no step of the pack has taken from this place")
        return self._draw()


class Stack:
    """What the layers of a pack have in common while they are stacked, in the order of the forward pass.

    Attributes:
        widths: of each member, the numbers or channels at the place that is being stacked.
        given: of each, whether that is still the data's, which is the same in any pack.
        positions: of each row at that place, where rows are sequences: (members, rows * positions, width).
        leaves: the parameters that are trained.
        buffers: what is not trained, such as running means.
        feeds: what is drawn for each step, in the order in which a step takes it.
        training: whether the layers train, or predict.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = list(widths)
        self.given = [True] * len(widths)
        self.positions = 1
        self.leaves: list[Leaf] = []
        self.buffers: list[Leaf] = []
        self.feeds: list[Feed] = []
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
        given: bool = False,
    ) -> Leaf:
        """One parameter of neighbouring members; its value is there once all of them are known."""
        leaf = Leaf(first, lone, turned=turned, row=row, unit=unit, parts=parts, given=given)
        if leaf.trained:
            self.leaves.append(leaf)
        else:
            self.buffers.append(leaf)
            leaf.lay_out(lone[0].new_zeros(len(lone), leaf.size))
        return leaf

    def feed(self) -> Feed:
        """One that is taken from after those that there are."""
        self.feeds.append(Feed())
        return self.feeds[-1]

    def widen(self, first: int, widths: Sequence[int]) -> None:
        self.widths[first : first + len(widths)] = widths
        self.given[first : first + len(widths)] = [False] * len(widths)
