"""Where a study's keys were written: in a file, in a mapping, or with --set."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from goodfit.search_spaces.document import Document
from goodfit.search_spaces.flaws import KeyPath, dotted
from goodfit.search_spaces.scalars import shortened
from goodfit.service.errors import Problem

LONGEST_MESSAGE = 1000  # characters


@dataclass(frozen=True)
class Origin:
    """Turns a key path into the problem's place. All are equal: a spec is the same wherever it stood.

    Attributes:
        file: how messages name the file.
        document: its lines; None where the study came as a mapping.
        overridden: the key paths that --set gave.
        remarks: what is otherwise than where a part of it came from, for people.
    """

    file: str = field(default="the study", compare=False)
    document: Document | None = field(default=None, compare=False)
    overridden: Collection[KeyPath] = field(default_factory=frozenset, compare=False)
    remarks: tuple[str, ...] = field(default=(), compare=False)

    def problem(self, path: KeyPath, text: str) -> Problem:
        """What is wrong with a key, of any length, as a message of a few lines at most."""
        text = shortened(text, LONGEST_MESSAGE)
        for given in self.overridden:
            if path[: len(given)] == given or (len(path) < len(given) and given[: len(path)] == path and path):
                return Problem(0, shortened(f"--set {dotted(path)}"), text)
        line = self.document.line(path) if self.document and path else 0
        return Problem(line, shortened(dotted(path)), text)
