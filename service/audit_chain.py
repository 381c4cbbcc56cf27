"""The hash chain of the audit log: an entry that was changed, put in or taken out afterwards is found.

Each entry has the SHA-256 of its own values and of the hash of its subject's entry before. So a change by hand breaks
the chain from there on. Whoever may write the whole database could compute the chain anew, and could cut off its end:
the last hash is therefore kept elsewhere too, with each study's run in MLflow and in its model card.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
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
    """

    entries: int
    unhashed: int
    broken: int | None
    head: str | None

    @property
    def intact(self) -> bool:
        """Whether no entry was changed, put in or taken out, but for the end."""
        return self.broken is None

    def __str__(self) -> str:
        if self.broken is not None:
            return f"the chain of hashes breaks at entry {self.broken} of {self.entries}: the log was changed"
        old = f", {self.unhashed} of them from before hashes were kept" if self.unhashed else ""
        return f"{self.entries} {'entry' if self.entries == 1 else 'entries'}{old}; the chain of hashes is whole"


def check_chain(entries: Iterable[AuditEntry]) -> Checked:
    """Look at all entries of one subject, oldest first."""
    count, unhashed, broken, head = 0, 0, None, ""
    for count, entry in enumerate(entries, start=1):
        if entry.hash is None and not head:
            unhashed += 1
        elif broken is None and (entry.hash is None or entry.hash != hash_of(entry, head)):
            broken = count
        head = entry.hash or head
    return Checked(count, unhashed, broken, head or None)
