"""The `when` of a parameter, read from plain values: what must hold for the parameter to exist."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from goodfit.search_spaces.flaws import KeyPath
from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int, Parameter, Requirement, meets
from goodfit.search_spaces.scalars import Value, is_composed, shown
from goodfit.search_spaces.values import BadValue, any_value, described, nearest, number
from goodfit.spelling import close

Problem = tuple[KeyPath, str]

BAD: Final[Any] = object()  # stands for a value that a problem was noted about


def take(path: KeyPath, value: object, read: Callable[[object], Any], problems: list[Problem]) -> Any:
    """What `read` makes of a value, or BAD and a problem."""
    try:
        return read(value)
    except BadValue as error:
        problems.append((path, str(error)))
        return BAD


class Conditions:
    """Reads the conditions of one space's parameters, in their order.

    Args:
        names: of all parameters of the space.
        fixed: parameters that the study fixes; conditions may refer to them from the start.
        found: the parameters read so far; grows.
        problems: gets what is wrong.
    """

    def __init__(
        self,
        names: Collection[str],
        fixed: Mapping[str, Value],
        found: Mapping[str, Parameter],
        problems: list[Problem],
    ) -> None:
        self._all = names
        self._fixed = fixed
        self._found = found
        self._problems = problems
        self._seen: dict[str, None] = {}

    def pass_by(self, name: str) -> None:
        """From here on, conditions may refer to this parameter."""
        self._seen[name] = None

    def read(self, name: str, conditions: object) -> dict[str, Requirement]:
        """The conditions that a parameter's `when` gives, as far as they are right."""
        if conditions is None:
            return {}
        if not isinstance(conditions, Mapping):
            self._say((name, "when"), f"is {described(conditions)}, not a mapping such as {{optimizer: sgd}}")
            return {}
        found: dict[str, Requirement] = {}
        for other, needed in conditions.items():
            path = (name, "when", other)
            if not self._may_refer(name, other, path):
                continue
            requirement = self._requirement(path, needed, self._found.get(other))
            if requirement is not BAD and (other in self._found or other in self._fixed):
                found[other] = requirement
        return found

    def _may_refer(self, name: str, other: str, path: KeyPath) -> bool:
        if other in self._seen or other in self._fixed:
            return True
        if other == name:
            self._say(path, f"{name} cannot depend on itself")
        elif other in self._all:
            self._say(path, f"{other} comes after {name}; move {other} above it")
        elif known := [*self._seen, *self._fixed]:
            self._say(path, f"there is no parameter {other}; {nearest(other, known)}")
        else:
            self._say(path, f"there is no parameter {other}, and none comes before {name}")
        return False

    def _requirement(self, path: KeyPath, needed: object, target: Parameter | None) -> Any:
        """A condition in plain values, or BAD. `target` is None where its values are not known."""
        if is_composed(needed) and isinstance(target, (Choice, Fixed)) and target.contains(needed):
            return [needed]  # one value that is a list or a mapping, and no list of values
        if isinstance(needed, Mapping):
            return self._between(path, needed, target)
        if not isinstance(needed, list):
            return self._one(path, needed, target)
        if not needed:
            self._say(path, "the list is empty, so the condition can never hold")
            return BAD
        values = [self._one((*path, index), one, target) for index, one in enumerate(needed)]
        return BAD if any(one is BAD for one in values) else values

    def _one(self, path: KeyPath, needed: object, target: Parameter | None) -> Any:
        read: Callable[[object], Value] = number if isinstance(target, (Float, Int)) else any_value
        found = take(path, needed, read, self._problems)
        if found is BAD or target is None or target.contains(found):
            return found
        near = close(str(found), target.texts) if isinstance(target, Choice) else None
        hint = f"; did you mean {near}?" if near else ""
        self._say(path, f"{target.name} is never {shown(found)}: it is {target}{hint}")
        return BAD

    def _between(self, path: KeyPath, needed: Mapping[str, object], target: Parameter | None) -> Any:
        before = len(self._problems)
        for key in needed:
            if key not in ("low", "high"):
                self._say((*path, key), f"a range has no key {key}; {nearest(key, ('low', 'high'))}")
        if not needed:
            self._say(path, "a range needs low or high")
        ends = {
            key: take((*path, key), needed[key], number, self._problems) for key in ("low", "high") if key in needed
        }
        if len(self._problems) > before:
            return BAD
        if ends.get("low", -math.inf) > ends.get("high", math.inf):
            self._say((*path, "low"), f"low {shown(ends['low'])} is above high {shown(ends['high'])}")
            return BAD
        if target is not None and not _reaches(target, ends):
            written = " ".join(f"{key} {shown(end)}" for key, end in ends.items())
            self._say(path, f"{target.name} is never in the range {written}: it is {target}")
            return BAD
        return ends

    def _say(self, path: KeyPath, text: str) -> None:
        self._problems.append((path, text))


def _reaches(target: Parameter, ends: Mapping[str, float]) -> bool:
    """Whether a parameter has a value within these ends."""
    if isinstance(target, Choice):
        return target.reaches(ends)
    if isinstance(target, Fixed):
        return meets(target.value, ends)
    low, high = max(ends.get("low", -math.inf), target.low), min(ends.get("high", math.inf), target.high)
    if target.step is None or low > high:
        return low <= high
    first = target.low + math.ceil((low - target.low) / target.step - 1e-8) * target.step
    return first <= high + 1e-8 * target.step
