"""A search space as Optuna's distributions: values there and back, and what TPE models together.

Fixed parameters are no axes: Optuna never hears of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces.parameters import Choice, Fixed, Float, Int, same
from search_spaces.space import Space

Free = Float | Int | Choice


@dataclass(frozen=True, slots=True)
class Axis:
    """A searched parameter, and what Optuna has in its place."""

    parameter: Free
    distribution: BaseDistribution

    def native(self, value: Any) -> Any:
        """A value of the parameter in its own type: 2 for 2.0, 0.3 for 0.30000000000000004 in steps of 0.1."""
        match self.parameter:
            case Float(low=low, step=step) as parameter if step is not None:
                return parameter.grid_value(round((value - low) / step))
            case Float():
                return float(value)
            case Int():
                return int(value)
            case Choice(choices=choices):
                return next(choice for choice in choices if same(choice, value))

    def from_optuna(self, value: Any) -> Any:
        match self.parameter:
            case Choice(choices=choices) as choice:
                return next(one for one in choices if same(_label(choice, one), value))
        return self.native(value)

    def to_optuna(self, value: Any) -> Any:
        return _label(self.parameter, value) if isinstance(self.parameter, Choice) else value


def axes_of(space: Space) -> dict[str, Axis]:
    """The space's axes by name, in its order."""
    return {item.name: Axis(item, _distribution(item)) for item in space if not isinstance(item, Fixed)}


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


def _distribution(parameter: Free) -> BaseDistribution:
    match parameter:
        case Float():
            return FloatDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)
        case Int():
            return IntDistribution(parameter.low, parameter.high, log=parameter.log, step=parameter.step)
        case Choice():
            return CategoricalDistribution([_label(parameter, choice) for choice in parameter.choices])


def _label(choice: Choice, value: Any) -> Any:
    """A choice as Optuna gets it: itself, or as JSON text where Optuna would take true for 1."""
    return value if len(set(choice.choices)) == len(choice.choices) else json.dumps(value)
