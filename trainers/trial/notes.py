"""What a trainer notes about its trial beside its metrics: texts and numbers by name, few and short."""

from __future__ import annotations

import json
import numbers
import reprlib
from collections.abc import Collection
from typing import Any

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.readable import readable

MOST = 100  # notes of a trial
KEY_LENGTH = 100  # characters
LENGTH = 5000  # characters of a value
_LARGEST = 2**63  # what databases and other languages have for an integer


def checked_key(key: Any, there: Collection[str]) -> str:
    """The name of a note.

    Args:
        key: as it was given.
        there: the names that the trial has already.

    Raises:
        BadTrainer: it is no name, or one too many.
    """
    if not isinstance(key, str) or not key.strip() or len(key) > KEY_LENGTH or readable(key) != key:
        raise BadTrainer(
            f"the key of a note is a text of 1 to {KEY_LENGTH} printable characters; got {reprlib.repr(key)}"
        )
    if key not in there and len(there) >= MOST:
        raise BadTrainer(
            f"note {key!r}: a trial keeps at most {MOST} notes; write longer records to a file in trial.artifacts"
        )
    return key


def text_or_number(key: str, value: Any) -> str | float | bool:
    """The value of a note in plain types: also of an array or a tensor that holds one number.

    Raises:
        BadTrainer: it is neither text nor a number.
    """
    found = value
    shape = getattr(value, "shape", None)
    if shape is not None and hasattr(value, "item") and all(size == 1 for size in shape):
        found = value.item()
    if isinstance(found, bool | str):
        return found
    if isinstance(found, numbers.Integral):
        return int(found)
    if isinstance(found, numbers.Real):
        return float(found)
    raise BadTrainer(
        f"note {key!r} is a {type(value).__name__}, {reprlib.repr(value)}; a note is text or a number. "
        "Note its parts one by one, or write it to a file in trial.artifacts"
    )


def as_json(key: str, value: Any) -> Any:
    """The value of a note as plain JSON values; what JSON has no form for becomes text.

    Raises:
        BadTrainer: it is too long, or refers to itself.
    """
    if isinstance(value, str):
        value = readable(value)
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise BadTrainer(f"note {key!r} is an integer of more than 64 bits; note it as a float or as text")
    try:
        text = json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadTrainer(f"note {key!r} cannot be kept: {error}") from error
    length = len(value) if isinstance(value, str) else len(text)
    if length > LENGTH:
        raise BadTrainer(
            f"note {key!r} has {length} characters, and a note at most {LENGTH}; write it to a file in trial.artifacts"
        )
    return json.loads(text)
