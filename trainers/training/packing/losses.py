"""The gradients of the losses of a pack's steps: each member's loss is the mean over its own rows, as alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from goodfit.trainers.training.rare_classes import class_weights

if TYPE_CHECKING:
    from goodfit.trainers.training.loop import Training


class Losses:
    """The fitted loss of each member.

    Args:
        trainings: of the members, in their order; of one task, on the same data.
        y: the training targets.
    """

    def __init__(self, trainings: Sequence[Training], y: Tensor) -> None:
        facts, first = trainings[0].facts, trainings[0]
        self._outputs = facts.outputs
        self._classes = facts.outputs if facts.task in ("classification", "language-modelling") else 0
        self._no_classes = torch.empty(0)  # added to the outputs: what pads them is no class
        smoothing = torch.tensor([float(training.config.label_smoothing) for training in trainings], device=y.device)
        self._smoothing = smoothing if self._classes and bool(smoothing.any()) else None
        self._less = smoothing.view(-1, 1, 1) - 1  # what the share of the true class should be, negative
        weights = [training.row_weights for training in trainings if training.row_weights is not None]
        self._row_weights = torch.stack(weights) if weights else None
        by_class = facts.preparation.balance == "weights" and first.row_weights is None
        self._class_weights = class_weights(y, facts.outputs) if by_class else None

    def gradient(self, outputs: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """Of the sum of the members' losses, by the outputs; of their shape.

        Args:
            outputs: (members, rows, outputs and padding).
            y: (members, rows, ...); of a language model its tokens, none of which fills up a row.
            rows: which of the training rows these are, (members, rows).
        """
        y = y.flatten(1) if self._classes else y
        if self._class_weights is not None:
            return self._by_class(outputs, y, self._class_weights)
        found = self._of_classes(outputs, y) if self._classes else self._of_numbers(outputs, y)
        if self._row_weights is not None:
            found.mul_(self._row_weights.gather(1, rows).unsqueeze(2))
        return found.div_(y.shape[1])

    def _of_numbers(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The gradient of each row's squared error, of several outputs of their mean."""
        found = torch.zeros_like(outputs)
        own = outputs[..., : self._outputs]
        errors = own - (y.unsqueeze(2) if y.ndim == 2 else y)
        torch.mul(errors, 2 / self._outputs, out=found[..., : self._outputs])
        return found

    def _of_classes(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The gradient of each row's cross entropy: the shares of the classes, less what they should be."""
        found = self._logits(outputs).softmax(2)  # with the padding: of 10 numbers a row it takes six times as long
        found.scatter_add_(2, y.unsqueeze(2), self._less.expand(*y.shape, 1))
        if self._smoothing is not None:
            found[..., : self._classes] -= (self._smoothing / self._classes).view(-1, 1, 1)
        return found

    def _logits(self, outputs: Tensor) -> Tensor:
        if len(self._no_classes) != outputs.shape[2]:
            self._no_classes = outputs.new_zeros(outputs.shape[2])
            self._no_classes[self._classes :] = -torch.inf
        return outputs + self._no_classes

    def _by_class(self, outputs: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        """With the classes' weights as torch's cross_entropy takes them: divided by those of the batch."""
        there = weights[y]
        total = there.sum(1, keepdim=True)
        own, spread = there / total, None
        if self._smoothing is not None:
            share = self._smoothing.unsqueeze(1)
            own, spread = (1 - share) * own, share / self._classes / total
        found = self._logits(outputs).softmax(2)
        found.mul_((own if spread is None else own + spread * weights.sum()).unsqueeze(2))
        found.scatter_add_(2, y.unsqueeze(2), -own.unsqueeze(2))
        if spread is not None:
            found[..., : self._classes] -= spread.unsqueeze(2) * weights
        return found
