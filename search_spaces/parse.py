"""A space from plain values, as YAML gives them, and back. Every problem is found, not the first only.

A parameter is written in one of these ways, and its name is a Python name, or two with a dot between:

    learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}     # also step, points, prior
    depth:         {type: int, low: 1, high: 4}                        # also log, step, points
    optimizer:     {type: choice, choices: [sgd, adam]}                # or only the list: [sgd, adam]
    batch_size:    {type: fixed, value: 64}                            # or only the value: 64
    momentum:      {type: float, low: 0.5, high: 0.99, when: {optimizer: sgd}}

Any of them may have `doc`, and `when`: a value, a list of values, or {low:, high:}, of parameters
further up. A value may be a list or a mapping itself: `hidden: [[256, 256], [1024]]` has two choices; one such
value is written {type: fixed, value: [256, 256]}. A bare yes, no, on or off is refused, since it reads
differently to YAML 1.1, YAML 1.2 and people.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from goodfit.search_spaces.conditions import BAD, Conditions, Problem, take
from goodfit.search_spaces.flaws import KeyPath, dotted
from goodfit.search_spaces.parameters import (
    Choice,
    Fixed,
    Float,
    Int,
    Parameter,
    Value,
    repeats,
    shown,
)
from goodfit.search_spaces.ranges import range_problems
from goodfit.search_spaces.space import Space
from goodfit.search_spaces.values import BadValue, any_value, described, flag, nearest, number, whole

_Searched = TypeVar("_Searched", bound=Float | Int | Choice)

KEYS = {
    "float": ("low", "high", "log", "step", "points", "prior"),
    "int": ("low", "high", "log", "step", "points", "prior"),
    "choice": ("choices", "prior"),
    "fixed": ("value",),
}
MOST_PARAMETERS = 2000  # of a space and what is fixed
COMMON = ("type", "when", "doc")
_OTHER_NAMES = {
    **dict.fromkeys(("uniform", "real", "double", "number"), "float"),
    **dict.fromkeys(("loguniform", "log_uniform", "log"), "float, with log: true"),
    **dict.fromkeys(("integer", "randint", "quniform"), "int"),
    **dict.fromkeys(("categorical", "category", "enum", "options", "values"), "choice"),
    **dict.fromkeys(("bool", "boolean"), "choice, with choices: [true, false]"),
    **dict.fromkeys(("constant", "const", "value"), "fixed"),
}


def parse_space(
    source: object, problems: list[Problem], fixed: Mapping[str, Value] | None = None, *, any_name: bool = False
) -> Space:
    """Read a space.

    Args:
        source: the mapping of parameters, as YAML gives it.
        problems: gets (path of the key, what is wrong) for everything that is wrong.
        fixed: what the study fixes: pinned in the space, and open to conditions.
        any_name: whether parameters may have names that no config dataclass can have.

    Returns:
        What could be read; the whole space if there are no new problems.
    """
    if not isinstance(source, Mapping):
        problems.append(((), f"is {described(source)}, not a mapping of parameters"))
        return Space(()).pin(fixed or {})
    if not source:
        problems.append(((), "has no parameters"))
    if (count := len(source) + len(fixed or {})) > MOST_PARAMETERS:
        problems.append(((), f"has {count:,} parameters; no more than {MOST_PARAMETERS:,} are searched at once"))
        return Space(())
    reader = _Reader(source, fixed or {}, problems, any_name=any_name)
    pinned = tuple(Fixed(name, value, doc=reader.doc(name)) for name, value in reader.fixed.items())
    return Space(pinned + tuple(item for item in reader.read() if item.name not in reader.fixed))


def parse_fixed(source: object, problems: list[Problem]) -> dict[str, Value]:
    """Read a mapping of names to single values; problems as for parse_space."""
    if not isinstance(source, Mapping):
        problems.append(((), f"is {described(source)}, not a mapping such as {{batch_size: 64}}"))
        return {}
    found: dict[str, Value] = {}
    if len(source) > MOST_PARAMETERS:
        problems.append(((), f"has {len(source):,} parameters; no more than {MOST_PARAMETERS:,} are taken"))
        return found
    for name, value in source.items():
        _check_name(str(name), problems)
        if isinstance(value, Mapping) and str(value.get("type")) in KEYS:
            problems.append(((name,), "is a parameter, not one value; what is searched goes in `space:`"))
            continue
        try:
            found[str(name)] = any_value(value)
        except BadValue as error:
            problems.append(((name,), str(error)))
    return found


def to_list(space: Space) -> list[dict[str, Any]]:
    """A space as plain JSON values: a list, since a JSON object may lose its order."""
    return [{"name": item.name, "type": _type_of(item), **_arguments(item)} for item in space]


def from_list(source: object) -> Space:
    """A space from what to_list gave. ValueError if it is something else."""
    if not isinstance(source, list) or not all(isinstance(item, dict) and "name" in item for item in source):
        raise ValueError("is not a list of parameters")
    if not source:
        return Space(())
    problems: list[Problem] = []
    rest = {item["name"]: {key: value for key, value in item.items() if key != "name"} for item in source}
    space = parse_space(rest, problems, any_name=True)  # names were checked when the study was read
    if problems:
        raise ValueError("; ".join(f"{dotted(path)} {text}" for path, text in problems))
    return space


class _Reader:
    """Reads the parameters of one space in their order."""

    def __init__(
        self, source: Mapping[str, object], fixed: Mapping[str, Value], problems: list[Problem], *, any_name: bool
    ) -> None:
        self.fixed = fixed
        self._any_name = any_name
        self._source = source
        self._problems = problems
        self._found: dict[str, Parameter] = {}
        self._conditions = Conditions(source, fixed, self._found, problems)

    def read(self) -> Iterable[Parameter]:
        for name, written in self._source.items():
            if not self._any_name:
                _check_name(name, self._problems)
            parameter = self._parameter(name, written)
            self._conditions.pass_by(name)
            if parameter is not None:
                self._found[name] = parameter
        return self._found.values()

    def doc(self, name: str) -> str:
        """What the space says about a parameter that the study fixes."""
        written = self._source.get(name)
        return str(written.get("doc", "")) if isinstance(written, Mapping) else ""

    def _parameter(self, name: str, written: object) -> Parameter | None:
        if isinstance(written, list):
            choices = self._choices((name,), written)
            return Choice(name, choices) if choices else None
        if not isinstance(written, Mapping):
            value = self._take((name,), written, any_value)
            return None if value is BAD else Fixed(name, value)
        kind = self._kind(name, written)
        if kind is None:
            return None
        self._check_keys(name, kind, written)
        common = {"when": self._conditions.read(name, written.get("when")), "doc": self._doc(name, written)}
        if kind == "choice":
            return self._choice(name, written, common)
        if kind == "fixed":
            return self._fixed(name, written, common)
        return self._range(name, kind, written, common)

    def _kind(self, name: str, written: Mapping[str, object]) -> str | None:
        if "type" not in written:
            self._say((name,), f"type is missing; write type: {', '.join(KEYS)}")
            return None
        kind = written["type"]
        if isinstance(kind, str) and kind in KEYS:
            return kind
        other = _OTHER_NAMES.get(str(kind))
        hint = f"write {other}" if other else nearest(str(kind), KEYS)
        self._say((name, "type"), f"there is no type {shown(kind)}; {hint}")
        return None

    def _check_keys(self, name: str, kind: str, written: Mapping[str, object]) -> None:
        allowed = (*COMMON, *KEYS[kind])
        for key in written:
            if key not in allowed:
                others = [other for other in KEYS if key in KEYS[other]]
                hint = f"it goes with type: {' or '.join(others)}; " if others else ""
                self._say((name, key), f"{key} is no key of a {kind} parameter; {hint}{nearest(key, allowed)}")

    def _range(self, name: str, kind: str, written: Mapping[str, object], common: Any) -> Float | Int | None:
        is_int = kind == "int"
        read: Callable[[object], float] = whole if is_int else number
        low = self._need(name, "low", written, read)
        high = self._need(name, "high", written, read)
        log = self._take((name, "log"), written.get("log", False), flag)
        step = self._optional((name, "step"), written, read, 1 if is_int else None)
        points = self._optional((name, "points"), written, whole, None)
        if BAD in (low, high, log, step, points):
            return None
        wrong = range_problems(low, high, log=log, step=step, points=points, whole=is_int)
        for argument, text in wrong:
            self._say((name, argument), text)
        if wrong:
            return None
        found = (Int if is_int else Float)(name, low, high, log, step, points, **common)
        return self._with_prior(found, written, whole if is_int else lambda value: float(number(value)))

    def _choice(self, name: str, written: Mapping[str, object], common: Any) -> Choice | None:
        listed = written.get("choices")
        if isinstance(listed, list):
            choices = self._choices((name, "choices"), listed)
            return self._with_prior(Choice(name, choices, **common), written, any_value) if choices else None
        if "choices" in written:
            self._say((name, "choices"), f"is {described(listed)}, not a list")
        else:
            self._say((name,), "choices is missing; write choices: [..., ...]")
        return None

    def _with_prior(self, found: _Searched, written: Mapping[str, object], read: Callable[[object], Any]) -> _Searched:
        path = (found.name, "prior")
        prior = self._optional(path, written, read, None)
        if prior is None or prior is BAD:
            return found
        if not found.contains(prior):
            self._say(path, f"{shown(prior)} is none of its values: it is {found}")
            return found
        return replace(found, prior=prior)

    def _fixed(self, name: str, written: Mapping[str, object], common: Any) -> Fixed | None:
        value = self._need(name, "value", written, any_value)
        return None if value is BAD else Fixed(name, value, **common)

    def _choices(self, path: KeyPath, listed: list[object]) -> tuple[Value, ...] | None:
        """The choices of a list; None if something is wrong with them."""
        before = len(self._problems)
        if not listed:
            self._say(path, "the list of choices is empty")
        values = [self._take((*path, index), value, any_value) for index, value in enumerate(listed)]
        right = [(index, value) for index, value in enumerate(values) if value is not BAD]
        for place in repeats([value for _, value in right]):
            index, value = right[place]
            self._say((*path, index), f"{shown(value)} is there twice")
        return tuple(values) if len(self._problems) == before else None

    def _doc(self, name: str, written: Mapping[str, object]) -> str:
        doc = written.get("doc", "")
        if not isinstance(doc, str):
            self._say((name, "doc"), f"is {described(doc)}, not a text")
            return ""
        return " ".join(doc.split())

    def _need(self, name: str, key: str, written: Mapping[str, object], read: Callable[[object], Any]) -> Any:
        if key not in written:
            self._say((name,), f"{key} is missing")
            return BAD
        return self._take((name, key), written[key], read)

    def _optional(
        self, path: KeyPath, written: Mapping[str, object], read: Callable[[object], Any], default: Any
    ) -> Any:
        value = written.get(str(path[-1]))
        return default if value is None else self._take(path, value, read)

    def _take(self, path: KeyPath, value: object, read: Callable[[object], Any]) -> Any:
        return take(path, value, read, self._problems)

    def _say(self, path: KeyPath, text: str) -> None:
        self._problems.append((path, text))


def _check_name(name: str, problems: list[Problem]) -> None:
    if all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        return
    better = re.sub(r"\W+", "_", name).strip("_")
    near = f"; write {better}" if better != name and better.isidentifier() and not keyword.iskeyword(better) else ""
    problems.append(((name,), f"{name!r} is not a name that a trainer's config can have: letters, digits and _{near}"))


def _type_of(parameter: Parameter) -> str:
    return type(parameter).__name__.lower()


def _arguments(parameter: Parameter) -> dict[str, Any]:
    """The arguments that are not at their defaults, in plain values."""
    given = {}
    for item in fields(parameter):
        value = getattr(parameter, item.name)
        if item.name == "value" or (item.name != "name" and value not in (item.default, {}, "")):
            given[item.name] = list(value) if isinstance(value, tuple) else value
    return given
