"""The column types: values that come back from SQLite and PostgreSQL exactly as they were given.

Nothing here knows which tables there are.
"""
# ruff: noqa: ARG002 - the signatures are SQLAlchemy's

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text
from sqlalchemy.types import TypeDecorator, UserDefinedType

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}, not a plain JSON value")


# Pure ASCII: the databases disagree on NUL and on lone surrogates. NaN, Infinity and -Infinity are
# written under these names, which json of the databases themselves would refuse; hence TEXT.
encoded = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined] # all of `decode` but its look for spaces


def spelled(text: str) -> str:
    """A text as a database keeps it."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


class Json(TypeDecorator[Any]):
    """Plain JSON values in a TEXT; floats come back to the last bit, NaN and infinities too."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        return None if value is None else encoded(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else _scan(value, 0)[0]


class Line(TypeDecorator[str]):
    r"""Text that may come from anywhere: what a database cannot keep is spelled out (`\x00`, `\udcff`)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else spelled(value)


class Choice(TypeDecorator[Any]):
    """One of an enumeration, by its value."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


class Number(UserDefinedType[float]):
    """A float of 64 bits. SQLite would turn NaN into NULL, so there it is kept as the text `NaN`."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "DOUBLE PRECISION"

    def bind_processor(self, dialect: Dialect) -> Callable[[float | None], float | str | None] | None:
        return _without_nan if dialect.name == "sqlite" else None

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], float | None] | None:
        return _number if dialect.name == "sqlite" else None


def _without_nan(value: float | None) -> float | str | None:
    return "NaN" if value is not None and value != value else value


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)
