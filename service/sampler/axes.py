"""A search space as Optuna's distributions: values there and back, and what TPE models together.

Fixed parameters are no axes: Optuna never hears of them. Optuna's choices are single values among which true is 1, so
choices that are lists or mappings, or true beside 1, have their JSON text there as a label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int
from goodfit.search_spaces.scalars import is_composed
from goodfit.search_spaces.space import Space

Free = Float | Int | Choice


@dataclass(frozen=True, slots=True)
class Axis:
    """A searched parameter, and what Optuna has in its place: of a choice, a label for each value."""

    parameter: Free
    distribution: BaseDistribution
    labels: Mapping[Any, int] = field(default_factory=dict)  # label -> place among the choices

    def native(self, value: Any) -> Any:
        """A value of the parameter in its own type: 2 for 2.0, 0.3 for 0.30000000000000004 in steps of 0.1."""
        match self.parameter:
            case Float(low=low, step=step) as parameter if step is not None:
                return parameter.grid_value(round((value - low) / step))
            case Float():
                return float(value)
            case Int(low=low, step=step):
                return low + round((value - low) / step) * step
            case Choice(choices=choices) as choice:
                return choices[choice.index(value)]

    def from_optuna(self, value: Any) -> Any:
        match self.parameter:
            case Choice(choices=choices):
                return choices[self.labels[value]]
        return self.native(value)

    def to_optuna(self, value: Any) -> Any:
        match self.parameter, self.distribution:
            case Choice() as choice, CategoricalDistribution(choices=labels):
                return labels[choice.index(value)]
        return value


def axes_of(space: Space) -> dict[str, Axis]:
    """The space's axes by name, in its order."""
    return {item.name: _axis(item) for item in space if not isinstance(item, Fixed)}


def searched(axes: Mapping[str, Axis], params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """The part of a configuration that Optuna knows, in its values, and their distributions."""
    known = {name: axes[name] for name in params if name in axes}
    values = {name: axis.to_optuna(params[name]) for name, axis in known.items()}
    return values, {name: axis.distribution for name, axis in known.items()}


def usable(axes: Mapping[str, Axis], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that lie in the space, in its own types."""
    return {
        name: axis.native(values[name])
        for name, axis in axes.items()
        if name in values and axis.parameter.contains(values[name])
    }


def groups_of(axes: Mapping[str, Axis]) -> dict[str, dict[str, BaseDistribution]]:
    """For each axis, those that exist exactly where it does: TPE models them jointly.

    TPESampler(group=True) finds the same from the trials that have finished; here it is known before.
    """
    by_condition: dict[str, dict[str, BaseDistribution]] = {}
    groups: dict[str, dict[str, BaseDistribution]] = {}
    for name, axis in axes.items():
        group = by_condition.setdefault(json.dumps(dict(axis.parameter.when), sort_keys=True), {})
        groups[name] = group
        if not axis.distribution.single():
            group[name] = axis.distribution
    return groups


def alone(axes: Mapping[str, Axis]) -> dict[str, dict[str, BaseDistribution]]:
    """Each axis by itself."""
    return {name: {} if axis.distribution.single() else {name: axis.distribution} for name, axis in axes.items()}


def groups_by_trials(axes: Mapping[str, Axis], trials: Sequence[FrozenTrial]) -> dict[str, dict[str, BaseDistribution]]:
    """The same where conditions are in a trainer's code: axes that the same trials have."""
    having: dict[str, list[int]] = {name: [] for name in axes}
    for trial in trials:
        for name in trial.params:
            having[name].append(trial.number)
    by_trials: dict[tuple[int, ...], dict[str, BaseDistribution]] = {}
    groups: dict[str, dict[str, BaseDistribution]] = {}
    for name, numbers in having.items():
        group = groups[name] = by_trials.setdefault(tuple(numbers), {})
        if not axes[name].distribution.single():
            group[name] = axes[name].distribution
    return groups


def whole_of(space: Space, axes: Mapping[str, Axis]) -> dict[str, dict[str, BaseDistribution]]:
    """For each axis, all that exist, of a space whose conditions hold in all configurations or in none."""
    there = space.walk(lambda parameter: parameter.grid_value(0))
    whole = {name: axis.distribution for name, axis in axes.items() if name in there and not axis.distribution.single()}
    return dict.fromkeys(axes, whole)


def _axis(item: Free) -> Axis:
    match item:
        case Float():
            return Axis(item, FloatDistribution(item.low, item.high, log=item.log, step=item.step))
        case Int():  # of a logarithmic range Optuna knows no steps: its values are rounded to them
            return Axis(item, IntDistribution(item.low, item.high, log=item.log, step=1 if item.log else item.step))
        case Choice(choices=choices):
            labels = _labels(choices)
            return Axis(item, CategoricalDistribution(labels), {label: place for place, label in enumerate(labels)})


def _labels(choices: Sequence[Any]) -> list[Any]:
    """The choices as Optuna gets them: themselves, or their JSON texts where Optuna cannot tell them apart."""
    if not any(map(is_composed, choices)) and len(set(choices)) == len(choices):
        return list(choices)
    return [json.dumps(choice, sort_keys=True, ensure_ascii=False) for choice in choices]
