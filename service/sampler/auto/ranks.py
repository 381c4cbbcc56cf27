"""Ranks: values as normal scores, the levels at which trials are compared, and what early ranks are worth.

Only the order of values counts, so a metric may have any scale. A value that is not a number stands behind all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from goodfit.service.sampler.scores import scores

Floats = NDArray[np.float64]

ENOUGH = 0.93  # share of the best quality to be expected that the lowest start has to reach
PRIOR_TRIALS, PRIOR_SCATTER = 3.0, 2.0  # so many trials are the prior guesses worth
LEAST_CORRELATION = 0.05
DECAYED, DECAYS_FROM = 0.96, 0.4  # the guess from this share of the epochs on, where the learning rate decays


def levels_of(epochs: int) -> tuple[int, ...]:
    """The epochs at which trials are compared: all, half of them, a quarter, ... down to 1; ascending."""
    halves = (max(1, round(epochs / 2**power)) for power in range(epochs.bit_length() + 1))
    return tuple(sorted(set(halves)))


class Reference:
    """Normal scores among a fixed set of values: of any value, and back."""

    def __init__(self, values: Floats) -> None:
        self._sorted = np.sort(values)

    def score(self, values: Floats) -> Floats:
        """The scores of these values (n)."""
        count = len(self._sorted)
        below = np.searchsorted(self._sorted, values, "left")
        not_above = np.searchsorted(self._sorted, values, "right")
        share = (0.5 * (below + not_above) + 0.25) / (count + 0.5)
        edge = 0.2 / (count + 0.5)
        return np.asarray(ndtri(np.clip(share, edge, 1 - edge)), dtype=float)

    def value(self, share: float) -> float:
        """The finite value below which this share of them lies."""
        finite = self._sorted[np.isfinite(self._sorted)]
        return float(np.quantile(finite, share)) if len(finite) else math.nan


def rank_correlations(
    levels: Sequence[int], seen: Mapping[int, Mapping[int, float]], *, decays: bool = False
) -> dict[int, float]:
    """How well the ranks at each level tell those at the end: chained correlations of consecutive levels.

    Each step starts from a guess, (a / b)^(1/4) from epoch a to b, which the scatter of the increments corrects as soon
    as two trials were seen at both, and the correlation of normal scores itself from four on; that one is corrected for
    having seen the better part alone at b (Thorndike's case 2 of the restriction of range).

    Args:
        levels: ascending.
        seen: level -> trial -> its value there, larger is better, -inf where it is none.
        decays: whether the learning rate does: then the last steps change little of the ranks.
    """
    found = {levels[-1]: 1.0}
    for first, second in zip(levels[-2::-1], levels[:0:-1], strict=True):
        settled = decays and first >= DECAYS_FROM * levels[-1]
        guess = DECAYED if settled else (first / second) ** 0.25
        step = _step_correlation(seen[first], seen[second], guess)
        found[first] = max(LEAST_CORRELATION, step) * found[second]
    return found


def _step_correlation(first: Mapping[int, float], second: Mapping[int, float], guess: float) -> float:
    both = [trial for trial in second if trial in first]
    if len(both) >= 2 and len(first) >= 4:
        guess = _by_increments(first, second, both, guess)
    if len(both) < 4:
        return guess
    place = {trial: index for index, trial in enumerate(first)}
    before = scores(np.array(list(first.values())))[[place[trial] for trial in both]]
    after = scores(np.array([second[trial] for trial in both]))
    if before.std() < 1e-9 or after.std() < 1e-9:
        return guess
    measured = ((before - before.mean()) * (after - after.mean())).mean() / before.std() / after.std()
    measured = float(np.clip(measured, -0.99, 0.99))
    restricted = float(np.clip(1.0 / before.std(), 1.0, 3.0))
    measured *= restricted / math.sqrt(1 - measured**2 + (measured * restricted) ** 2)
    sure = len(both) - 3.0  # the variance of Fisher's z is one over that
    return (PRIOR_TRIALS * guess + sure * measured) / (PRIOR_TRIALS + sure)


def _by_increments(first: Mapping[int, float], second: Mapping[int, float], both: Sequence[int], guess: float) -> float:
    """The guess, corrected by what the correlation would be if increments were independent of the values."""
    values = np.array([value for value in first.values() if math.isfinite(value)])
    steps = np.array(
        [second[one] - first[one] for one in both if math.isfinite(second[one]) and math.isfinite(first[one])]
    )
    count = len(steps)
    if len(values) < 4 or count < 2:
        return guess
    low, high = np.percentile(values, [25, 75])
    spread = max(float(high - low) / 1.35, 1e-12)  # as a standard deviation
    steps = np.clip(steps, -5 * spread, 5 * spread)
    scatter = float(((steps - steps.mean() * count / (count + 1.0)) ** 2).mean())
    implied = spread / math.sqrt(spread * spread + scatter)
    return (PRIOR_SCATTER * guess + count * implied) / (PRIOR_SCATTER + count)


def first_level(levels: Sequence[int], correlation: Mapping[int, float], epochs: float) -> int:
    """Up to where a new configuration is trained before it is compared.

    With `epochs` to spend, the more can be looked at the lower the level, and the less is known of each. The expected
    quality of the best is the correlation times the expected maximum of so many normal scores (Blom's approximation);
    the lowest level that has nearly the best of these is taken.
    """
    counts = {level: max(1.5, epochs / (2.0 * level)) for level in levels}
    quality = {
        level: correlation[level] * float(ndtri((count - 0.375) / (count + 0.25))) for level, count in counts.items()
    }
    return next(level for level in levels if quality[level] >= ENOUGH * max(quality.values()))
