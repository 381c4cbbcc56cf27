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
