"""From curves and reports to a Diagnosis: which curves decide, and how losses and objective are joined.

The rule itself is in verdict.py, what is measured in measure.py. Nothing here reads a file, a clock or a database.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from goodfit.service.diagnosis.advice import advise
from goodfit.service.diagnosis.evidence import Ruling
from goodfit.service.diagnosis.finding import Diagnosis
from goodfit.service.diagnosis.measure import Measured, Values, measure
from goodfit.service.diagnosis.verdict import poor, rule
from goodfit.service.diagnosis.waiting import waiting_of
from goodfit.service.objective import MINIMIZE, Objective
from goodfit.service.records import Report, Verdict

FLAT = {Verdict.GOOD_FIT, Verdict.UNDERFIT}  # losses that have settled, whatever the noise of an accuracy says
JUDGED = (
    *("verdict", "severity", "confidence", "reason", "judged_by", "onset"),
    *("level", "rise", "train_gain", "slope", "slope_interval", "noise"),
)
LOSSES = ("train/loss", "val/loss")
VAL_LOSS = Objective(LOSSES[1], MINIMIZE)


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
    objective = Objective(names[1], direction)
    measured = measure(train, validation, objective, reachable, baseline, names[0])
    found = _diagnosis(measured, rule(measured.evidence))
    return replace(found, advice=advise(found, params or {}, objective))


def diagnose_trial(
    reports: Sequence[Report],
    objective: Objective,
    *,
    reachable: float | None = None,
    baselines: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    pruned: bool = False,
) -> Diagnosis:
    """Diagnose a trial from its reports.

    The verdict comes from train/loss and val/loss where both are reported, since losses show
    overfitting first; else from the objective and its training counterpart. best_epoch, best,
    last, regret and gap are always the objective's; gap is None where it has no counterpart.

    Args:
        reports: of one trial, in any order; the first of an epoch counts.
        objective: of the study.
        reachable: the best objective of the study so far.
        baselines: what a trivial model gets, by metric: of the objective and of val/loss.
        params: the trial's hyperparameters, for the advice.
        pruned: whether it was pruned, for the advice.
    """
    metric = objective.metric
    series = _series(reports)
    last = max((report.epoch for report in reports), default=0)
    train_metric = _counterpart(metric)
    values = _column(series, metric, last)
    train = _column(series, train_metric, last) if train_metric in series else None
    if any(name.startswith("fold/") for name in series):
        return _by_folds(objective, values, train)
    trivial = baselines or {}
    # With nothing but training metrics the curve is held against itself, and can never be called overfit.
    own_train = values if metric.startswith("train/") else train
    measured = measure(own_train, values, objective, reachable, trivial.get(metric), train_metric or metric)
    found = _diagnosis(measured, rule(measured.evidence))
    if own_train is values:
        found = replace(found, gap=None, gap_end=None, gap_noise=None, gap_sigmas=None, gap_end_sigmas=None)
    if metric != LOSSES[1] and all(name in series for name in LOSSES):
        train_loss, loss = (_column(series, name, last) for name in LOSSES)
        held = measure(train_loss, loss, VAL_LOSS, None, trivial.get(LOSSES[1]), LOSSES[0])
        losses = _diagnosis(held, rule(held.evidence))
        broken = not all(value is None or math.isfinite(value) for value in values)
        if losses.verdict in FLAT and not broken and (ruling := poor(measured.evidence)):
            found = replace(found, **_said(ruling))
        found = _joined(found, losses, broken=broken, baseline_known=metric in trivial)
    advice, waiting = advise(found, params or {}, objective, pruned=pruned), waiting_of(reports)
    if waiting is None:
        return replace(found, advice=advice)
    more = () if waiting.advice is None else (waiting.advice,)
    return replace(found, waiting=round(waiting.share, 4), advice=(*advice, *more))


def _diagnosis(measured: Measured, ruling: Ruling) -> Diagnosis:
    return Diagnosis(**_said(ruling), judged_by=measured.evidence.names[1], **measured.numbers)


def _said(ruling: Ruling) -> dict[str, Any]:
    """What a diagnosis says of a ruling."""
    return {
        "verdict": ruling.verdict,
        "severity": round(ruling.severity, 4),
        "confidence": round(ruling.confidence, 4),
        "reason": ruling.reason,
        "onset": ruling.onset,
    }


def _by_folds(objective: Objective, values: Values, train: Values | None) -> Diagnosis:
    """What can be said while the reports are folds, each at its own best epoch, and not epochs."""
    found = diagnose(train, values, objective.direction)
    reason = f"{found.epochs} fold{'' if found.epochs == 1 else 's'} so far: the curve by epoch is known after the last"
    gap = found.gap_end
    return Diagnosis(
        Verdict.UNFINISHED, 0.0, 0.5, reason, judged_by=objective.metric, best=found.best, last=found.last, gap=gap
    )


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


def _joined(objective: Diagnosis, losses: Diagnosis, *, broken: bool, baseline_known: bool) -> Diagnosis:
    """The losses' verdict with the objective's numbers, but for what only the objective can tell.

    It alone is compared with other trials and with a baseline, so it has the last word on
    underfitting; and where it is NaN the trial is lost, whatever the losses did.
    """
    lost = broken and losses.verdict is not Verdict.DIVERGED
    poor = objective.verdict is Verdict.UNDERFIT and losses.verdict is Verdict.GOOD_FIT
    learning = objective.verdict in {Verdict.GOOD_FIT, Verdict.UNFINISHED}
    well = learning and losses.verdict is Verdict.UNDERFIT and baseline_known
    if lost or poor or well:
        return objective
    return replace(objective, **{name: getattr(losses, name) for name in JUDGED})
