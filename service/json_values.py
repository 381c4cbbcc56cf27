"""Values that JSON has no form for, and how they are written: numbers that are not finite, times, free values.

The types mark fields of records. Pydantic reads the marks where a record is sent or received (wire.py); for all others
they are float and Mapping, and nothing is imported for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_NOT_FINITE = ["NaN", "Infinity", "-Infinity"]


class _Number:
    """Marks a float that may be NaN or infinite."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.float_schema(serialization=core_schema.plain_serializer_function_ser_schema(number))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "number"}, {"type": "string", "enum": _NOT_FINITE}]}


class _Time:
    """Marks seconds since the epoch."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        written = core_schema.plain_serializer_function_ser_schema(_written)
        return core_schema.no_info_before_validator_function(
            _seconds, core_schema.float_schema(), serialization=written
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


class _Free:
    """Marks values of any kind, such as a configuration or a diagnosis."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        schema = handler(source)
        return {**schema, "serialization": core_schema.plain_serializer_function_ser_schema(plain)}


Number = Annotated[float, _Number()]  # "NaN", "Infinity" and "-Infinity" where it is not finite
Time = Annotated[float, _Time()]  # ISO 8601 in UTC, to the microsecond
Values = Annotated[Mapping[str, Any], _Free()]  # null where a number in it is not finite
Rows = Annotated[Sequence[Mapping[str, Any]], _Free()]  # likewise


def plain(value: Any) -> Any:
    """Free values as strict JSON: a number that is not finite is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def number(value: Any) -> Any:
    """A number as strict JSON: by its name where it is not finite."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def iso(seconds: float | None, precision: str = "milliseconds") -> str | None:
    """A time as ISO 8601 in UTC; the nearest that can be written, for one beyond the calendar's years 1 to 9999."""
    return None if seconds is None else moment(seconds).isoformat(timespec=precision)


def moment(seconds: float) -> datetime:
    """A time in UTC; the calendar's first or last for one beyond it."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def _written(seconds: float) -> str | None:
    return iso(seconds, "microseconds")


def _seconds(time: object) -> object:
    """What `_written` was given, to the microsecond."""
    return datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time
