"""Records as JSON, and back: what the API and its client agree on.

Each kind of record has one schema, made by pydantic from its fields; json_values.py says how values are written that
JSON has no form for. A field that the sender lacks has its default, one that the receiver does not know is left out:
servers and clients of different versions understand each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from goodfit.service.ports import Tally
from goodfit.service.queries.source import Listed
from goodfit.service.records import Study, StudyState

if TYPE_CHECKING:
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


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """What pydantic makes of a kind, once."""
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
