"""The losses of a pack's steps: each member's is the mean over its own rows, as alone; their sum is differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

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
        self._classes = facts.outputs if facts.task == "classification" else 0
        self._no_classes = torch.empty(0)  # added to the outputs: what pads them is no class
        smoothing = torch.tensor([float(training.config.label_smoothing) for training in trainings], device=y.device)
        self._smoothing = smoothing if self._classes and bool(smoothing.any()) else None
        weights = [training.row_weights for training in trainings if training.row_weights is not None]
        self._row_weights = torch.stack(weights) if weights else None
        by_class = facts.preparation.balance == "weights" and first.row_weights is None
        self._class_weights = class_weights(y, facts.outputs) if by_class else None

    def __call__(self, outputs: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """The sum of the members' losses.

        Args:
            outputs: (members, rows, outputs and padding).
            y: (members, rows, ...).
            rows: which of the training rows these are, (members, rows).
        """
        if not self._classes:
            outputs = outputs[..., : self._outputs]
            errors = (outputs.squeeze(2) if y.ndim == 2 else outputs) - y
            squares = errors.square()
            return self._mean(squares if squares.ndim == 2 else squares.mean(2), rows)
        if len(self._no_classes) != outputs.shape[2]:
            self._no_classes = outputs.new_zeros(outputs.shape[2])
            self._no_classes[self._classes :] = -torch.inf
        outputs = outputs + self._no_classes  # with the padding: of 10 numbers a row softmax takes six times as long
        if self._class_weights is None and self._smoothing is None and self._row_weights is None:
            return functional.cross_entropy(outputs.flatten(0, 1), y.flatten(), reduction="sum") / y.shape[1]
        logs = outputs.log_softmax(2)[..., : self._classes]
        own = logs.gather(2, y.unsqueeze(2)).squeeze(2)
        if self._class_weights is not None:
            return -self._by_class(logs, own, y, self._class_weights).sum()
        if self._smoothing is None:
            return -self._mean(own, rows)
        share = self._smoothing.unsqueeze(1)
        return -self._mean((1 - share) * own + share * logs.mean(2), rows)

    def _mean(self, losses: Tensor, rows: Tensor) -> Tensor:
        """Of each member, over its rows with their weights; their sum."""
        if self._row_weights is not None:
            losses = losses * self._row_weights.gather(1, rows)
        return losses.sum() / losses.shape[1]

    def _by_class(self, logs: Tensor, own: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        """Likewise, with the classes' weights as torch's cross_entropy takes them: divided by those of the batch."""
        there = weights[y]
        total = there.sum(1)
        found = (own * there).sum(1) / total
        if self._smoothing is None:
            return found
        spread = (logs * weights).sum((1, 2)) / self._classes / total
        return (1 - self._smoothing) * found + self._smoothing * spread
