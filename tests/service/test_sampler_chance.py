"""Draws by chance: those of Optuna's random sampler, to the last bit."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import create_trial

from goodfit.service.sampler.chance import Chance

DISTRIBUTIONS: list[BaseDistribution] = [
    FloatDistribution(-1.5, 2.0),
    FloatDistribution(1e-5, 1.0, log=True),
    FloatDistribution(0.0, 1.0, step=0.1),
    FloatDistribution(-0.3, 0.3, step=0.2),
    IntDistribution(-3, 4),
    IntDistribution(1, 9, step=2),
    IntDistribution(1, 512, log=True),
    CategoricalDistribution(["a", "b", "c"]),
]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_chance_draws_what_optunas_random_sampler_draws(seed: int) -> None:
    study, trial = optuna.create_study(sampler=RandomSampler(seed=0)), create_trial(value=0.0)
    own, optunas = Chance().at(seed), RandomSampler(seed=seed)
    for _ in range(200):
        for distribution in DISTRIBUTIONS:
            drawn = own.sample_independent(study, trial, "x", distribution)
            assert drawn == optunas.sample_independent(study, trial, "x", distribution)


def test_a_seed_decides_whatever_was_drawn_before() -> None:
    study, trial = optuna.create_study(sampler=RandomSampler(seed=0)), create_trial(value=0.0)
    chance = Chance()
    first = chance.at(3).sample_independent(study, trial, "x", DISTRIBUTIONS[0])
    chance.sample_independent(study, trial, "x", DISTRIBUTIONS[-1])
    assert chance.at(3).sample_independent(study, trial, "x", DISTRIBUTIONS[0]) == first
