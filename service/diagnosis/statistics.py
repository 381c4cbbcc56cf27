"""Ranks, tests and tails, from NumPy and scipy.special alone.

scipy.stats has them all, but loading it takes half a second and 46 MB, more than a diagnosis itself. The tests hold
each function beside the one of scipy.stats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXACT = 33  # observations, up to which a rank correlation's chance is counted out
TAIL = 12.0  # standard deviations beyond which a hypergeometric term adds nothing to a sum


def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1; equal values share their mean rank."""
    given = np.asarray(values)
    order = np.argsort(given, kind="stable")
    dense, ends = _dense(given[order])
    found = np.empty(len(given))
    found[order] = 0.5 * (ends[dense] + ends[dense - 1] + 1)
    return found


def _dense(ordered: NDArray[np.generic]) -> tuple[Ints, Ints]:
    """The number, from 1, of each value's group of equals, and where each group ends, from group 0 on."""
    first = np.append(True, ordered[1:] != ordered[:-1]) if len(ordered) else np.empty(0, dtype=bool)
    return np.cumsum(first), np.append(np.flatnonzero(first), len(ordered))


def student_sf(t: float, freedom: float) -> float:
    """Chance of more than `t` under Student's distribution."""
    return float(special.stdtr(freedom, -t))


def student_cdf(t: float, freedom: float) -> float:
    """Chance of no more than `t` under Student's distribution."""
    return float(special.stdtr(freedom, t))


def student_ppf(chance: float, freedom: float) -> float:
    """What is not exceeded with a chance under Student's distribution."""
    return float(special.stdtrit(freedom, chance))


def binomial_sf(successes: int, trials: int, chance: float) -> float:
    """Chance of more than so many successes."""
    return 1.0 if successes < 0 else float(special.bdtrc(successes, trials, chance))


def binomial_ppf(quantile: float, trials: int, chance: float) -> float:
    """The smallest number of successes that is not exceeded with the chance `quantile`."""
    found = math.ceil(float(special.bdtrik(quantile, trials, chance)))
    below = max(found - 1, 0)
    return float(below if special.bdtr(below, trials, chance) >= quantile else found)


def hypergeometric_sf(more_than: ArrayLike, total: int, good: int, drawn: ArrayLike) -> Floats:
    """Chance of more than so many good ones among those drawn without replacement, for each pair.

    Args:
        more_than: how many.
        total: of all.
        good: of those.
        drawn: how many are drawn.
    """
    above, draws = np.broadcast_arrays(
        np.atleast_1d(np.asarray(more_than, dtype=np.int64)), np.atleast_1d(np.asarray(drawn, dtype=np.int64))
    )
    logs = special.gammaln(np.arange(total + 1) + 1.0)
    mean = draws * (good / total)
    spread = np.sqrt(np.maximum(mean * (1 - good / total) * (total - draws) / max(1, total - 1), 0.0))
    first = np.maximum.reduce([above + 1, draws - (total - good), np.floor(mean - TAIL * spread).astype(np.int64)])
    first = np.maximum(first, 0)
    last = np.minimum(np.minimum(good, draws), first + np.ceil(2 * TAIL * spread).astype(np.int64) + 20)
    found = np.zeros(len(draws))
    for place in range(len(draws)):
        there = np.arange(first[place], last[place] + 1)
        left = draws[place] - there
        terms = logs[good] - logs[there] - logs[good - there]
        terms += logs[total - good] - logs[left] - logs[total - good - left]
        terms -= logs[total] - logs[draws[place]] - logs[total - draws[place]]
        found[place] = min(1.0, float(np.sum(np.exp(terms))))
    return found


def kruskal_p(groups: Sequence[Floats]) -> float:
    """Chance of such different ranks of some groups by Kruskal and Wallis; the values must not be all the same."""
    values = np.concatenate(groups)
    count = len(values)
    placed = ranks(values)
    ends = np.cumsum([len(group) for group in groups])
    sums = sum(float(np.sum(part)) ** 2 / len(part) for part in np.split(placed, ends[:-1]))
    _, tied = np.unique(values, return_counts=True)
    ties = 1.0 - float(np.sum(tied.astype(float) ** 3 - tied)) / (float(count) ** 3 - count)
    statistic = (12.0 / (count * (count + 1.0)) * sums - 3.0 * (count + 1)) / ties
    return float(special.chdtrc(len(groups) - 1, statistic))


