"""Single values: the ones that a hyperparameter can have."""

from __future__ import annotations

Value = bool | int | float | str | None


def same(one: object, other: object) -> bool:
    """Equality of values for which true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def shown(value: object) -> str:
    """A value as a study file writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def shortened(text: str, most: int = 300) -> str:
    """A text as a message gives it: of a long one the beginning, and how long it is."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"
