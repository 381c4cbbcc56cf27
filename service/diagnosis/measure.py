"""From a pair of curves, as reported, to the evidence for the rule and the numbers of a diagnosis.

Alignment, orientation and units are settled here; no verdict is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.diagnosis.curve import Curve, Floats, as_values, common_scale, late_noise, orientation, oriented
from service.diagnosis.evidence import Broken, Evidence

Flags = NDArray[np.bool_]
Values = Sequence[float | None] | Floats
NORMAL_95 = 1.96  # standard errors to either side


@dataclass(frozen=True, slots=True)
class Measured:
    """The evidence on a pair of curves, and the numbers that are told whatever the verdict is."""

    evidence: Evidence
    numbers: dict[str, Any]


def measure(
    train: Values | None,
    validation: Values,
    direction: str,
    reachable: float | None,
    baseline: float | None,
    names: tuple[str, str],
) -> Measured:
    """Align, orient and scale a pair of curves; the arguments are those of `diagnose`."""
    sign = orientation(direction)
    scores, scored = as_values(validation, names[1])
    trained, trained_on = as_values([] if train is None else train, names[0])
    scale = common_scale(scores, trained)
    curve = Curve.of(oriented(scores, sign, scale))
    train_curve = Curve.of(oriented(trained, sign, scale))
    evidence = Evidence(
        validation=curve,
        train=train_curve if len(train_curve) else None,
        sign=sign,
        scale=scale,
        broken=_broken((names[1], scores, scored), (names[0], trained, trained_on)),
        baseline=_held_against(baseline, sign, scale),
        reachable=_held_against(reachable, sign, scale),
        names=names,
    )
    return Measured(evidence, _numbers(scores, scored, trained, sign) | _smoothed(evidence))


def _smoothed(evidence: Evidence) -> dict[str, Any]:
    """What is told of the smoothed curve, in the metric's unit."""
    curve, scale = evidence.validation, evidence.scale
    if not len(curve):
        return {}
    told: dict[str, Any] = {"level": _tidy(evidence.sign * curve.best * scale), "rise": _tidy(curve.rise * scale)}
    if evidence.train is not None:
        told["train_gain"] = _tidy((evidence.train.level_at(curve.best_epoch) - evidence.train.end) * scale)
    if len(curve) > 1:
        told["slope"] = _tidy(curve.slope * scale)
    if len(curve) > 4:
        around = NORMAL_95 * curve.slope_error
        interval = (_tidy((curve.slope - around) * scale), _tidy((curve.slope + around) * scale))
        told |= {"noise": _tidy(curve.noise * scale), "slope_interval": interval}
    return told


def _numbers(scores: Floats, scored: Flags, trained: Floats, sign: float) -> dict[str, Any]:
    """What is told of the raw values, in the metric's own unit."""
    epochs = np.flatnonzero(scored)
    told: dict[str, Any] = {"epochs": len(epochs), "last": float(scores[epochs[-1]]) if len(epochs) else None}
    finite = np.flatnonzero(np.isfinite(scores))
    if not len(finite):
        return told
    at = int(finite[np.argmin(sign * scores[finite])])  # the first of equals
    shared = min(len(scores), len(trained))
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.full(len(scores), np.nan)
        gaps[:shared] = sign * (scores[:shared] - trained[:shared])
        regret = float(sign * (scores[epochs[-1]] - scores[at]))
    both = np.flatnonzero(np.isfinite(gaps))
    gap = float(gaps[at]) if math.isfinite(gaps[at]) else None
    gap_end = float(gaps[both[-1]]) if len(both) else None
    noise = late_noise(gaps[both]) if len(both) > 4 else None
    return told | {
        "best_epoch": at + 1,
        "best": float(scores[at]),
        "regret": _tidy(regret),
        "wasted": int(np.sum(epochs > at)),
        "gap": None if gap is None else _tidy(gap),
        "gap_end": None if gap_end is None else _tidy(gap_end),
        "gap_noise": None if noise is None else _tidy(noise),
        "gap_sigmas": _tidy(gap / noise) if noise and gap is not None else None,
        "gap_end_sigmas": _tidy(gap_end / noise) if noise and gap_end is not None else None,
    }


def _broken(*curves: tuple[str, Floats, Flags]) -> Broken | None:
    """The first NaN or infinity that was reported, and whether every curve ends finite."""
    first: list[tuple[int, str]] = []
    healed = True
    for name, values, reported in curves:
        bad = np.flatnonzero(reported & ~np.isfinite(values))
        if len(bad):
            first.append((int(bad[0]) + 1, name))
            healed &= bool(bad[-1] < np.flatnonzero(reported)[-1])
    return Broken(*min(first), healed) if first else None


def _tidy(number: float) -> float:
    """Ten digits, more are the residue of a subtraction; and no -0.0."""
    return float(f"{number:.10g}") + 0.0


def _held_against(number: float | None, sign: float, scale: float) -> float | None:
    """A baseline or a reachable value as the curves are held; one that is no number tells nothing."""
    return None if number is None or not math.isfinite(number) else sign * number / scale
