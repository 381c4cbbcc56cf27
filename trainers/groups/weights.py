"""What is done to the training rows about differences between groups."""

from __future__ import annotations

import numpy as np


def reweighing(y: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """A weight for each row that makes group and class independent; their mean is 1.

    That is P(group) P(class) / P(group, class) (Kamiran and Calders, Data preprocessing techniques for classification
    without discrimination, 2012).

    Args:
        y: class indices.
        codes: the group of each row.
    """
    table = np.zeros((int(codes.max()) + 1, int(y.max()) + 1))
    np.add.at(table, (codes, y), 1)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / len(y)
    weights = np.divide(expected, table, out=np.zeros_like(table), where=table > 0)[codes, y]
    found: np.ndarray = weights / weights.mean()
    return found


def balanced_parts(y: np.ndarray, codes: np.ndarray, *, equal_classes: bool) -> tuple[np.ndarray, np.ndarray]:
    """Each row's combination of group and class, by number, and the share of each that is drawn in an epoch.

    All groups are drawn equally often, and in each the classes as often as in all rows: neither says anything of the
    other then (uniform sampling of Kamiran and Calders, 2012, between groups of equal size).

    Args:
        y: class indices.
        codes: the group of each row.
        equal_classes: the classes are drawn equally often, too.
    """
    classes = int(y.max()) + 1
    found, places = np.unique(codes * classes + y, return_inverse=True)
    group, label = found // classes, found % classes
    common = np.bincount(y, minlength=classes) > 0 if equal_classes else np.bincount(y, minlength=classes) / len(y)
    shares = common[label].astype(np.float64)
    within = np.bincount(group, weights=shares)[group]  # a group may lack a class
    return places.reshape(-1).astype(np.int64), shares / within / len(np.unique(group))
