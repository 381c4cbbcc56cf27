"""The kinds of hyperparameters: float, int, choice and fixed, each with its conditions.

`low`, `high`, `log` and `step` mean what Optuna means by them. `points` says how many values a grid
takes from a range; the other search methods take no notice of it.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goodfit.search_spaces.ranges import Problems, exact, range_problems, range_text, spaced
from goodfit.search_spaces.scalars import Value, identity, listed, same, shown

__all__ = ["Choice", "Fixed", "Float", "Int", "Parameter", "Requirement", "Value", "When", "meets", "same", "shown"]

Requirement = Value | Sequence[Value] | Mapping[str, float]  # a value, one of several, or {low:, high:}
When = Mapping[str, Requirement]


class _Conditional:
    """The part that all kinds share: a parameter exists only where its conditions hold."""

    name: str
    when: When
    prior: Value = None  # the value that is expected to be good; None: none is

    def active(self, params: Mapping[str, Any]) -> bool:
        """Whether the parameter exists beside these values of the parameters before it.

        All conditions must hold; one on a parameter that is itself inactive does not.
        """
        return all(name in params and meets(params[name], needed) for name, needed in self.when.items())

    def describe(self) -> str:
        """The parameter in one line: "momentum: 0.5 to 0.99, when optimizer is sgd"."""
        conditions = " and ".join(f"{name} is {_wanted(needed)}" for name, needed in self.when.items())
        prior = f", prior {shown(self.prior)}" if self.prior is not None else ""
        return f"{self.name}: {self}{prior}" + (f", when {conditions}" if conditions else "")


@dataclass(frozen=True)
class Float(_Conditional):
    """A real number in [low, high]. A grid needs `step` or `points`."""

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    points: int | None = None
    when: When = field(default_factory=dict)
    doc: str = ""
    prior: float | None = None

    def __post_init__(self) -> None:
        _refuse(self.name, range_problems(self.low, self.high, log=self.log, step=self.step, points=self.points))
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if self.step is not None:
            object.__setattr__(self, "step", float(self.step))
            object.__setattr__(self, "high", float(exact(self.low) + (self._steps - 1) * exact(self.step)))
        _refuse_prior(self)

    @property
    def cardinality(self) -> int | None:
        """How many values it has; None: a continuum."""
        if self.low == self.high:
            return 1
        return self._steps if self.step is not None else None

    @property
    def grid_length(self) -> int | None:
        """How many values a grid takes from it; None: it says neither `step` nor `points`."""
        return len(self._points) if self.points is not None else self.cardinality

    def grid_value(self, index: int) -> float:
        """The value at `index` of its grid, ascending."""
        if self.points is not None:
            return self._points[index]
        if self.step is None:
            return self.low
        return float(exact(self.low) + index * exact(self.step))

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-8  # Optuna's own tolerance

    def __str__(self) -> str:
        return range_text(self.low, self.high, log=self.log, step=self.step)

    @property
    def _steps(self) -> int:
        if self.step is None:
            return 0
        return int((exact(self.high) - exact(self.low)) // exact(self.step)) + 1

    @property
    def _points(self) -> tuple[float, ...]:
        return spaced(self.low, self.high, self.points or 0, self.log)


@dataclass(frozen=True)
class Int(_Conditional):
    """A whole number in [low, high]. A grid takes every step, or `points`; with `log` alone it needs `points`.

    With `log` and `step` a draw is even in the logarithm, and then the nearest of the steps. Points that round to the
    same whole number are one.
    """

    name: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    points: int | None = None
    when: When = field(default_factory=dict)
    doc: str = ""
    prior: int | None = None

    def __post_init__(self) -> None:
        problems = range_problems(self.low, self.high, log=self.log, step=self.step, points=self.points, whole=True)
        _refuse(self.name, problems)
        object.__setattr__(self, "high", self.low + (self.cardinality - 1) * self.step)
        _refuse_prior(self)

    @property
    def cardinality(self) -> int:
        """How many values it has."""
        return (self.high - self.low) // self.step + 1

    @property
    def grid_length(self) -> int | None:
        """How many values a grid takes from it; None: a logarithmic range that says neither `points` nor `step`."""
        if self.points is not None:
            return len(self._points)
        return None if self.log and self.step == 1 and self.low < self.high else self.cardinality

    def grid_value(self, index: int) -> int:
        """The value at `index` of its grid, ascending."""
        return self._points[index] if self.points is not None else self.low + index * self.step

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        return (value - self.low) % self.step == 0

    def __str__(self) -> str:
        return range_text(self.low, self.high, log=self.log, step=self.step if self.step != 1 else None)

    @property
    def _points(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(round(point) for point in spaced(self.low, self.high, self.points or 0, self.log)))


@dataclass(frozen=True)
class Choice(_Conditional):
    """One of several values, without an order between them."""

    name: str
    choices: tuple[Value, ...]
    when: When = field(default_factory=dict)
    doc: str = ""
    prior: Value = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices:
            raise ValueError(f"{self.name}: choices is empty")
        for again in repeats(self.choices):
            raise ValueError(f"{self.name}: {self.choices[again]!r} is there twice")
        _refuse_prior(self)

    @property
    def cardinality(self) -> int:
        """How many values it has."""
        return len(self.choices)

    @property
    def grid_length(self) -> int:
        """How many values a grid takes from it."""
        return len(self.choices)

    def grid_value(self, index: int) -> Value:
        """The choice at `index`, in the order given."""
        return self.choices[index]

    def contains(self, value: object) -> bool:
        return identity(value) in self._places

    def index(self, value: object) -> int:
        """Where a value stands among the choices; KeyError where it is none of them."""
        return self._places[identity(value)]

    def reaches(self, ends: Mapping[str, float]) -> bool:
        """Whether one of the choices is a number within these ends."""
        first = bisect.bisect_left(self._numbers, ends.get("low", -math.inf))
        return first < len(self._numbers) and self._numbers[first] <= ends.get("high", math.inf)

    def __str__(self) -> str:
        return "one of " + listed(self.choices)

    @functools.cached_property
    def _places(self) -> dict[Hashable, int]:
        return {identity(choice): index for index, choice in enumerate(self.choices)}

    @functools.cached_property
    def texts(self) -> list[str]:
        """The choices that are texts."""
        return [choice for choice in self.choices if isinstance(choice, str)]

    @functools.cached_property
    def _numbers(self) -> list[float]:
        return sorted(one for one in self.choices if isinstance(one, (int, float)) and not isinstance(one, bool))


@dataclass(frozen=True)
class Fixed(_Conditional):
    """One value: not searched, but passed to the trainer and open to conditions."""

    name: str
    value: Value
    when: When = field(default_factory=dict)
    doc: str = ""

    @property
    def cardinality(self) -> int:
        """How many values it has."""
        return 1

    @property
    def grid_length(self) -> int:
        """How many values a grid takes from it."""
        return 1

    def grid_value(self, index: int) -> Value:  # noqa: ARG002  # the same for all kinds
        """The value."""
        return self.value

    def contains(self, value: object) -> bool:
        return same(value, self.value)

    def __str__(self) -> str:
        return shown(self.value)


Parameter = Float | Int | Choice | Fixed


def repeats(values: Sequence[object]) -> Iterator[int]:
    """The indices of the values that were there before."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if (key := identity(value)) in seen:
            yield index
        seen.add(key)


