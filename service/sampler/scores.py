"""Ranks as normal scores: only the order of values counts, so that a metric may have any scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


def scores(values: Floats) -> Floats:
    """Each value's normal score among all of them; equal values share theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts  # of the ranks of equal values
    return np.asarray(ndtri(middle[place] / len(values)), dtype=float)
