"""A study's trail as text and as CSV."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goodfit.service.app import Trail

COLUMNS = ("entry", "at", "who", "action", "detail", "before", "after", "hash", "source")


def trail_csv(trail: Trail) -> str:
    """One line an entry; what it was before and after as JSON."""
    from goodfit.service.exchange.tables import csv_line

    rows = [[trail["study"], *(_cell(dict(row)[name]) for name in COLUMNS)] for row in trail["entries"]]
    return "".join(map(csv_line, [["study", *COLUMNS], *rows]))


def _cell(value: Any) -> Any:
    return None if value is None else json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def print_trail(trail: Trail) -> None:
    """One line an entry, and whether the log is whole."""
    from goodfit.service.cli.show import line

    for row in trail["entries"]:
        detail = " ".join(row["detail"].split())
        line(
            f"{row['action']:<13}", f"{(row['at'] or '')[:19]}  {row['who'] or ''}" + (f"  {detail}" if detail else "")
        )
    chain = trail["chain"]
    line("log", chain["text"] + (f" ({chain['head'][:16]})" if chain["head"] else ""))
