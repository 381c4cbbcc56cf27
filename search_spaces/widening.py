"""A space for trials from before it was edited: as it is, and wide enough for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from goodfit.search_spaces.parameters import Choice, Float, Int, Parameter, Value, repeats
from goodfit.search_spaces.space import Space


def widened(space: Space, configurations: Iterable[Mapping[str, Any]]) -> Space:
    """A space that holds what each of these configurations has of its parameters.

    A range reaches as far as the values do, without steps where one is between them; choices that a space no longer
    has come after its own.
    """
    beyond: dict[str, list[Value]] = {}
    for params in configurations:
        for name in space.outside(params):
            beyond.setdefault(name, []).append(params[name])
    return Space(tuple(_with(item, beyond.get(item.name, [])) for item in space)) if beyond else space


def _with(item: Parameter, values: Sequence[Any]) -> Parameter:
    if not values or not isinstance(item, (Float, Int, Choice)):
        return item
    if isinstance(item, Choice):
        every = [*item.choices, *values]
        again = set(repeats(every))
        return replace(item, choices=tuple(value for place, value in enumerate(every) if place not in again))
    low, high = min(item.low, *values), max(item.high, *values)
    wide = {"low": low, "high": high, "log": item.log and low > 0, "points": None}
    return replace(item, **wide, step=1) if isinstance(item, Int) else replace(item, **wide, step=None)
