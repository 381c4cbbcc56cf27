"""How sure the rates of groups are, and the largest differences between them, from counts alone.

The largest of several differences is chosen by chance, too: measured anew it is smaller, and where groups are treated
alike it is never 0. A bootstrap of it only adds to that: its percentiles lie above what is true, and of equal groups
never hold it. So the interval is that of all pairs of groups together (Tukey, 1953, and Kramer, 1956): as far as any
pair's difference is from its true one, in standard errors, in 95% of draws. The largest true difference is then between
the largest lower and the largest upper end.

To draw the rows of a group again is to draw its counts, multinomially: so counts are all that is needed, and a report
can make intervals of metrics that were stored. They are drawn with a row more for each outcome (Agresti and Caffo,
2000): a rate of 0 or 1 among few rows is not certain, though drawing these rows again never changes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

Z = 1.959963984540054  # of 95%
LEVEL = 0.95
DRAWS = 1000
MORE = 1.0  # rows, for each outcome
Rates = Mapping[str, float]
Drawn = tuple[np.ndarray, np.ndarray]  # a rate in each group, NaN where it is not defined; in each draw and group


def wilson(rate: float, rows: float, z: float = Z) -> tuple[float, float]:
    """The interval of a share of so many rows (Wilson, 1927), of 95% unless another z is given; (0, 1) of none."""
    if rows <= 0:
        return 0.0, 1.0
    middle = (rate + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * math.sqrt(rate * (1 - rate) / rows + z**2 / (4 * rows**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def of_differences(groups: Sequence[Rates], seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% intervals of the largest differences between groups; of fewer than two groups there are none.

    Args:
        groups: `count`, `base_rate`, `selection_rate`, `accuracy` of each, and `tpr` and `fpr` where they are defined.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    known = [one for one in groups if one["count"] > 0]
    drawn = [_drawn(one, random) for one in known]

    def of(key: str) -> Drawn:
        values = np.array([one.get(key, math.nan) for one in known])
        return values, np.where(np.isnan(values), math.nan, np.stack([one[key] for one in drawn], axis=1))

    if len(known) < 2:
        return {}
    rows = [one["count"] for one in known]
    selected = of("selection_rate")
    low, high = _largest(_logs(selected, np.array(rows)))
    return {
        "demographic_parity_difference": _within(*_largest(selected)),
        "demographic_parity_ratio": (math.exp(-high), math.exp(-max(0.0, low))),
        "equalized_odds_difference": _within(*_largest(of("tpr"), of("fpr"))),
        "worst_group_accuracy": _smallest([one["accuracy"] for one in known], rows),
    }


def _drawn(rates: Rates, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The rates of one group in each draw, NaN where a draw has no rows that define one."""
    rows = round(rates["count"])
    positives = rates["base_rate"]
    tp, fp = positives * rates.get("tpr", 0.0), (1 - positives) * rates.get("fpr", 0.0)
    counts = rows * np.clip([tp, positives - tp, fp, 1 - positives - fp], 0.0, 1.0)
    counts += MORE * np.repeat([positives > 0, positives < 1], 2)  # no class that the group has no row of
    hit, missed, false, other = random.multinomial(rows, counts / counts.sum(), DRAWS).T.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "selection_rate": (hit + false) / rows,
            "tpr": hit / (hit + missed),
            "fpr": false / (false + other),
        }


def _logs(rate: Drawn, rows: np.ndarray) -> Drawn:
    """The logarithms of a rate, whose differences are those of ratios; also with a row more for each outcome."""
    values, draws = (np.log((one * rows + MORE) / (rows + 2 * MORE)) for one in rate)
    return values, draws


def _largest(*rates: Drawn) -> tuple[float, float]:
    """The interval of the largest difference between two groups, in any of these rates; (0, 0) where none has two."""
    farthest, pairs = np.zeros(DRAWS), list[np.ndarray]()
    for values, draws in rates:
        defined = ~np.isnan(values)
        moved, error = _deviations(draws[:, defined])
        values = values[defined]
        for first in range(len(values) - 1):  # all pairs of 100 groups at once would be 40 MB a rate
            errors = np.hypot(error[first], error[first + 1 :])
            apart = np.abs(moved[:, first, None] - moved[:, first + 1 :]) / errors
            farthest = np.fmax(farthest, np.fmax.reduce(apart, axis=1))
            pairs.append(np.stack([np.abs(values[first] - values[first + 1 :]), errors]))
    if not pairs:
        return 0.0, 0.0
    differences, errors = np.concatenate(pairs, axis=1)
    room = np.quantile(farthest, LEVEL) * errors
    return float((differences - room).max()), float((differences + room).max())


def _smallest(rates: Sequence[float], rows: Sequence[float]) -> tuple[float, float]:
    """The interval of the smallest rate of any group, by Wilson's of all groups together (Sidak, 1967)."""
    z = NormalDist().inv_cdf((1 + LEVEL ** (1 / len(rates))) / 2)
    lows, highs = zip(*(wilson(rate, count, z) for rate, count in zip(rates, rows, strict=True)), strict=True)
    return min(lows), min(highs)


def _deviations(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each draw is from their mean, by group, and the standard error of each group."""
    moved = draws - np.nanmean(draws, axis=0)
    return moved, np.sqrt(np.nanmean(moved**2, axis=0))


def _within(low: float, high: float) -> tuple[float, float]:
    return max(0.0, low), min(1.0, high)
