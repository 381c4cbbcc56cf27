"""A Gaussian process over configurations and epochs: what is known of all curves, and how sure it is.

The value z of configuration x at progress s (the logarithm of the epoch, 1 at a full run) has the covariance

    A(x, x') (v1 + v2 T(s, s')) + v3 [same trial] T(s, s') + v4 [same observation]

with A a Matern-5/2 kernel with a length scale for each parameter and T = exp(-|s - s'| / l). The hyperparameters are
those of the highest posterior (L-BFGS with analytic gradients, from the prior's mode, so that they follow from the data
alone). The mean is estimated with them (generalized least squares), shrunk towards 0 by one observation.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapters 2, 4 and 5; Swersky, Snoek and Adams,
Freeze-Thaw Bayesian Optimization (2014), for curves that are stopped and taken up again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ITERATIONS = 15  # of L-BFGS in a fit
JITTER = 1e-6
_ROOT5 = math.sqrt(5.0)


@dataclass(frozen=True)
class Observations:
    """Values at points: all arrays have a row for each of n observations.

    Attributes:
        rows: encoded configurations (n, columns).
        progress: log(epoch) / log(epochs of a full run).
        trials: whose they are.
        values: what was seen.
    """

    rows: Floats
    progress: Floats
    trials: Integers
    values: Floats

    def take(self, index: Integers) -> Observations:
        """Some of them."""
        return Observations(self.rows[index], self.progress[index], self.trials[index], self.values[index])

    def and_also(self, other: Observations) -> Observations:
        """These and others."""
        return Observations(
            np.vstack([self.rows, other.rows]),
            np.concatenate([self.progress, other.progress]),
            np.concatenate([self.trials, other.trials]),
            np.concatenate([self.values, other.values]),
        )


class CurveModel:
    """The process. `fit` finds its hyperparameters, `condition` takes in what was seen, `predict` tells.

    Args:
        columns: the parameter of each column of an encoded configuration; those of one choice share a length scale.
    """

    def __init__(self, columns: Integers) -> None:
        self._columns = columns
        count = int(columns.max()) + 1 if len(columns) else 0
        scale = math.log(0.5 * math.sqrt(max(1, count)))
        # Length scales, then v1, v2, v3, v4 and l: modes and deviations of normal priors on their logarithms.
        self._mode = np.array([scale] * count + [math.log(v) for v in (0.7, 0.4, 0.1, 0.02, 0.7)])
        self._deviation = np.array([0.8] * count + [0.7, 0.7, 1.0, 1.2, 0.5])
        self._count = count
        self._found = self._mode

    def fit(self, seen: Observations) -> None:
        """Set the hyperparameters by these observations; as they were where no better are found."""
        from scipy.optimize import minimize  # a quarter of a second: a study's first trials start without it

        low, high = self._mode - 3 * self._deviation, self._mode + 3 * self._deviation
        centered = Observations(seen.rows, seen.progress, seen.trials, seen.values - seen.values.mean())
        result = minimize(
            self._loss,
            self._mode,
            args=(centered,),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"maxiter": ITERATIONS, "maxfun": ITERATIONS + 5},
        )
        if np.isfinite(result.fun):
            self._found = np.asarray(result.x)

    def condition(self, seen: Observations) -> None:
        """Take these observations for what is known."""
        self._seen = seen
        self._scaled = seen.rows * self._scales(self._found)
        count = len(seen.values)
        covariance = self._covariance(self._scaled, seen.progress, seen.trials)
        covariance[np.diag_indices(count)] += self._variances[3] + JITTER
        self._root = cholesky(covariance, lower=True, check_finite=False)
        both = cho_solve((self._root, True), np.column_stack([seen.values, np.ones(count)]), check_finite=False)
        weight = float(both[:, 1].sum())
        self._mean = float(both[:, 0].sum()) / (weight + 1.0)
        self._weights = both[:, 0] - self._mean * both[:, 1]

    def predict(self, rows: Floats, progress: Floats, trials: Integers) -> tuple[Floats, Floats]:
        """Means and standard deviations of the value at these points, without the noise of one observation."""
        across = self._covariance(rows * self._scales(self._found), progress, trials)
        mean = self._mean + across @ self._weights
        explained = solve_triangular(self._root, across.T, lower=True, check_finite=False)
        v1, v2, v3 = self._variances[:3]
        return mean, np.sqrt(np.maximum(v1 + v2 + v3 - (explained * explained).sum(0), JITTER))

    @property
    def noise(self) -> float:
        """The standard deviation of one value around what its configuration and epoch say."""
        return float(np.sqrt(self._variances[2] + self._variances[3]))

    @property
    def _variances(self) -> Floats:
        return np.asarray(np.exp(self._found[self._count :]))

    def _scales(self, hyper: Floats) -> Floats:
        return np.asarray(np.exp(-hyper[: self._count])[self._columns])

    def _covariance(self, scaled: Floats, progress: Floats, trials: Integers) -> Floats:
        """Between points, whose rows are scaled, and the observations."""
        v1, v2, v3, _, length = self._variances
        alike, _ = _matern(_distances(scaled, self._scaled))
        together = np.exp(-np.abs(progress[:, None] - self._seen.progress[None]) / length)
        same = trials[:, None] == self._seen.trials[None]
        return np.asarray(alike * (v1 + v2 * together) + v3 * same * together)

    def _loss(self, hyper: Floats, seen: Observations) -> tuple[float, Floats]:
        """The negative logarithm of the posterior, but for a constant, and its gradient."""
        count = self._count
        v1, v2, v3, v4, length = np.exp(hyper[count:])
        scaled = seen.rows * self._scales(hyper)
        root5r = _distances(scaled, scaled)
        alike, decay = _matern(root5r)
        apart = np.abs(seen.progress[:, None] - seen.progress[None])
        together = np.exp(-apart / length)
        same = seen.trials[:, None] == seen.trials[None]
        by_progress = v1 + v2 * together
        covariance = alike * by_progress + v3 * same * together
        covariance[np.diag_indices(len(scaled))] += v4 + JITTER
        try:
            root = cholesky(covariance, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(hyper)
        inverse = cho_solve((root, True), np.eye(len(scaled)), check_finite=False)
        weights = inverse @ seen.values
        loss = 0.5 * float(seen.values @ weights) + float(np.log(np.diag(root)).sum())
        slope = 0.5 * (inverse - np.outer(weights, weights))  # of the loss by the covariance
        # dA / d log(scale of a column) = 5/3 (1 + sqrt(5) r) exp(-sqrt(5) r) (difference in that column / scale)^2
        pull = slope * by_progress * (5 / 3) * (1 + root5r) * decay
        by_column = 2 * ((pull.sum(1)[:, None] * scaled * scaled).sum(0) - (scaled * (pull @ scaled)).sum(0))
        gradient = np.zeros_like(hyper)
        np.add.at(gradient, self._columns, by_column)
        shared = slope * alike
        gradient[count:] = (
            v1 * shared.sum(),
            v2 * (shared * together).sum(),
            v3 * (slope * same * together).sum(),
            v4 * np.trace(slope),
            ((shared * v2 + slope * v3 * same) * together * apart).sum() / length,
        )
        away = (hyper - self._mode) / self._deviation
        return loss + 0.5 * float(away @ away), gradient + away / self._deviation


def _distances(first: Floats, second: Floats) -> Floats:
    """Euclidean distances between rows, times the square root of 5."""
    squares = (first * first).sum(1)[:, None] + (second * second).sum(1)[None] - 2 * first @ second.T
    return np.asarray(_ROOT5 * np.sqrt(np.maximum(squares, 0.0)))


def _matern(root5r: Floats) -> tuple[Floats, Floats]:
    """The Matern-5/2 correlation at these distances times the square root of 5, and its exponential part."""
    decay = np.exp(-root5r)
    return (1 + root5r + root5r * root5r / 3) * decay, decay
