"""How far luck goes: the best of many noisy scores. Numbers only; what they mean for a study is said elsewhere.

The best of n independent normal scores lies `best_of(n)` standard deviations above their mean, with a variance of
`variance_of_best(n)` (David and Nagaraja 2003, "Order Statistics", chapter 4), here by integration.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy import special

_GRID = np.linspace(-9.0, 9.0, 3601)  # standard deviations; a step of 0.005 gives six digits
_DENSITY = np.exp(-(_GRID**2) / 2) / math.sqrt(2 * math.pi)


def best_of(count: int) -> float:
    """Expectation of the largest of `count` standard normal numbers; 0 for one."""
    return _moments(count)[0]


def variance_of_best(count: int) -> float:
    """Variance of the largest of `count` standard normal numbers; 1 for one."""
    return _moments(count)[1]


@functools.lru_cache(maxsize=1024)
def _moments(count: int) -> tuple[float, float]:
    if count < 1:
        raise ValueError(f"there is no best of {count}")
    weights = count * _DENSITY * np.exp((count - 1) * np.log(np.maximum(special.ndtr(_GRID), 1e-300)))
    weights /= np.sum(weights)
    mean = float(weights @ _GRID)
    return (mean if count > 1 else 0.0), float(weights @ (_GRID - mean) ** 2)
