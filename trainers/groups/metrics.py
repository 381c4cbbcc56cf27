"""What a model does to each group, and the differences between them, as fairlearn defines them.

Differences are taken over the groups that all columns make together, and over those of each column alone, under the
column's name: `equalized_odds_difference/sex`. A rate that is not defined in a group, such as the true positive rate of
one without positives, takes no part in a difference: fairlearn has 0 in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.facts import Groups
from goodfit.trainers.groups.names import BY_GROUP

SMALL = 30  # rows of a group below which a rate's 95% interval is wider than 0.3


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of each group, one number a group.

    Attributes:
        rows: all of them.
        positives: of the positive class.
        true_positives, false_positives: of those, and of the others, that are predicted to be of it.
        right: whose class is predicted.
        scores: the sum of the predicted probabilities of the positive class.
    """

    rows: np.ndarray
    positives: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray
    right: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, predicted: np.ndarray, y: np.ndarray, scores: np.ndarray, codes: np.ndarray, groups: Groups) -> Counts:
        """Count rows whose groups are `codes`; classes are indices."""
        size = len(groups.cells)
        truth, chosen = y == groups.positive, predicted == groups.positive

        def count(mask: np.ndarray) -> np.ndarray:
            return np.bincount(codes[mask], minlength=size).astype(np.float64)

        return cls(
            np.bincount(codes, minlength=size).astype(np.float64),
            count(truth),
            count(truth & chosen),
            count(~truth & chosen),
            count(predicted == y),
            np.bincount(codes, weights=scores.astype(np.float64), minlength=size),
        )

    def merged(self, places: np.ndarray, size: int) -> Counts:
        """The counts of larger groups, `places` being that of each present one."""
        return Counts(*(np.bincount(places, weights=one, minlength=size) for one in self._all()))

    def _all(self) -> tuple[np.ndarray, ...]:
        return (self.rows, self.positives, self.true_positives, self.false_positives, self.right, self.scores)

    def rates(self) -> dict[str, np.ndarray]:
        """Each rate of BY_GROUP, NaN where it is not defined in a group."""
        negatives = self.rows - self.positives
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "count": self.rows,
                "base_rate": self.positives / self.rows,
                "selection_rate": (self.true_positives + self.false_positives) / self.rows,
                "accuracy": self.right / self.rows,
                "tpr": self.true_positives / self.positives,
                "fpr": self.false_positives / negatives,
                "calibration_error": (self.scores - self.positives) / self.rows,
            }


def group_metrics(
    predicted: np.ndarray, y: np.ndarray, scores: np.ndarray, codes: np.ndarray, groups: Groups, *, by_group: bool
) -> dict[str, float]:
    """The metrics of one split, by names such as `equalized_odds_difference` and `tpr/sex:female`.

    Args:
        predicted: class indices.
        y: likewise, the truth.
        scores: predicted probabilities of the positive class.
        codes: the group of each row.
        groups: that there are.
        by_group: whether the rates of each group are among them, or the differences alone.
    """
    counts = Counts.of(predicted, y, scores, codes, groups)
    metrics = dict(differences(counts.rates()))
    several = len(groups.spec.by) > 1
    if by_group:
        metrics |= _named(groups.names, counts)
    for column in range(len(groups.spec.by) if several else 0):
        names, places = groups.of_column(column)
        alone = counts.merged(places, len(names))
        metrics |= {f"{name}/{groups.spec.by[column]}": value for name, value in differences(alone.rates())}
        if by_group:
            metrics |= _named(names, alone)
    return metrics


def differences(rates: dict[str, np.ndarray]) -> Iterator[tuple[str, float]]:
    """Each metric of SUMMARY that is defined; groups without rows are left out."""
    there = rates["count"] > 0
    selected = rates["selection_rate"][there]
    yield "demographic_parity_difference", float(selected.max() - selected.min())
    yield "demographic_parity_ratio", float(selected.min() / selected.max()) if selected.max() else 1.0
    parts = [part[~np.isnan(part)] for part in (rates["tpr"], rates["fpr"])]
    if all(len(part) > 1 for part in parts):
        yield "equalized_odds_difference", max(float(part.max() - part.min()) for part in parts)
    yield "worst_group_accuracy", float(rates["accuracy"][there].min())
    errors = rates["calibration_error"][there]
    if not np.isnan(errors).any():  # without scores
        yield "calibration_gap", float(errors.max() - errors.min())


def _named(names: Sequence[str], counts: Counts) -> dict[str, float]:
    rates = counts.rates()
    return {
        f"{rate}/{name}": float(rates[rate][place])
        for place, name in enumerate(names)
        for rate in BY_GROUP
        if not np.isnan(rates[rate][place])
    }


def check_measurable(
    split: str, y: np.ndarray, codes: np.ndarray, groups: Groups, classes: Sequence[str], source: str
) -> None:
    """DataProblem where fewer than two groups of a split have rows of the positive class, or of the others."""
    for truth, which in ((y == groups.positive, "the positive class"), (y != groups.positive, "another class than")):
        found = sorted({groups.names[code] for code in np.unique(codes[truth])})
        if len(found) < 2:
            who = f"only the group {found[0]} has" if found else "no group has"
            raise DataProblem(
                f"{source}: in {split} {who} rows of {which} {classes[groups.positive]}, so that no two groups can be "
                "compared; give more rows, coarser groups, or another split"
            )


def group_notes(split: str, y: np.ndarray, codes: np.ndarray, groups: Groups, classes: Sequence[str]) -> Iterator[str]:
    """What keeps a split from saying much of a group, in sentences; groups of one column are looked at alone."""
    positive = classes[groups.positive]
    for place, name in enumerate(groups.names):
        mine = y[codes == place]
        count = int((mine == groups.positive).sum())
        if not len(mine):
            yield f"fairness: {split} has no row of the group {name}; it takes no part in the differences there"
        elif not count:
            yield f"fairness: {_rows(len(mine), split, name)}, none of class {positive}: no true positive rate"
        elif count == len(mine):
            yield f"fairness: {_rows(len(mine), split, name)}, all of class {positive}: no false positive rate"
        elif len(mine) < SMALL:
            yield f"fairness: {_rows(len(mine), split, name)}: its rates are uncertain, see their intervals"


def _rows(count: int, split: str, name: str) -> str:
    return f"the group {name} has {count} row{'s' if count != 1 else ''} in {split}"
