"""A file of another tool, taken apart key by key: what was not taken is what does not carry over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from goodfit.search_spaces.document import Document
from goodfit.search_spaces.flaws import KeyPath, dotted
from goodfit.search_spaces.yaml_scalars import BareWord

Key = str | int
MOST = 10**9  # of trials, of epochs
LARGEST = 1e300  # a number beyond is none that anybody searches


class Foreign:
    """A document whose keys are taken one by one.

    Args:
        document: of the file.
        base: the line before its first, where it is a part of one.
    """

    def __init__(self, document: Document, base: int = 0) -> None:
        self._document, self._base = document, base
        self._taken: set[KeyPath] = set()

    @property
    def value(self) -> Any:
        return self._document.value

    def line(self, *path: Key) -> int:
        """Where a key stands."""
        return self._document.line(path) + self._base

    def get(self, *path: Key) -> Any:
        """What stands under a key, which is taken with all in it; None where there is nothing."""
        found = self.look(*path)
        if found is not None:
            self._taken.add(path)
        return plain(found)

    def look(self, *path: Key) -> Any:
        """As get, and it is not taken."""
        inner: Any = self._document.value
        for part in path:
            there = isinstance(inner, Mapping) and part in inner
            if not there and not (isinstance(inner, list) and isinstance(part, int) and part < len(inner)):
                return None
            inner = inner[part]
        return inner

    def items(self, *path: Key) -> Iterator[tuple[Key, Any]]:
        """The keys or places below a path, with what stands there; not taken."""
        found = self.look(*path)
        if isinstance(found, Mapping):
            yield from ((str(key), value) for key, value in found.items())
        elif isinstance(found, list):
            yield from enumerate(found)

    def rest(self, *path: Key) -> Iterator[tuple[int, str]]:
        """What was not taken: line and dotted key, no key below one that is named."""
        for key, value in self.items(*path):
            here = (*path, key)
            if here in self._taken or value is None:
                continue
            if any(one[: len(here)] == here for one in self._taken):
                yield from self.rest(*here)
            else:
                yield self.line(*here), dotted(here)


def plain(value: Any) -> Any:
    """A value with the words of YAML 1.1, yes, no, on and off, as what these tools read: booleans."""
    if isinstance(value, BareWord):
        return value.boolean == "true"
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def count(value: Any) -> int | None:
    """A whole number from 1 on, also where it stands as text; None: it is none."""
    found = number(value)
    return int(found) if found is not None and 1 <= found <= MOST and float(found).is_integer() else None


def number(value: Any) -> int | float | None:
    """A number, also where it stands as text ("0.01", 1e-5); whole ones without a point are int. None: it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    for read in (int, float):
        try:
            found = value if isinstance(value, (int, float)) else read(value)
        except ValueError:
            continue
        return found if math.isfinite(found) and abs(found) <= LARGEST else None
    return None
