"""Curves whose verdict is known because of how they were made."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from goodfit.service.records import Report

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]


def fall(epochs: int, rate: float, floor: float, start: float = 2.3) -> Floats:
    """An exponential fall that goes through `rate` time constants."""
    return floor + (start - floor) * np.exp(-rate * np.arange(epochs) / epochs)


def share(epochs: int) -> Floats:
    return np.arange(epochs) / epochs


def clear_overfit(epochs: int) -> Pair:
    return fall(epochs, 6, 0.02), fall(epochs, 12, 0.5) + np.maximum(0, share(epochs) - 0.3)


def good_fit(epochs: int) -> Pair:
    return fall(epochs, 12, 0.28), fall(epochs, 12, 0.33)


def gap_alone(epochs: int) -> Pair:
    return fall(epochs, 8, 0.02), fall(epochs, 12, 0.5)


def still_falling(epochs: int) -> Pair:
    return fall(epochs, 1.5, 0.1), fall(epochs, 1.5, 0.15)


def diverging(epochs: int) -> Pair:
    blow_up = np.where(share(epochs) > 0.7, np.exp((share(epochs) - 0.7) * 15), 0.0)
    return fall(epochs, 8, 0.3) + blow_up, fall(epochs, 8, 0.35) + blow_up


def double_descent(epochs: int) -> Pair:
    hump = 0.6 * np.exp(-(((share(epochs) - 0.35) / 0.1) ** 2))
    return fall(epochs, 6, 0.02), fall(epochs, 20, 0.4) + hump


def never_learned(epochs: int) -> Pair:
    return np.full(epochs, 2.303), np.full(epochs, 2.305)


def noisy(pair: Pair, noise: float, seed: int) -> Pair:
    random = np.random.default_rng(seed)
    return pair[0] + random.normal(0, noise / 2, len(pair[0])), pair[1] + random.normal(0, noise, len(pair[1]))


MAKERS: dict[str, Callable[[int], Pair]] = {
    "overfit": clear_overfit,
    "good_fit": good_fit,
    "gap alone": gap_alone,
    "unfinished": still_falling,
    "diverged": diverging,
    "double descent": double_descent,
    "underfit": never_learned,
}


def reports(**metrics: list[float] | Floats) -> list[Report]:
    """Reports from curves by metric, `train__loss` for "train/loss"; a shorter curve ends earlier."""
    named = {name.replace("__", "/"): [float(value) for value in values] for name, values in metrics.items()}
    epochs = max((len(values) for values in named.values()), default=0)
    return [
        Report(3, epoch + 1, {name: values[epoch] for name, values in named.items() if epoch < len(values)}, 0.0)
        for epoch in range(epochs)
    ]
