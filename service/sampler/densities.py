"""The densities of TPE's mixtures at all candidates at once.

Optuna finds the tails of the normal distribution one by one, and that was most of a proposal. The figures are the same
but for their last digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution, IntDistribution
from scipy.special import ndtr

if TYPE_CHECKING:  # Optuna's own name for it
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

Floats = NDArray[np.float64]

_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


def log_density(mixture: _ParzenEstimator, samples: Mapping[str, Floats]) -> Floats:
    """Of each sample the logarithm of a mixture's density there: the weighted sum of what its kernels have there.

    A kernel is a product over the parameters: of a truncated normal distribution, or of the chances of the choices. All
    is summed up in Optuna's order, so that of choices that are as good as each other the same one is taken.
    """
    weights, kernels = mixture._mixture_distribution  # noqa: SLF001 - Optuna gives it no other way
    found = np.zeros((len(next(iter(samples.values()))), len(weights)))
    for (name, distribution), kernel in zip(mixture._search_space.items(), kernels, strict=True):  # noqa: SLF001
        if isinstance(distribution, FloatDistribution | IntDistribution) and not hasattr(kernel, "weights"):
            found += _log_normal(samples[name], kernel.mu, kernel.sigma, distribution)
        elif not hasattr(kernel, "mu"):  # of choices
            found += np.log(kernel.weights).T[samples[name].astype(np.int64)]
    found += np.log(weights)
    most = found.max(1)
    most[np.isneginf(most)] = 0.0  # of a sample where no kernel has anything
    return np.asarray(np.log(np.exp(found - most[:, None]).sum(1).clip(np.finfo(np.float64).tiny)) + most)


def _log_normal(
    samples: Floats, mu: Floats, sigma: Floats, distribution: FloatDistribution | IntDistribution
) -> Floats:
    """A row for each sample, a column for each kernel."""
    half = (distribution.step or 0.0) / 2
    scale = np.log if distribution.log else np.asarray
    low, high = scale(distribution.low - half), scale(distribution.high + half)
    whole = _log_mass((low - mu) / sigma, (high - mu) / sigma)
    if not half:
        return np.asarray(
            -0.5 * ((scale(samples)[:, None] - mu) / sigma) ** 2 - (whole + np.log(sigma) + _LOG_ROOT_TWO_PI)
        )
    values, sample = np.unique(samples, return_inverse=True)
    left, right = scale(values - half)[:, None], scale(values + half)[:, None]
    return np.asarray(_log_mass((left - mu) / sigma, (right - mu) / sigma)[sample] - whole)


def _log_mass(low: Floats, high: Floats) -> Floats:
    """The logarithm of what the standard normal distribution has between two values.

    It is computed in the left tail, where the distribution function is exact. Where it is less than the least double
    there is, or than what two of them can differ by, it is -inf: the mixture's prior, which is everywhere, outweighs
    it by far.
    """
    right = low + high > 0
    with np.errstate(divide="ignore"):
        mass = ndtr(np.where(right, -low, high)) - ndtr(np.where(right, -high, low))
        return np.asarray(np.log(np.maximum(mass, 0.0)))
