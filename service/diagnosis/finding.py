"""What a diagnosis says: one record, plain values. How it is found is in verdict.py."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from goodfit.service.records import Verdict


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a model over- or underfits, how bad and how sure that is, and the evidence.

    Attributes:
        verdict: see service.diagnosis.verdict for the rule.
        severity: 0 to 1. overfit: the share of what validation had won that was lost again;
            underfit: how far it is from what is possible; diverged: 1, or 0.5 after a recovery;
            unfinished: the share still being won; good_fit: 0.
        confidence: 0 to 1: the chance that the verdict is right. The evidence is how far the curve is
            from the thresholds and from its noise, less for short curves and missing ones;
            service.diagnosis.confidence turns it into a probability that was fitted on curves whose
            verdict is known. Not fitted, but set: 0.999 for NaN, 0.7 for NaN that healed, and 0.5
            where nothing can be said (too few epochs, no baseline).
        reason: one sentence with the numbers that decided.
        advice: sentences on what to change, the most promising first.
        judged_by: the metric whose curve gave verdict, onset, level, rise, slope, noise and train_gain.
        epochs: how many epochs validation (or the objective) was reported for.
        onset: the epoch from which it went wrong for good (overfit, diverged).
        best_epoch: the first epoch with the best finite value.
        best: that value.
        last: the last value reported; NaN and infinities are kept.
        regret: how much worse `last` is than `best`; positive is worse.
        level: the best smoothed level, where one lucky epoch does not count.
        rise: how much worse than that the end is, smoothed likewise.
        train_gain: how much better training got after that level; negative is worse.
        gap: how much worse validation is than training at the best epoch; positive is worse.
        gap_end: the same at the last epoch that has both.
        gap_noise: standard deviation of the gap from epoch to epoch, late in training.
        gap_sigmas: the gap at the best epoch in units of that noise; beyond 3 it is no chance.
        gap_end_sigmas: the same of gap_end.
        slope: change an epoch at the end; positive is worse.
        slope_interval: that slope's 95% interval, from the noise.
        noise: standard deviation from epoch to epoch late in the curve.
        wasted: epochs trained after the best one.
        waiting: the share of its time, 0 to 1, that it waited for data; None: not measured.

    best_epoch, best, last, regret, wasted and the gaps are the objective's, in its unit.
    """

    verdict: Verdict
    severity: float
    confidence: float
    reason: str
    advice: tuple[str, ...] = ()
    judged_by: str = "validation"
    epochs: int = 0
    onset: int | None = None
    best_epoch: int | None = None
    best: float | None = None
    last: float | None = None
    regret: float | None = None
    level: float | None = None
    rise: float | None = None
    train_gain: float | None = None
    gap: float | None = None
    gap_end: float | None = None
    gap_noise: float | None = None
    gap_sigmas: float | None = None
    gap_end_sigmas: float | None = None
    slope: float | None = None
    slope_interval: tuple[float, float] | None = None
    noise: float | None = None
    wasted: int = 0
    waiting: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a NaN or infinity, which JSON does not know, becomes null."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
