"""Optuna's objectives as trainers, unchanged: `objective(trial)` that suggests, reports and returns its value.

What it suggests is looked up among the trial's parameters; a name that nobody has proposed a value for is drawn at
random, by a generator of the trial's seed and the name, and sent to the study, which knows it from then on. Each report
is an epoch with the metric `value`; the value that is returned is the trial's. Where the study has several objectives,
the objective returns a value of each in their order, which are the trial's one epoch.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import TrialPruned
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import BaseTrial
from optuna.trial import Trial as OptunaTrial

from goodfit.trainers.errors import BadTrainer, RangeChanged
from goodfit.trainers.integrations.optuna_study import ObjectiveStudy
from goodfit.trainers.trial import Inside, NotANumber, Trial

METRIC = "value"
_ONE_VALUE = (
    "{} is for a study with one objective, in Goodfit as in Optuna; this one has several: remove the call, "
    "and return a value of each objective at the end"
)


def run_objective(objective: Callable[[BaseTrial], Any], trial: Trial) -> None:
    """Run an objective once; a class is one whose objects are called."""
    if isinstance(objective, type):
        objective = objective()
    suggesting = ObjectiveTrial(trial)
    if not suggesting.begin():
        return
    try:
        suggesting.end(objective(suggesting))
    except _Over:
        pass
    except TrialPruned:
        if not suggesting.stopped:
            raise


class _Over(SystemExit):
    """The trial has ended at its last report: an exit that `except Exception` lets pass."""


class ObjectiveTrial(OptunaTrial):
    """A trial of ours as Optuna's objectives know it.

    It is one of Optuna's for whoever looks at its type, or writes to its storage as optuna.artifacts does. Nothing of
    that class runs: a study of Optuna's would sample, judge and keep by itself.

    Attributes:
        stopped: whether it was answered that the trial should end.
    """

    def __init__(self, trial: Trial) -> None:  # without Optuna's own, which samples
        self.stopped = False
        self._trial, self._inside = trial, Inside(trial)
        self._several = len(self._inside.objectives) > 1
        self._epochs = trial.epochs()
        self._begun = False
        self._steps: set[int] = set()
        self._last: float | None = None
        self._params: dict[str, Any] = {}
        self._distributions: dict[str, BaseDistribution] = {}
        self._user_attrs: dict[str, Any] = dict(self._inside.notes)
        self._own_study = ObjectiveStudy(self._inside)
        self.study: Any = self._own_study
        self._trial_id = 0  # in its storage
        self._constraints: dict[str, float] = {}
        self._started = datetime.now(UTC).astimezone().replace(tzinfo=None)  # as Optuna has it

    def begin(self) -> bool:
        """Begin the next epoch, if it has not begun; False: there is none."""
        if not self._begun:
            self._begun = next(self._epochs, None) is not None
        return self._begun

    def end(self, value: Any) -> None:
        """Take what the objective has returned; of one that was told to stop, that is not its result."""
        if self.stopped:
            return
        if self._several:
            self._inside.report({**_each(value, self._inside.objectives), **self._constraints})
            self._inside.finish()
            return
        number = _returned(value)
        if self._last is None:
            self._report(number)
        self._inside.finish(number if number != self._last else None)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._suggest(name, FloatDistribution(low, high, log=log, step=step)))

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        return self.suggest_float(name, low, high, step=q)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self._suggest(name, IntDistribution(low, high, log=log, step=step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        labels = [_label(choice) for choice in choices]
        if len(labels) != len(set(map(_text, labels))):
            raise ValueError(f"suggest_categorical({name!r}): two of its choices are the same: {labels}")
        place = self._suggest(name, CategoricalDistribution(list(map(_text, labels))), labels)
        return choices[place]

    def _suggest(self, name: str, distribution: BaseDistribution, labels: Sequence[Any] = ()) -> Any:
        """The value of a number; of choices the place."""
        before = self._distributions.setdefault(name, distribution)
        if before != distribution:
            raise RangeChanged(
                f"{name} is asked for twice in a trial, as {_described(before)} and as {_described(distribution)}; "
                "give the second one another name"
            )
        if name not in self._params:
            self._params[name] = self._value(name, distribution, labels)
        return _place(labels, self._params[name]) if labels else self._params[name]

    def _value(self, name: str, distribution: BaseDistribution, labels: Sequence[Any]) -> Any:
        given = self._trial.config
        if name in given and _contains(distribution, labels, given[name]):
            value = given[name]
        elif name in given or self._inside.open_space:
            value = _drawn(self._trial.seed, name, distribution)
            value = labels[[_text(label) for label in labels].index(value)] if labels else value
        else:
            known = ", ".join(given) or "none"
            raise BadTrainer(
                f"the objective asks for {name}, which the study's space has not; it has: {known}. "
                "Add it, or leave `space:` out"
            )
        self._inside.suggest(value, _parameter(name, distribution, labels))
        return value

    def report(self, value: float, step: int) -> None:
        if self._several:
            raise NotImplementedError(_ONE_VALUE.format("trial.report"))
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"trial.report takes a number, and got {type(value).__name__} {value!r:.40}") from None
        if step < 0:
            raise ValueError(f"trial.report: step is {step}; it cannot be negative")
        if step in self._steps:
            warnings.warn(f"trial.report: step {step} is reported twice; the second is ignored", stacklevel=2)
            return
        if not self.begin():
            raise _Over(0)
        self._steps.add(step)
        self._report(number)

    def _report(self, number: float) -> None:
        self._last, self._begun = number, False
        self._inside.report({METRIC: number, **self._constraints})

    def should_prune(self) -> bool:
        """Whether to raise TrialPruned; where trials may be paused, once that is decided."""
        if self._several:
            raise NotImplementedError(_ONE_VALUE.format("trial.should_prune"))
        if not self.begin() and not self._trial.finished:
            self.stopped = True
        return self.stopped

    def set_user_attr(self, key: str, value: Any) -> None:
        self._inside.note(key, value)
        self._user_attrs[key] = value

    def set_system_attr(self, key: str, value: Any) -> None:
        """Kept for the objective itself; nothing of ours reads them."""
        self.storage.set_trial_system_attr(self._trial_id, key, value)

    def set_constraint(self, key: str, value: float) -> None:
        """Reported with the values, as a metric of this name."""
        self._constraints[key] = float(value)

    # Of Optuna's own an attribute; here made only when it is used.
    @property
    def storage(self) -> BaseStorage:  # type: ignore[override]
        return self._own_study.storage

    @property
    def constraints(self) -> dict[str, float]:
        return dict(self._constraints)

    @property
    def params(self) -> dict[str, Any]:
        return dict(self._params)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return dict(self._distributions)

    @property
    def user_attrs(self) -> dict[str, Any]:
        return dict(self._user_attrs)

    @property
    def system_attrs(self) -> dict[str, Any]:
        return dict(self.storage.get_trial_system_attrs(self._trial_id))

    @property
    def relative_params(self) -> dict[str, Any]:
        return {}

    @property
    def datetime_start(self) -> datetime:
        return self._started

    @property
    def number(self) -> int:
        return self._trial.number


def _returned(value: Any) -> float:
    if isinstance(value, (list, tuple)) and len(value) == 1:
        return _returned(value[0])
    if isinstance(value, (list, tuple)):
        raise BadTrainer(
            f"the objective returns {len(value)} values, and the study has one objective; return one, or write a list "
            f"of {len(value)} under `objective:`"
        )
    return _number(value)


def _each(values: Any, objectives: Sequence[tuple[str, str]]) -> dict[str, float]:
    """The values that were returned under the names of the objectives, which stand in the same order."""
    names = [metric for metric, _ in objectives]
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):  # Optuna takes a sequence, too
        raise BadTrainer(
            f"the objective returns {values!r:.60}; the study has {len(names)} objectives ({', '.join(names)}): "
            "return a value of each, in this order"
        )
    if len(values) != len(names):
        raise BadTrainer(
            f"the objective returns {len(values)} of the study's {len(names)} objectives ({', '.join(names)}): "
            "return a value of each, in this order"
        )
    found = {name: _number(value) for name, value in zip(names, values, strict=True)}
    for name, number in found.items():
        if not math.isfinite(number):
            raise NotANumber(f"{name} is {number}, as the objective returns it")
    return found


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadTrainer(f"the objective returns {value!r:.60}, not a number") from None


def _contains(distribution: BaseDistribution, labels: Sequence[Any], value: Any) -> bool:
    if labels:
        return _text(value) in map(_text, labels)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    return distribution._contains(distribution.to_internal_repr(value))  # noqa: SLF001 - Optuna has no public way


def _drawn(seed: int, name: str, distribution: BaseDistribution) -> Any:
    """A value drawn as Optuna's random sampler does, from the trial's seed and the name alone."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=4).digest()
    sampler: Any = RandomSampler(seed=int.from_bytes(digest, "big"))
    return sampler.sample_independent(None, None, name, distribution)


