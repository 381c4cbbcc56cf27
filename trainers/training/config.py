"""Hyperparameters as frozen dataclasses that check themselves: numbers in range, choices by name.

No torch here: `goodfit check` and `goodfit trainers` read these without it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import typing
from typing import Any, Literal

from goodfit.spelling import close
from goodfit.trainers.errors import BadTrainer


def number(
    default: float,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> Any:
    """A dataclass field for a number with its bounds: at `least`, `above`, `below`, at `most`."""
    bounds = {"least": least, "above": above, "below": below, "most": most}
    return dataclasses.field(
        default=default, metadata={key: bound for key, bound in bounds.items() if bound is not None}
    )


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


class Checked:
    """A base for config dataclasses: BadTrainer names the hyperparameter whose value is wrong."""

    def __post_init__(self) -> None:
        hints = _hints(typing.cast("Any", type(self)))
        for field in dataclasses.fields(typing.cast("Any", self)):
            value = getattr(self, field.name)
            hint = hints[field.name]
            if typing.get_origin(hint) is Literal:
                _check_choice(field.name, value, typing.get_args(hint))
            elif hint in (int, float):
                _check_number(field.name, value, hint)
                _check_bounds(field.name, value, field.metadata)
            elif hint is bool and not isinstance(value, bool):
                raise BadTrainer(f"{field.name}: {value!r} is neither true nor false")


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        known = [str(choice) for choice in choices]
        near = close(value, known)
        hint = f"did you mean {near}? " if near else ""
        raise BadTrainer(f"{name}: {value!r} is unknown; {hint}choose from: {', '.join(known)}")


def _check_number(name: str, value: Any, kind: type) -> None:
    allowed = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed) or not math.isfinite(value):
        raise BadTrainer(f"{name}: {value!r} is not {'a whole number' if kind is int else 'a number'}")


def _check_bounds(name: str, value: float, bounds: typing.Mapping[str, float]) -> None:
    if "least" in bounds and value < bounds["least"]:
        raise BadTrainer(f"{name}: {value:g} is too small; give {bounds['least']:g} or more")
    if "above" in bounds and value <= bounds["above"]:
        raise BadTrainer(f"{name}: {value:g} is too small; give more than {bounds['above']:g}")
    if "below" in bounds and value >= bounds["below"]:
        raise BadTrainer(f"{name}: {value:g} is too large; give less than {bounds['below']:g}")
    if "most" in bounds and value > bounds["most"]:
        raise BadTrainer(f"{name}: {value:g} is too large; give {bounds['most']:g} or less")
