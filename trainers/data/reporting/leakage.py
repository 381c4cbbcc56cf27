"""Columns that alone give the target away: each is tried by a small decision tree on rows it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from goodfit.trainers.data.reading.raw import Raw
from goodfit.trainers.data.split import Rows

GIVEN_AWAY = 0.99  # balanced accuracy or R2 of one column: more than a feature of a real question has
MOST_ROWS = 20_000  # that are looked at
FOLDS = 3
LIKELY = {"classification": 0.9, "regression": 0.5}  # what a column must reach by its neighbours to be fitted at all


def leaking_columns(raw: Raw, values: np.ndarray, task: str, rows: Rows) -> list[dict[str, Any]]:
    """The columns that predict the target almost perfectly: column, measure and score, the best first.

    Only training and validation rows are looked at. Where a value is missing counts as well.
    """
    known = np.concatenate([rows.train, rows.validation])
    if len(known) > MOST_ROWS:
        known = np.random.default_rng(0).choice(known, MOST_ROWS, replace=False)
    known = np.random.default_rng(0).permutation(known)
    measure = "balanced accuracy" if task == "classification" else "R2"
    found = []
    for name, column in _columns(raw, known):
        if not _can_score(column, values[known], task) or not _by_the_nearest(column, values[known], task):
            continue
        score = _score(column, values[known], task)
        if score >= GIVEN_AWAY:
            found.append({"column": name, "measure": measure, "score": score})
    place_of = {name: place for place, name in enumerate(raw.features)}
    return sorted(found, key=lambda one: (-one["score"], place_of[one["column"]]))


def _columns(raw: Raw, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The columns as numbers that a tree can split; NaN where a value is missing."""
    for place, name in enumerate(raw.numeric):
        yield name, np.clip(raw.x[rows, place], -1e30, 1e30)  # trees refuse infinity
    for place, name in enumerate(raw.text):
        if raw.words is not None:
            import pandas as pd

            codes = pd.factorize(raw.words[rows, place], sort=True)[0].astype(np.float64)
            yield name, np.where(codes < 0, np.nan, codes)


def _can_score(column: np.ndarray, values: np.ndarray, task: str) -> bool:
    """Whether a tree may predict the target well: of equal or neighbouring values most have like targets.

    Spares nearly all columns the fitting of trees, which would take seconds where there are thousands.
    """
    order = np.lexsort((values, np.nan_to_num(column, nan=np.inf)))
    ordered, targets = np.nan_to_num(column, nan=np.inf)[order], values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    if task != "classification":
        return _smooth(targets, starts)
    runs = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]) | (targets[1:] != targets[:-1])])
    sizes = np.diff(np.r_[runs, len(targets)])
    first = np.searchsorted(runs, starts)  # the runs of one class within one value
    most = np.repeat(np.maximum.reduceat(sizes, first), np.diff(np.r_[first, len(runs)]))
    labels = targets[runs]
    beside = np.r_[False, labels[1:] == labels[:-1]] | np.r_[labels[1:] == labels[:-1], False]
    right = np.where((sizes == most) & ((sizes > 1) | beside), sizes, 0)
    counts = np.bincount(targets)
    recall = np.bincount(labels, weights=right, minlength=len(counts))[counts > 0] / counts[counts > 0]
    return bool(recall.mean() >= LIKELY[task])


def _smooth(targets: np.ndarray, starts: np.ndarray) -> bool:
    """Whether targets, ordered by a column, are near the means of their neighbours."""
    sizes = np.diff(np.r_[starts, len(targets)])
    means = np.add.reduceat(targets, starts) / sizes
    beside = np.convolve(np.pad(means, 1, mode="reflect" if len(means) > 1 else "edge"), [0.5, 0, 0.5], mode="valid")
    expected = np.repeat(np.where(sizes > 1, means, beside), sizes)
    spread = float(np.square(targets - targets.mean()).sum())
    return float(np.square(targets - expected).sum()) <= (1 - LIKELY["regression"]) * spread


def _by_the_nearest(column: np.ndarray, values: np.ndarray, task: str) -> bool:
    """Whether the nearest values of rows not seen predict the target well: what a tree does, does this nearly as well.

    Of thousands of columns of a short table some pass `_can_score` by chance, and importing trees takes a second.
    """
    if len(values) < 2 * FOLDS:
        return False
    place = np.nan_to_num(column, nan=2e30)
    fold = np.arange(len(values)) % FOLDS
    predicted = np.empty(len(values), dtype=values.dtype)
    for part in range(FOLDS):
        order = np.argsort(place[fold != part], kind="stable")
        seen, targets = place[fold != part][order], values[fold != part][order]
        wanted = place[fold == part]
        after = np.clip(np.searchsorted(seen, wanted), 1, len(seen) - 1)
        nearer = wanted - seen[after - 1] < seen[after] - wanted
        predicted[fold == part] = targets[np.where(nearer, after - 1, after)]
    return _quality(predicted, values, task) >= LIKELY[task]


def _score(column: np.ndarray, values: np.ndarray, task: str) -> float:
    """Balanced accuracy or R2 on rows that the tree has not seen, fold by fold."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
    fold = np.arange(len(values)) % FOLDS
    predicted = np.empty(len(values))
    for part in range(FOLDS):
        tree = kind(min_samples_leaf=2, random_state=0)
        tree.fit(column[fold != part, None], values[fold != part])
        predicted[fold == part] = tree.predict(column[fold == part, None])
    return _quality(predicted, values, task)


def _quality(predicted: np.ndarray, values: np.ndarray, task: str) -> float:
    """Balanced accuracy or R2."""
    if task != "classification":
        spread = float(np.square(values - values.mean()).sum())
        return 1 - float(np.square(values - predicted).sum()) / spread if spread else 0.0
    counts, right = np.bincount(values), np.bincount(values[predicted == values], minlength=int(values.max()) + 1)
    return float((right[counts > 0] / counts[counts > 0]).mean())
