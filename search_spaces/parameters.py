"""The kinds of hyperparameters: float, int, choice and fixed, each with its conditions.

`low`, `high`, `log` and `step` mean what Optuna means by them. `points` says how many values a grid
takes from a range; the other search methods take no notice of it.
"""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Value = bool | int | float | str | None
Requirement = Value | Sequence[Value] | Mapping[str, float]  # a value, one of several, or {low:, high:}
When = Mapping[str, Requirement]
Problems = list[tuple[str, str]]  # which argument, and what is wrong with it


class _Conditional:
    """The part that all kinds share: a parameter exists only where its conditions hold."""

    name: str
    when: When

    def active(self, params: Mapping[str, Any]) -> bool:
        """Whether the parameter exists beside these values of the parameters before it.

        All conditions must hold; one on a parameter that is itself inactive does not.
        """
        return all(name in params and meets(params[name], needed) for name, needed in self.when.items())

    def describe(self) -> str:
        """The parameter in one line: "momentum: 0.5 to 0.99, when optimizer is sgd"."""
        conditions = " and ".join(f"{name} is {_wanted(needed)}" for name, needed in self.when.items())
        return f"{self.name}: {self}" + (f", when {conditions}" if conditions else "")


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

    def __post_init__(self) -> None:
        _refuse(self.name, range_problems(self.low, self.high, log=self.log, step=self.step, points=self.points))
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if self.step is not None:
            object.__setattr__(self, "step", float(self.step))
            object.__setattr__(self, "high", float(_exact(self.low) + (self._steps - 1) * _exact(self.step)))

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
        return float(_exact(self.low) + index * _exact(self.step))

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-8  # Optuna's own tolerance

    def __str__(self) -> str:
        return _range_text(self.low, self.high, log=self.log, step=self.step)

    @property
    def _steps(self) -> int:
        if self.step is None:
            return 0
        return int((_exact(self.high) - _exact(self.low)) // _exact(self.step)) + 1

    @property
    def _points(self) -> tuple[float, ...]:
        return _spaced(self.low, self.high, self.points or 0, self.log)


@dataclass(frozen=True)
class Int(_Conditional):
    """A whole number in [low, high]. A grid takes every step, or `points`; with `log` it needs `points`.

    Points that round to the same whole number are one.
    """

    name: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    points: int | None = None
    when: When = field(default_factory=dict)
    doc: str = ""

    def __post_init__(self) -> None:
        problems = range_problems(self.low, self.high, log=self.log, step=self.step, points=self.points, whole=True)
        _refuse(self.name, problems)
        object.__setattr__(self, "high", self.low + (self.cardinality - 1) * self.step)

    @property
    def cardinality(self) -> int:
        """How many values it has."""
        return (self.high - self.low) // self.step + 1

    @property
    def grid_length(self) -> int | None:
        """How many values a grid takes from it; None: a logarithmic range that does not say `points`."""
        if self.points is not None:
            return len(self._points)
        return None if self.log and self.low < self.high else self.cardinality

    def grid_value(self, index: int) -> int:
        """The value at `index` of its grid, ascending."""
        return self._points[index] if self.points is not None else self.low + index * self.step

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        return (value - self.low) % self.step == 0

    def __str__(self) -> str:
        return _range_text(self.low, self.high, log=self.log, step=self.step if self.step != 1 else None)

    @property
    def _points(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(round(point) for point in _spaced(self.low, self.high, self.points or 0, self.log)))


@dataclass(frozen=True)
class Choice(_Conditional):
    """One of several values, without an order between them."""

    name: str
    choices: tuple[Value, ...]
    when: When = field(default_factory=dict)
    doc: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices:
            raise ValueError(f"{self.name}: choices is empty")
        for index, value in enumerate(self.choices):
            if any(same(value, earlier) for earlier in self.choices[:index]):
                raise ValueError(f"{self.name}: {value!r} is there twice")

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
        return any(same(value, choice) for choice in self.choices)

    def __str__(self) -> str:
        return "one of " + ", ".join(shown(choice) for choice in self.choices)


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


def range_problems(
    low: float, high: float, *, log: bool, step: float | None, points: int | None, whole: bool = False
) -> Problems:
    """What is wrong with a range, by argument; `whole`: of whole numbers."""
    problems: Problems = [
        (name, f"{name} is {end}, not a finite number")
        for name, end in (("low", low), ("high", high))
        if not math.isfinite(end)
    ]
    plain_step = 1 if whole else None
    if low > high:
        problems.append(("low", f"low {shown(low)} is above high {shown(high)}"))
    if log and low <= 0:
        problems.append(("low", f"log needs low above 0, not {shown(low)}; raise low or leave log out"))
    if log and step != plain_step:
        problems.append(("step", "step and log exclude each other; for a grid of a log range give points"))
    if step is not None and step <= 0:
        problems.append(("step", f"step must be above 0, not {shown(step)}"))
    elif step is not None and low < high and step > high - low and step != plain_step:
        problems.append(("step", f"step {shown(step)} does not fit between {shown(low)} and {shown(high)}"))
    problems += _points_problems(low, high, points, with_step=step != plain_step, whole=whole)
    return problems


def _points_problems(low: float, high: float, points: int | None, *, with_step: bool, whole: bool) -> Problems:
    if points is None:
        return []
    if with_step:
        return [("points", "points and step exclude each other; keep one")]
    if points < 1:
        return [("points", f"points must be at least 1, not {points}")]
    if points == 1 and low < high:
        return [("points", "points must be at least 2: both ends are among them")]
    if whole and low <= high and points > high - low + 1:
        return [("points", f"there are only {int(high - low + 1)} whole numbers for {points} points")]
    return []


def meets(value: object, needed: Requirement) -> bool:
    """Whether a value fulfils a condition."""
    if isinstance(needed, Mapping):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return needed.get("low", -math.inf) <= value <= needed.get("high", math.inf)
    if isinstance(needed, (list, tuple)):
        return any(same(value, one) for one in needed)
    return same(value, needed)


def same(one: object, other: object) -> bool:
    """Equality of values for which true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def shown(value: object) -> str:
    """A value as a study file writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _wanted(needed: Requirement) -> str:
    if isinstance(needed, Mapping):
        ends = (("at least", needed.get("low")), ("at most", needed.get("high")))
        return " and ".join(f"{words} {shown(end)}" for words, end in ends if end is not None)
    if isinstance(needed, (list, tuple)):
        return " or ".join(shown(one) for one in needed)
    return shown(needed)


def _range_text(low: float, high: float, *, log: bool, step: float | None) -> str:
    text = f"{shown(low)} to {shown(high)}"
    return text + (", log" if log else "") + (f" by {shown(step)}" if step is not None else "")


def _refuse(name: str, problems: Problems) -> None:
    if problems:
        raise ValueError("; ".join(f"{name}: {text}" for _, text in problems))


def _exact(number: float) -> decimal.Decimal:
    """The decimal that the user wrote: 0.1 is a tenth, so that 0.1 + 2 * 0.1 is 0.3."""
    return decimal.Decimal(str(number))


def _between(low: float, high: float, share: float) -> float:
    return low * (1 - share) + high * share


@functools.lru_cache(maxsize=256)
def _spaced(low: float, high: float, points: int, log: bool) -> tuple[float, ...]:
    """`points` numbers from low to high, both included, evenly spaced or evenly in the logarithm."""
    if points == 1 or low == high:
        return (low,)
    values = [low]
    for index in range(1, points - 1):
        share = index / (points - 1)
        exact = math.exp(_between(math.log(low), math.log(high), share)) if log else _between(low, high, share)
        values.append(min(max(float(f"{exact:.12g}"), low), high))  # 0.001, not 0.0010000000000000002
    return tuple(dict.fromkeys([*values, high]))
