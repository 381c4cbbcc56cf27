"""How sure the rates of groups are, and the differences between them, from counts alone.

A bootstrap that draws the rows of each group again draws, of a group's counts, multinomially: so counts are all that it
needs, and a report can make it of metrics that were stored. It draws from counts with half a row more for each outcome
(Jeffreys, 1946): a rate of 0 or 1 among few rows is not certain, though drawing these rows again never changes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

Z = 1.959963984540054  # of 95%
DRAWS = 1000
MORE = 0.5  # rows, for each outcome
Rates = Mapping[str, float]


def wilson(rate: float, rows: float) -> tuple[float, float]:
    """The 95% interval of a share of so many rows (Wilson, 1927); (0, 1) of none."""
    if rows <= 0:
        return 0.0, 1.0
    middle = (rate + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    half = Z / (1 + Z**2 / rows) * math.sqrt(rate * (1 - rate) / rows + Z**2 / (4 * rows**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrapped(groups: Sequence[Rates], seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% percentile intervals of the differences between groups, whose rows are drawn again, each group's by itself.

    Args:
        groups: `count`, `base_rate`, `selection_rate`, `accuracy` of each, and `tpr` and `fpr` where they are defined.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    drawn = [_drawn(one, random) for one in groups if one["count"] > 0]
    selected, right = (np.stack([one[key] for one in drawn]) for key in ("selection_rate", "accuracy"))
    spread = np.ptp(selected, axis=0)
    highest = selected.max(axis=0)
    ratio = np.divide(selected.min(axis=0), highest, out=np.ones_like(highest), where=highest > 0)
    odds = np.maximum(_spread([one["tpr"] for one in drawn]), _spread([one["fpr"] for one in drawn]))
    found = {
        "demographic_parity_difference": spread,
        "demographic_parity_ratio": ratio,
        "equalized_odds_difference": odds,
        "worst_group_accuracy": right.min(axis=0),
    }
    return {name: _percentiles(values) for name, values in found.items()}


def _drawn(rates: Rates, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The rates of one group in each draw, NaN where a draw has no rows that define one."""
    rows = round(rates["count"])
    positives = rates["base_rate"]
    tp, fp = positives * rates.get("tpr", 0.0), (1 - positives) * rates.get("fpr", 0.0)
    counts = rows * np.clip([tp, positives - tp, fp, 1 - positives - fp], 0.0, 1.0)
    counts += MORE * np.repeat([positives > 0, positives < 1], 2)  # no class that the group has no row of
    hit, missed, false, other = random.multinomial(rows, counts / counts.sum(), DRAWS).T.astype(np.float64)
    right = (rows * min(1.0, rates["accuracy"]) + MORE) / (rows + 2 * MORE)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "selection_rate": (hit + false) / rows,
            "accuracy": random.binomial(rows, right, DRAWS) / rows,
            "tpr": hit / (hit + missed),
            "fpr": false / (false + other),
        }


def _spread(rates: Sequence[np.ndarray]) -> np.ndarray:
    """Of each draw the largest difference between groups in which the rate is defined; 0 where fewer than two are."""
    known = np.stack(rates)
    low = np.where(np.isnan(known), np.inf, known).min(axis=0)
    high = np.where(np.isnan(known), -np.inf, known).max(axis=0)
    found: np.ndarray = np.maximum(0.0, high - low)
    return found


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
