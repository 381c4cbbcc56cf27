"""The improvement to be expected over the best value (Jones, Schonlau and Welch, 1998)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


def expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """Of values that are normally distributed, each with its mean and deviation; larger is better."""
    lead = (mean - best) / deviation
    density = np.exp(-0.5 * lead * lead) / math.sqrt(2 * math.pi)
    return np.asarray(deviation * (lead * ndtr(lead) + density), dtype=float)
