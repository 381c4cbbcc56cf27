"""Methods that Goodfit has not, for comparison: promotion ASHA, PASHA, BOHB, conformal quantiles, Optuna's TPE and GP.

The first four pause trials at rungs (`least` epochs, `factor` times as many, ...) and take the best of a rung up
again: of so many at a rung, one in `factor`.
"""

from __future__ import annotations

import bisect
import importlib
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState as State
from optuna.trial import create_trial

from benchmarks.search.task import Task
from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int
from goodfit.service.objective import Objective
from goodfit.service.ports import NO_METRICS, Proposal, Tried
from goodfit.service.records import Decision, Failure, Report, Trial
from goodfit.service.sampler import OptunaSampler
from goodfit.service.sampler.axes import axes_of, searched
from goodfit.service.sampler.history import quiet
from goodfit.service.spec.pruning import NoPruning

FACTOR = 3


def random_sampler(task: Task, seed: int, search: Any = None) -> OptunaSampler:
    """Random proposals, or those of a search of the benchmark's own; no pruning."""
    return OptunaSampler(
        name="benchmark",
        space=task.space,
        method="random" if search is None else "the benchmark's",
        seed=seed,
        try_defaults=False,
        defaults={},
        pruning=NoPruning(),
        objective=task.objective,
        epochs=task.epochs,
        search=search,
    )


