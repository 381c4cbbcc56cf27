"""Rich's console for texts of users: its colours and movements are its own alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from goodfit.trainers.readable import ReadableStream, readable


class SafeConsole(Console):
    """Writes out the control characters of the texts that it is given, and past the streams that would do so.

    Args:
        stderr: for standard error.
        options: as of Rich's.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        stream = sys.stderr if stderr else sys.stdout
        while isinstance(stream, ReadableStream):
            stream = stream.stream
        options.setdefault("emoji", False)  # a group a:b:u is not a, a letter in a box, u
        super().__init__(file=stream, stderr=stderr, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text as it is laid out: escapes count in its width."""
        return super().render_str(readable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is drawn; nothing but Rich's own control segments moves the cursor."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(readable(segment.text), segment.style)
