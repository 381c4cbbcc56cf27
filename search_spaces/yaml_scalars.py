"""A YAML scalar without quotes as a plain value, by the core schema of YAML 1.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MAX_DIGITS = 400  # of a number: more are no float

# The core schema of YAML 1.2, and digits may be grouped: 1_000.
_WORDS: Final[Mapping[str, object]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?")


class BareWord(str):
    """yes, no, on or off without quotes: text in YAML 1.2, a boolean in YAML 1.1."""

    __slots__ = ()

    @property
    def boolean(self) -> str:
        """What YAML 1.1 read it as, as YAML 1.2 writes it."""
        return "true" if self.lower() in ("yes", "on") else "false"


def plain_value(text: str) -> object:
    """What a text without quotes is; ValueError for a number that is too long to be one."""
    if text in _WORDS:
        return _WORDS[text]
    if not text[0].isascii() or not (text[0].isdigit() or text[0] in "+-."):
        return text
    is_int = _INT.fullmatch(text)
    if not is_int and not _FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise ValueError
    digits = text.replace("_", "")
    if not is_int:
        return float(digits)
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits.lstrip("+-")[:2], 10)
    return int(digits, base)
