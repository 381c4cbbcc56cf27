"""Rows far from all others, by the distance to their nearest neighbours (Ramaswamy, Rastogi and Shim, 2000)."""

from __future__ import annotations

import math

import numpy as np

NEIGHBOURS = 10
MOST_COLUMNS = 50  # of what is compared; more are projected to so many (Johnson and Lindenstrauss, 1984)
NUMBERS_AT_ONCE = 2**22  # distances in memory
MOST_OTHERS = 5_000  # rows that each is compared with, drawn once: bounds the time
LEAST_Z = 3.5
LEAST_RATIO = 3.0  # times the usual distance: less is no outlier, however even the others are


def outlier_scores(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are outliers, and a score of each in [0, 1]; low: far from the others.

    The score is 1 / (1 + r^2) with r the mean distance to the nearest rows in units of its median; an outlier's is
    above what the usual spread of the larger distances' logarithms explains.

    Args:
        x: prepared inputs (rows, ...), finite.
        seed: of the projection, and of which rows others are compared with.
    """
    rows = _projected(np.asarray(x, dtype=np.float32).reshape(len(x), -1), seed)
    if len(rows) < 3:
        return np.zeros(len(rows), dtype=bool), np.ones(len(rows))
    apart = _neighbour_distance(rows, seed)
    usual = float(np.median(apart))
    if usual == 0:
        return np.zeros(len(rows), dtype=bool), np.where(apart > 0, 0.5, 1.0)
    logs = np.log(np.maximum(apart, usual * 1e-6) / usual)
    spread = 1.4826 * float(np.median(logs[logs >= 0]))  # of those above: distances have a longer tail there
    limit = max(LEAST_Z, math.sqrt(2 * math.log(len(rows))))
    return (logs > limit * spread) & (logs > math.log(LEAST_RATIO)), 1 / (1 + (apart / usual) ** 2)


def _projected(x: np.ndarray, seed: int) -> np.ndarray:
    if x.shape[1] <= MOST_COLUMNS:
        return x
    directions = np.random.default_rng(seed).normal(size=(x.shape[1], MOST_COLUMNS)) / math.sqrt(MOST_COLUMNS)
    return np.asarray(x @ directions.astype(np.float32))


def _neighbour_distance(x: np.ndarray, seed: int) -> np.ndarray:
    """The mean distance of each row to its nearest among the others, or among a sample of them."""
    chosen = np.arange(len(x))
    if len(x) > MOST_OTHERS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(x), MOST_OTHERS, replace=False))
    others = x[chosen]
    squares = (others.astype(np.float64) ** 2).sum(axis=1)
    nearest = min(NEIGHBOURS, len(others) - 1)
    found = np.empty(len(x))
    step = max(1, NUMBERS_AT_ONCE // len(others))
    for start in range(0, len(x), step):
        part = x[start : start + step].astype(np.float64)
        distances = np.maximum((part**2).sum(axis=1)[:, None] + squares - 2 * part @ others.T.astype(np.float64), 0)
        own = np.searchsorted(chosen, np.arange(start, start + len(part)))
        own = np.minimum(own, len(chosen) - 1)
        itself = np.flatnonzero(chosen[own] == np.arange(start, start + len(part)))
        distances[itself, own[itself]] = np.inf
        found[start : start + len(part)] = np.sqrt(np.partition(distances, nearest - 1, axis=1)[:, :nearest]).mean(
            axis=1
        )
    return found
