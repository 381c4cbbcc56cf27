"""The metrics of several models on the same rows, computed for all of them at once; equal to those of loop.evaluate."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from goodfit.trainers.data import Facts
from goodfit.trainers.nets.forecasting import forecast_metrics


def metrics_of(outputs: Tensor, x: Tensor, y: Tensor, facts: Facts) -> list[dict[str, float]]:
    """The metrics of each member.

    Args:
        outputs: (members, rows, outputs).
        x: (rows, ...), the same rows of all members.
        y: (rows, ...) likewise.
        facts: of the data.
    """
    if facts.task == "forecasting":
        outputs = outputs.double()
        squares = [float((each - y.double()).square().mean()) for each in outputs]
        named = (forecast_metrics(each, x, y.double(), facts) for each in outputs)
        return [{"loss": loss, **scores} for loss, scores in zip(squares, named, strict=True)]
    found = (
        _of_classes(outputs, y, facts.outputs)
        if facts.task == "classification"
        else _of_numbers(outputs.squeeze(2).double(), y.double(), facts.preparation.target_std)
    )
    columns = torch.stack([values.double() for values in found.values()], dim=1)
    return [dict(zip(found, row, strict=True)) for row in columns.tolist()]


def _of_classes(outputs: Tensor, y: Tensor, classes: int) -> Mapping[str, Tensor]:
    members = len(outputs)
    # Rows last: over neighbouring numbers softmax takes seven times as long. Each member's are computed for themselves:
    # over the rows of all a row's last bit would depend on where it stands.
    outputs = outputs.transpose(1, 2).to(torch.float64, memory_format=torch.contiguous_format)
    losses = -outputs.log_softmax(1).gather(1, y.expand(members, 1, -1)).squeeze(1)
    places = (torch.arange(members, device=y.device).unsqueeze(1) * classes + y) * classes + outputs.max(1).indices
    pairs = torch.bincount(places.flatten(), minlength=members * classes * classes)
    confusion = pairs.view(members, classes, classes).double()  # (true, predicted)
    hits, true, predicted = confusion.diagonal(dim1=1, dim2=2), confusion.sum(2), confusion.sum(1)
    there, either = true > 0, true + predicted > 0
    recalls = torch.where(there, hits / true.clamp(min=1), 0.0)
    f1 = torch.where(either, 2 * hits / (true + predicted).clamp(min=1), 0.0)
    return {
        "loss": losses.mean(1),
        "accuracy": hits.sum(1) / true.sum(1),
        "balanced_accuracy": recalls.sum(1) / there.sum(1),
        "f1": f1.sum(1) / either.sum(1),
    }


def _of_numbers(outputs: Tensor, y: Tensor, unit: float) -> Mapping[str, Tensor]:
    errors = outputs - y
    squares, spread = errors.square(), float((y - y.mean()).square().sum())
    loss = squares.mean(1)
    return {
        "loss": loss,
        "rmse": loss.sqrt() * unit,
        "mae": errors.abs().mean(1) * unit,
        "r2": 1 - squares.sum(1) / spread if spread else torch.zeros_like(loss),
    }