def _label(choice: Any) -> Any:
    """A choice as the study keeps it: itself, or of what is no plain value its name."""
    if isinstance(choice, (list, tuple)):
        return [_label(item) for item in choice]
    if isinstance(choice, Mapping):
        return {str(key): _label(item) for key, item in choice.items()}
    if choice is None or isinstance(choice, (bool, int, float, str)):
        return choice
    return str(getattr(choice, "__name__", None) or choice)


def _text(label: Any) -> str:
    return json.dumps(label, sort_keys=True)


def _place(labels: Sequence[Any], value: Any) -> int:
    """Where a choice stands; true is not 1."""
    return [_text(label) for label in labels].index(_text(value))


def _parameter(name: str, distribution: BaseDistribution, labels: Sequence[Any]) -> dict[str, Any]:
    """The parameter as a study keeps it."""
    if labels:
        return {"name": name, "type": "choice", "choices": list(labels)}
    kind = "int" if isinstance(distribution, IntDistribution) else "float"
    found: dict[str, Any] = {"name": name, "type": kind, "low": distribution.low, "high": distribution.high}  # type: ignore[attr-defined]
    if distribution.log:  # type: ignore[attr-defined]
        found["log"] = True
    elif distribution.step is not None:  # type: ignore[attr-defined]
        found["step"] = distribution.step  # type: ignore[attr-defined]
    return found


def _described(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return f"one of {', '.join(map(str, distribution.choices))}"
    kind = "int" if isinstance(distribution, IntDistribution) else "float"
    low, high, log, step = (getattr(distribution, key) for key in ("low", "high", "log", "step"))
    more = ", log" if log else f" by {step}" if step not in (None, 1) else ""
    return f"{kind} {low} to {high}{more}"
