"""Whether two splits are alike: a classifier two-sample test (Lopez-Paz and Oquab, 2017).

A classifier learns to tell rows of one split from rows of the other; where it does so on rows that it did not learn
from, the splits differ, and the columns that it goes by say in what.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MOST_ROWS = 5_000  # of each split
MOST_COLUMNS = 200  # of what is compared; more are projected
LEAST_ROWS = 20  # of each split: with fewer nothing is said
SIGNIFICANT = 0.001  # the largest p that is pointed out
STRENGTH = 1.0  # of the ridge


@dataclass(frozen=True, slots=True)
class Drift:
    """How far two splits can be told apart.

    Attributes:
        auc: the area under the curve on rows that were not learned from; 0.5: they are alike.
        p: of so large an area where they are alike (Mann and Whitney, 1947).
        columns: places of the columns that differ most; empty where they were projected.
    """

    auc: float
    p: float
    columns: tuple[int, ...]

    @property
    def differs(self) -> bool:
        return self.p < SIGNIFICANT


def drift_between(one: np.ndarray, other: np.ndarray, seed: int) -> Drift | None:
    """Compare two splits; None where one has too few rows to say.

    Args:
        one: prepared inputs (rows, ...), finite.
        other: the same.
        seed: of the rows that are drawn, and of the halves.
    """
    if min(len(one), len(other)) < LEAST_ROWS:
        return None
    random = np.random.default_rng(seed)
    first, second = (_drawn(rows, random) for rows in (one, other))
    x, y = np.concatenate([first, second]), np.repeat([0.0, 1.0], [len(first), len(second)])
    named = x.shape[1] <= MOST_COLUMNS
    if not named:
        x = x @ (random.normal(size=(x.shape[1], MOST_COLUMNS)) / math.sqrt(MOST_COLUMNS))
    half = np.zeros(len(y), dtype=bool)
    for label in (0.0, 1.0):  # as many of each in both halves
        places = random.permutation(np.flatnonzero(y == label))
        half[places[: len(places) // 2]] = True
    tests = [_tested(x[learned], y[learned], x[~learned], y[~learned]) for learned in (half, ~half)]
    auc = float(np.mean([area for area, _ in tests]))
    z = (auc - 0.5) / math.sqrt(np.mean([variance for _, variance in tests]))  # the halves' areas are not independent
    return Drift(auc, 0.5 * math.erfc(z / math.sqrt(2)), _differing(first, second) if named else ())


def _drawn(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    chosen = random.permutation(len(rows))[:MOST_ROWS]
    return np.asarray(rows[chosen], dtype=np.float64).reshape(len(chosen), -1)


def _tested(x: np.ndarray, y: np.ndarray, new: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The area under the curve on new rows, and its variance where the splits are alike."""
    shift, divide = x.mean(axis=0), x.std(axis=0)
    divide[divide == 0] = 1.0
    learned, held = (_with_squares((rows - shift) / divide) for rows in (x, new))
    centre, middle = learned.mean(axis=0), y.mean()
    moved = learned - centre
    weights = np.linalg.solve(
        moved.T @ moved + STRENGTH * len(y) ** 0.5 * np.eye(moved.shape[1]), moved.T @ (y - middle)
    )
    return _area(held @ weights, truth)


def _with_squares(x: np.ndarray) -> np.ndarray:
    """Columns and their squares, so that a change of spread is seen as well as one of place."""
    bounded = np.clip(x, -5, 5)
    return np.concatenate([bounded, bounded**2], axis=1)


def _area(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positive = int(truth.sum())
    negative = len(truth) - positive
    area = (ranks[truth == 1].sum() - positive * (positive + 1) / 2) / (positive * negative)
    return float(area), (positive + negative + 1) / (12 * positive * negative)


def _differing(first: np.ndarray, second: np.ndarray) -> tuple[int, ...]:
    """The columns whose distributions are farthest apart, by the largest difference of their cumulative shares."""
    apart = []
    for column in range(first.shape[1]):
        values = np.sort(np.concatenate([first[:, column], second[:, column]]))
        shares = [
            np.searchsorted(np.sort(rows[:, column]), values, side="right") / len(rows) for rows in (first, second)
        ]
        apart.append(float(np.abs(shares[0] - shares[1]).max()))
    return tuple(int(place) for place in np.argsort(apart)[::-1][:3])
