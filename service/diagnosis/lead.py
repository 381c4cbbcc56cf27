"""How much better the best of one study is than that of another, with an interval. Pure.

Configurations that were confirmed are compared by their fresh seeds: Student's t for a mean, Welch's for a difference.
Of others only the search is known: its trials are drawn anew, with replacement, and the best of each draw is taken
(Efron's bootstrap, counted out and not drawn: the best of n draws from n trials is trial k in order with the chance
((n-k+1)/n)^n - ((n-k)/n)^n). That says how much hangs on which configurations were tried; it holds no noise of a score.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from goodfit.service.diagnosis.statistics import student_ppf
from goodfit.service.objective import Objective

LEVEL = 0.95  # of an interval
_TAIL = 1e-9  # chances below are left out

Chances = list[tuple[float, float]]  # values with their chances


@dataclass(frozen=True, slots=True)
class Scores:
    """What is known of the best of a study.

    Attributes:
        value: by validation.
        candidates: the values that the search compared, its own among them.
        mean, std, seeds: of the confirmation; no seeds where there was none, no std of a single one.
    """

    value: float
    candidates: tuple[float, ...]
    mean: float = math.nan
    std: float | None = None
    seeds: int = 0

    @property
    def confirmed(self) -> bool:
        """Whether its seeds give an interval."""
        return self.seeds > 1 and self.std is not None


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a value lies, and of what that is known."""

    low: float
    high: float
    of: str


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much one value is better than another; positive is better.

    Attributes:
        value, against: the two values, on what they were compared by.
        by: their difference.
        low, high: its interval; None where nothing is known of it.
        of: what the values and the interval are of.
        confirmed: whether they are of fresh seeds.
    """

    value: float
    against: float
    by: float
    low: float | None
    high: float | None
    of: str
    confirmed: bool = False

    @property
    def clear(self) -> bool:
        """Whether all of the interval is better."""
        return self.low is not None and self.low > 0


def interval_of(scores: Scores, objective: Objective) -> Interval | None:
    """How far the best value of a study can be relied on; None of a single trial that was not confirmed."""
    if scores.confirmed:
        half = _quantile(scores.seeds - 1) * (scores.std or 0.0) / math.sqrt(scores.seeds)
        of = f"the mean of {scores.seeds} fresh seeds, by Student's t"
        return Interval(scores.mean - half, scores.mean + half, of)
    if len(scores.candidates) < 2:
        return None
    low, high = _range(_best_of_draws(scores.candidates, objective))
    of = f"the best of {len(scores.candidates)} trials, were they drawn anew (bootstrap); not confirmed"
    return Interval(low, high, of)


def lead_by_search(scores: Scores, other: Scores, objective: Objective) -> Lead:
    """How much better the best of one search is than that of another, by validation."""
    by = objective.sign * (other.value - scores.value)
    of = "validation, as not all were confirmed on fresh seeds"
    if min(len(scores.candidates), len(other.candidates)) < 2:
        return Lead(scores.value, other.value, by, None, None, of)
    mine, others = (_best_of_draws(one.candidates, objective) for one in (scores, other))
    low, high = _range([(objective.sign * (b - a), p * q) for a, p in mine for b, q in others])
    return Lead(scores.value, other.value, by, low, high, f"{of}; the interval by trials drawn anew (bootstrap)")


def lead_by_seeds(scores: Scores, other: Scores, objective: Objective) -> Lead:
    """How much better one confirmed configuration is than another, by Welch's interval of the difference of means."""
    by = objective.sign * (other.mean - scores.mean)
    parts = [(one.std or 0.0) ** 2 / one.seeds for one in (scores, other)]
    spread = sum(parts)
    half = 0.0
    if spread > 0:
        freedom = spread**2 / sum(part**2 / (one.seeds - 1) for part, one in zip(parts, (scores, other), strict=True))
        half = _quantile(freedom) * math.sqrt(spread)
    of = f"the means of {scores.seeds} and {other.seeds} fresh seeds; the interval by Welch's t"
    return Lead(scores.mean, other.mean, by, by - half, by + half, of, confirmed=True)


def _best_of_draws(candidates: Sequence[float], objective: Objective) -> Chances:
    """The best of as many draws as there are candidates."""
    ordered = sorted(candidates, key=lambda value: objective.sign * value)
    count = len(ordered)
    found: Chances = []
    for place, value in enumerate(ordered):
        beyond = ((count - place) / count) ** count  # the chance that none better is drawn
        if beyond < _TAIL:
            break
        found.append((value, beyond - ((count - place - 1) / count) ** count))
    return found


def _range(chances: Chances) -> tuple[float, float]:
    """The values between which LEVEL of the chances lie."""
    ordered = sorted(chances)
    below = list(itertools.accumulate(chance for _, chance in ordered))
    bounds = []
    for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        place = bisect.bisect_left(below, share)
        bounds.append(ordered[min(place, len(ordered) - 1)][0])
    return bounds[0], bounds[1]


def _quantile(freedom: float) -> float:
    return student_ppf((1 + LEVEL) / 2, freedom)
