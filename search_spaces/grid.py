"""Counts and numbers the points of a grid without listing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search_spaces.parameters import Parameter, Value


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
        parameter, length = self._parameters[start], self._lengths[start]
        if not parameter.active(params):
            return self.count(start + 1, params)
        if not self._is_watched(start):
            return length * self.count(start + 1, params)
        values = (parameter.grid_value(index) for index in range(length))
        return sum(self.count(start + 1, {**params, parameter.name: value}) for value in values)

    def point(self, index: int) -> dict[str, Value]:
        params: dict[str, Value] = {}
        for start, parameter in enumerate(self._parameters):
            if not parameter.active(params):
                continue
            position = 0
            if self._is_watched(start):
                params[parameter.name] = parameter.grid_value(0)
                while index >= (ways := self.count(start + 1, params)):
                    index -= ways
                    position += 1
                    params[parameter.name] = parameter.grid_value(position)
            else:
                position, index = divmod(index, self.count(start + 1, params))
                params[parameter.name] = parameter.grid_value(position)
        return params

    def _is_watched(self, start: int) -> bool:
        return start + 1 < len(self._parameters) and self._parameters[start].name in self._watched[start + 1]
