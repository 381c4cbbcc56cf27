"""Is a diagnosis right as often as its confidence says? Fits the two constants of service/diagnosis/confidence.py.

Measured on verdicts that are known to be right or wrong: on the labelled curves (overfit or not is all
that is known of those), each whole, thinned to 50, 20, 10 and 5 epochs, and with noise of 2, 5 and 10% of its
span added, since they are long and smooth as published; and on the constructed cases of curves.py.
Those labelled overfit, those labelled not, and the constructed ones weigh the same: nine in ten of the
labelled curves do not overfit, and to say so of them is too easy to count. The map is fitted with each
data set and each case left out in turn, and measured on what was left out.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.curves import CASES, Made
from benchmarks.figures import Figures
from goodfit.service.diagnosis import confidence, diagnose
from goodfit.service.records import Verdict

Floats = NDArray[np.float64]
EVERY = (1, 20, 50, 100, 200)  # epochs: the labelled curves have 1,000
NOISES = (0.0, 0.02, 0.05, 0.1)  # of the span of validation; training gets half
BINS = 10
SET_BY_HAND = (0.5, 0.7, 0.999)  # confidences that the rule sets where there is no evidence to speak of


@dataclass(frozen=True, slots=True)
class Judged:
    """One verdict whose truth is known."""

    source: str  # labelled overfit, labelled not, constructed
    group: str  # the data set or the case, left out as a whole
    evidence: float
    right: bool


def of_labelled(curves: Sequence[Mapping[str, Any]]) -> list[Judged]:
    """Verdicts on the labelled curves and on their thinned and noisy copies."""
    random = np.random.default_rng(0)
    told = []
    for curve in curves:
        for every, noise in itertools.product(EVERY, NOISES):
            train, validation = (np.array(curve[split], float)[::every] for split in ("train", "validation"))
            sigma, count = noise * float(np.ptp(validation)), len(train)
            noisy = train + random.normal(0, sigma / 2, count), validation + random.normal(0, sigma, count)
            with _uncalibrated():
                found = diagnose(*noisy)
            right = (found.verdict is Verdict.OVERFIT) == bool(curve["overfit"])
            told.append(Judged(f"labelled {curve['overfit']}", str(curve["id"]).split("_")[0], found.confidence, right))
    return [one for one in told if one.evidence not in SET_BY_HAND]


def of_constructed(trials: Mapping[str, Sequence[Made]]) -> list[Judged]:
    """Verdicts on the constructed cases, for each objective."""
    told = []
    for case in CASES:
        for trial in trials[case.name]:
            for objective in trial.objectives():
                with _uncalibrated():
                    found = trial.diagnosis(objective)
                told.append(Judged("constructed", case.name, found.confidence, found.verdict is case.verdict))
    return [one for one in told if one.evidence not in SET_BY_HAND]


def calibration(judged: Sequence[Judged], figures: Figures) -> None:
    """Print the constants fitted to all, and what they are worth where they were not fitted."""
    evidence = np.array([one.evidence for one in judged])
    right = np.array([one.right for one in judged])
    sources = np.array([one.source for one in judged])
    groups = np.array([one.group for one in judged])
    weights = np.select(
        [sources == name for name in set(sources)], [1 / np.sum(sources == name) for name in set(sources)]
    )
    left_out = np.empty(len(judged))
    for group in sorted(set(groups)):
        there = groups == group
        left_out[there] = _applied(*_fitted(evidence[~there], right[~there], weights[~there]), evidence[there])
    intercept, slope = _fitted(evidence, right, weights)
    print(f"  confidence: {len(judged)} verdicts of known truth, {np.average(right, weights=weights):.1%} right")
    print(f"  {'':32}  {'cal. error':>10} {'Brier':>8}")
    for name, chances in {"evidence as it is": evidence, "calibrated, group left out": left_out}.items():
        brier, error = float(np.average((chances - right) ** 2, weights=weights)), _error(chances, right, weights)
        figures.add(f"{name}: calibration error", error, "")
        figures.add(f"{name}: Brier score", brier, "")
        print(f"  {name:32}  {error:10.3f} {brier:8.4f}")
    held = f"{confidence.INTERCEPT}, {confidence.SLOPE}"
    print(f"  fitted to all: intercept {intercept:.2f}, slope {slope:.2f} (in the code: {held})")


@contextlib.contextmanager
def _uncalibrated() -> Iterator[None]:
    """Diagnoses tell their evidence in the place of their confidence."""
    usual = confidence.INTERCEPT, confidence.SLOPE
    confidence.INTERCEPT, confidence.SLOPE = 0.0, 1.0
    try:
        yield
    finally:
        confidence.INTERCEPT, confidence.SLOPE = usual


def _fitted(evidence: Floats, right: NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Intercept and slope of the logistic curve from the evidence's log odds to the chance of being right."""
    model = LogisticRegression(C=1e6).fit(_logit(evidence)[:, None], right, sample_weight=weights / weights.mean())
    return float(model.intercept_[0]), float(model.coef_[0, 0])


def _applied(intercept: float, slope: float, evidence: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(intercept + slope * _logit(evidence)))))


def _logit(share: Floats) -> Floats:
    held = np.clip(share, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(held / (1 - held)))


def _error(chances: Floats, right: NDArray[np.bool_], weights: Floats) -> float:
    """Expected calibration error: chance against share of right verdicts, in bins of equal weight."""
    order = np.argsort(chances, kind="stable")
    bins = np.minimum(BINS - 1, (np.cumsum(weights[order]) / weights.sum() * BINS).astype(int))
    off = 0.0
    for number in range(BINS):
        there = order[bins == number]
        if len(there):
            share = weights[there] / weights[there].sum()
            off += weights[there].sum() / weights.sum() * abs(float(share @ (chances[there] - right[there])))
    return off