class Rung:
    """The trials that were trained up to one epoch, by their values there; less is better."""

    def __init__(self) -> None:
        self.order: list[tuple[float, int]] = []
        self.promoted: set[int] = set()

    def add(self, number: int, value: float) -> None:
        bisect.insort(self.order, (value, number))

    def best(self) -> int | None:
        """The best that is among one in FACTOR and was not promoted; a value that is not a number never is."""
        for value, number in self.order[: len(self.order) // FACTOR]:
            if number not in self.promoted and value < math.inf:
                return number
        return None


class Promotion:
    """Asynchronous successive halving as Li et al. (2020) have it: promotions before new configurations.

    Args:
        task: what is searched.
        seed: of the study.
        least: epochs of the first rung.
        brackets: whether a new trial begins at a rung that is drawn as in Hyperband.
    """

    def __init__(self, task: Task, seed: int, *, least: int = 1, brackets: bool = False) -> None:
        self.task = task
        self.levels = levels(task.epochs, least)
        self.rungs = {level: Rung() for level in self.levels}
        self.curves: dict[int, dict[int, float]] = {}  # less is better
        self.configurations: list[dict[str, Any]] = []
        self._sampler = random_sampler(task, seed)
        self._rng = np.random.default_rng([seed, 5])
        self._shares = bracket_shares(len(self.levels)) if brackets else [1.0]

    @property
    def top(self) -> int:
        """The highest rung, as its place among the levels."""
        return len(self.levels) - 1

    def next(self, number: int, workers: int, *, new: bool = True, **_: Any) -> Proposal | None:  # noqa: ARG002
        for place in range(self.top - 1, -1, -1):
            rung = self.rungs[self.levels[place]]
            found = rung.best()
            if found is not None:
                rung.promoted.add(found)
                return Proposal(found, until=self._until(place + 1))
        params = self.propose(number) if new else None
        if params is None:
            return None
        self.configurations.append(params)
        bracket = int(self._rng.choice(len(self._shares), p=self._shares))
        return Proposal(number, params, until=self._until(bracket))

    def ended(self) -> str | None:
        """It goes on as long as there is time."""
        return None

    def propose(self, number: int) -> dict[str, Any] | None:
        """A new configuration."""
        return self._sampler.ask(number)

    def _taken(self, number: int, params: dict[str, Any]) -> dict[str, Any] | None:
        """A proposal, or what answers it where only some configurations are known; None: none is left."""
        if self.task.nearest is None:
            found: dict[str, Any] | None = params
        else:
            found = self.task.nearest(params, self._sampler.was_proposed)
        if found is not None:
            self._sampler.add(number, found)
        return found

    def _until(self, place: int) -> int | None:
        return self.levels[place] if self.levels[place] < self.task.epochs else None

    def report(
        self,
        number: int,
        epoch: int,
        value: float,
        metrics: Mapping[str, float] = NO_METRICS,  # noqa: ARG002 - one objective, no constraints
    ) -> None:
        self.curves.setdefault(number, {})[epoch] = math.inf if math.isnan(value) else self.task.objective.sign * value

    def should_prune(self, number: int) -> bool:  # noqa: ARG002 - the port's
        return False

    def judged_after(self, number: int, epoch: int) -> int | None:  # noqa: ARG002 - the port's
        return None

    def reached(self, number: int, epoch: int, seconds: float) -> None:  # noqa: ARG002 - the port's
        self.rungs[epoch].add(number, self.curves[number][epoch])
        self.noted(number, epoch)

    def tell(self, trial: Trial) -> None:
        self._sampler.tell(trial)
        if trial.failure is Failure.NAN:
            level = next(level for level in self.levels if level >= trial.epochs)
            self.rungs[level].add(trial.number, math.inf)
        elif trial.epochs >= self.task.epochs:
            self.reached(trial.number, trial.epochs, math.nan)

    def noted(self, number: int, level: int) -> None:
        """A trial is at a rung."""

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> None:
        if trials or reports or decisions:
            raise ValueError("the methods of the benchmark itself cannot go on with a study that has begun")


def levels(epochs: int, least: int) -> list[int]:
    """The rungs, the last of them the end."""
    found, level = [], least
    while level < epochs:
        found.append(level)
        level *= FACTOR
    return [*found, epochs]


def bracket_shares(rungs: int) -> list[float]:
    """How often Hyperband begins at each rung but the last: as many trials as a round of it has there."""
    count = max(1, rungs - 1)
    sizes = [math.ceil(count * FACTOR ** (count - 1 - bracket) / (count - bracket)) for bracket in range(count)]
    return [size / sum(sizes) for size in sizes]


class Bohb(Promotion):
    """Asynchronous Hyperband whose configurations come from density estimates (Falkner et al., 2018).

    They are made of the trials at the highest rung that has enough of them; one in three is random. The estimates are
    those of Optuna's multivariate TPE.
    """

    RANDOM, SHARE, CANDIDATES = 1 / 3, 0.15, 64

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__(task, seed, brackets=True)
        self._axes = axes_of(task.space)
        self._seed = seed
        self._models = {level: new_study(task.objective, self._tpe()) for level in self.levels}
        self._sizes = dict.fromkeys(self.levels, 0)

    def _tpe(self) -> TPESampler:
        least = len(self._axes) + 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `gamma` will go with Optuna 6
            return TPESampler(
                seed=self._seed,
                n_startup_trials=0,
                n_ei_candidates=self.CANDIDATES,
                gamma=lambda count: min(count - 1, max(least, math.ceil(self.SHARE * count))),
            )

    def propose(self, number: int) -> dict[str, Any] | None:
        enough = [level for level in self.levels if self._sizes[level] >= len(self._axes) + 4]
        if not enough or self._rng.random() < self.RANDOM:
            return super().propose(number)
        study = self._models[enough[-1]]
        distributions = {name: axis.distribution for name, axis in self._axes.items()}
        trial = study.ask(distributions)
        study.tell(trial, state=State.FAIL)  # no model sees it again: its result enters by its rung
        return self._taken(number, {name: self._axes[name].from_optuna(value) for name, value in trial.params.items()})

    def noted(self, number: int, level: int) -> None:
        value = self.curves[number][level]
        values, distributions = searched(self._axes, self.configurations[number])
        signed = self.task.objective.sign * value
        self._models[level].add_trial(
            create_trial(state=State.COMPLETE, value=signed, params=values, distributions=distributions)
        )
        self._sizes[level] += 1


class Pasha(Promotion):
    """Progressive ASHA (Bohdal et al., 2023): the highest rung rises while the ranks at the two highest ones differ.

    Values closer than what curves that cross again and again differ by count as equal.
    """

    PERCENTILE = 90.0

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__(task, seed)
        self._top = min(1, len(self.levels) - 1)

    @property
    def top(self) -> int:
        return self._top

    def noted(self, number: int, level: int) -> None:  # noqa: ARG002 - by its level alone
        if level == self.levels[self._top] and self._top < len(self.levels) - 1 and not self._ranks_agree():
            self._top += 1

    def _ranks_agree(self) -> bool:
        level, before = self.levels[self._top], self.levels[self._top - 1]
        numbers = [number for value, number in self.rungs[level].order if value < math.inf]
        values = np.array([self.curves[number][before] for number in numbers])
        return bool(np.all(np.abs(values - np.sort(values)) <= self._noise(numbers, level)))

    def _noise(self, numbers: Sequence[int], level: int) -> float:
        """What two trials differ by whose curves have changed sides twice or more."""
        curves = np.array([[self.curves[number][epoch] for epoch in range(1, level + 1)] for number in numbers])
        first, second = np.triu_indices(len(numbers), 1)
        above = curves[first] > curves[second]
        crossed = np.abs(np.diff(above.astype(int), axis=1)).sum(axis=1) >= 2
        last = np.abs(curves[first, -1] - curves[second, -1])[crossed]
        return float(np.percentile(last, self.PERCENTILE)) if len(last) else 0.0


class ConformalQuantiles(Promotion):
    """Syne Tune's conformal quantile regression (Salinas et al., 2023): a trial enters with its last value at a rung.

    Costs up to a second for each trial. With `least` the epochs of a full training, no trial is paused.
    """

    def __init__(self, task: Task, seed: int, *, least: int) -> None:
        name = "syne_tune.optimizer.schedulers.searchers.conformal.conformal_quantile_regression_searcher"
        searcher = importlib.import_module(name).ConformalQuantileRegression
        super().__init__(task, seed, least=least)
        self._searched = [item for item in task.space if not isinstance(item, Fixed)]
        self._searcher = searcher({item.name: _domain(item) for item in self._searched}, random_seed=seed)

    def propose(self, number: int) -> dict[str, Any] | None:
        found = self._searcher.suggest()
        fixed = {item.name: item.value for item in self.task.space if isinstance(item, Fixed)}
        params = self.task.space.walk(lambda item: found[item.name])
        return self._taken(number, {**params, **fixed})

    def noted(self, number: int, level: int) -> None:
        value = self.curves[number][level]
        if math.isfinite(value):
            params = self.configurations[number]
            whole = {item.name: params.get(item.name, item.grid_value(0)) for item in self._searched}
            self._searcher.on_trial_complete(number, whole, value)


def _domain(item: Float | Int | Choice) -> Any:
    from syne_tune import config_space

    if isinstance(item, Choice):
        return config_space.choice(list(item.choices))
    if isinstance(item, Int):
        return (config_space.lograndint if item.log else config_space.randint)(item.low, item.high)
    return (config_space.loguniform if item.log else config_space.uniform)(item.low, item.high)


class OptunaTpe(Promotion):
    """Optuna's own TPE, which reads all trials. No trial is paused. Of thousands each costs tens of milliseconds."""

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__(task, seed, least=task.epochs)
        axes = axes_of(task.space)
        self._axes, self._distributions = axes, {name: axis.distribution for name, axis in axes.items()}
        self._study = new_study(task.objective, TPESampler(seed=seed))
        self._asked: dict[int, optuna.Trial] = {}

    def propose(self, number: int) -> dict[str, Any] | None:
        trial = self._asked[number] = self._study.ask(self._distributions)
        return self._taken(number, {name: self._axes[name].from_optuna(value) for name, value in trial.params.items()})

    def noted(self, number: int, level: int) -> None:
        asked, value = self._asked.pop(number), self.curves[number][level]
        values, distributions = searched(self._axes, self.configurations[number])
        if value == math.inf or values != asked.params:
            self._study.tell(asked, state=State.FAIL)
        else:
            self._study.tell(asked, self.task.objective.sign * value)
        if value < math.inf and values != asked.params:  # only some configurations are known
            signed = self.task.objective.sign * value
            self._study.add_trial(create_trial(value=signed, params=values, distributions=distributions))


class GaussianProcess:
    """Optuna's GPSampler, as the search of a package proposes. Costs up to a second for each trial."""

    def __init__(self, task: Task, seed: int) -> None:
        self._objective, self._seed, self._axes = task.objective, seed, axes_of(task.space)

    def propose(self, number: int, tried: Sequence[Tried]) -> Mapping[str, Any]:
        study = new_study(self._objective, GPSampler(seed=self._seed * 100_003 + number))
        study.add_trials([self._trial(one) for one in tried])
        distributions = {name: axis.distribution for name, axis in self._axes.items()}
        params = study.ask(distributions).params
        return {name: self._axes[name].from_optuna(value) for name, value in params.items()}

    def _trial(self, tried: Tried) -> optuna.trial.FrozenTrial:
        values, distributions = searched(self._axes, tried.params)
        state = State.RUNNING if tried.state == "running" else State.COMPLETE
        if state is State.COMPLETE and tried.value is None:
            state = State.FAIL
        return create_trial(state=state, value=tried.value, params=values, distributions=distributions)


def new_study(objective: Objective, sampler: BaseSampler) -> optuna.Study:
    with quiet():
        return optuna.create_study(direction=StudyDirection[objective.direction.upper()], sampler=sampler)
