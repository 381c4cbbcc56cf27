"""What more rows would bring: a power law through scores by the number of training rows, with its interval.

The error at n rows is taken to be c + a n^-b (Hestness et al., 2017; Viering and Loog, 2022). For a given b the least
squares are linear, so that b alone is searched (variable projection; Golub and Pereyra, 1973): on a grid, then between
the neighbours of its best. The interval is that of curves fitted to scores that are drawn around the means of the sizes
(a parametric bootstrap; Efron, 1979): by Student's t, because the spread between seeds is known from few of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 1000  # of the bootstrap
EXPONENTS = np.geomspace(1e-3, 8.0, 64)  # the grid, whose ends bound b; at 0.001 the law is all but a logarithm
STEPS = 56  # of the golden section: each leaves 0.618 of where b is sought
GOLDEN = (math.sqrt(5) - 1) / 2
LEVEL = 0.9  # of the interval: from 5 to 95 percent


@dataclass(frozen=True, slots=True)
class Growth:
    """The scores that more rows would bring.

    Attributes:
        sizes: training rows.
        now: the fitted score with those of the last size.
        gain: how much better the score would be with twice the rows; positive is better.
        low, high: the interval of the gain.
        limit: the fitted score with any number of rows.
        exponent: b.
        equal: the sizes whose seeds all give the same score.
    """

    sizes: tuple[int, ...]
    now: float
    gain: float
    low: float
    high: float
    limit: float
    exponent: float
    equal: tuple[int, ...]

    @property
    def clear(self) -> bool:
        """Whether the gain is told from none: by its interval, and as `gain ± half of it` reads.

        Where the seeds of no size differ there is no interval.
        """
        return self.equal != self.sizes and self.low > 0 and self.gain > (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class _Laws:
    """Power laws: the error at n rows is now + slope ((n / N)^-b - 1), N the rows of the last size.

    Attributes:
        now, slope, exponent: of shape (laws,).
    """

    now: np.ndarray
    slope: np.ndarray
    exponent: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """By how much the error is smaller with 2 N rows."""
        found: np.ndarray = -self.slope * np.expm1(-self.exponent * math.log(2))
        return found


def growth_of(sizes: Sequence[int], scores: Sequence[Sequence[float]], *, larger_is_better: bool, seed: int) -> Growth:
    """Fit a power law to scores by size.

    Args:
        sizes: training rows, ascending; three or more different ones.
        scores: for each size those of several seeds, two or more. Equal ones of a size count as one.
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
    fitted = _fit(n, means[None])
    gains = _fit(n, _drawn_means(table, means, np.random.default_rng(seed))).gain
    low, high = np.quantile(gains, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    now, slope = float(fitted.now[0]), float(fitted.slope[0])
    return Growth(
        tuple(sizes),
        now=sign * now,
        gain=float(fitted.gain[0]),
        low=float(low),
        high=float(high),
        limit=sign * (now - slope),
        exponent=float(fitted.exponent[0]),
        equal=tuple(size for size, one in zip(sizes, table, strict=True) if not _differ(one)),
    )


def _differ(scores: np.ndarray) -> bool:
    return bool(scores.min() < scores.max())


def _drawn_means(table: Sequence[np.ndarray], means: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Means of the sizes as other seeds might give them, of shape (DRAWS, sizes).

    The standard deviation between seeds is taken to be the same for all sizes, and drawn anew each time, as far as so
    few seeds leave it open: that makes Student's t of the normal distribution. A size whose seeds all give one score
    says nothing of it, and has one score: nothing was drawn there.
    """
    differing = [one for one in table if _differ(one)]
    freedom = sum(len(one) - 1 for one in differing)
    if not freedom:
        return np.tile(means, (DRAWS, 1))
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in differing)
    spreads = np.sqrt(squares / random.chisquare(freedom, (DRAWS, 1)))
    counts = np.array([len(one) if _differ(one) else 1 for one in table])
    return random.normal(means, spreads / np.sqrt(counts))


def _fit(n: np.ndarray, errors: np.ndarray) -> _Laws:
    """The laws of the least squares; of a falling score the slope is negative.

    Args:
        n: the sizes.
        errors: of shape (laws, sizes).
    """
    logs = np.log(n / n[-1])
    means = errors.mean(axis=1)
    moved = errors - means[:, None]
    nearest = np.abs(moved @ _shapes(EXPONENTS, logs)[0].T).argmax(
        axis=1
    )  # what is explained, so what is left is least
    last = len(EXPONENTS) - 1
    b = _searched(EXPONENTS[np.maximum(nearest - 1, 0)], EXPONENTS[np.minimum(nearest + 1, last)], logs, moved)
    shapes, centres, lengths = _shapes(b, logs)
    slope = (shapes * moved).sum(axis=1) / lengths
    return _Laws(means - slope * centres, slope, b)


def _shapes(b: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n / N)^-b - 1 of each exponent by size, around its mean and of length 1; the means; the lengths."""
    powers = np.expm1(-b[:, None] * logs)
    centres = powers.mean(axis=1)
    moved = powers - centres[:, None]
    lengths = np.sqrt((moved**2).sum(axis=1))
    return moved / lengths[:, None], centres, lengths


def _searched(low: np.ndarray, high: np.ndarray, logs: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The exponent of each law between two bounds that leaves the least squares: a golden section (Kiefer, 1953)."""

    def left(b: np.ndarray) -> np.ndarray:
        shapes = _shapes(b, logs)[0]
        squares: np.ndarray = ((moved - (moved * shapes).sum(axis=1)[:, None] * shapes) ** 2).sum(axis=1)
        return squares

    first, second = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    of_first, of_second = left(first), left(second)
    for _ in range(STEPS):
        below = of_first < of_second
        low, high = np.where(below, low, first), np.where(below, second, high)
        inner = np.where(below, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        of_inner = left(inner)
        first, second = np.where(below, inner, second), np.where(below, first, inner)
        of_first, of_second = np.where(below, of_inner, of_second), np.where(below, of_first, of_inner)
    found: np.ndarray = (low + high) / 2
    return found
