"""From curves and reports to a Diagnosis: alignment, the objective's numbers, and the advice.

The rule itself is in verdict.py. Nothing here reads a file, a clock or a database.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.diagnosis.advice import advise
from service.diagnosis.curve import Curve, Floats, as_values, common_scale, orientation, oriented
from service.diagnosis.finding import Diagnosis
from service.diagnosis.verdict import Broken, Evidence, rule
from service.records import Report, Verdict

Flags = NDArray[np.bool_]
Values = Sequence[float | None] | Floats
LOSSES = ("train/loss", "val/loss")


def diagnose(
    train: Values | None,
    validation: Values,
    direction: str = "minimize",
    *,
    reachable: float | None = None,
    baseline: float | None = None,
    params: Mapping[str, Any] | None = None,
    names: tuple[str, str] = ("training", "validation"),
) -> Diagnosis:
    """Say whether a model over- or underfits, from one metric on both splits, epoch by epoch.

    The i-th value of both curves belongs to epoch i + 1, so curves of different length are
    aligned at the start; a None stands for an epoch that did not report the metric, and where
    one of the two is missing there is no gap. A NaN was reported, and counts as divergence.

    Args:
        train: the metric on the training split, or None where it is not known.
        validation: the same metric on the validation split.
        direction: "minimize" or "maximize".
        reachable: the best that others got, in the metric's unit: tells underfitting.
        baseline: what a trivial model gets (the majority class, the mean), likewise.
        params: the trial's hyperparameters, for advice that names them.
        names: of the training and the validation metric, for the reason.

    Example:
        >>> curve = [1.0, 0.6, 0.5, 0.52, 0.58, 0.66, 0.73, 0.8, 0.86, 0.9]
        >>> diagnose(train=[0.9**i for i in range(10)], validation=curve).verdict
        <Verdict.OVERFIT: 'overfit'>
    """
    found = _diagnose(train, validation, direction, reachable, baseline, names)
    return replace(found, advice=advise(found, params or {}))


def diagnose_trial(
    reports: Sequence[Report],
    metric: str,
    direction: str,
    *,
    reachable: float | None = None,
    baseline: float | None = None,
    params: Mapping[str, Any] | None = None,
) -> Diagnosis:
    """Diagnose a trial from its reports.

    The verdict comes from train/loss and val/loss where both are reported, since losses show
    overfitting first; else from the objective and its training counterpart. best_epoch, best,
    last, regret and gap are always the objective's; gap is None where it has no counterpart.

    Args:
        reports: of one trial, in any order; the first of an epoch counts.
        metric: the objective, "val/accuracy".
        direction: of the objective.
        reachable: the best objective of the study so far.
        baseline: the objective that a trivial model gets.
        params: the trial's hyperparameters, for the advice.
    """
    orientation(direction)
    series = _series(reports)
    last = max((report.epoch for report in reports), default=0)
    train_metric = _counterpart(metric)
    values = _column(series, metric, last)
    train = _column(series, train_metric, last) if train_metric in series else None
    names = (train_metric or metric, metric)
    # With nothing but training metrics the curve is held against itself, and can never be called overfit.
    own_train = values if metric.startswith("train/") else train
    found = _diagnose(own_train, values, direction, reachable, baseline, names)
    if own_train is values:
        found = replace(found, gap=None, gap_end=None)
    if metric != LOSSES[1] and all(name in series for name in LOSSES):
        train_loss, loss = (_column(series, name, last) for name in LOSSES)
        losses = _diagnose(train_loss, loss, "minimize", None, None, LOSSES)
        found = _joined(found, losses, baseline_known=baseline is not None)
    return replace(found, advice=advise(found, params or {}))


def _diagnose(
    train: Values | None,
    validation: Values,
    direction: str,
    reachable: float | None,
    baseline: float | None,
    names: tuple[str, str],
) -> Diagnosis:
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
    ruling = rule(evidence)
    return Diagnosis(
        ruling.verdict,
        round(ruling.severity, 4),
        round(ruling.confidence, 4),
        ruling.reason,
        judged_by=names[1],
        onset=ruling.onset,
        rise=_tidy(curve.rise * scale) if len(curve) else None,
        slope=_tidy(curve.slope * scale) if len(curve) > 1 else None,
        noise=_tidy(curve.noise * scale) if len(curve) > 4 else None,
        **_numbers(scores, scored, trained, sign),
    )


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
    return told | {
        "best_epoch": at + 1,
        "best": float(scores[at]),
        "regret": _tidy(regret),
        "wasted": int(np.sum(epochs > at)),
        "gap": _tidy(float(gaps[at])) if math.isfinite(gaps[at]) else None,
        "gap_end": _tidy(float(gaps[both[-1]])) if len(both) else None,
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


def _series(reports: Sequence[Report]) -> dict[str, dict[int, float]]:
    """Values by metric and epoch."""
    series: dict[str, dict[int, float]] = {}
    for report in reports:
        for name, value in report.metrics.items():
            series.setdefault(name, {}).setdefault(report.epoch, value)
    return series


def _column(series: Mapping[str, Mapping[int, float]], metric: str, last: int) -> list[float | None]:
    """The metric at every epoch up to the last; None where it was not reported."""
    values = series.get(metric, {})
    return [values.get(epoch) for epoch in range(1, last + 1)]


def _counterpart(metric: str) -> str:
    """The same metric on the training split; none ("") for a metric that is no validation metric."""
    split, _, name = metric.partition("/")
    return f"train/{name}" if split == "val" and name else ""


def _joined(objective: Diagnosis, losses: Diagnosis, *, baseline_known: bool) -> Diagnosis:
    """The losses' verdict with the objective's numbers, but for what only the objective can tell.

    It alone is compared with other trials and with a baseline, so it has the last word on
    underfitting; and where it is NaN the trial is lost, whatever the losses did.
    """
    lost = objective.verdict is Verdict.DIVERGED and losses.verdict is not Verdict.DIVERGED
    poor = objective.verdict is Verdict.UNDERFIT and losses.verdict is Verdict.GOOD_FIT
    well = objective.verdict is Verdict.GOOD_FIT and losses.verdict is Verdict.UNDERFIT and baseline_known
    if lost or poor or well:
        return objective
    told = ("verdict", "severity", "confidence", "reason", "judged_by", "onset", "rise", "slope", "noise")
    return replace(objective, **{name: getattr(losses, name) for name in told})
