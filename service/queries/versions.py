"""The versions of an edited study's spec, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from goodfit.service.json_values import iso
from goodfit.service.records import Version


class ChangeRow(TypedDict):
    """One key that an edit changed."""

    key: str
    before: str
    after: str


class VersionRow(TypedDict):
    """A version; `from_trial`: the first trial that is proposed by it, null while nobody has taken it up."""

    version: int
    at: str | None
    by: str
    changes: list[ChangeRow]
    from_trial: int | None
    text: str


def version_rows(versions: Sequence[Version]) -> list[VersionRow]:
    """Versions in plain JSON values, without the specs."""
    return [
        {
            "version": one.number,
            "at": iso(one.at),
            "by": one.by,
            "changes": [{"key": key, "before": before, "after": after} for key, before, after in one.changes],
            "from_trial": one.from_trial,
            "text": str(one),
        }
        for one in versions
    ]
