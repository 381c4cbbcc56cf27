"""Text of users made safe to show and to keep: in a terminal, a page, a database, MLflow."""

from __future__ import annotations

import contextlib
import json
import re
import reprlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

# Control characters that a terminal would obey (not tab and line feed), what turns the direction of text or is
# not seen (but for joiners, which scripts and emoji need), surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def readable(text: str) -> str:
    r"""The text with what is unsafe written out: an escape becomes \x1b, a lone surrogate \udc80."""
    return _UNSAFE.sub(lambda found: _escaped(ord(found[0])), text)


def one_line(text: str) -> str:
    r"""The same with line feeds and tabs written out, too: a value within a line."""
    return readable(text).replace("\n", "\\n").replace("\t", "\\t")


def brief(value: object) -> str:
    """A value of any kind in a message: in Python's words, cut where these are long."""
    try:
        return one_line(reprlib.repr(value))
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"


def json_text(value: Any, indent: int | None = 2) -> str:
    """JSON in which letters of all languages stay as they are, and what is unsafe is escaped: nothing is lost."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class ReadableStream:
    """A stream to which all text goes readable, whoever prints it: a command, a library, a warning.

    Attributes:
        stream: where it goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, and say how long it was."""
        self.stream.write(readable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def readable_streams() -> Iterator[None]:
    """Make standard output and standard error such streams."""
    out, err = readable_stream(sys.stdout), readable_stream(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


def readable_stream(stream: TextIO) -> TextIO:
    """Such a stream in front of this one."""
    return cast(TextIO, ReadableStream(stream))
