"""Columns that alone give the target away: each is tried by a small decision tree on rows it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainers.data.raw import Raw
from trainers.data.split import Rows

GIVEN_AWAY = 0.99  # balanced accuracy or R2 of one column: more than a feature of a real question has
MOST_ROWS = 20_000  # that are looked at
FOLDS = 3


def giveaways(raw: Raw, values: np.ndarray, task: str, rows: Rows) -> list[dict[str, Any]]:
    """The columns that predict the target almost perfectly: column, measure and score, the best first.

    Only training and validation rows are looked at. Where a value is missing counts as well.
    """
    known = np.concatenate([rows.train, rows.validation])
    if len(known) > MOST_ROWS:
        known = np.random.default_rng(0).choice(known, MOST_ROWS, replace=False)
    known = np.random.default_rng(0).permutation(known)
    measure = "balanced accuracy" if task == "classification" else "R2"
    found = []
    for name in raw.features:
        score = _score(_column(raw, name, known), values[known], task)
        if score >= GIVEN_AWAY:
            found.append({"column": name, "measure": measure, "score": score})
    return sorted(found, key=lambda one: -one["score"])


def _column(raw: Raw, name: str, rows: np.ndarray) -> np.ndarray:
    """A column as numbers that a tree can split; NaN where a value is missing."""
    if name in raw.text and raw.words is not None:
        import pandas as pd

        codes = pd.factorize(raw.words[rows, raw.text.index(name)], sort=True)[0].astype(np.float64)
        return np.where(codes < 0, np.nan, codes)
    column = raw.x[rows, raw.numeric.index(name)]
    finite: np.ndarray = np.clip(column, -1e30, 1e30)  # trees refuse infinity
    return finite


def _score(column: np.ndarray, values: np.ndarray, task: str) -> float:
    """Balanced accuracy or R2 on rows that the tree has not seen, fold by fold."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if len(values) < 2 * FOLDS:
        return 0.0
    kind = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
    fold = np.arange(len(values)) % FOLDS
    predicted = np.empty(len(values))
    for part in range(FOLDS):
        tree = kind(min_samples_leaf=2, random_state=0)
        tree.fit(column[fold != part, None], values[fold != part])
        predicted[fold == part] = tree.predict(column[fold == part, None])
    if task != "classification":
        spread = float(np.square(values - values.mean()).sum())
        return 1 - float(np.square(values - predicted).sum()) / spread if spread else 0.0
    return float(np.mean([(predicted[values == label] == label).mean() for label in np.unique(values)]))
