"""A threshold of the score for each group, chosen on the training rows after each epoch.

Thresholds are fixed numbers, so that equal people of a group are treated alike. Exact equalized odds would need chance
to decide (Hardt, Price, Srebro: Equality of opportunity in supervised learning, 2016); this comes as near as fixed
thresholds can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goodfit.trainers.groups.facts import Groups

USUAL = 0.5
CANDIDATES = 100  # thresholds of a group that are tried
TOLERANCE = (
    0.05  # equalized odds difference in training that is as good as none: chance alone makes more in small groups
)


def fitted_thresholds(scores: np.ndarray, y: np.ndarray, codes: np.ndarray, groups: Groups) -> np.ndarray:
    """The threshold of each group by the rule of its spec; a row at or above it is predicted positive.

    Args:
        scores: predicted probabilities of the positive class.
        y: class indices.
        codes: the group of each row.
        groups: that there are; one without rows keeps 0.5.
    """
    if groups.spec.thresholds == "demographic_parity":
        return _equal_shares(scores, codes, len(groups.cells))
    return _equal_odds(scores, y == groups.positive, codes, len(groups.cells))


def thresholded(scores: np.ndarray, codes: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Which rows are predicted positive; a row of no known group by the usual threshold."""
    limits = np.where(codes >= 0, thresholds[codes], USUAL)
    found: np.ndarray = scores >= limits
    return found


def _equal_shares(scores: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Each group has the share of positive predictions that all rows have by the usual threshold."""
    share = float((scores >= USUAL).mean())
    thresholds = np.full(size, USUAL)
    for group in np.unique(codes):
        ordered = np.sort(scores[codes == group])[::-1]
        chosen = round(share * len(ordered))
        above = ordered[chosen - 1] if chosen else np.inf
        below = ordered[chosen] if chosen < len(ordered) else -np.inf
        thresholds[group] = _between(above, below)
    return thresholds


def _between(above: float, below: float) -> float:
    """A threshold that has one score above it and one below; of equal ones, at them."""
    if not np.isfinite(above):
        return 1.0 + 1e-9  # none is chosen: no probability reaches it
    return float(above) if not np.isfinite(below) else float((above + below) / 2)


@dataclass(frozen=True, slots=True)
class _Curve:
    """What each threshold would do to a group: its rates and how many rows it would get right."""

    thresholds: np.ndarray
    tpr: np.ndarray
    fpr: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, truth: np.ndarray) -> _Curve:
        order = np.argsort(-scores, kind="stable")
        ordered, hits = scores[order], truth[order]
        ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # equal scores are chosen together
        chosen = np.concatenate([[0], ends + 1])
        if len(chosen) > CANDIDATES:
            chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, CANDIDATES).round().astype(int))]
        true = np.concatenate([[0], np.cumsum(hits)])[chosen].astype(np.float64)
        false = chosen - true
        positives, negatives = float(truth.sum()), float((~truth).sum())
        edges = np.concatenate([[np.inf], ordered, [-np.inf]])
        limits = np.array([_between(edges[count], edges[count + 1]) for count in chosen])
        return cls(
            limits,
            true / positives if positives else np.full(len(chosen), np.nan),
            false / negatives if negatives else np.full(len(chosen), np.nan),
            true + negatives - false,
        )

    def nearest(self, tpr: np.ndarray, fpr: np.ndarray) -> np.ndarray:
        """For each target the place of the threshold that comes nearest; a rate that is not defined does not count."""
        distance = np.fmax(np.abs(self.tpr[None] - tpr[:, None]), np.abs(self.fpr[None] - fpr[:, None]))
        found: np.ndarray = distance.argmin(axis=1)
        return found


def _equal_odds(scores: np.ndarray, truth: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """The most accurate thresholds by which the groups' rates differ by no more than TOLERANCE, or by the least."""
    present = np.unique(codes)
    curves = {group: _Curve.of(scores[codes == group], truth[codes == group]) for group in present}
    whole = [group for group in present if not np.isnan([curves[group].tpr[0], curves[group].fpr[0]]).any()]
    if not whole:
        return np.full(size, USUAL)
    largest = max(whole, key=lambda group: int((codes == group).sum()))
    targets = curves[largest]
    places = {group: curve.nearest(targets.tpr, targets.fpr) for group, curve in curves.items()}
    tpr = np.stack([curves[group].tpr[places[group]] for group in present])
    fpr = np.stack([curves[group].fpr[places[group]] for group in present])
    difference = np.maximum(*(np.nanmax(part, axis=0) - np.nanmin(part, axis=0) for part in (tpr, fpr)))
    right = np.sum([curves[group].right[places[group]] for group in present], axis=0)
    allowed = difference <= max(TOLERANCE, float(difference.min()))
    best = int(np.flatnonzero(allowed)[right[allowed].argmax()])
    thresholds = np.full(size, USUAL)
    for group in present:
        thresholds[group] = curves[group].thresholds[places[group][best]]
    return thresholds
