"""Rows with equal inputs and different labels: a label of each such group is wrong, or an input is missing."""

from __future__ import annotations

import numpy as np


def conflicting(keys: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """The places of the rows of each group that shares its inputs and not its labels, the first row's group first.

    Args:
        keys: a number for each row that rows with equal inputs share.
        labels: class indices.
    """
    if not len(keys):
        return []
    order = np.lexsort((np.arange(len(keys)), labels, keys))
    ordered, named = keys[order], labels[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(starts[1:], len(order))
    several = named[starts] != named[ends - 1]  # within a group they are in the order of their labels
    groups = [np.sort(order[start:end]) for start, end in zip(starts[several], ends[several], strict=True)]
    return sorted(groups, key=lambda group: int(group[0]))
