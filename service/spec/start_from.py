"""The configurations that a study begins with: `search: {start_from: [...]}`, each whole or in part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.search_spaces.conditions import Problem
from goodfit.search_spaces.flaws import KeyPath
from goodfit.search_spaces.parameters import Fixed, Float, Int, Parameter, Value, meets, shown
from goodfit.search_spaces.scalars import identity
from goodfit.search_spaces.space import Space
from goodfit.search_spaces.values import BadValue, any_value, nearest, number, whole

AT = ("search", "start_from")


def read_start(
    given: Sequence[Mapping[str, Any]], space: Space, problems: list[Problem]
) -> tuple[dict[str, Value], ...]:
    """The configurations in the types of their parameters.

    Args:
        given: as they are written.
        space: with the fixed parameters in it.
        problems: gets what is wrong.
    """
    found: list[dict[str, Value]] = []
    seen: set[Any] = set()
    for index, written in enumerate(given):
        path = (*AT, index)
        read = _one(written, space, path, problems)
        if (key := identity(read)) in seen and len(read) == len(written):
            problems.append((path, "is there twice; a configuration is tried once"))
        seen.add(key)
        found.append(read)
    return tuple(found)


def _one(written: Mapping[str, Any], space: Space, path: KeyPath, problems: list[Problem]) -> dict[str, Value]:
    for name in written:
        if name not in space:
            problems.append(  # noqa: PERF401 - it counts them
                ((*path, name), f"the space has no parameter {name}; {nearest(str(name), space.names)}")
            )
    found: dict[str, Value] = {}
    for item in space:
        if item.name not in written:
            continue
        try:
            value = _value(item, written[item.name])
        except BadValue as error:
            problems.append(((*path, item.name), str(error)))
            continue
        if not item.contains(value):
            problems.append(((*path, item.name), f"{shown(value)} is not in the space: it is {item}"))
        elif wrong := _inactive(item, space, written, found):
            problems.append(((*path, item.name), wrong))
        else:
            found[item.name] = value
    return found


def _value(item: Parameter, written: object) -> Value:
    if isinstance(item, Float):
        return float(number(written))
    return whole(written) if isinstance(item, Int) else any_value(written)


def _inactive(item: Parameter, space: Space, written: Mapping[str, Any], found: Mapping[str, Value]) -> str | None:
    """Why a parameter does not exist in this configuration, as far as the configuration says."""
    known = {**{one.name: one.value for one in space if isinstance(one, Fixed)}, **found}
    for name, needed in item.when.items():
        if name not in known and name not in written:
            return f"exists only under a condition on {name}; give {name}, too"
        if name in known and not meets(known[name], needed):
            return f"exists only {item.describe().rpartition(', ')[2]}, and {name} is {shown(known[name])} here"
    return None
