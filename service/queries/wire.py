"""Records as JSON, and back: what the API and its client agree on.

Each kind of record has one schema, made by pydantic from its fields; json_values.py says how values are written that
JSON has no form for. A field that the sender lacks has its default, one that the receiver does not know is left out:
servers and clients of different versions understand each other.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypeVar

from goodfit.service.errors import DataError
from goodfit.service.ports import Tally
from goodfit.service.queries.source import Listed
from goodfit.service.records import Study, StudyState

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import TypeAdapter

T = TypeVar("T")
Json = dict[str, Any]
_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


def sent(kind: type[T], value: T) -> Json:
    """A record as strict JSON values."""
    found: Json = _adapter(kind).dump_python(value)
    return found


def received(kind: type[T], found: Json) -> T:
    """The record that `sent` was given."""
    record: T = _adapter(kind).validate_python(found)
    return record


def listed(found: Json) -> Listed:
    """A study that the server lists: its `state` is as it is now, `recorded_state` as the store has it."""
    study = received(Study, {**found, "state": found["recorded_state"]})
    return Listed(study, StudyState(found["state"]), Tally(found["trials"], found["verdicts"]), found.get("planned"))


def sent_frame(frame: pd.DataFrame) -> bytes:
    """A table as Parquet, with its index; DataError names a column that Parquet has no type for."""
    stream = io.BytesIO()
    try:
        frame.to_parquet(stream)
    except Exception as error:  # pyarrow's own errors are of many kinds
        first = str(error).strip().partition("\n")[0]
        raise DataError(f"the rows cannot be sent, for a column has values of several kinds: {first}") from error
    return stream.getvalue()


def received_frame(content: bytes) -> pd.DataFrame:
    """The table that `sent_frame` was given."""
    import pandas as pd

    return pd.read_parquet(io.BytesIO(content))


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """What pydantic makes of a kind, once."""
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
