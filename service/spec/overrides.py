"""`--set KEY=VALUE`: dotted keys, values in YAML, laid over what the study file says.

`confirm=null` takes a section out, `space.width=null` a parameter out of the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.search_spaces.document import read_text
from goodfit.search_spaces.flaws import DocumentError, KeyPath, dotted
from goodfit.search_spaces.scalars import shortened
from goodfit.search_spaces.values import BadValue, described
from goodfit.service.errors import Problem
from goodfit.service.spec.data_parameters import SECTIONS
from goodfit.service.spec.validation_messages import TOP

MOST = 1000  # of them
DEEPEST = 16  # parts of a key


def override(
    values: Mapping[str, Any], overrides: Sequence[str], problems: list[Problem]
) -> tuple[dict[str, Any], list[KeyPath]]:
    """The study with the overrides in it, and which keys they gave.

    Args:
        values: the study file's; left as it is.
        overrides: KEY=VALUE each.
        problems: gets what is wrong with them.
    """
    changed = dict(values)
    given: list[KeyPath] = []
    if len(overrides) > MOST:
        problems.append(Problem(0, "--set", f"is given {len(overrides):,} times; more than {MOST} go into the file"))
        return changed, given
    for text in overrides:
        try:
            path, value = _split(text)
            _put(changed, path, value)
            given.append(path)
        except BadValue as error:
            problems.append(Problem(0, shortened(f"--set {text}"), shortened(str(error))))
    return changed, given


def _split(text: str) -> tuple[KeyPath, object]:
    key, equals, written = text.partition("=")
    path = _with_names(tuple(part.strip() for part in key.split(".")))
    if len(path) > DEEPEST:
        raise BadValue(f"has a key of {len(path)} parts; no key of a study file has more than {DEEPEST}")
    if not equals or not all(path):
        raise BadValue("is not KEY=VALUE; write --set budget.trials=8, for example")
    try:
        return path, read_text(written).value
    except DocumentError as error:
        raise BadValue(f"its value {error.flaws[0].text}; put it in quotes to keep it as text") from error


def _with_names(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path with the name of a parameter that reaches into the data, such as prepare.scale, as one part."""
    if len(path) >= 3 and path[0] in ("space", "fixed") and path[1] in SECTIONS:
        return path[0], f"{path[1]}.{path[2]}", *path[3:]
    return path


def _put(values: dict[str, Any], path: KeyPath, value: object) -> None:
    inner = values  # a copy already, as each mapping on the way becomes one
    for depth, part in enumerate(path[:-1], start=1):
        found = inner.get(str(part))
        if found is not None and not isinstance(found, dict):
            raise BadValue(f"{dotted(path[:depth])} is {described(found)}, which has no keys; set it as a whole")
        inner[str(part)] = dict(found or {})
        inner = inner[str(part)]
    last = str(path[-1])
    if value is None and (
        (len(path) == 1 and last in TOP) or (len(path) == 2 and path[0] == "space" and last in inner)
    ):
        inner.pop(last, None)
    else:
        inner[last] = value
