"""Text of users made safe to show and to keep: in a terminal, a page, a database, MLflow."""

from __future__ import annotations

import re

# Control characters that a terminal would obey (not tab and line feed), what turns the direction of text, surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def readable(text: str) -> str:
    r"""The text with what is unsafe written out: an escape becomes \x1b, a lone surrogate \udc80."""
    return _UNSAFE.sub(lambda found: _escaped(ord(found[0])), text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
