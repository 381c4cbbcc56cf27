"""Counts and numbers the points of a grid without listing them."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence

from goodfit.search_spaces.parameters import Choice, Fixed, Parameter, Requirement, Value
from goodfit.search_spaces.scalars import identity

MOST_WORK = 200_000  # steps of counting, about half a second

Case = dict[str, Value]  # the values that conditions further down look at
Key = tuple[Hashable, ...]


class TooManyCases(ValueError):
    """The conditions make more cases than can be counted in reasonable time."""


class Grid:
    """The configurations that `lengths` values of each parameter make, where a condition may take one out.

    How many ways there are to go on after some parameters depends only on the values that later
    conditions look at. So the parameters are gone through once, with the cases that differ in these
    values, and counted from the last to the first: nothing is recursive, and the work has a bound.
    """

    def __init__(self, parameters: Sequence[Parameter], lengths: Sequence[int]) -> None:
        self._parameters = parameters
        self._lengths = lengths

    @property
    def size(self) -> int:
        """How many points there are.

        Raises:
            TooManyCases: they cannot be counted in reasonable time.
        """
        return self._ways[0][()]

    def point(self, index: int) -> dict[str, Value]:
        """The point at `index`: nested loops, the last parameter moving fastest."""
        params: dict[str, Value] = {}
        case: Case = {}  # the first of each stretch, which stands for all of it
        for start, parameter in enumerate(self._parameters):
            if not parameter.active(case):
                continue
            for first, width in self._runs[start]:
                case[parameter.name] = parameter.grid_value(first)
                ways = self._ways[start + 1][self._key(start + 1, case)]
                if index < width * ways:
                    position, index = divmod(index, ways)
                    params[parameter.name] = parameter.grid_value(first + position)
                    break
                index -= width * ways
        return params

    @functools.cached_property
    def _ways(self) -> list[dict[Key, int]]:
        """For each parameter, and after the last: in each case, how many ways the rest can go."""
        levels = self._levels()
        ways: list[dict[Key, int]] = [{} for _ in levels]
        ways[-1] = dict.fromkeys(levels[-1], 1)
        for start in range(len(self._parameters) - 1, -1, -1):
            for key, case in levels[start].items():
                ways[start][key] = sum(
                    width * ways[start + 1][self._key(start + 1, after)] for width, after in self._after(start, case)
                )
        return ways

    def _levels(self) -> list[dict[Key, Case]]:
        """The cases in which each parameter can be, and those at the end."""
        levels: list[dict[Key, Case]] = [{(): {}}]
        work = 0
        for start, parameter in enumerate(self._parameters):
            found: dict[Key, Case] = {}
            asked = 1 + sum(len(one) if isinstance(one, (list, tuple)) else 1 for one in parameter.when.values())
            for case in levels[-1].values():
                for _, after in self._after(start, case):
                    kept = {name: after[name] for name in self._watched[start + 1] if name in after}
                    found.setdefault(self._key(start + 1, kept), kept)
                    work += asked + len(self._watched[start + 1])
                    if work > MOST_WORK:
                        raise TooManyCases("the conditions make more cases than can be counted in reasonable time")
            levels.append(found)
        return levels

    def _after(self, start: int, case: Case) -> Iterator[tuple[int, Case]]:
        """How a case goes on with a parameter: (for how many of its values, the case with one of them)."""
        parameter = self._parameters[start]
        if not parameter.active(case):
            yield 1, case
            return
        for first, width in self._runs[start]:
            yield width, {**case, parameter.name: parameter.grid_value(first)}

    def _key(self, start: int, params: Mapping[str, Value]) -> Key:
        return tuple((name, identity(params[name])) for name in self._watched[start] if name in params)

    @functools.cached_property
    def _watched(self) -> list[list[str]]:
        """For each parameter, and after the last: the names before it that conditions from there on look at."""
        until = {name: index for index, parameter in enumerate(self._parameters) for name in parameter.when}
        watched: list[list[str]] = [[]]
        for index, parameter in enumerate(self._parameters):
            watched.append([name for name in (*watched[-1], parameter.name) if until.get(name, -1) > index])
        return watched

    @functools.cached_property
    def _runs(self) -> list[list[tuple[int, int]]]:
        """Of each parameter the stretches of values that later conditions do not tell apart: (first, how many)."""
        conditions: dict[str, list[Requirement]] = {}
        for parameter in self._parameters:
            for name, needed in parameter.when.items():
                conditions.setdefault(name, []).append(needed)
        return [
            _runs(parameter, length, conditions.get(parameter.name, ()))
            for parameter, length in zip(self._parameters, self._lengths, strict=True)
        ]


def _runs(parameter: Parameter, length: int, conditions: Sequence[Requirement]) -> list[tuple[int, int]]:
    if not conditions:
        return [(0, length)]
    if isinstance(parameter, (Choice, Fixed)):
        return [(index, 1) for index in range(length)]
    edges = {0, length}
    for bound in itertools.chain.from_iterable(map(_bounds, conditions)):
        edges.add(bisect.bisect_left(range(length), bound, key=parameter.grid_value))
        edges.add(bisect.bisect_right(range(length), bound, key=parameter.grid_value))
    return [(first, after - first) for first, after in itertools.pairwise(sorted(edges))]


def _bounds(needed: Requirement) -> Iterator[float]:
    """The numbers at which a condition begins or ceases to hold."""
    if isinstance(needed, Mapping):
        yield from needed.values()
        return
    for value in needed if isinstance(needed, (list, tuple)) else [needed]:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield value
