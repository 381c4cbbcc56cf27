"""Which of two values is better, and the best of several."""

from __future__ import annotations

import math

import pytest

from goodfit.service.errors import InputError
from goodfit.service.objective import Objective

LOSS, ACCURACY = Objective("val/loss", "minimize"), Objective("val/accuracy", "maximize")


@pytest.mark.parametrize(
    ("objective", "value", "other", "better"),
    [
        (LOSS, 0.1, 0.2, True),
        (LOSS, 0.2, 0.1, False),
        (LOSS, 0.1, 0.1, False),
        (ACCURACY, 0.2, 0.1, True),
        (ACCURACY, 0.1, 0.2, False),
        (ACCURACY, math.inf, 1e300, True),
        (LOSS, -math.inf, 0.0, True),
        (LOSS, math.nan, 0.0, False),
        (LOSS, 0.0, math.nan, True),
        (ACCURACY, math.nan, math.nan, False),
    ],
)
def test_a_value_beats_another(objective: Objective, value: float, other: float, better: bool) -> None:
    assert objective.better(value, other) is better


def test_the_best_is_a_number_where_there_is_one() -> None:
    assert LOSS.best([0.3, math.nan, 0.1, 0.2]) == 0.1
    assert ACCURACY.best([math.nan, 0.3, 0.1]) == 0.3
    assert math.isnan(LOSS.best([]))
    assert math.isnan(LOSS.best([math.nan]))


def test_the_sign_makes_less_better_and_needs_a_direction() -> None:
    assert (LOSS.sign, ACCURACY.sign) == (1.0, -1.0)
    with pytest.raises(InputError, match="did you mean minimize"):
        Objective("val/loss", "minimise").sign  # noqa: B018
