"""OptunaSampler: proposes configurations and judges running trials; its search methods are in methods.py.

A trial whose loss is not a number is infeasible: TPE ranks such behind all others, and keeps away from them.

Its Optuna study lives in memory and is rebuilt from the store's records; a trial has the same number
in both. Two rules let a resumed study go on as if it had never stopped:

- Each proposal comes from a sampler of its own, seeded from the study's seed and the trial's number.
  Nothing that Optuna's samplers remember from one trial to the next is used.
- A trial is judged when its epoch is reported, whether or not anyone asks for the answer. What pruners
  remember (the rungs of asha and hyperband) then follows from the curves alone.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as State

from goodfit.search_spaces.shuffle import Shuffle
from goodfit.search_spaces.space import Space
from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.objective import Objective
from goodfit.service.ports import NO_METRICS, Search, Tried
from goodfit.service.records import Failure, Report, Trial, is_control
from goodfit.service.sampler.axes import Free, alone, axes_of, groups_by_trials, groups_of, searched, usable, whole_of
from goodfit.service.sampler.chance import Chance
from goodfit.service.sampler.front_pruning import FrontPruner
from goodfit.service.sampler.guide import Guide, Scored
from goodfit.service.sampler.history import (
    Curve,
    KeptTrial,
    broken,
    curves_of,
    new_study,
    quiet,
    state_of,
    values_of,
)
from goodfit.service.sampler.methods import METHODS, Draw, Generations, experimental
from goodfit.service.sampler.observed import Observed, observed, standings
from goodfit.service.sampler.pruning import (
    Pruning,
    make_pruner,
    nan_tolerated,
    next_rung,
    remember_complete,
    rungs,
    settle,
)
from goodfit.service.sampler.tpe import Rows
from goodfit.service.sampler.tpe_trials import TpeStorage, TpeTrials
from goodfit.service.spec.study import WARM_START

SEARCH_METHODS = ("grid", "random", *METHODS)

# How often a configuration that is there already is drawn anew: a few times with what was given of it, then
# at random altogether, which does not prefer the places where the method has been.
_OWN_DRAWS, _RANDOM_DRAWS = 4, 16
_SHOWN = " shown"  # after the name of a study: one beside it
_GUIDED = -2  # in the place of a draw: of what is drawn near a belief

DEFAULTS, START_FROM = "defaults", "start_from"  # where the first configurations come from


@dataclass(slots=True)
class _Running:
    """An unfinished trial under a pruner: its last epoch, and the judgement of it."""

    trial: optuna.Trial
    epoch: int = 0
    prune: bool = False


class OptunaSampler:
    """Grid and random search and those of methods.py, with Optuna's pruners.

    No configuration is proposed twice while one is left that never was. Where the space is finite that
    holds exactly, and once all are spent there is no further proposal, unless repetitions are wanted. In a
    continuum a repetition (in a branch without continuous parameters) is drawn anew a few times. A grid's
    points come in an order that the seed draws, so that the first few of many are not all in one corner.

    One thread must make all calls: Optuna caches its trials by thread.

    Args:
        name: the study's; hyperband sorts trials into brackets by it.
        space: what is searched.
        method: one of SEARCH_METHODS, or the name of `search`.
        seed: the study's.
        try_defaults: the first trial, after those of `start_from`, takes `defaults` as far as they lie in the space;
            never with grid.
        defaults: the trainer's.
        start_from: configurations to begin with, each whole or in part; the defaults fill in what they leave open
            if they are tried, else it is drawn.
        repeats: whether to go on with repetitions when all configurations were proposed.
        pruning: the method and its options.
        objective: of the study; its metric is one of the reports. Of several, trials are pruned by non-dominated rank.
        epochs: what a full trial trains.
        control: share of the trials that are drawn at random and never pruned.
        search: what an installed package proposes by.
        open_space: whether the trials' trainers ask for parameters as they run: `space` has those that are known, and
            what is proposed of them is used where it is asked for. Nothing is known of repetitions then.
        firsts: configurations of earlier studies, tried after the defaults, and where each comes from.
        guide: draws a part of the trials near what is believed to be good.

    Raises:
        InputError: an unknown method, or pruning options that Optuna refuses.
        ValueError: grid search over parameters that have no `step` or `points`.
    """

    def __init__(
        self,
        *,
        name: str,
        space: Space,
        method: str,
        seed: int,
        try_defaults: bool,
        defaults: Mapping[str, Any],
        pruning: Pruning,
        objective: Objective,
        epochs: int,
        control: float = 0.0,
        start_from: Sequence[Mapping[str, Any]] = (),
        repeats: bool = False,
        search: Search | None = None,
        open_space: bool = False,
        firsts: Sequence[tuple[str, Mapping[str, Any]]] = (),
        guide: Guide | None = None,
    ) -> None:
        if search is None and method not in SEARCH_METHODS:
            raise InputError(f"search: no method {method!r}; {did_you_mean(method, SEARCH_METHODS)}")
        self._name, self._objective = name, objective
        self._seed, self._open = seed, open_space
        self.method = method
        self._search = search
        self._control = control
        self._chance = Chance()
        self._repeats = repeats
        self._guide = guide
        self._learn(space)
        self._size = None if open_space else space.grid_size() if method == "grid" else space.cardinality()
        known = usable(self._axes, defaults) if try_defaults else {}
        own = [dict(given) if open_space else {**known, **usable(self._axes, given)} for given in start_from]
        usables = ((origin, dict(given) if open_space else usable(self._axes, given)) for origin, given in firsts)
        first = [(origin, found) for origin, found in usables if found]
        self._presets = [*own, *([known] if known else []), *(given for _, given in first)]
        self._origins = [START_FROM] * len(own) + [DEFAULTS] * bool(known) + [origin for origin, _ in first]
        self.presets = len(self._presets)  # so many trials begin the study, of which nothing or a part is drawn
        self.defaults_at = len(own) if known else None  # the trial that has the trainer's defaults
        self.earlier_at = next((place for place, origin in enumerate(self._origins) if origin == WARM_START), None)
        several = bool(objective.others)
        self._pruner = None if several else make_pruner(pruning.method, pruning.options, epochs)
        self._pruning, self._epochs = pruning, epochs
        self._reset()

    def _learn(self, space: Space) -> None:
        self._space = space
        self._axes = axes_of(space)
        self._groups = self._drawn_jointly(space)
        if self._guide is not None:
            self._guide = self._guide.over(space)

    def _drawn_jointly(self, space: Space) -> dict[str, dict[str, BaseDistribution]]:
        """For each parameter those that the method models together with it."""
        method = METHODS.get(self.method)
        if method is not None and method.separate and self._objective.others:
            return alone(self._axes)
        return groups_of(self._axes) if method is None or not method.whole else whole_of(space, self._axes)

    def suggested(self, number: int, space: Space, name: str, value: Any) -> None:
        """Take up a parameter that a running trial has asked for, and that the space has from now on."""
        if space is not self._space:
            self._learn(space)
        self._proposed[number][name] = value
        if name not in self._axes:  # the study fixes it
            return
        axis = self._axes[name]
        inner = axis.distribution.to_internal_repr(axis.to_optuna(value))
        self._storage.set_trial_param(self._id(number), name, inner, axis.distribution)
        self._note(number)

    def _reset(self) -> None:
        self._storage = TpeStorage()
        self._study = new_study(self._name, self._objective, self._storage, self._pruner)
        method = METHODS.get(self.method)
        self._tpe = TpeTrials([one.sign for one in self._objective.all]) if method is not None and method.part else None
        if self._tpe is not None:
            new_study(self._name + _SHOWN, self._objective, self._storage, None)
            self._storage.shown_study = self._storage.get_study_id_from_name(self._name + _SHOWN)
        with quiet():
            aside = self._storage.create_new_study([StudyDirection.NOT_SET])
        # TPE writes notes on the trial that it draws for; they must not reach the model of the next one.
        self._sketch = self._storage.create_new_trial(aside)
        self._front = self._new_front()
        self._running: dict[int, _Running] = {}
        self._asked = 0
        self._seen: set[str] = set()
        self._proposed: list[dict[str, Any]] = []  # by trial
        self._outside: set[int] = set()  # trials outside of the space: pruners compare with them, models leave them out
        self._grid_place = 0  # in the order of the grid; all before it were proposed
        self._reached: dict[int, tuple[int, float]] = {}  # of paused trials: the epoch, and the value there
        self._stops: dict[int, dict[int, float]] = {}  # by epoch: the values of the trials that came to a stop there
        self._generations = Generations()
        self._guided: tuple[int, str] | None = None  # the trial last proposed, if it was drawn near a belief, and which
        self._any_nan = False
        self._learned = 0  # complete trials
        self._complete = remember_complete(self._pruner)
        if self._pruner is not None:
            settle(self._pruner, self._study)

    def _new_front(self) -> FrontPruner | None:
        """What prunes for several objectives."""
        if not self._objective.others:
            return None
        return FrontPruner.of(self._pruning.method, self._pruning.options, self._epochs, self._objective)

    def ask(self, number: int) -> dict[str, Any] | None:
        """The parameters of trial `number`; None when all configurations were proposed."""
        if number != self._asked:
            raise ValueError(f"trial {number} was asked for, but {self._asked} is next")
        params = self._propose(number)
        if params is not None:
            self._add({} if self._open else params, State.RUNNING)
            self._follow(number)
        return params

    def propose(self, number: int) -> dict[str, Any] | None:
        """As `ask`, for a trial that is not taken up by that: `add` does."""
        if number != self._asked:
            raise ValueError(f"trial {number} was asked for, but {self._asked} is next")
        return self._propose(number)

    def preset(self, number: int) -> dict[str, Any]:
        """What of the configuration of one of the first trials is given; the rest of it is drawn."""
        return dict(self._presets[number])

    def origin(self, number: int) -> str | None:
        """Where the configuration of the next trial comes from, if neither the method nor chance proposed it."""
        if number < self.presets:
            return self._origins[number]
        return self._guided[1] if self._guided is not None and self._guided[0] == number else None

    def add(self, number: int, params: Mapping[str, Any]) -> None:
        """Take up a trial whose parameters were found elsewhere."""
        if number != self._asked:
            raise ValueError(f"trial {number} was added, but {self._asked} is next")
        self._add(params, State.RUNNING)
        self._follow(number)

    @property
    def is_exhausted(self) -> bool:
        """Whether all configurations of a finite space were proposed, and none is wanted twice."""
        return self._size is not None and len(self._seen) >= self._size and not self._repeats

    def was_proposed(self, params: Mapping[str, Any]) -> bool:
        """Whether a trial has this configuration."""
        return _key(params) in self._seen

    def report(self, number: int, epoch: int, value: float, metrics: Mapping[str, float] = NO_METRICS) -> None:
        """Take in an epoch and judge the trial; an epoch that is there already stays as it was."""
        if self._front is not None:
            self._front.report(number, epoch, metrics)
        if self._pruner is None:
            return
        value = self._objective.penalized(value, metrics)
        running = self._running[number]
        if epoch > running.epoch:
            running.trial.report(value, epoch)
            running.epoch = epoch
            self._any_nan = self._any_nan or math.isnan(value)
            self._judge(running)

    def should_prune(self, number: int) -> bool:
        """Whether the trial should end, as judged at its last report."""
        if is_control(number, self._control):
            return False
        if self._front is not None:
            return self._front.should_prune(number)
        return self._pruner is not None and self._running[number].prune

    def judged_after(self, number: int, epoch: int) -> int | None:
        """Of asha and hyperband the trial's next rung."""
        if self._front is not None or is_control(number, self._control):
            return None
        return next_rung(self._pruner, self._study, number, epoch)

    def paused(self, number: int, epoch: int, value: float) -> None:
        """The trial waits at an epoch: models learn from that until it has come to its end."""
        self._reached[number] = epoch, value
        self._stops.setdefault(epoch, {})[number] = value

    def tell(self, trial: Trial) -> None:
        values = values_of(trial, {}, self._objective)
        state = _state_of(trial, values)
        for constraint, by in broken(trial, self._objective).items():
            self._optuna_trial(trial.number).set_constraint(constraint, by)
        if trial.number in self._outside:
            self._study.tell(trial.number, state=State.FAIL)
        else:
            self._study.tell(trial.number, values if state is State.COMPLETE else None, state)
        self._note(trial.number)
        self._running.pop(trial.number, None)
        if self._complete is not None and state is State.COMPLETE:
            self._complete.add(self._frozen(trial.number).intermediate_values)

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report]) -> None:
        """Start anew from the records. Unfinished trials go on, judged anew at their last epoch."""
        self._reset()
        curves = curves_of(reports, self._objective) if self._pruner is not None else {}
        if self._front is not None:
            self._front.rebuild(reports)
        self._any_nan = any(math.isnan(value) for curve in curves.values() for value in curve.values())
        ordered = sorted(trials, key=lambda trial: trial.number)
        for trial in ordered:
            if trial.number != self._asked:
                raise ValueError(f"the study has trial {trial.number}, but no trial {self._asked}")
            self._restore(trial, curves.get(trial.number, {}))
        for trial in ordered:
            if not state_of(trial).is_finished():
                self._follow(trial.number, curves.get(trial.number), prune=trial.prune_at is not None)
                if self._front is not None:
                    self._front.judge(trial.number, trial.epochs, pruned=trial.prune_at is not None)

    def _restore(self, trial: Trial, curve: Curve) -> None:
        values = values_of(trial, curve, self._objective)
        state = _state_of(trial, values)
        judged = curve if state.is_finished() else dict(list(curve.items())[:-1])
        noted = rungs(self._pruner, self._study, trial.number, judged)
        constraints = broken(trial, self._objective) if state.is_finished() else {}
        self._add(trial.params, state, values, curve, noted, constraints)
        if self._complete is not None and state is State.COMPLETE:
            self._complete.add(curve)

    def _add(
        self,
        params: Mapping[str, Any],
        state: State,
        worth: list[float] | None = None,
        curve: Curve | None = None,
        noted: Mapping[str, float] | None = None,
        constraints: dict[str, float] | None = None,
    ) -> None:
        values: dict[str, Any] = {}
        distributions: dict[str, BaseDistribution] = {}
        if not self._space.outside(params):
            values, distributions = searched(self._axes, params)
        else:
            self._outside.add(self._asked)
            state, worth = (State.FAIL, None) if state.is_finished() else (state, worth)
        self._study.add_trial(
            KeptTrial.of(state, worth, values, distributions, curve=curve, noted=noted, constraints=constraints)
        )
        self._note(self._asked)
        self._seen.add(_key(params))
        self._proposed.append(dict(params))
        self._asked += 1

    def _follow(self, number: int, curve: Curve | None = None, *, prune: bool = False) -> None:
        """Judge the trial from here on, if there is a pruner."""
        if self._pruner is None:
            return
        running = _Running(self._optuna_trial(number), max(curve or {}, default=0))
        self._running[number] = running
        if curve:
            self._judge(running)
        running.prune = running.prune or prune

    def _note(self, number: int) -> None:
        """Let what the study knows of a trial be learned from."""
        trial = self._frozen(number)
        self._learned += trial.state is State.COMPLETE
        if self._tpe is not None:
            self._tpe.note(trial)

    def _optuna_trial(self, number: int) -> optuna.Trial:
        return optuna.Trial(self._study, self._id(number))

    def _frozen(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self._id(number))

    def _id(self, number: int) -> int:
        study = self._storage.get_study_id_from_name(self._name)
        return self._storage.get_trial_id_from_study_id_trial_number(study, number)

    def _judge(self, running: _Running) -> None:
        with nan_tolerated() if self._any_nan else contextlib.nullcontext():
            running.prune = bool(running.trial.should_prune())  # some pruners answer in NumPy's bool

    def _propose(self, number: int) -> dict[str, Any] | None:
        if self.method == "grid":
            return self._next_point()
        if self._open:
            return self._for_whatever_is_asked(number)
        preset = self._preset(number)
        if preset is None:
            return None
        params, size = self._draw(number, 0, preset), self._size
        if _key(params) not in self._seen:
            return params
        if self.is_exhausted:
            return None
        if size is not None and len(self._seen) >= size:
            return params
        for draw in range(1, _OWN_DRAWS + _RANDOM_DRAWS):
            again = self._draw(number, draw, preset if draw < _OWN_DRAWS and number < self.presets else {})
            if _key(again) not in self._seen:
                self._guided = None
                return again
        return self._unseen(number, size) if size is not None else params

    def _next_point(self) -> dict[str, Any] | None:
        """The next point of the grid that no trial has; an older version went through it in another order."""
        order = Shuffle(self._size or 0, self._seed)
        while self._grid_place < (self._size or 0):
            point = self._space.grid_point(order[self._grid_place])
            if _key(point) not in self._seen:
                return point
            self._grid_place += 1
        return None

    def _preset(self, number: int) -> dict[str, Any] | None:
        """What of a trial's configuration is given and not drawn; None where the search method has come to its end."""
        if number < len(self._presets):
            return self._presets[number]
        if is_control(number, self._control):
            return {}
        if self._search is None:
            return self._believed(number)
        trials = zip(self._study.get_trials(deepcopy=False), self._proposed, strict=True)
        tried = [_tried(trial, params) for trial, params in trials]
        try:
            proposal = self._search.propose(number, tried)
        except Exception as error:  # of an installed package
            raise InputError(f"search: method {self.method} raises {type(error).__name__}: {error}") from error
        if proposal is None:
            return None
        known = {parameter.name: parameter for parameter in self._space}
        strange = sorted(
            name for name, value in proposal.items() if name not in known or not known[name].contains(value)
        )
        if strange:
            raise InputError(
                f"search: method {self.method} proposes {strange[0]}: {proposal[strange[0]]!r} for trial {number}, "
                "which is not in the space"
            )
        return usable(self._axes, proposal)

    def _believed(self, number: int) -> dict[str, Any]:
        """What of a configuration is drawn near a belief; nothing where the method proposes it."""
        self._guided = None
        if self._guide is None:
            return {}
        found = self._guide.draw(_seed(self._seed, number, _GUIDED), self._scored, at_least=self._learned)
        if found is None:
            return {}
        origin, params = found
        self._guided = number, origin
        return usable(self._axes, params)

    def _scored(self) -> list[Scored]:
        fair = standings(self._stops, self._objective.sign)
        return [
            Scored(one.number, self._proposed[one.number], fair.get(one.number, one.value or 0.0))
            for one in self._observed().trials
        ]

    def _draw(self, number: int, draw: int, preset: Mapping[str, Any]) -> dict[str, Any]:
        """One configuration, by a sampler made for this draw."""
        sampler = self._sampler(number, draw)
        sketch = copy.copy(self._storage.get_trial(self._sketch))
        sketch.number = number
        drawn: dict[str, Any] = {}

        def choose(parameter: Free) -> Any:
            name, axis = parameter.name, self._axes[parameter.name]
            if name in preset:
                return preset[name]
            if axis.distribution.single():
                return parameter.grid_value(0)
            if name not in drawn:
                drawn.update(sampler.sample_relative(self._known(self._groups[name]), sketch, self._groups[name]))
            if name not in drawn:  # too few trials for a model
                drawn[name] = sampler.sample_independent(self._known((name,)), sketch, name, axis.distribution)
            return axis.from_optuna(drawn[name])

        return self._space.walk(choose)

    def _known(self, names: Collection[str]) -> optuna.Study:
        """The study as the method sees it that draws these parameters."""
        if self._tpe is None:
            return self._study
        self._storage.shown, own = self._tpe.shown(names), self._study
        # Anew each time: Optuna keeps a study's trials in it.
        return optuna.Study(self._name + _SHOWN, self._storage, own.sampler, own.pruner)

    def _for_whatever_is_asked(self, number: int) -> dict[str, Any]:
        """Values for all parameters that are known; those that the same trials have asked for are drawn jointly."""
        given = self._preset(number) or {}
        self._groups = groups_by_trials(self._axes, self._study.get_trials(deepcopy=False))
        found = {**self._draw(number, 0, usable(self._axes, given)), **given}
        if self._guided is not None and any(found.items() >= tried.items() for tried in self._proposed if tried):
            self._guided = None  # nothing is learned from a trial that is there already
            return self._draw(number, 0, {})
        return found

    def _sampler(self, number: int, draw: int) -> BaseSampler:
        """The sampler of one draw; by chance where the method has no part in it."""
        seed, method = _seed(self._seed, number, draw), METHODS.get(self.method)
        if method is None or draw >= method.draws or is_control(number, self._control):
            return self._chance.at(seed)
        place = max(0, number - len(self._presets))
        with experimental():
            rows = self._tpe.rows if self._tpe is not None else Rows()
            return method.sampler(Draw(seed, _seed(self._seed, 0, -1), place, self._observed, self._generations, rows))

    def _observed(self) -> Observed:
        return observed(
            self._study.get_trials(deepcopy=False), [one.sign for one in self._objective.all], self._reached
        )

    def _unseen(self, number: int, size: int) -> dict[str, Any]:
        """A configuration never proposed, found by counting on from a random one."""
        start = _seed(self._seed, number, _OWN_DRAWS + _RANDOM_DRAWS)
        points = (self._space.configuration((start + step) % size) for step in range(size))
        return next(point for point in points if _key(point) not in self._seen)


def _state_of(trial: Trial, values: Sequence[float] | None) -> State:
    """As the search sees it: a trial that broke off with a NaN is one that ended early, which no pruner compares with.

    One whose further objectives are not all numbers says nothing.
    """
    state = State.PRUNED if trial.failure is Failure.NAN else state_of(trial)
    return State.FAIL if state is State.COMPLETE and values is None else state


def _tried(trial: FrozenTrial, params: Mapping[str, Any]) -> Tried:
    value = trial.value if trial.state is State.COMPLETE else None
    return Tried(trial.number, params, value, trial.state.name.lower())


def _key(params: Mapping[str, Any]) -> str:
    """Equal for equal configurations, before and after the store."""
    return json.dumps(params, sort_keys=True)


def _seed(study_seed: int, number: int, draw: int) -> int:
    """32 bits for one draw of one trial's configuration."""
    digest = hashlib.blake2b(f"{study_seed}:{number}:{draw}".encode(), digest_size=4, person=b"proposal").digest()
    return int.from_bytes(digest, "big")
