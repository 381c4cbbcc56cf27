"""Which labels are likely wrong, by predictions of models that did not see the rows they predict.

Classes by confident learning (Northcutt, Jiang and Chuang, 2021): a class has a threshold, the mean probability that
rows labelled so are given of it; a row counts for the most probable class among those whose threshold it reaches. Where
that is not the class of its label, the label is suspect. Rows are ranked by the normalised margin. Numbers by their
residuals, held against how far residuals usually are from zero at such a prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

NUMBERS_AT_ONCE = 2**22  # probabilities that are looked at together: bounds the memory, changes no result
NORMAL_MAD = 1.4826  # times the median of absolute residuals: the standard deviation of normal ones
LEAST_Z = 3.5  # Iglewicz and Hoaglin (1993): a modified z-score above it is an outlier
ROWS_OF_NOISE = 100  # neighbours by prediction that the spread of residuals is estimated from, at least
MOST_PARTS = 20  # of the range of predictions, each with a spread of its own


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of each label, in the order of the rows.

    Attributes:
        is_issue: whether it is suspect.
        score: in [0, 1]; the lower, the likelier the label is wrong.
        predicted: the class index or the number that is predicted instead.
        judged: false for a row whose class no other row has; it counts as no issue.
    """

    is_issue: np.ndarray
    score: np.ndarray
    predicted: np.ndarray
    judged: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    def ranking(self) -> np.ndarray:
        """The places of the rows, the likeliest wrong first; of equal scores the first row first."""
        return np.argsort(self.score, kind="stable")


def class_thresholds(given: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The mean probability of each class over the rows labelled so, and no less than chance.

    Args:
        given: class indices (rows,).
        probabilities: (rows, classes), out of sample.
    """
    classes = probabilities.shape[1]
    sums, counts = np.zeros(classes), np.bincount(given, minlength=classes)
    for part in _parts(probabilities):
        own = np.take_along_axis(probabilities[part], given[part, None], axis=1)[:, 0]
        sums += np.bincount(given[part], weights=own, minlength=classes)
    means: np.ndarray = np.divide(sums, counts, out=np.ones(classes), where=counts > 0)
    return np.asarray(np.maximum(means, 1 / classes))


def judge_classes(given: np.ndarray, probabilities: np.ndarray, judged: np.ndarray | None = None) -> Judged:
    """Judge class labels.

    Args:
        given: class indices (rows,).
        probabilities: (rows, classes), out of sample; may be a memory map.
        judged: false for rows that cannot be judged; None: all can.

    Raises:
        ValueError: a probability is NaN or infinite.
    """
    known = np.ones(len(given), dtype=bool) if judged is None else judged
    thresholds = class_thresholds(given[known], probabilities if known.all() else probabilities[known])
    issue, score = np.zeros(len(given), dtype=bool), np.ones(len(given))
    predicted = np.zeros(len(given), dtype=np.int64)
    for part in _parts(probabilities):
        held, labels = np.array(probabilities[part], dtype=np.float64), given[part]
        if not np.isfinite(held).all():
            raise ValueError("a probability is not a number")
        own = np.take_along_axis(held, labels[:, None], axis=1)[:, 0]
        confident = np.where(held >= thresholds, held, -1.0)
        counted = confident.argmax(axis=1)
        sure = np.take_along_axis(confident, counted[:, None], axis=1)[:, 0] > own  # and not the label's own class
        predicted[part] = held.argmax(axis=1)
        issue[part] = sure & (predicted[part] != labels)
        np.put_along_axis(held, labels[:, None], -1.0, axis=1)
        score[part] = (own - held.max(axis=1) + 1) / 2
    score[~known], issue[~known] = 1.0, False
    return Judged(issue, np.clip(score, 0.0, 1.0), predicted, known)


def judge_numbers(given: np.ndarray, predicted: np.ndarray) -> Judged:
    """Judge the targets of a regression by their residuals.

    A score is 1 / (1 + z^2), where z is the residual in units of the usual spread; a target is suspect where |z| is
    above 3.5, and above what the largest of so many normal residuals is expected to be.

    Args:
        given: numbers (rows,), in any units.
        predicted: the same, out of sample.
    """
    apart = np.abs(given - predicted)
    if not np.isfinite(apart).all():
        raise ValueError("a prediction is not a number")
    spread = _spread(predicted, apart)
    z = np.divide(apart, spread, out=np.where(apart > 0, np.inf, 0.0), where=spread > 0)
    limit = max(LEAST_Z, math.sqrt(2 * math.log(max(2, len(given)))))
    with np.errstate(over="ignore"):
        return Judged(z > limit, 1 / (1 + z**2), predicted, np.ones(len(given), dtype=bool))


def _spread(predicted: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """How far residuals usually are from zero at each prediction: of its neighbours, and no less than half of all's."""
    everywhere = _usual(apart)
    parts = min(MOST_PARTS, len(apart) // ROWS_OF_NOISE)
    if parts < 2:
        return np.full(len(apart), everywhere)
    chunks = np.array_split(np.argsort(predicted, kind="stable"), parts)
    middles = np.array([np.median(predicted[chunk]) for chunk in chunks])
    local: np.ndarray = np.interp(predicted, middles, [_usual(apart[chunk]) for chunk in chunks])
    return np.asarray(np.maximum(local, everywhere / 2))


def _usual(apart: np.ndarray) -> float:
    """The spread of absolute residuals: by their median; where most are 0, by their mean square."""
    return float(NORMAL_MAD * np.median(apart)) or float(np.sqrt(np.mean(apart**2)))


def _parts(probabilities: np.ndarray) -> list[slice]:
    rows, classes = probabilities.shape
    step = max(1, NUMBERS_AT_ONCE // max(1, classes))
    return [slice(start, start + step) for start in range(0, rows, step)]
