"""What one plain value may stand for where a number, a flag or a name is expected.

1e-4, 0.1 and "0.1" are numbers wherever a number is expected; true is not. All functions raise
BadValue with the end of a sentence that begins with the key: "is abc, not a number".
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from goodfit.search_spaces.scalars import Value, listed, shortened, shown
from goodfit.search_spaces.yaml_scalars import BareWord
from goodfit.spelling import close

LARGEST = 2**53  # up to here each whole number is a float, too: what samplers and JSON count with


class BadValue(ValueError):
    """The end of a sentence that begins with the key."""


def number(value: object) -> float:
    """A finite number; whole ones stay int."""
    found = _number(value)
    if found is None:
        raise BadValue(f"is {described(value)}, not a number")
    if isinstance(found, int):
        return _not_too_large(found)
    if not math.isfinite(found):
        raise BadValue(f"is {shown(found)}, not a finite number")
    return found


def whole(value: object) -> int:
    """A whole number, however it is written: 1000, 1e3, "1000"."""
    found = _number(value)
    if found is None or not (isinstance(found, int) or found.is_integer()):
        raise BadValue(f"is {described(value)}, not a whole number")
    return _not_too_large(int(found))


def flag(value: object) -> bool:
    """A boolean, and nothing that only looks like one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, BareWord):
        raise BadValue(f"is the text {str(value)!r}; write {value.boolean}")
    raise BadValue(f"is {described(value)}, not true or false")


def scalar(value: object) -> Value:
    """A value that a trainer can get: a text, a number, true, false or null."""
    if isinstance(value, BareWord):
        raise BadValue(explained(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise BadValue(f"is {shown(value)}, not a finite number")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise BadValue(f"is {described(value)}, not a single text, number, true, false or null")


def any_value(given: object) -> Value:
    """A value that a trainer can get: a single one, or a list or a mapping of such."""
    if isinstance(given, (list, tuple)):
        return [any_value(item) for item in given]
    if isinstance(given, dict):
        return {str(key): any_value(item) for key, item in given.items()}
    return scalar(given)


def explained(word: BareWord) -> str:
    """Why a bare yes, no, on or off is asked back about."""
    return f'`{word}` is the text "{word}" here; write {word.boolean} for a boolean, or quote it to keep it as text'


def described(value: object) -> str:
    """A value in a message: short, and with its kind where that is what is wrong."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, str):
        return f"the text {str(value)!r}" if len(value) <= 40 else f"the text {str(value)[:40]!r}..."
    return shortened(shown(value), 40)


def nearest(word: str, choices: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest choice, then all of them, of many the first."""
    known = list(choices)
    near = close(word, known)
    hint = f"did you mean {near}? " if near else ""
    return f"{hint}choose from: {listed(known)}"


def _not_too_large(found: int) -> int:
    if abs(found) > LARGEST:
        raise BadValue(f"is beyond {LARGEST}, up to which whole numbers are exact")
    return found


def _number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return _number(kind(value))
            except ValueError:
                continue
    return None
