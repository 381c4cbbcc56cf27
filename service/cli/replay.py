"""`goodfit replay`: the decisions of a search derived again, with what differs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goodfit.service.screen.live import say

if TYPE_CHECKING:
    from goodfit.service.client import StudyHandle

SAID_EVERY = 5.0  # seconds between two lines on how far it is


def replayed_facts(study: StudyHandle) -> dict[str, Any]:
    """What came of it, as `goodfit replay --json` gives it; says on standard error how far it is."""
    said = time.monotonic()

    def tell(done: int) -> None:
        nonlocal said
        if time.monotonic() - said >= SAID_EVERY:
            said = time.monotonic()
            say(f"study {study.name}: {done} decisions derived again")

    return study.replay(tell).to_dict()


def print_replayed(facts: Mapping[str, Any]) -> None:
    """What came of it, in sentences."""
    name, count, differences = facts["study"], facts["decisions"], facts["differences"]
    if not count:
        print(f"study {name} has no decisions to derive again: {facts['note']}")
        return
    for one in differences:
        print(f"decision {one['decision']} (trial {one['trial']})")
        print(f"  stored   {json.dumps(one['stored'])}")
        print(f"  derived  {json.dumps(one['derived'])}")
    if not differences:
        print(f"study {name}: all {count} decisions are the same when derived again from what is stored")
        return
    how_many = f"the first {len(differences)} differences are shown" if facts["more"] else f"{len(differences)} differ"
    if facts["note"]:
        print(f"note: {facts['note']}")
    print(f"study {name}: of {count} decisions {how_many}; each was derived from the stored ones before it")
