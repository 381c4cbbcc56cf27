"""The built-in search methods that Optuna's samplers stand behind, a row each.

Each draw is made by a sampler of its own, seeded for it; what a sampler would remember from one trial to the next is
derived from the records. Which spaces a method fits stands in spec/search_methods.py.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, QMCSampler, RandomSampler
from optuna.trial import FrozenTrial

from goodfit.service.sampler.history import quiet
from goodfit.service.sampler.nsga import Nsga
from goodfit.service.sampler.observed import Observed, as_complete
from goodfit.service.sampler.tpe import Rows, Tpe

Distributions = dict[str, BaseDistribution]

MOST_MODELLED, MOST_PENDING = 128, 16  # trials that the Gaussian process gets: the cost of a proposal grows with them
GENERATION = "cma:generation"  # Optuna's name of what CMA-ES notes on a trial


@dataclass(frozen=True, slots=True)
class Draw:
    """What one draw is made from.

    Attributes:
        seed: of this draw.
        study_seed: the same for all draws of a study.
        place: of the trial among those that the method proposes.
        observed: gives what is known of the trials.
        generations: of CMA-ES, as far as earlier draws have derived them.
        rows: the parameters of the trials, where the method is TPE.
    """

    seed: int
    study_seed: int
    place: int
    observed: Callable[[], Observed]
    generations: Generations
    rows: Rows


class Generations:
    """The states of CMA-ES after each generation, derived from the records.

    A generation is the next so many trials with a value, in the order of their numbers. Optuna keeps the state on the
    trials, and sorts them by when they were asked for and when they ended. The records do not have that order, so a
    resumed study would go on otherwise.
    """

    def __init__(self) -> None:
        self._known: list[tuple[tuple[int, ...], dict[str, Any]]] = []  # numbers, best first; the state after them

    def ask(self, seen: Sequence[FrozenTrial], space: Distributions, draw: Draw, number: int) -> dict[str, Any]:
        """Parameters by the state after all generations that are whole."""
        size = 4 + math.floor(3 * math.log(len(space)))  # the default of the package cmaes
        state: dict[str, Any] = {}
        for index in range(len(seen) // size):
            ranked = sorted(seen[index * size : (index + 1) * size], key=lambda trial: (trial.value, trial.number))
            key = tuple(trial.number for trial in ranked)
            if self._known[index : index + 1] and self._known[index][0] == key:
                state = self._known[index][1]
                continue
            del self._known[index:]
            told = [as_complete(trial, float(rank), {GENERATION: index}) for rank, trial in enumerate(ranked)]
            state, _ = _turn(state, told, space, size, draw.study_seed, 0)
            self._known.append((key, state))
        return _turn(state, [], space, size, draw.seed, number)[1]


def _scratch() -> optuna.Study:
    """An empty study to show a sampler trials in; less is better."""
    with quiet():
        return optuna.create_study(sampler=RandomSampler(seed=0))


def _turn(
    state: Mapping[str, Any], told: Sequence[FrozenTrial], space: Distributions, size: int, seed: int, number: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell CMA-ES a generation, if one is given, and ask it: its state after that, and parameters."""
    sampler = CmaEsSampler(seed=seed, popsize=size, n_startup_trials=0, warn_independent_sampling=False)
    study = _scratch()
    if state:  # is read from any trial that has it
        study.add_trial(optuna.create_trial(value=0.0, system_attrs=dict(state)))
    study.add_trials(told)
    asked = study.ask()
    sketch = study.get_trials(deepcopy=True)[-1]
    sketch.number = number
    params = sampler.sample_relative(study, sketch, space)
    noted = dict(study.get_trials(deepcopy=False)[asked.number].system_attrs)
    noted.pop(GENERATION)
    return noted, params


class _CmaEs(CmaEsSampler):
    """Optuna's CMA-ES, its state derived from the records."""

    def __init__(self, draw: Draw) -> None:
        super().__init__(seed=draw.seed, warn_independent_sampling=False)
        self._draw = draw

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Distributions) -> dict[str, Any]:  # noqa: ARG002 - what it learns from is in the draw
        seen = self._draw.observed().trials
        return self._draw.generations.ask(seen, search_space, self._draw, trial.number)


class _Gaussian(GPSampler):
    """Optuna's Gaussian process, on the ranks of the best trials and of some others."""

    def __init__(self, draw: Draw) -> None:
        super().__init__(seed=draw.seed, warn_independent_sampling=False)
        self._draw = draw

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Distributions) -> dict[str, Any]:  # noqa: ARG002 - what it learns from is in the draw
        seen = self._draw.observed()
        shown = _scratch()
        shown.add_trials([*thinned(seen.trials), *seen.pending[-MOST_PENDING:]])
        asked = shown.ask()  # Optuna notes on it what it finds
        return super().sample_relative(shown, shown.get_trials(deepcopy=False)[asked.number], search_space)


def thinned(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """At most MOST_MODELLED: the best are half of them, the others are spread evenly over the rest."""
    if len(trials) <= MOST_MODELLED:
        return list(trials)
    order = sorted(trials, key=lambda trial: (trial.value, trial.number))
    half = MOST_MODELLED // 2
    rest = sorted(order[half:], key=lambda trial: trial.number)
    kept = [*order[:half], *(rest[index * len(rest) // half] for index in range(half))]
    return sorted(kept, key=lambda trial: trial.number)


class _Sobol(QMCSampler):
    """Optuna's scrambled Sobol sequence, at the trial's place: Optuna counts the draws."""

    def __init__(self, draw: Draw) -> None:
        super().__init__(seed=draw.study_seed, scramble=True, warn_independent_sampling=False)
        self._place = draw.place

    def _find_sample_id(self, study: optuna.Study, search_space: Distributions) -> int:  # noqa: ARG002 - Optuna's
        return self._place


@dataclass(frozen=True, slots=True)
class Method:
    """A search method.

    Attributes:
        sampler: makes the sampler of one draw.
        draws: how often it is asked, with other seeds, for a configuration that was not tried; after that chance is.
        whole: whether it models all parameters of a space at once, which has no conditions then.
        part: whether it is TPE, which is shown a part of the trials where they are many.
        separate: whether it models each parameter by itself where there are several objectives: few trials are on a
            front, too few for a model of all parameters (measured: docs/architecture.md).
    """

    sampler: Callable[[Draw], BaseSampler]
    draws: int
    whole: bool = True
    part: bool = False
    separate: bool = False


METHODS: Mapping[str, Method] = {
    "bayesian": Method(lambda draw: Tpe(draw.seed, draw.rows), draws=4, whole=False, part=True, separate=True),
    "gp": Method(_Gaussian, draws=1),  # another seed finds the same maximum
    "cmaes": Method(_CmaEs, draws=4),
    "qmc": Method(_Sobol, draws=1),
    "nsga2": Method(lambda draw: Nsga(seed=draw.seed), draws=4, whole=False),
}


@contextmanager
def experimental() -> Iterator[None]:
    """Optuna calls QMCSampler experimental, which is nothing that a user could act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
