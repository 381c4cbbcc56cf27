"""What more rows would bring: a power law through scores by the number of training rows, with its interval.

The error at n rows is taken to be c + a n^-b (Hestness et al., 2017; Viering and Loog, 2022); the interval is that of
curves fitted to scores that are drawn around the means of the sizes (a parametric bootstrap; Efron, 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 500  # of the bootstrap
EXPONENTS = np.linspace(0.05, 2.0, 40)  # that are tried; an error that falls faster than 1/n^2 is not seen
LEVEL = 0.9  # of the interval: from 5 to 95 percent


@dataclass(frozen=True, slots=True)
class Growth:
    """The scores that more rows would bring.

    Attributes:
        rows: that the last size has.
        now: the fitted score there.
        gain: how much better the score would be with twice the rows; positive is better.
        low, high: the interval of the gain.
        limit: the fitted score with any number of rows.
        exponent: b.
    """

    rows: int
    now: float
    gain: float
    low: float
    high: float
    limit: float
    exponent: float

    @property
    def clear(self) -> bool:
        """Whether the gain is told from none: by its interval, and as `gain ± half of it` reads."""
        return self.low > 0 and self.gain > (self.high - self.low) / 2


def growth_of(sizes: Sequence[int], scores: Sequence[Sequence[float]], *, larger_is_better: bool, seed: int) -> Growth:
    """Fit a power law to scores by size.

    Args:
        sizes: training rows, ascending; three or more different ones.
        scores: for each size those of several seeds, two or more.
        larger_is_better: whether the score is to be large, as an accuracy is.
        seed: of the bootstrap.

    Raises:
        ValueError: there are too few sizes or seeds, or a score is not finite.
    """
    if len(set(sizes)) < 3 or any(len(one) < 2 for one in scores):
        raise ValueError("a power law needs three sizes, and two scores of each")
    sign = -1.0 if larger_is_better else 1.0
    table = [sign * np.asarray(one, dtype=np.float64) for one in scores]  # errors: the smaller the better
    if not all(np.isfinite(one).all() for one in table):
        raise ValueError("a score is not finite")
    n = np.asarray(sizes, dtype=np.float64)
    means = np.array([one.mean() for one in table])
    unsure = _pooled_spread(table) / np.sqrt([len(one) for one in table])
    fitted = _fit(n, means)
    drawn = np.random.default_rng(seed).normal(means, unsure, size=(DRAWS, len(means)))
    gains = [_gain(_fit(n, one), n[-1]) for one in drawn]
    low, high = np.quantile(gains, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    now, limit = sign * _error(fitted, n[-1]), sign * fitted[0]
    return Growth(int(n[-1]), now, _gain(fitted, n[-1]), float(low), float(high), limit, fitted[2])


def _pooled_spread(table: Sequence[np.ndarray]) -> float:
    """The standard deviation between seeds, the same for all sizes: of few seeds each it is not known better."""
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in table)
    return float(np.sqrt(squares / sum(len(one) - 1 for one in table)))


def _fit(n: np.ndarray, errors: np.ndarray) -> tuple[float, float, float]:
    """The c, a and b of the least squares among the exponents that are tried; of a falling score a is negative."""
    best = (float(errors.mean()), 0.0, float(EXPONENTS[0]))
    least = float(((errors - errors.mean()) ** 2).sum())
    for b in EXPONENTS:
        power = (n / n[-1]) ** -b
        moved = power - power.mean()
        a = float(moved @ errors / (moved @ moved))
        squares = float(((errors - errors.mean() - a * moved) ** 2).sum())
        if squares < least:
            least, best = squares, (float(errors.mean() - a * power.mean()), a * float(n[-1]) ** b, float(b))
    return best


def _error(fitted: tuple[float, float, float], n: float) -> float:
    c, a, b = fitted
    return float(c + a * n**-b)


def _gain(fitted: tuple[float, float, float], n: float) -> float:
    return _error(fitted, n) - _error(fitted, 2 * n)
