"""The gradients of a pack's losses are those of torch's own, of each member."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from goodfit.trainers.training.packing.losses import Losses
from goodfit.trainers.training.rare_classes import class_weights

MEMBERS, ROWS, ALL, CLASSES, PADDED = 3, 7, 20, 4, 32


def losses(
    task: str, outputs: int, y: Tensor, *, balance: str = "none", smoothing: float = 0.0, weighted: bool = False
) -> Losses:
    """The first member smooths no labels."""
    facts = SimpleNamespace(outputs=outputs, task=task, preparation=SimpleNamespace(balance=balance))
    members: list[Any] = [
        SimpleNamespace(
            facts=facts,
            config=SimpleNamespace(label_smoothing=smoothing * number),
            row_weights=torch.rand(ALL, generator=torch.Generator().manual_seed(number)) if weighted else None,
        )
        for number in range(MEMBERS)
    ]
    return Losses(members, y)


def drawn() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    rows = torch.stack([torch.randperm(ALL)[:ROWS] for _ in range(MEMBERS)])
    return torch.randn(MEMBERS, ROWS, PADDED), rows


def of(outputs: Tensor, loss: Any) -> Tensor:
    """By autograd, of each member's loss."""
    outputs = outputs.clone().requires_grad_()
    found: Tensor
    (found,) = torch.autograd.grad(sum(loss(own, number) for number, own in enumerate(outputs)), outputs)
    return found


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("balance", ["none", "weights", "rows"])
def test_that_of_classes(balance: str, smoothing: float) -> None:
    outputs, rows = drawn()
    y = torch.arange(ALL) % (CLASSES - 1)  # one class is not there
    weighted = balance == "rows"
    own = losses(
        "classification",
        CLASSES,
        y,
        balance="weights" if balance == "weights" else "none",
        smoothing=smoothing,
        weighted=weighted,
    )
    weights = class_weights(y, CLASSES) if balance == "weights" else None

    def loss(member: Tensor, number: int) -> Tensor:
        each = functional.cross_entropy(
            member[:, :CLASSES],
            y[rows[number]],
            weight=weights,
            label_smoothing=smoothing * number,
            reduction="none" if weighted else "mean",
        )
        row_weights = torch.rand(ALL, generator=torch.Generator().manual_seed(number))
        return (each * row_weights[rows[number]]).mean() if weighted else each

    torch.testing.assert_close(own.gradient(outputs, y[rows], rows), of(outputs, loss))


@pytest.mark.parametrize("answers", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_that_of_numbers(answers: int, weighted: bool) -> None:
    outputs, rows = drawn()
    y = torch.randn(ALL) if answers == 1 else torch.randn(ALL, answers)
    own = losses("regression", answers, y, weighted=weighted)

    def loss(member: Tensor, number: int) -> Tensor:
        squares = (member[:, :answers] - y[rows[number]].view(ROWS, answers)).square().mean(1)
        row_weights = torch.rand(ALL, generator=torch.Generator().manual_seed(number))
        return (squares * row_weights[rows[number]] if weighted else squares).mean()

    torch.testing.assert_close(own.gradient(outputs, y[rows], rows), of(outputs, loss))
