"""The space that parameters span, and its grid.

Plain values and arithmetic only; YAML is read in parse.py, and proposals are the sampler's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from goodfit.search_spaces.grid import Grid, TooManyCases
from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int, Parameter, Value, meets, shown

__all__ = ["Choice", "Fixed", "Float", "Int", "Parameter", "Space", "Value"]


MOST_POINTS = 100_000  # of all parameters of a grid: they are listed


@dataclass(frozen=True)
class Space:
    """Parameters in their order; a condition refers to parameters before its own.

    Example:
        for parameter in space:
            if parameter.active(params):
                params[parameter.name] = choose(parameter)
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.parameters))
        before: set[str] = set()
        for parameter in self.parameters:
            if parameter.name in before:
                raise ValueError(f"{parameter.name} is in the space twice")
            for name in parameter.when:
                if name not in before:
                    raise ValueError(f"{parameter.name} depends on {name}, which is not before it")
            before.add(parameter.name)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Parameter:
        return self._by_name[name]

    @functools.cached_property
    def _by_name(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def free(self) -> tuple[Parameter, ...]:
        """What is left to choose: all but the fixed ones."""
        return tuple(parameter for parameter in self.parameters if not isinstance(parameter, Fixed))

    @functools.cached_property
    def searched(self) -> tuple[Parameter, ...]:
        """What has more than one value to choose from."""
        return tuple(parameter for parameter in self.free if parameter.cardinality != 1)

    @functools.cached_property
    def conditional(self) -> tuple[str, ...]:
        """The parameters that exist in some configurations and not in others."""
        known: dict[str, Value] = {}  # that have one value in all configurations
        absent: set[str] = set()  # from all configurations
        found = []
        for item in self:
            if any(name in absent or (name in known and not meets(known[name], it)) for name, it in item.when.items()):
                absent.add(item.name)
            elif not all(name in known for name in item.when):
                found.append(item.name)
            elif item.cardinality == 1:
                known[item.name] = item.grid_value(0)
        return tuple(found)

    def walk(self, choose: Callable[[Float | Int | Choice], Value]) -> dict[str, Value]:
        """One configuration: `choose` is asked for each active parameter that is not fixed, in order."""
        params: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.active(params):
                params[parameter.name] = parameter.value if isinstance(parameter, Fixed) else choose(parameter)
        return params

    def check(self, params: Mapping[str, Any]) -> list[str]:
        """What keeps `params` from being a configuration of this space; empty if nothing does."""
        problems = [f"{name} is no parameter of this space" for name in params if name not in self]
        for parameter in self.parameters:
            name, given = parameter.name, parameter.name in params
            if not parameter.active(params):
                if given:
                    problems.append(f"{name} is given where its condition does not hold")
            elif not given:
                problems.append(f"{name} is missing")
            elif not parameter.contains(params[name]):
                problems.append(f"{name} is {shown(params[name])}, outside {parameter}")
        return problems

    def outside(self, params: Mapping[str, Any]) -> list[str]:
        """The parameters whose value is none that this space has: it was edited since the configuration was drawn."""
        return [item.name for item in self.parameters if item.name in params and not item.contains(params[item.name])]

    def pin(self, fixed: Mapping[str, Value]) -> Space:
        """This space with these parameters fixed, always active and before all others."""
        docs = {parameter.name: parameter.doc for parameter in self.parameters}
        pinned = tuple(Fixed(name, value, doc=docs.get(name, "")) for name, value in fixed.items())
        return Space(pinned + tuple(parameter for parameter in self.parameters if parameter.name not in fixed))

    def cardinality(self) -> int | None:
        """How many configurations there are; None: a continuum, or more than can be counted in reasonable time."""
        return self._cardinality

    def configuration(self, index: int) -> dict[str, Value]:
        """The configuration at `index` of all that there are, of which `cardinality` says how many."""
        size = self.cardinality()
        if self._every is None or size is None:
            raise ValueError("a continuum, or conditions beyond counting, have no numbered configurations")
        if not 0 <= index < size:
            raise IndexError(f"the space has {size} configurations; there is no configuration {index}")
        return self._every.point(index)

    @functools.cached_property
    def _cardinality(self) -> int | None:
        try:
            return self._every.size if self._every is not None else None
        except TooManyCases:
            return None

    @functools.cached_property
    def _every(self) -> Grid | None:
        lengths = [parameter.cardinality for parameter in self.parameters]
        if None in lengths:
            return None
        every = tuple(replace(item, points=None) if isinstance(item, (Float, Int)) else item for item in self)
        return Grid(every, [length or 0 for length in lengths])

    def ungridded(self) -> list[str]:
        """The parameters that a grid cannot take: they need `step` or `points`."""
        return [item.name for item in self.parameters if _points(item) is None and item.grid_length is None]

    def grid_size(self) -> int:
        """How many points the grid has. ValueError names the parameters that need `step` or `points`.

        Raises:
            TooManyCases: the conditions cannot be counted in reasonable time; a ValueError.
        """
        return self._grid.size

    def grid_point(self, index: int) -> dict[str, Value]:
        """The grid's point at `index`: nested loops, the last parameter moving fastest.

        Raises:
            IndexError: there are not so many points.
            ValueError: a parameter needs `step` or `points`.
        """
        size = self.grid_size()
        if not 0 <= index < size:
            raise IndexError(f"the grid has {size} points; there is no point {index}")
        return self._grid.point(index)

    def grid(self) -> Iterator[dict[str, Value]]:
        """Every point of the grid exactly once, in order."""
        for index in range(self.grid_size()):
            yield self._grid.point(index)

    @functools.cached_property
    def _grid(self) -> Grid:
        if missing := self.ungridded():
            raise ValueError(f"a grid needs step or points for: {', '.join(missing)}")
        if sum(_points(item) or 0 for item in self.parameters) > MOST_POINTS:
            raise TooManyCases(f"the `points` of all parameters are more than {MOST_POINTS:,}")
        return Grid(self.parameters, [parameter.grid_length or 0 for parameter in self.parameters])


def _points(parameter: Parameter) -> int | None:
    """How many points a grid is to take from a range, as it is written."""
    return parameter.points if isinstance(parameter, (Float, Int)) else None
