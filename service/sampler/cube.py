"""A search space as points of the unit cube, the coordinates in which the search by a model works.

A number is its place between `low` and `high`, on a logarithmic scale where the parameter has one; a choice is the
place of its value in the list. A parameter whose condition does not hold is NaN. For distances a choice becomes a
column for each value, so that two different choices are 1 apart; what does not exist lies in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int
from goodfit.search_spaces.space import Space

Points = NDArray[np.float64]

SLACK = 1e-9  # of the ends of the cube, which rounding may pass
FARTHEST = 1.0  # beyond an end of the cube
REDRAW = 0.3  # how often a choice that is varied is drawn anew
WIDTHS = (-2.0, -0.5)  # of a step around a point, powers of ten of the unit


class Cube:
    """The searched parameters of a space: configurations to points and back, random points, points near others.

    A configuration from before the space was narrowed has its place outside of the cube; a choice that it no longer
    has is NaN.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self.parameters = tuple(item for item in space if not isinstance(item, Fixed) and item.cardinality != 1)
        self._place = {item.name: index for index, item in enumerate(self.parameters)}
        choices = [len(item.choices) if isinstance(item, Choice) else 0 for item in self.parameters]
        self.choices = np.array(choices, dtype=np.int64)  # also where nothing is searched
        widths = np.maximum(self.choices, 1)
        self.columns: NDArray[np.int64] = np.repeat(np.arange(len(self.parameters)), widths)
        self._starts = np.concatenate([[0], np.cumsum(widths)])

    def __len__(self) -> int:
        return len(self.parameters)

    def params(self, point: Points) -> dict[str, Any]:
        """The configuration at a point, with the fixed parameters; what a condition leaves out is left out."""

        def choose(parameter: Float | Int | Choice) -> Any:
            place = self._place.get(parameter.name)
            return parameter.grid_value(0) if place is None else _value(parameter, float(point[place]))

        return self._space.walk(choose)

    def point(self, params: Mapping[str, Any]) -> Points:
        """The point of a configuration; NaN for what it does not have."""
        return np.array(
            [_unit(item, params[item.name]) if item.name in params else math.nan for item in self.parameters]
        )

    def encode(self, points: Points) -> Points:
        """Points (n, parameters) as rows (n, columns) between which distances have a meaning."""
        points = np.atleast_2d(points)
        rows = np.zeros((len(points), len(self.columns)))
        for index, count in enumerate(self.choices):
            values, start = points[:, index], self._starts[index]
            if count:
                known = np.flatnonzero(~np.isnan(values))
                rows[known, start + values[known].astype(int)] = math.sqrt(0.5)
            else:
                rows[:, start] = np.where(np.isnan(values), 0.5, values)
        return rows

    def random(self, rng: np.random.Generator, count: int) -> Points:
        """Points drawn uniformly."""
        points = rng.random((count, len(self)))
        return np.where(self.choices > 0, np.floor(points * self.choices), points)

    def around(self, rng: np.random.Generator, centers: Points, count: int) -> Points:
        """Points near some of the centers: half of the parameters of each are changed, by steps of its own width."""
        points = self._inside(centers)[rng.integers(len(centers), size=count)].copy()
        width = 10.0 ** rng.uniform(*WIDTHS, size=(count, 1))
        varied = rng.random(points.shape) < max(0.5, 1.0 / max(1, len(self)))
        fresh = self.random(rng, count)
        stepped = points + rng.normal(size=points.shape) * width
        stepped = np.clip(np.where(stepped < 0, -stepped, np.where(stepped > 1, 2 - stepped, stepped)), 0, 1)
        redrawn = rng.random(points.shape) < REDRAW
        moved = np.where(self.choices > 0, np.where(redrawn, fresh, points), stepped)
        moved = np.where(varied, moved, points)
        return np.where(np.isnan(moved), fresh, moved)  # a parameter that did not exist there may exist here

    def _inside(self, points: Points) -> Points:
        """The nearest points inside the cube: a study's space may have been narrowed since they were tried."""
        beyond = (self.choices == 0) & ((points < -SLACK) | (points > 1 + SLACK))
        return np.where(beyond, np.clip(points, 0.0, 1.0), points)


def _unit(parameter: Float | Int | Choice, value: Any) -> float:
    if isinstance(parameter, Choice):
        return float(parameter.index(value)) if parameter.contains(value) else math.nan
    low, high = _ends(parameter)
    if parameter.log and value <= 0:
        return -FARTHEST
    place = math.log(value) if parameter.log else float(value)
    return min(max((place - low) / (high - low), -FARTHEST), 1 + FARTHEST)


def _value(parameter: Float | Int | Choice, unit: float) -> Any:
    if isinstance(parameter, Choice):
        return parameter.choices[int(unit)]
    low, high = _ends(parameter)
    place = low + unit * (high - low)
    number = min(max(math.exp(place) if parameter.log else place, parameter.low), parameter.high)
    if parameter.step is None:
        return number
    step = min(round((number - parameter.low) / parameter.step), (parameter.cardinality or 1) - 1)
    return parameter.low + step * parameter.step if isinstance(parameter, Int) else parameter.grid_value(step)


def _ends(parameter: Float | Int) -> tuple[float, float]:
    """Where the unit interval lies on the parameter's scale: each of its steps has the same share of it."""
    half = 0.0 if parameter.step is None else parameter.step / 2
    low, high = parameter.low - half, parameter.high + half
    if parameter.log:
        low = max(low, parameter.low / 2)  # a step may reach to zero
    return (math.log(low), math.log(high)) if parameter.log else (low, high)
