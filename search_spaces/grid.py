"""Counts and numbers the points of a grid without listing them."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search_spaces.parameters import Choice, Fixed, Parameter, Requirement, Value


class Grid:
    """The configurations that `lengths` values of each parameter make, where a condition may take one out.

    How many ways there are to go on after some parameters depends only on the values that later
    conditions look at, so a count is worked out once for each combination of those.
    """

    def __init__(self, parameters: Sequence[Parameter], lengths: Sequence[int]) -> None:
        self._parameters = parameters
        self._lengths = lengths
        self._watched = [
            sorted({name for later in parameters[start:] for name in later.when}) for start in range(len(parameters))
        ]
        self._counts: dict[tuple[Any, ...], int] = {}

    def count(self, start: int, params: dict[str, Value]) -> int:
        """How many ways the parameters from `start` on can go beside `params`."""
        if start == len(self._parameters):
            return 1
        values = ((name in params, params.get(name)) for name in self._watched[start])
        key = (start, *((there, isinstance(value, bool), value) for there, value in values))  # true is not 1
        if key not in self._counts:
            self._counts[key] = self._count(start, params)
        return self._counts[key]

    def _count(self, start: int, params: dict[str, Value]) -> int:
        parameter = self._parameters[start]
        if not parameter.active(params):
            return self.count(start + 1, params)
        return sum(
            width * self.count(start + 1, {**params, parameter.name: parameter.grid_value(first)})
            for first, width in self._runs[start]
        )

    def point(self, index: int) -> dict[str, Value]:
        params: dict[str, Value] = {}
        for start, parameter in enumerate(self._parameters):
            if not parameter.active(params):
                continue
            for first, width in self._runs[start]:
                params[parameter.name] = parameter.grid_value(first)
                ways = self.count(start + 1, params)
                if index < width * ways:
                    position, index = divmod(index, ways)
                    params[parameter.name] = parameter.grid_value(first + position)
                    break
                index -= width * ways
        return params

    @functools.cached_property
    def _runs(self) -> list[list[tuple[int, int]]]:
        """Of each parameter the stretches of values that later conditions do not tell apart: (first, how many)."""
        return [
            _runs(
                parameter,
                length,
                [later.when[parameter.name] for later in self._parameters[start + 1 :] if parameter.name in later.when],
            )
            for start, (parameter, length) in enumerate(zip(self._parameters, self._lengths, strict=True))
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
