"""Folds in which each row is predicted once, by a model that was not trained on it nor on a copy of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fold_of_rows(together: Sequence[np.ndarray], labels: np.ndarray | None, folds: int, seed: int) -> np.ndarray:
    """The fold of each row, from 0; of classes each has its share in each fold.

    Args:
        together: arrays of keys (rows,); rows that share a key of any of them, such as copies, are in one fold.
        labels: class indices; None: of numbers.
        folds: how many; no more than there are groups of rows.
        seed: of the draw.
    """
    rows = len(together[0])
    if not rows:
        return np.empty(0, dtype=np.int64)
    _, firsts, group = np.unique(_joined(together), return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(firsts))
    if labels is not None:  # by class, of each group that of its first row: each class is dealt out in turn
        order = order[np.argsort(labels[firsts[order]], kind="stable")]
    fold_of_group = np.empty(len(firsts), dtype=np.int64)
    fold_of_group[order] = np.arange(len(firsts)) % min(folds, len(firsts))
    found: np.ndarray = fold_of_group[group]
    return found


def lone_classes(labels: np.ndarray, fold: np.ndarray, classes: int) -> np.ndarray:
    """Which rows are of a class that no other fold has: no model could have predicted it."""
    folds = int(fold.max()) + 1 if len(fold) else 1
    counts = np.zeros((folds, classes), dtype=np.int64)
    np.add.at(counts, (fold, labels), 1)
    alone: np.ndarray = (counts.sum(axis=0) - counts)[fold, labels] == 0
    return alone


def _joined(together: Sequence[np.ndarray]) -> np.ndarray:
    """A number for each row that all rows have which are linked by any of the keys: the smallest place among them."""
    keys = [np.unique(one, return_inverse=True)[1] for one in together]
    label = np.arange(len(keys[0]))
    while True:
        before = label
        for key in keys:
            least = np.full(int(key.max(initial=-1)) + 1, len(label))
            np.minimum.at(least, key, label)
            label = least[key]
        if np.array_equal(before, label):
            return label
