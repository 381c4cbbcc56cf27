"""From a pair of curves, as reported, to the evidence for the rule and the numbers of a diagnosis.

Alignment, orientation and units are settled here; no verdict is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodfit.service.diagnosis.curve import Curve, Floats, late_noise
from goodfit.service.diagnosis.evidence import Broken, Evidence
from goodfit.service.errors import InputError
from goodfit.service.objective import Objective

Flags = NDArray[np.bool_]
Values = Sequence[float | None] | Floats
NORMAL_95 = 1.96  # standard errors to either side
LARGEST = 1e30  # scaled values are clipped here, so that differences and squares stay finite


@dataclass(frozen=True, slots=True)
class Measured:
    """The evidence on a pair of curves, and the numbers that are given whatever the verdict is."""

    evidence: Evidence
    numbers: dict[str, Any]


def measure(
    train: Values | None,
    validation: Values,
    objective: Objective,
    reachable: float | None,
    baseline: float | None,
    train_name: str,
) -> Measured:
    """Align, orient and scale a pair of curves; `train_name` is the metric's on the training split."""
    sign, names = objective.sign, (train_name, objective.metric)
    scores, scored = _as_values(validation, names[1])
    trained, trained_on = _as_values([] if train is None else train, names[0])
    scale = _common_scale(scores, trained)
    curve = Curve.of(_oriented(scores, sign, scale))
    train_curve = Curve.of(_oriented(trained, sign, scale))
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


def _as_values(values: Values, name: str) -> tuple[Floats, Flags]:
    """A curve as an array, and which of its epochs were reported at all: a None was not, a NaN was."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InputError(f"{name}: {values!r} is not a list of numbers, one an epoch")
    values = list(values)
    numbers = np.empty(len(values))
    reported = np.ones(len(values), dtype=bool)
    for index, value in enumerate(values):
        if value is None:
            numbers[index], reported[index] = math.nan, False
            continue
        try:
            numbers[index] = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{name}, epoch {index + 1}: {value!r} is not a number") from error
    return numbers, reported


def _common_scale(*curves: Floats) -> float:
    """What the curves are divided by, so that 1e-12 and 1e12 read alike: their median size.

    The median and not the largest: one spike of 1e13 must not flatten everything else.
    """
    sizes = np.abs(np.concatenate([curve[np.isfinite(curve)] for curve in curves]))
    sizes = sizes[sizes > 0]
    middle = sizes.size // 2  # one of the sizes: the mean of two could overflow
    return float(np.partition(sizes, middle)[middle]) if sizes.size else 1.0


def _oriented(values: Floats, sign: float, scale: float) -> Floats:
    """Values in units of `scale`, less is better; rounded, so that scaling leaves no false differences."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.round(np.clip(sign * values / scale, -LARGEST, LARGEST), 12)
    return np.where(np.isfinite(values), scaled, np.nan)


def _smoothed(evidence: Evidence) -> dict[str, Any]:
    """The numbers of the smoothed curve, in the metric's unit."""
    curve, scale = evidence.validation, evidence.scale
    if not len(curve):
        return {}
    numbers: dict[str, Any] = {"level": _tidy(evidence.sign * curve.best * scale), "rise": _tidy(curve.rise * scale)}
    if evidence.train is not None:
        numbers["train_gain"] = _tidy((evidence.train.level_at(curve.best_epoch) - evidence.train.end) * scale)
    if len(curve) > 1:
        numbers["slope"] = _tidy(curve.slope * scale)
    if len(curve) > 4:
        around = NORMAL_95 * curve.slope_error
        interval = (_tidy((curve.slope - around) * scale), _tidy((curve.slope + around) * scale))
        numbers |= {"noise": _tidy(curve.noise * scale), "slope_interval": interval}
    return numbers


def _numbers(scores: Floats, scored: Flags, trained: Floats, sign: float) -> dict[str, Any]:
    """The numbers of the raw values, in the metric's own unit."""
    epochs = np.flatnonzero(scored)
    numbers: dict[str, Any] = {"epochs": len(epochs), "last": float(scores[epochs[-1]]) if len(epochs) else None}
    finite = np.flatnonzero(np.isfinite(scores))
    if not len(finite):
        return numbers
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
    return numbers | {
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
