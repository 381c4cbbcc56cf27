"""Edits of the space of a study that has begun: other ranges and choices of the parameters that it has.

Which parameters there are, of which kind, and when they exist, stays: each trial has them so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from goodfit.search_spaces.flaws import dotted
from goodfit.search_spaces.parameters import Choice, Fixed, Parameter, meets, shown
from goodfit.search_spaces.parse import parse_space, to_list
from goodfit.search_spaces.space import Space
from goodfit.service.errors import Problem, did_you_mean
from goodfit.service.spec.hyperparameters import check_hyperparameters, suited
from goodfit.trainers.errors import TrainersError
from goodfit.trainers.registry import resolve

_THERE = "its trials have this parameter, and narrowed to one value it stays"


def as_written(space: Space) -> dict[str, dict[str, Any]]:
    """The parameters by name, as a study file would have them."""
    return {item.pop("name"): item for item in to_list(space)}


def edited(written: object, before: Space, problems: list[Problem]) -> Space:
    """An edited space, read.

    Args:
        written: as as_written gave it, with what `--set` put in. A list alone is new choices: conditions stay.
        before: the space as it was.
        problems: gets what is wrong.
    """
    if isinstance(written, Mapping):
        written = {str(name): _in_full(value, before, str(name)) for name, value in written.items()}
    found: list[Any] = []
    space = parse_space(written, found)
    for path, text in found:
        if path and path[0] not in before.names:
            unknown = f"is no parameter of this study; {did_you_mean(str(path[0]), before.names)}"
            problems.append(Problem(0, f"--set space.{path[0]}", unknown))
            continue
        too = f"; take it out, too: --set space.{path[0]}=null" if "when" in path else ""
        problems.append(Problem(0, f"--set {dotted(('space', *path))}", text + too))
    if found and isinstance(written, Mapping):
        left = [name for name in before.names if name not in written]
        problems += [Problem(0, f"--set space.{name}", f"cannot be changed: {_THERE}") for name in left]
    return before if found else space


def _in_full(written: object, before: Space, name: str) -> object:
    item = next((one for one in before if one.name == name), None)
    if not isinstance(written, list) or not isinstance(item, Choice):
        return written
    return {"type": "choice", "choices": written, "when": dict(item.when), "doc": item.doc}


def suiting(space: Space, reference: str, problems: list[Problem]) -> Space:
    """The space in the types of an installed trainer; says where it does not suit. A study's own code is not run."""
    try:
        trainer = None if ":" in reference else resolve(reference)
    except TrainersError:  # it is not installed here; whoever runs the study says so
        trainer = None
    if trainer is None:
        return space
    space = suited(space, trainer)
    problems += [Problem(0, f"--set space.{name}", text) for name, text in check_hyperparameters(trainer, space)]
    return space


def space_problems(before: Space, after: Space) -> Iterator[tuple[str, str]]:
    """What an edit must not do to a space: (key, why) each."""
    for item in before:
        if item.name not in after and _exists_in(item, after):
            yield f"space.{item.name}", _THERE
        elif item.name in after and (why := _why_not(item, after[item.name])):
            yield f"space.{item.name}", why
    for item in after:
        if item.name not in before:
            yield f"space.{item.name}", "its trials were trained without this parameter"


def _exists_in(item: Parameter, space: Space) -> bool:
    """Whether there is a configuration of the space that may have this parameter."""
    for name, needed in item.when.items():
        other = next((one for one in space if one.name == name), None)
        if other is None or (isinstance(other, Choice) and not any(meets(value, needed) for value in other.choices)):
            return False
    return True


def _why_not(before: Parameter, after: Parameter) -> str | None:
    if isinstance(before, Fixed) and not before.contains(after.grid_value(0)):
        return f"its trials were trained with {shown(before.value)}"
    if type(after) is not type(before):
        new, old = (type(item).__name__.lower() for item in (after, before))
        return f"its trials have it as {old}, not as {new}"
    if dict(after.when) != dict(before.when):
        return "its condition decided which trials have it"
    return None
