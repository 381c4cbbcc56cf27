"""`goodfit compare`: studies side by side, as a table of the terminal or as a page of a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service.cli.tables import show, table
from goodfit.service.errors import InputError
from goodfit.service.screen.words import duration, number

if TYPE_CHECKING:
    from goodfit.service.client import Studies


def compared(studies: Studies, names: Sequence[str]) -> dict[str, Any]:
    """The comparison as `goodfit compare --json` gives it; InputError for fewer than two studies."""
    if len(set(names)) < 2:
        raise InputError("name two studies or more that are to be compared")
    return studies.compare(*dict.fromkeys(names))


def print_compared(found: Mapping[str, Any]) -> None:
    """The answer, the table, and what else differs."""
    print(*found["answer"], sep="\n")
    out = table("", *(one["study"] for one in found["studies"]))
    for label, cells in _rows(found):
        out.add_row(label, *cells)
    show(out)
    for one in found["studies"]:
        if one["interval"]:
            print(f"{one['study']}: the interval is of {one['interval']['of']}")
    print(*found["notes"], sep="\n", end="\n" if found["notes"] else "")


def write_page(found: Mapping[str, Any], file: Path) -> None:
    """The same as a page that needs nothing but a browser; InputError where it cannot be written."""
    from goodfit.service.report import comparison_html

    try:
        file.write_text(comparison_html(found), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(f"cannot write the page to {file}: {error.strerror}; name another file") from error


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    studies = found["studies"]
    yield "objective", [f"{one['direction']} {one['metric']}" for one in studies]
    yield "data", [str(one["data"] or "") for one in studies]
    yield "trainer", [str(one["trainer"]) for one in studies]
    bests = [one["best"] or {} for one in studies]
    yield "best value", [number(best.get("value")) for best in bests]
    yield "confirmed", [number(best["test"]["mean"]) if best.get("test") else "" for best in bests]
    spans = [one["interval"] for one in studies]
    yield "95% interval", [f"{number(one['low'])} to {number(one['high'])}" if one else "" for one in spans]
    yield "verdict", [str(best.get("verdict") or "") for best in bests]
    yield "gap", [number(best.get("gap")) for best in bests]
    for verdict in sorted({name for one in studies for name in one["verdicts"]}):
        yield f"trials {verdict}", [str(one["verdicts"].get(verdict, 0)) for one in studies]
    yield "trials", [str(one["trials"]) for one in studies]
    yield "epochs", [f"{one['epochs']:,}" for one in studies]
    yield "time", [duration(one["seconds"]) for one in studies]
    for kind in ("params", "settings"):
        for row in found[kind]:
            yield row["key"], [number(value) for value in row["values"]]
