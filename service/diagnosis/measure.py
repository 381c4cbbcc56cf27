"""From a pair of curves, as reported, to the evidence for the rule and the numbers of a diagnosis.

Alignment, orientation and units are settled here; no verdict is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.service.diagnosis.curve import Curve, Floats, late_noise
from goodfit.service.diagnosis.evidence import Broken, Evidence
from goodfit.service.errors import InputError
from goodfit.service.objective import Objective

Values = Sequence[float | None] | Floats
Column = list[float | None]  # a metric epoch by epoch: a None was not reported, a NaN was
Points = list[tuple[int, float]]  # its finite numbers, each after its place in the column
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
    scores = _as_column(validation, names[1])
    trained = _as_column([] if train is None else train, names[0])
    points, train_points = _finite(scores), _finite(trained)
    scale = _common_scale([*points, *train_points])
    curve = _oriented(points, sign, scale)
    train_curve = _oriented(train_points, sign, scale)
    evidence = Evidence(
        validation=curve,
        train=train_curve if len(train_curve) else None,
        sign=sign,
        scale=scale,
        broken=_broken((names[1], scores), (names[0], trained)),
        baseline=_held_against(baseline, sign, scale),
        reachable=_held_against(reachable, sign, scale),
        names=names,
    )
    return Measured(evidence, _numbers(scores, points, trained, sign) | _smoothed(evidence))


def _as_column(values: Values, name: str) -> Column:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InputError(f"{name}: {values!r} is not a list of numbers, one an epoch")
    column: Column = []
    for epoch, value in enumerate(values, start=1):
        try:
            column.append(None if value is None else float(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{name}, epoch {epoch}: {value!r} is not a number") from error
    return column


def _finite(column: Column) -> Points:
    return [(at, value) for at, value in enumerate(column) if value is not None and math.isfinite(value)]


def _common_scale(points: Points) -> float:
    """What the curves are divided by, so that 1e-12 and 1e12 read alike: their median size.

    The median and not the largest: one spike of 1e13 must not flatten everything else.
    """
    sizes = sorted(abs(value) for _, value in points if value)
    return sizes[len(sizes) // 2] if sizes else 1.0  # one of the sizes: the mean of two could overflow


def _oriented(points: Points, sign: float, scale: float) -> Curve:
    """Values in units of `scale`, less is better; rounded, so that scaling leaves no false differences."""
    scaled = [max(-LARGEST, min(LARGEST, sign * value / scale)) for _, value in points]
    return Curve([at + 1 for at, _ in points], np.array(scaled).round(12).tolist())


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


def _numbers(scores: Column, points: Points, trained: Column, sign: float) -> dict[str, Any]:
    """The numbers of the raw values, in the metric's own unit."""
    reported = [(at, value) for at, value in enumerate(scores) if value is not None]
    last = reported[-1][1] if reported else None
    numbers: dict[str, Any] = {"epochs": len(reported), "last": last}
    if last is None or not points:
        return numbers
    at, best = min(points, key=lambda point: sign * point[1])  # the first of equals
    gaps = _gaps(scores, trained, sign)
    gap, gap_end = gaps.get(at), gaps[max(gaps)] if gaps else None
    noise = late_noise(list(gaps.values())) if len(gaps) > 4 else None
    return numbers | {
        "best_epoch": at + 1,
        "best": best,
        "regret": _tidy(sign * (last - best)),
        "wasted": sum(epoch > at for epoch, _ in reported),
        "gap": None if gap is None else _tidy(gap),
        "gap_end": None if gap_end is None else _tidy(gap_end),
        "gap_noise": None if noise is None else _tidy(noise),
        "gap_sigmas": _tidy(gap / noise) if noise and gap is not None else None,
        "gap_end_sigmas": _tidy(gap_end / noise) if noise and gap_end is not None else None,
    }


def _gaps(scores: Column, trained: Column, sign: float) -> dict[int, float]:
    """How much worse validation is than training, where both are finite."""
    pairs = enumerate(zip(scores, trained, strict=False))
    gaps = {at: sign * (score - train) for at, (score, train) in pairs if score is not None and train is not None}
    return {at: gap for at, gap in gaps.items() if math.isfinite(gap)}


def _broken(*columns: tuple[str, Column]) -> Broken | None:
    """The first NaN or infinity that was reported, and whether every curve ends finite."""
    first: list[tuple[int, str]] = []
    healed = True
    for name, column in columns:
        reported = [value for value in column if value is not None]
        if not all(map(math.isfinite, reported)):
            bad = next(at for at, value in enumerate(column) if value is not None and not math.isfinite(value))
            first.append((bad + 1, name))
            healed &= math.isfinite(reported[-1])
    return Broken(*min(first), healed) if first else None


def _tidy(number: float) -> float:
    """Ten digits, more are the residue of a subtraction; and no -0.0."""
    return float(f"{number:.10g}") + 0.0


def _held_against(number: float | None, sign: float, scale: float) -> float | None:
    """A baseline or a reachable value as the curves are held; one that is no number tells nothing."""
    return None if number is None or not math.isfinite(number) else sign * number / scale
