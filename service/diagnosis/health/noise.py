"""Can the trials be distinguished? The noise of a score against the spread of the scores.

An observed score is a true one and noise; the reliability is the share of the scores' variance that is true.
The noise is that between seeds where it was measured; else that between late epochs, which is a lower limit: it
holds neither another start nor another split.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from goodfit.service.diagnosis.curve import late_noise
from goodfit.service.diagnosis.health.finding import Edit, Finding, Severity, number
from goodfit.service.diagnosis.health.table import FEWEST, Facts, Table

UNRELIABLE = 0.5  # below, what a trial leads by is more luck than merit
APART = 1.96 * math.sqrt(2)  # standard deviations of one score, between two scores that differ at 95%
MOST_CURVES = 100  # of the best; more make the median no steadier
SHORTEST = 8  # epochs with a late half of which noise can be separated from a trend
FEWEST_CURVES = 3


@dataclass(frozen=True, slots=True)
class Noise:
    """How far scores can be trusted.

    Attributes:
        sigma: standard deviation of a score that has nothing to do with its configuration.
        source: "seeds", or "late epochs", which is a lower limit.
        spread: standard deviation of the scores of all complete trials.
        reliability: share of their variance that is not noise, 0 to 1.
        tied: complete trials that cannot be distinguished from the best, at 95%; the best not counted.
        trials: complete trials.
    """

    sigma: float
    source: str
    spread: float
    reliability: float
    tied: int
    trials: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def measure_noise(table: Table) -> Noise | None:
    """The noise of the study's scores; None where nothing is known of it, or there is nothing to compare."""
    ranked = [index for index in table.ranked(table.complete) if not table.broken[index]]
    if len(ranked) < 2:
        return None
    known = table.facts.noise is not None and math.isfinite(table.facts.noise)
    sigma = table.facts.noise if known else _late(table, ranked)
    if sigma is None:
        return None
    loss = table.loss[ranked]
    spread = float(np.std(loss, ddof=1))
    reliability = max(0.0, 1.0 - (sigma / spread) ** 2) if spread > 0 else 0.0
    tied = int(np.sum(loss[1:] - loss[0] <= APART * sigma))
    return Noise(sigma, "seeds" if known else "late epochs", spread, reliability, tied, len(ranked))


def noise_hides_effect(noise: Noise | None, facts: Facts) -> Iterator[Finding]:
    """A finding if more than half of the scores' variance is noise."""
    if noise is None or noise.trials < FEWEST or noise.reliability >= UNRELIABLE or noise.sigma <= 0:
        return
    by_folds = facts.foldable and not facts.folds
    least = " at least" if noise.source == "late epochs" else ""
    text = (
        "Most of what sets the trials apart is noise: the standard deviation of the scores is "
        f"{number(noise.spread)}, that of one score between {noise.source} is{least} {number(noise.sigma)}; "
        f"{noise.tied} of {noise.trials - 1} others cannot be distinguished from the best. "
        f"{'Average over folds, validate' if by_folds else 'Validate'} on more data, or search a wider space."
    )
    edit = Edit({"data.split.folds": 5}) if by_folds else None
    yield Finding("noise", Severity.WARNING, text, None, edit, noise.to_dict())


def _late(table: Table, ranked: list[int]) -> float | None:
    if table.facts.folds:
        return None
    curves = (table.curves.get(table.trials[index].number) for index in ranked)
    whole = [curve[np.isfinite(curve)] for curve in curves if curve is not None]
    measured = [late_noise(curve.tolist()) for curve in whole[:MOST_CURVES] if len(curve) >= SHORTEST]
    return float(np.median(measured)) if len(measured) >= FEWEST_CURVES else None
