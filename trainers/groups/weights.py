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


def cells(y: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, int]:
    """Each row's combination of group and class, by number, and how many there are.

    Drawn equally often, they are what Idrissi and others (Simple data balancing achieves competitive worst-group
    accuracy, 2022) find to do best among the ways to balance data.
    """
    classes = int(y.max()) + 1
    found, places = np.unique(codes * classes + y, return_inverse=True)
    return places.reshape(-1).astype(np.int64), len(found)
