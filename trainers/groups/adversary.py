"""Adversarial debiasing: a head guesses the group from what the model says, and the model is trained to mislead it.

Imports torch. The head sees the model's score and the true class, so that what it finds is what violates equalized odds
(Zhang, Lemoine, Mitchell: Mitigating unwanted biases with adversarial learning, 2018). Its gradient reaches the model
reversed (Ganin and others: Domain-adversarial training of neural networks, 2016), times the strength.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.groups.facts import Groups

WIDTH = 16
LEARNING_RATE = 0.01  # of the head; the model's schedule does not slow it down


class Adversary(nn.Module):
    """The head, for one trial.

    Args:
        groups: that it guesses.
        codes: the groups of the training rows: rare ones count as much as common ones.
    """

    weights: Tensor

    def __init__(self, groups: Groups, codes: Tensor) -> None:
        super().__init__()
        size = len(groups.cells)
        counts = torch.bincount(codes, minlength=size).double()
        self.register_buffer("weights", (len(codes) / (size * counts.clamp(min=1))).float())
        self._positive = groups.positive
        self._strength = groups.spec.strength
        self._head = nn.Sequential(nn.Linear(3, WIDTH), nn.ReLU(), nn.Linear(WIDTH, size))
        self.optimizer = torch.optim.Adam(self._head.parameters(), lr=LEARNING_RATE)

    def forward(self, outputs: Tensor, y: Tensor, codes: Tensor) -> Tensor:
        """The head's loss on a batch; its gradient in the model's outputs is reversed.

        Args:
            outputs: of the model, (rows, classes).
            y: class indices.
            codes: the group of each row.
        """
        score = _reversed(log_odds(outputs, self._positive), self._strength)
        truth = (y == self._positive).float()
        guess = self._head(torch.stack([score, score * truth, score * (1 - truth)], dim=1))
        return functional.cross_entropy(guess, codes, weight=self.weights)


def log_odds(outputs: Tensor, positive: int) -> Tensor:
    """The logarithm of the odds of a class, of logits."""
    others = [place for place in range(outputs.shape[1]) if place != positive]
    return outputs[:, positive] - outputs[:, others].logsumexp(dim=1)


def _reversed(x: Tensor, strength: float) -> Tensor:
    """The same values; their gradient is reversed and multiplied."""
    found: Tensor = _Reversed.apply(x, strength)  # type: ignore[no-untyped-call]  # torch's own
    return found


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None
