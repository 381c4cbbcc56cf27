"""The hash chain of the audit log: an entry that was changed, put in or taken out afterwards is found.

Each entry has the SHA-256 of its own values and of the hash of its subject's entry before. So a change by hand breaks
the chain from there on. Whoever may write the whole database could compute the chain anew, and could cut off its end:
the last hash is therefore kept elsewhere too, with each study's run in MLflow and in its model card. The one in MLflow
is looked for in the log: one that the log does not have is of entries that are gone, or were changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from goodfit.service.records import AuditEntry

FIELDS = ("at", "who", "action", "subject", "detail", "study", "before", "after")  # that a hash is of, in this order


def hash_of(entry: AuditEntry, previous: str) -> str:
    """The hash of an entry.

    Args:
        entry: with its values as the store gives them back.
        previous: the hash of the subject's entry before; empty of the first.
    """
    values = [previous, *(getattr(entry, name) for name in FIELDS)]
    text = json.dumps(values, default=_plain, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} is no JSON value")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at the chain of a subject's entries has found.

    Attributes:
        entries: how many there are.
        unhashed: how many are from before hashes were kept: what is in them cannot be checked.
        broken: the place (from 1) of the first entry that does not fit the one before; None: all do.
        head: the last hash; None where no entry has one.
        kept: the last hash that is kept elsewhere; None: there is none to compare with.
        vouched: the place of the entry with that hash; None: no entry has it, or there is none to compare with.
    """

    entries: int
    unhashed: int
    broken: int | None
    head: str | None
    kept: str | None = None
    vouched: int | None = None

    @property
    def intact(self) -> bool | None:
        """Whether no entry was changed, put in or taken out, but for the end after the entry that is vouched for.

        None: no entry has a hash, and nothing tells.
        """
        if not self.entries or self.broken is not None or (self.kept is not None and self.vouched is None):
            return False
        return None if self.head is None else True

    def __str__(self) -> str:
        return "; ".join(self._found())

    def _found(self) -> Iterator[str]:
        lost = self.kept is not None and self.vouched is None
        if not self.entries:
            yield "the log has no entry, and each study's has one of how it was made: its entries were taken out"
        elif self.broken is not None:
            yield f"the chain of hashes breaks at entry {self.broken} of {self.entries}: the log was changed"
        elif self.head is None:
            yield f"{_entries(self.entries)}, of which none has a hash: nothing tells whether they were changed"
        elif lost:
            yield _entries(self.entries)
        elif self.unhashed:
            yield (
                f"{_entries(self.entries)}; the chain of hashes is whole from entry {self.unhashed + 1} on, and "
                f"nothing tells of changes to the {_entries(self.unhashed)} before"
            )
        else:
            yield f"{_entries(self.entries)}; the chain of hashes is whole"
        if self.kept is not None and lost:
            yield (
                f"none has the hash {self.kept[:16]} that MLflow keeps of the log's end: entries were taken out or "
                "changed since, or the database was restored from an earlier backup"
            )
        elif self.intact and self.vouched is not None:
            yield f"MLflow has the hash of entry {self.vouched}"


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


def check_chain(entries: Iterable[AuditEntry], kept: str | None = None) -> Checked:
    """Look at all entries of one subject, oldest first; `kept`: the last hash that is kept elsewhere."""
    count, unhashed, broken, head = 0, 0, None, ""
    vouched = None
    for count, entry in enumerate(entries, start=1):
        if entry.hash is None and not head:
            unhashed += 1
        elif broken is None and (entry.hash is None or entry.hash != hash_of(entry, head)):
            broken = count
        if vouched is None and kept is not None and entry.hash == kept:
            vouched = count
        head = entry.hash or head
    return Checked(count, unhashed, broken, head or None, kept, vouched)
