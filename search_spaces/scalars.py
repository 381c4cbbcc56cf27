"""The values that a hyperparameter can have: mostly single ones, but also lists and mappings of them."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

Value = bool | int | float | str | list[Any] | dict[str, Any] | None

_PLAIN = frozenset({str, int, float, type(None)})


def identity(value: object) -> Hashable:
    """What equal values have in common, and no others: 1 and 1.0 are equal, true and 1 are not."""
    if type(value) in _PLAIN:
        return value  # the usual case, and the fast one
    if isinstance(value, bool):
        return ("flag", value)
    if isinstance(value, (list, tuple)):
        return ("list", tuple(map(identity, value)))
    if isinstance(value, Mapping):
        return ("mapping", frozenset((key, identity(item)) for key, item in value.items()))
    return value if isinstance(value, Hashable) else repr(value)


def same(one: object, other: object) -> bool:
    """Equality of values for which true is not 1."""
    return identity(one) == identity(other)


def is_composed(value: object) -> bool:
    """Whether a value is a list or a mapping."""
    return isinstance(value, (list, tuple, Mapping))


def shown(value: object) -> str:
    """A value as a study file writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if is_composed(value):
        return json.dumps(value, ensure_ascii=False, default=str)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def shortened(text: str, most: int = 300) -> str:
    """A text as a message gives it: of a long one the beginning, and how long it is."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def listed(values: Sequence[object], most: int = 20) -> str:
    """Values with commas between; of many the first, and how many more there are."""
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(shortened(shown(value)) for value in values[:most]) + more
