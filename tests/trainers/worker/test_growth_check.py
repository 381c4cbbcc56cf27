"""Parts of the training rows: how they are drawn, and what is said of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from goodfit.trainers.data.quality.growth import Growth
from goodfit.trainers.worker.growth_check import part_of, sentence


class Rows(list[int]):
    """Rows with targets."""

    def __init__(self, y: np.ndarray) -> None:
        super().__init__(y.tolist())
        self.y = y


def test_a_part_has_each_class_and_the_same_rows_for_the_same_seed() -> None:
    y = np.repeat([0, 1, 2], [80, 19, 1])
    data: Any = SimpleNamespace(train=Rows(y), task="classification", classes=("a", "b", "c"))
    eighth = part_of(data, 8, seed=0)
    assert np.bincount(y[eighth]).tolist() == [9, 2, 1]
    assert (eighth == part_of(data, 8, seed=0)).all()
    assert (eighth != part_of(data, 8, seed=1)).any()
    assert part_of(data, 1, seed=0).tolist() == list(range(100))
    numbers: Any = SimpleNamespace(train=Rows(y * 1.0), task="regression", classes=())
    assert len(part_of(numbers, 4, seed=0)) == 25


@pytest.mark.parametrize(
    ("gain", "low", "high", "metric", "said"),
    [
        (0.008, 0.005, 0.011, "val/accuracy", "twice the rows would gain 0.8 ± 0.3 points of val/accuracy"),
        (0.02, 0.01, 0.03, "val/loss", "twice the rows would gain 0.02 ± 0.01 of val/loss"),
        (0.001, -0.002, 0.004, "val/f1", "no longer the rows: twice as many would gain 0.1 ± 0.3 points of val/f1, "),
    ],
)
def test_the_sentence_says_the_gain_with_its_interval(
    gain: float, low: float, high: float, metric: str, said: str
) -> None:
    assert sentence(Growth(800, 0.9, gain, low, high, 0.95, 0.5), metric).startswith(said)
