"""TPE proposes what Optuna's own proposes, at less cost."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as State

from goodfit.service.sampler.densities import log_density
from goodfit.service.sampler.tpe import Rows, Tpe

NUMBERS: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
    "ratio": FloatDistribution(0.1, 0.9, step=0.1),
    "depth": IntDistribution(1, 4),
    "batch": IntDistribution(8, 256, step=8),
    "width": IntDistribution(1, 100_000, log=True),
}
CHOICES: dict[str, BaseDistribution] = {
    "optimizer": CategoricalDistribution(("sgd", "adam", "lamb")),
    "nesterov": CategoricalDistribution((True, False)),
    "pool": CategoricalDistribution((None, 1, "2")),
}
SPACES = {"numbers": NUMBERS, "choices": CHOICES, "both": {**NUMBERS, **CHOICES}, "one": {"depth": NUMBERS["depth"]}}
STATES = [State.COMPLETE, State.PRUNED, State.RUNNING, State.FAIL]
WEIGHTS = {
    1: [20, 8, 1, 1],
    2: [28, 0, 1, 1],
}  # by the number of objectives: of several, Optuna compares no pruned ones


def value_of(distribution: BaseDistribution, draw: random.Random) -> Any:
    """A value, often one at an end of the range."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return draw.choice(choices)
        case FloatDistribution(low=low, high=high, step=None):
            return draw.choice([low, high, *(draw.uniform(low, high) for _ in range(8))])
        case FloatDistribution(low=low, high=high, step=float(step)):
            return low + step * draw.randint(0, round((high - low) / step))
        case IntDistribution(low=low, high=high, step=step):
            return draw.choice([low, high, *(draw.randrange(low, high + 1, step) for _ in range(8))])
    raise TypeError(distribution)


def a_study(space: dict[str, BaseDistribution], count: int, seed: int, directions: list[str]) -> optuna.Study:
    """Trials of every state, some without a part of the parameters, some that break a constraint."""
    draw = random.Random(seed)
    study = optuna.create_study(directions=directions)
    for _ in range(count):
        names = [name for name in space if draw.random() < 0.98]
        (state,) = draw.choices(STATES, WEIGHTS[len(directions)])
        study.add_trial(
            create_trial(
                state=state,
                values=[draw.choice([0.5, draw.random()]) for _ in directions] if state is State.COMPLETE else None,
                params={name: value_of(space[name], draw) for name in names},
                distributions={name: space[name] for name in names},
                intermediate_values={1: draw.random()} if state is State.PRUNED else {},
                constraints={"bound": draw.choice([-1.0, -1.0, 1.0])} if state is not State.RUNNING else None,
            )
        )
    return study


def proposed(study: optuna.Study, sampler: TPESampler, space: dict[str, BaseDistribution]) -> dict[str, Any]:
    trials = study.get_trials(deepcopy=False)
    sketch = create_trial(state=State.RUNNING)
    sketch.number, sketch._trial_id = len(trials), trials[0]._trial_id
    name = next(iter(space))
    together = sampler._sample_relative(study, sketch, space)
    return {**together, "alone": sampler.sample_independent(study, sketch, name, space[name])}


@pytest.mark.parametrize("directions", [["minimize"], ["maximize"], ["minimize", "maximize"]], ids="-".join)
@pytest.mark.parametrize("space", SPACES)
def test_the_proposals_are_those_of_optuna(space: str, directions: list[str]) -> None:
    for seed, count in enumerate((3, 11, 30, 120, 300)):
        study = a_study(SPACES[space], count, seed, directions)
        rows = Rows()
        for trial in study.get_trials(deepcopy=False):
            rows.put(trial)
        for again in range(3):
            own = proposed(study, Tpe(again, rows), SPACES[space])
            assert own == proposed(study, TPESampler(seed=again), SPACES[space]), (count, again)


@pytest.mark.parametrize("high", [2**31, 2**47, 2**53, 10**18])
def test_whole_numbers_of_any_size_are_proposed(high: int) -> None:
    """What one of them has of a density is less than two doubles can differ by."""
    space: dict[str, BaseDistribution] = {"count": IntDistribution(0, high)}
    study = a_study(space, 60, 0, ["minimize"])
    rows = Rows()
    for trial in study.trials:
        rows.put(trial)
    assert 0 <= proposed(study, Tpe(1, rows), space)["count"] <= high


def test_optuna_still_calls_what_is_done_here() -> None:
    """Else the proposals would be right, and slow."""
    study = a_study(NUMBERS, 40, 0, ["minimize"])
    called: set[str] = set()

    class Watched(Tpe):
        def _get_internal_repr(self, *given: Any) -> Any:
            called.add("rows")
            return super()._get_internal_repr(*given)

        def _compute_acquisition_func(self, *given: Any) -> Any:
            called.add("densities")
            return super()._compute_acquisition_func(*given)

    proposed(study, Watched(0, Rows()), NUMBERS)
    assert called == {"rows", "densities"}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("count", [0, 1, 200])
def test_the_densities_are_those_of_optuna(name: str, count: int) -> None:
    draw = random.Random(0)
    space = {name: NUMBERS[name], **CHOICES}
    observed = {key: [one.to_internal_repr(value_of(one, draw)) for _ in range(count)] for key, one in space.items()}
    tried = {key: [one.to_internal_repr(value_of(one, draw)) for _ in range(50)] for key, one in space.items()}
    samples = {key: np.array(values, dtype=float) for key, values in tried.items()}
    mixture = _ParzenEstimator(
        {key: np.array(values) for key, values in observed.items()}, space, TPESampler()._parzen_estimator_parameters
    )
    np.testing.assert_allclose(log_density(mixture, samples), mixture.log_pdf(samples), rtol=1e-9, atol=1e-9)


def test_trials_that_lack_a_parameter_are_left_out() -> None:
    def trial(number: int, **params: float) -> FrozenTrial:
        found = create_trial(value=0.0, params=params, distributions={name: FloatDistribution(0, 9) for name in params})
        found.number = number
        return found

    rows = Rows()
    assert rows.of([], ["x"]).shape == (0, 1)
    for one in (trial(0, x=1.0), trial(1, x=2.0, y=3.0), trial(2), trial(40, y=5.0, x=4.0)):
        rows.put(one)
    assert rows.of([0, 1, 2, 40], ["y", "x"]).tolist() == [[3.0, 2.0], [5.0, 4.0]]
    assert rows.of([0, 1, 2, 40], ["x"]).tolist() == [[1.0], [2.0], [4.0]]
    assert rows.of([0, 1], ["x", "unheard of"]).shape == (0, 2)
    rows.put(trial(0, x=math.pi, y=1.0))  # its trainer has asked for a parameter
    assert rows.of([0], ["x", "y"]).tolist() == [[math.pi, 1.0]]
