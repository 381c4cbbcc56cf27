"""What the methods of studies are given: InputError with the argument's name where it is of another kind."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from goodfit.service.errors import InputError


def text_of(name: str, value: object, example: str) -> str:
    """A text; `example` says what one may be."""
    if not isinstance(value, str):
        raise InputError(f"{name} is {value!r}, no text; give one such as {example!r}")
    return value


def texts_of(name: str, values: object, example: str) -> list[str]:
    """Several texts, in any iterable but a text."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"{name} is {values!r}, no list of texts; give one such as [{example!r}]")
    return [text_of(f"one of {name}", value, example) for value in values]


def path_of(name: str, value: object, example: str) -> Path:
    """A path, as a text or a Path."""
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{name} is {value!r}, no path; give one such as {example!r}")
    return Path(value)


def whole_number_of(name: str, value: Any) -> int:
    """A whole number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} is {value!r}, no whole number")
    return int(value)


def mapping_of(name: str, value: object, example: str) -> Mapping[Any, Any]:
    """A mapping."""
    if not isinstance(value, Mapping):
        raise InputError(f"{name} is {value!r}, no mapping; give one such as {example}")
    return value
