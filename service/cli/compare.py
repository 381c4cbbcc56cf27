"""`goodfit compare`: studies side by side, as a page of the terminal or of a browser."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service.cli.tables import show, table
from goodfit.service.errors import InputError
from goodfit.service.screen.words import duration, number

if TYPE_CHECKING:
    from goodfit.service.client import Studies

WIDTH, HEIGHT, EDGE = 640, 260, 40
COLORS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2")


def compared(studies: Studies, names: Sequence[str]) -> dict[str, Any]:
    """The comparison as `goodfit compare --json` gives it; InputError for fewer than two studies."""
    if len(set(names)) < 2:
        raise InputError("name two studies or more that are to be compared")
    return studies.compare(*dict.fromkeys(names))


def print_compared(found: Mapping[str, Any]) -> None:
    """The table, what can be compared, and what cannot."""
    rows = list(_rows(found))
    out = table("", *(one["study"] for one in found["studies"]))
    for label, cells in rows:
        out.add_row(label, *cells)
    show(out)
    for sentence in _sentences(found):
        print(sentence)


def write_page(found: Mapping[str, Any], file: Path) -> None:
    """The same as a page that needs nothing but a browser; InputError where it cannot be written."""
    head = "".join(f"<th>{html.escape(one['study'])}</th>" for one in found["studies"])
    body = "".join(
        f"<tr><th>{html.escape(label)}</th>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
        for label, cells in _rows(found)
    )
    said = "".join(f"<p>{html.escape(one)}</p>" for one in _sentences(found))
    plots = "".join(_plot(found, by) for by in ("trials", "seconds")) if found["comparable"] else ""
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1f2937}"
        "table{border-collapse:collapse}th,td{padding:.3rem .8rem;text-align:left;border-bottom:1px solid #e5e7eb}"
    )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Studies compared</title><style>{style}</style>'
        f"<h1>Studies compared</h1>{said}<table><tr><th></th>{head}</tr>{body}</table>{plots}</html>\n"
    )
    try:
        file.write_text(page, encoding="utf-8", errors="backslashreplace")
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
    yield "interval", [f"{number(one['low'])} to {number(one['high'])}" if one else "" for one in spans]
    yield "verdict", [str(best.get("verdict") or "") for best in bests]
    yield "gap", [number(best.get("gap")) for best in bests]
    for verdict in sorted({name for one in studies for name in one["verdicts"]}):
        yield f"trials {verdict}", [str(one["verdicts"].get(verdict, 0)) for one in studies]
    yield "trials", [str(one["trials"]) for one in studies]
    yield "epochs", [f"{one['epochs']:,}" for one in studies]
    yield "time", [duration(one["seconds"]) for one in studies]
    for name in dict.fromkeys(name for best in bests for name in best.get("params", {})):
        yield name, [number(best.get("params", {}).get(name)) for best in bests]


def _sentences(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["comparable"]:
        yield f"the values cannot be compared: {'; '.join(found['reasons'])}"
        yield "verdicts, gaps within a study, costs and configurations can"
    yield from (
        f"{one['study']}: the interval is of {one['interval']['of']}" for one in found["studies"] if one["interval"]
    )
    yield from found["notes"]


def _plot(found: Mapping[str, Any], by: str) -> str:
    """The best value so far of each study, by trials or by time, as SVG."""
    points = [point for one in found["studies"] for point in one["curve"]]
    if not points:
        return ""
    most = max([*(point[by] for point in points), *(one[by] for one in found["studies"]), 1])
    low, high = min(point["value"] for point in points), max(point["value"] for point in points)
    span = (high - low) or 1.0

    def place(x: float, value: float) -> str:
        right, up = x / most * (WIDTH - 2 * EDGE), (value - low) / span * (HEIGHT - 2 * EDGE)
        return f"{EDGE + right:.1f},{HEIGHT - EDGE - up:.1f}"

    lines = []
    for index, one in enumerate(found["studies"]):
        steps: list[str] = []
        before = None
        for point in one["curve"]:
            steps += [place(point[by], before)] if before is not None else []
            steps.append(place(point[by], point["value"]))
            before = point["value"]
        steps += [place(one[by], before)] if before is not None else []
        color, name = COLORS[index % len(COLORS)], html.escape(one["study"])
        lines.append(f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{" ".join(steps)}"/>')
        lines.append(f'<text x="{EDGE + 8}" y="{EDGE + 16 * index}" fill="{color}">{name}</text>')
    scale = f'<text x="2" y="{EDGE}">{number(high)}</text><text x="2" y="{HEIGHT - EDGE}">{number(low)}</text>'
    return (
        f'<h2>Best value by {by}</h2><svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-size="12">'
        f'{scale}{"".join(lines)}<text x="{WIDTH - EDGE}" y="{HEIGHT - 8}">{number(most)}</text></svg>'
    )
