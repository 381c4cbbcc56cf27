"""What a search optimizes, which of two values is better, and what the best must not exceed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from goodfit.service.errors import InputError, did_you_mean

MINIMIZE, MAXIMIZE = "minimize", "maximize"
AT_MOST, AT_LEAST = "<=", ">="
INFEASIBLE = 1e100  # worse than any value that is measured, whatever the objective
LARGEST_WHOLE = 1e15  # bounds beyond are written with an exponent
_SIGNS = {MINIMIZE: 1.0, MAXIMIZE: -1.0}
# A group of people may be called <25: val/tpr/age:<25 >= 0.8.
_RULE = re.compile(r"\s*(?P<metric>[^<>=]+?|.+?:.+?)\s*(?P<relation><=|>=)\s*(?P<bound>[^<>=]+?)\s*")


def sign_of(direction: str) -> float:
    """+1 when less is better, -1 when more is; InputError for what is no direction."""
    if direction not in _SIGNS:
        raise InputError(f"no direction {direction!r}: {did_you_mean(str(direction), _SIGNS)}")
    return _SIGNS[direction]


class Named(Protocol):
    """What has a metric and a direction, such as the `objective:` of a study file."""

    @property
    def metric(self) -> str: ...
    @property
    def direction(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound of a metric, `params_millions <= 2`, that a trial must keep to be the best."""

    metric: str
    relation: str
    bound: float

    @classmethod
    def of(cls, text: str) -> Constraint:
        """The constraint that a text says; ValueError where it says none."""
        found = _RULE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not METRIC <= NUMBER or METRIC >= NUMBER")
        return cls(found["metric"], found["relation"], float(found["bound"]))

    def violation(self, value: float | None) -> float:
        """By how much a value breaks it, in units of the bound; 0: it is kept, infinity: there is no number."""
        if value is None or math.isnan(value):
            return math.inf
        excess = value - self.bound if self.relation == AT_MOST else self.bound - value
        return max(0.0, excess / (abs(self.bound) or 1.0))

    def __str__(self) -> str:
        whole = self.bound.is_integer() and abs(self.bound) < LARGEST_WHOLE
        return f"{self.metric} {self.relation} {int(self.bound) if whole else self.bound!r}"


@dataclass(frozen=True, slots=True)
class Objective:
    """What a search optimizes.

    Attributes:
        metric: "val/accuracy".
        direction: minimize or maximize.
        others: further objectives of the same trial. The best are a Pareto front then, and this one comes first: it
            decides which epoch of a trial counts.
        constraints: what the best must keep.
    """

    metric: str
    direction: str
    others: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def of(cls, named: Named, others: Iterable[Named] = (), constraints: Iterable[Constraint] = ()) -> Objective:
        """The objectives of a study file, and its constraints."""
        further = tuple(cls(one.metric, one.direction) for one in others)
        return cls(named.metric, named.direction, further, tuple(constraints))

    @property
    def sign(self) -> float:
        """What its values are multiplied by, so that less is better: 1, or -1 where it is maximized."""
        return sign_of(self.direction)

    @property
    def all(self) -> tuple[Objective, ...]:
        """This one and the others."""
        return (self, *self.others)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The metrics besides its own that it is judged by: those of the other objectives and of the constraints."""
        names = [*(one.metric for one in self.others), *(one.metric for one in self.constraints)]
        return tuple(dict.fromkeys(name for name in names if name != self.metric))

    def measured(self, metrics: Mapping[str, float]) -> dict[str, float] | None:
        """What these metrics say of `wanted`; None where nothing is."""
        return {name: metrics[name] for name in self.wanted if name in metrics} if self.wanted else None

    def violation(self, metrics: Mapping[str, float]) -> float | None:
        """By how much these metrics break the constraints, all together; 0: in nothing, None: there are none."""
        if not self.constraints:
            return None
        return sum(one.violation(metrics.get(one.metric)) for one in self.constraints)

    def broken_by(self, metrics: Mapping[str, float]) -> str:
        """Which constraints these metrics break, and with what: "params_millions is 2.41, not <= 2"."""
        return "; ".join(
            f"{one.metric} is {metrics.get(one.metric, math.nan):.4g}, not {str(one).removeprefix(one.metric).strip()}"
            for one in self.constraints
            if one.violation(metrics.get(one.metric))
        )

    def penalized(self, value: float, metrics: Mapping[str, float]) -> float:
        """A value to rank epochs by: one that breaks a constraint is worse than any that does not, by how much it does.

        A NaN stays one.
        """
        violation = self.violation(metrics)
        if not violation or math.isnan(value):
            return value
        return self.sign * INFEASIBLE * (1.0 + min(violation, INFEASIBLE))

    def losses(self, metrics: Mapping[str, float]) -> tuple[float, ...] | None:
        """The values of all objectives, so that less is better; None where one is missing or not finite."""
        values = [metrics.get(one.metric, math.nan) for one in self.all]
        if not all(map(math.isfinite, values)):
            return None
        return tuple(one.sign * value for one, value in zip(self.all, values, strict=True))

    def better(self, value: float, other: float) -> bool:
        """Whether a value beats another; a NaN beats nothing and is beaten by any number."""
        if value != value or other != other:
            return value == value
        return self.sign * value < self.sign * other

    def best(self, values: Iterable[float]) -> float:
        """The best value; NaN where none is a number."""
        found = math.nan
        for value in values:
            if self.better(value, found):
                found = value
        return found

    def to_dict(self) -> dict[str, str]:
        """Its own metric and direction, without the others."""
        return {"metric": self.metric, "direction": self.direction}