def meets(value: object, needed: Requirement) -> bool:
    """Whether a value fulfils a condition."""
    if isinstance(needed, Mapping):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return needed.get("low", -math.inf) <= value <= needed.get("high", math.inf)
    if isinstance(needed, (list, tuple)):
        return any(same(value, one) for one in needed)
    return same(value, needed)


def _wanted(needed: Requirement) -> str:
    if isinstance(needed, Mapping):
        ends = (("at least", needed.get("low")), ("at most", needed.get("high")))
        return " and ".join(f"{words} {shown(end)}" for words, end in ends if end is not None)
    if isinstance(needed, (list, tuple)):
        return " or ".join(shown(one) for one in needed)
    return shown(needed)


def prior_problem(parameter: Float | Int | Choice) -> str | None:
    """What is wrong with a parameter's prior."""
    if parameter.prior is None or parameter.contains(parameter.prior):
        return None
    return f"prior {shown(parameter.prior)} is none of its values: it is {parameter}"


def _refuse_prior(parameter: Float | Int | Choice) -> None:
    if wrong := prior_problem(parameter):
        raise ValueError(f"{parameter.name}: {wrong}")


def _refuse(name: str, problems: Problems) -> None:
    if problems:
        raise ValueError("; ".join(f"{name}: {text}" for _, text in problems))