def kendall_tau(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b; NaN where one side is all the same."""
    return _Kendall(np.asarray(x), np.asarray(y)).tau


def falling_p(values: ArrayLike) -> float:
    """Chance of a series that falls as much as this one, by Kendall's tau with time; NaN where all are the same."""
    given = np.asarray(values)
    return _Kendall(np.arange(len(given)), given).falling_p


class _Kendall:
    """How many pairs of two series are in the same order."""

    def __init__(self, x: NDArray[np.generic], y: NDArray[np.generic]) -> None:
        order = np.lexsort((y, x))
        first, _ = _dense(x[order])
        by_y = np.argsort(y[order], kind="stable")
        second = np.empty(len(y), dtype=np.int64)
        second[by_y] = _dense(y[order][by_y])[0]
        self._size = len(y)
        self._pairs = self._size * (self._size - 1) // 2
        self._x, self._y = np.bincount(first).astype(float), np.bincount(second).astype(float)
        both = np.bincount(_dense(first * (self._size + 1) + second)[0]).astype(float)
        self._tied_x, self._tied_y = _pairs(self._x), _pairs(self._y)
        self._discordant = _inversions(second)
        self._lead = self._pairs - self._tied_x - self._tied_y + _pairs(both) - 2 * self._discordant

    @property
    def tau(self) -> float:
        if self._pairs in (self._tied_x, self._tied_y):
            return math.nan
        return self._lead / math.sqrt(self._pairs - self._tied_x) / math.sqrt(self._pairs - self._tied_y)

    @property
    def falling_p(self) -> float:
        if self._pairs in (self._tied_x, self._tied_y):
            return math.nan
        if self._size <= EXACT and not self._tied_x and not self._tied_y:
            return _chance_of_concordant(self._size, self._pairs - self._discordant)
        n = float(self._size)
        m = n * (n - 1)
        spread = (m * (2 * n + 5) - _fifth(self._x) - _fifth(self._y)) / 18
        spread += 2 * self._tied_x * self._tied_y / m + _third(self._x) * _third(self._y) / (9 * m * (n - 2))
        return float(special.ndtr(self._lead / math.sqrt(spread)))


def _pairs(counts: Floats) -> int:
    return int(np.sum(counts * (counts - 1) / 2))


def _third(counts: Floats) -> float:
    return float(np.sum(counts * (counts - 1) * (counts - 2)))


def _fifth(counts: Floats) -> float:
    return float(np.sum(counts * (counts - 1) * (2 * counts + 5)))


def _inversions(values: Ints) -> int:
    """How many pairs stand in the wrong order, by merging sorted halves of growing width."""
    size = 1 << max(0, len(values) - 1).bit_length()
    top = int(values.max(initial=0)) + 1
    rows = np.full(size, top, dtype=np.int64)  # what is filled up is the largest, and last
    rows[: len(values)] = values
    found, width = 0, 1
    while width < size:
        halves = rows.reshape(-1, 2 * width)
        apart = np.arange(len(halves))[:, None] * (top + 1)
        left, right = (halves[:, :width] + apart).ravel(), (halves[:, width:] + apart).ravel()
        no_larger = np.searchsorted(left, right, side="right") - np.repeat(np.arange(len(halves)) * width, width)
        found += width * len(right) - int(np.sum(no_larger))
        rows = np.sort(halves, axis=1).ravel()
        width *= 2
    return found


def _chance_of_concordant(count: int, concordant: int) -> float:
    """Chance of no more than so many pairs in order, of numbers in random order: counted out."""
    ways = np.ones(1)
    for number in range(2, count + 1):
        ways = np.convolve(ways, np.ones(number))
    return float(np.sum(ways[: concordant + 1]) / np.sum(ways))
