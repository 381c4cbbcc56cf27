"""Parts of the training rows: how they are drawn, and what is said of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from goodfit.trainers.data.quality.growth import Growth
from goodfit.trainers.worker.growth_check import is_enough, part_of, sentence


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


def grown(gain: float, low: float, high: float, *, now: float = 0.9, equal: tuple[int, ...] = ()) -> Growth:
    return Growth((100, 200, 400, 800), now, gain, low, high, 0.95, 0.5, equal)


OPEN = "it cannot be told from these seeds and rows whether more rows would help: twice as many would gain "


@pytest.mark.parametrize(
    ("found", "metric", "said"),
    [
        (grown(0.008, 0.005, 0.011), "val/accuracy", "twice the rows would gain 0.8 ± 0.3 points of val/accuracy"),
        (grown(0.02, 0.01, 0.03), "val/loss", "twice the rows would gain 0.02 ± 0.01 of val/loss"),
        (
            grown(0.001, -0.002, 0.004),
            "val/f1",
            "no longer the rows: twice as many would gain 0.1 ± 0.3 points of val/f1, which may be nothing",
        ),
        (
            grown(-0.1, -0.15, -0.05),
            "val/loss",
            "no longer the rows: with twice as many the score would be worse by 0.10 ± 0.05 of val/loss",
        ),
        (
            grown(0.4, -0.02, 0.78, now=1.033),
            "val/loss",
            f"{OPEN}0.4 ± 0.4 of val/loss; more rows would tell",
        ),
        (
            grown(0.001, -0.02, 0.02),
            "val/accuracy",
            "no longer the rows: twice as many would gain 0 ± 2 points of val/accuracy, which may be nothing",
        ),
        (
            grown(0.001, -0.04, 0.04),
            "val/accuracy",
            f"{OPEN}0 ± 4 points of val/accuracy; more rows would tell",
        ),
        (
            grown(0.015, -0.005, 0.025),
            "val/accuracy",
            f"{OPEN}2 ± 2 points of val/accuracy; more rows would tell",
        ),
        (
            grown(0.0001, -0.002, 0.002, now=0.05),
            "val/loss",
            f"{OPEN}0.000 ± 0.002 of val/loss; more rows would tell",
        ),
    ],
)
def test_the_sentence_says_the_gain_with_its_interval(found: Growth, metric: str, said: str) -> None:
    assert sentence(found, metric) == said
    assert is_enough(found, metric) == said.startswith("no longer the rows")


def test_seeds_that_all_give_the_same_score_are_named() -> None:
    drawn_rows = sentence(grown(0.02, 0.01, 0.03, equal=(800,)), "val/loss")
    assert drawn_rows == (
        "twice the rows would gain 0.02 ± 0.01 of val/loss. With 800 rows all seeds gave the same score, so the "
        "interval is that of which rows are drawn, not noise of training"
    )
    few = sentence(grown(0.02, 0.01, 0.03, equal=(100, 200)), "val/loss")
    assert few.endswith(
        "With 100 and 200 rows all seeds gave the same score, so the interval is that of the other sizes alone"
    )
    none = grown(0.02, 0.02, 0.02, equal=(100, 200, 400, 800))
    assert sentence(none, "val/accuracy") == (
        "how sure it is cannot be told, because at each size all seeds gave the same score: by the power law through "
        "them twice the rows would gain 2 points of val/accuracy"
    )
    assert not none.clear
    nothing = grown(0.0, 0.0, 0.0, now=1.0, equal=(100, 200, 400, 800))
    assert is_enough(nothing, "val/accuracy")
    assert sentence(nothing, "val/accuracy") == (
        "no longer the rows: at each size all seeds gave the same score, and by the power law through them twice the "
        "rows would gain 0 points of val/accuracy"
    )
