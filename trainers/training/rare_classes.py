"""What training does about rare classes, and the metrics that a common class cannot hide them in. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from goodfit.trainers.seeding import mixed_seed


def weighted_cross_entropy(y: Tensor, classes: int) -> Callable[[Tensor, Tensor, float], Tensor]:
    """Cross-entropy in which each class of the training targets `y` has the same weight in all."""
    weights = class_weights(y, classes)

    def loss(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        return functional.cross_entropy(outputs, targets, weight=weights, label_smoothing=smoothing)

    return loss


def class_weights(y: Tensor, classes: int) -> Tensor:
    """The weight of a row of each class by which all classes weigh the same; their mean over the rows is 1."""
    counts = torch.bincount(y, minlength=classes).double()
    return (len(y) / (classes * counts.clamp(min=1))).float()


def row_weighted_cross_entropy(outputs: Tensor, y: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """The mean of the rows' losses, each times its weight."""
    losses = functional.cross_entropy(outputs, y, reduction="none", label_smoothing=smoothing)
    return (losses * weights).mean()


def row_weighted_squared_error(outputs: Tensor, y: Tensor, weights: Tensor, _smoothing: float) -> Tensor:
    """Likewise of numbers."""
    return (functional.mse_loss(outputs, y, reduction="none") * weights).mean()


def balanced_order(seed: int, epoch: int, y: Tensor, classes: int) -> Tensor:
    """As many rows as there are, the same number of each class that occurs; see drawn_order."""
    there = (torch.bincount(y, minlength=classes) > 0).double()
    return drawn_order(seed, epoch, y, (there / there.sum()).tolist())


def drawn_order(seed: int, epoch: int, parts: Tensor, shares: Sequence[float]) -> Tensor:
    """As many rows as there are, of each part of them its share, in an order that (seed, epoch) decides.

    The rows of a part that has few come again, each about as often as the others of its part; of one that has many each
    epoch has other rows.

    Args:
        seed: of the trial.
        epoch: of which it is the order.
        parts: the number of each row's part.
        shares: of the parts, by their numbers; their sum is 1, and a part without rows has none.
    """
    generator = torch.Generator().manual_seed(mixed_seed(seed, epoch))
    counts = _whole(torch.tensor(shares, dtype=torch.float64) * len(parts), len(parts))
    drawn = []
    for part, wanted in enumerate(counts):
        if not wanted:
            continue
        rows = torch.nonzero(parts == part).flatten()
        rounds = -(-wanted // len(rows))
        again = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(rounds)]
        drawn.append(torch.cat([rows[:0], *again])[:wanted])
    order = torch.cat(drawn)
    return order[torch.randperm(len(order), generator=generator)]


def _whole(wanted: Tensor, total: int) -> list[int]:
    """Whole numbers with this sum, as near to these as can be: the largest remainders are rounded up."""
    found = wanted.floor()
    order = torch.argsort(found - wanted, stable=True)[: total - int(found.sum())]
    found[order] += 1
    return [int(count) for count in found]


def class_metrics(predicted: Tensor, y: Tensor, classes: int) -> dict[str, float]:
    """accuracy; balanced_accuracy: the mean recall of the classes in y; f1: its mean over those in y or predicted."""
    pairs = torch.bincount(y * classes + predicted, minlength=classes * classes)
    confusion = pairs.reshape(classes, classes).double().cpu()  # (true, predicted)
    hits, true, predictions = confusion.diagonal(), confusion.sum(dim=1), confusion.sum(dim=0)
    there, either = true > 0, true + predictions > 0
    return {
        "accuracy": float(hits.sum() / true.sum()),
        "balanced_accuracy": float((hits[there] / true[there]).mean()),
        "f1": float((2 * hits[either] / (true + predictions)[either]).mean()),
    }
