"""One thing that a process has one of, and the plain forms of it: an attribute, a list, a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ABSENT = object()
Read = Callable[[], Any]
Write = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a process has one of.

    Attributes:
        name: for messages.
        read: its value, copied where it can change in place.
        write: puts a value back.
    """

    name: str
    read: Read
    write: Write


def attribute(owner: Any, name: str) -> Setting:
    """An attribute; it may be absent."""

    def write(value: Any) -> None:
        if value is ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, value)

    return Setting(f"{getattr(owner, '__name__', owner)}.{name}", lambda: getattr(owner, name, ABSENT), write)


def listed(name: str, items: list[Any]) -> Setting:
    """A list, which may be changed in place."""

    def write(value: list[Any]) -> None:
        items[:] = value

    return Setting(name, lambda: list(items), write)


def dictionary(name: str, items: Any) -> Setting:
    """A dictionary whose values are not changed in place."""

    def write(value: Mapping[Any, Any]) -> None:
        items.clear()
        items.update(value)

    return Setting(name, lambda: dict(items), write)
