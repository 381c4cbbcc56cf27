"""Several annotators of the same rows: how far they agree, what they say together, and how reliable each is.

Labels are class indices (rows, annotators), -1 where an annotator gave none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_ROUNDS = 100  # of expectation and maximization
ENOUGH = 1e-8  # change of the mean log likelihood of a row, below which it has converged
SMOOTHING = 0.01  # labels that each annotator is taken to have given of each kind beforehand: no probability is 0


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the annotators say together.

    Attributes:
        labels: the likeliest class of each row.
        probabilities: (rows, classes).
        accuracy: of each annotator, the probability that a label of theirs is the consensus.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    accuracy: np.ndarray


def krippendorff_alpha(given: np.ndarray, classes: int) -> float:
    """Krippendorff's alpha (2011) of nominal labels: 1 is agreement, 0 is chance; NaN where nothing can be compared.

    Rows with fewer than two labels do not count. Where all labels are of one class, it is 1: they agree.
    """
    counts = _counts(given, classes)
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return float("nan")
    of_row = counts.sum(axis=1, keepdims=True)
    coincidences = (counts.T / (of_row.T - 1)) @ counts - np.diag((counts / (of_row - 1)).sum(axis=0))
    totals = coincidences.sum(axis=1)
    everything = totals.sum()
    expected = everything**2 - (totals**2).sum()
    if expected == 0:
        return 1.0
    observed = everything - np.trace(coincidences)
    return float(1 - (everything - 1) * observed / expected)


def dawid_skene(given: np.ndarray, classes: int) -> Consensus:
    """A consensus by the annotators' confusion matrices (Dawid and Skene, 1979), from the majority on.

    Raises:
        ValueError: a row has no label at all.
    """
    counts = _counts(given, classes)
    if (counts.sum(axis=1) == 0).any():
        raise ValueError("a row has no label")
    believed = counts / counts.sum(axis=1, keepdims=True)
    before = -np.inf
    for _ in range(MOST_ROUNDS):
        confusion = _confusions(given, believed, classes)
        prior = believed.mean(axis=0)
        logs = np.log(np.maximum(prior, 1e-300))[None, :] + np.zeros_like(believed)
        for annotator in range(given.shape[1]):
            there = given[:, annotator] >= 0
            logs[there] += np.log(confusion[annotator])[given[there, annotator]]
        most = logs.max(axis=1, keepdims=True)
        likelihood = np.exp(logs - most)
        now = float(np.mean(most[:, 0] + np.log(likelihood.sum(axis=1))))
        believed = likelihood / likelihood.sum(axis=1, keepdims=True)
        if abs(now - before) < ENOUGH:
            break
        before = now
    return Consensus(believed.argmax(axis=1), believed, _accuracies(given, believed))


def _counts(given: np.ndarray, classes: int) -> np.ndarray:
    counts = np.zeros((len(given), classes))
    for annotator in range(given.shape[1]):
        there = np.flatnonzero(given[:, annotator] >= 0)
        counts[there, given[there, annotator]] += 1
    return counts


def _confusions(given: np.ndarray, believed: np.ndarray, classes: int) -> np.ndarray:
    """Of each annotator the probability of each label by the true class, (annotators, labels, classes)."""
    found = np.full((given.shape[1], classes, classes), SMOOTHING)
    for annotator in range(given.shape[1]):
        order = np.argsort(given[:, annotator], kind="stable")
        order = order[given[order, annotator] >= 0]
        if not len(order):
            continue
        labels, starts = np.unique(given[order, annotator], return_index=True)
        found[annotator, labels] += np.add.reduceat(believed[order], starts, axis=0)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _accuracies(given: np.ndarray, believed: np.ndarray) -> np.ndarray:
    found = np.full(given.shape[1], np.nan)
    for annotator in range(given.shape[1]):
        there = np.flatnonzero(given[:, annotator] >= 0)
        if len(there):
            found[annotator] = believed[there, given[there, annotator]].mean()
    return found
