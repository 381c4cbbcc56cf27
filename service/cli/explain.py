"""`goodfit explain`: what a model's predictions are made of, with the checks of it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from goodfit.service.errors import InputError
from goodfit.service.screen.live import say
from goodfit.trainers.readable import one_line

if TYPE_CHECKING:
    from goodfit.service.app import Wanted
    from goodfit.service.client import StudyHandle
    from goodfit.trainers.explaining.explanation import Explanation, RowExplained

SAID_EVERY = 5.0  # seconds between two lines on how far it is
PARTS, ROWS, ROW_PARTS = 15, 5, 5  # that are printed
LONGEST = 40  # letters of a part
_RANGE = re.compile(r"(\d{1,15})(?:-(\d{1,15}))?")
MOST_ROWS = 1000  # of a range, so that a slip does not fill the memory; an explanation takes no more


def _counted(rows: int) -> str:
    return f"{rows} row{'' if rows == 1 else 's'}"


def rows_of(text: str | None) -> list[int] | None:
    """Row numbers as they are typed, 3,17-20; InputError for what is none."""
    if text is None:
        return None
    found: list[int] = []
    for word in text.split(","):
        match = _RANGE.fullmatch(word.strip())
        if match is None:
            raise InputError(f"--rows {text}: {word.strip()!r} is no row; give numbers from 0 and ranges, 3,17-20")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"--rows {text}: {word.strip()} is no range of rows; give the smaller number first")
        if last - first >= MOST_ROWS:
            raise InputError(f"--rows {text}: {word.strip()} is too many; give {MOST_ROWS:,} rows at most")
        found += range(first, last + 1)
    return found


def explain_here(study: StudyHandle, trial: int | None, wanted: Wanted) -> Explanation:
    """Explain a model; says on standard error how far it is."""
    said = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal said
        if time.monotonic() - said >= SAID_EVERY:
            said = time.monotonic()
            say(f"{done} of {of} rows are explained")

    return study.explain(
        trial,
        rows=wanted.rows,
        method=wanted.method,
        output=wanted.output,
        coalitions=wanted.coalitions,
        seed=wanted.seed,
        seconds=wanted.seconds,
        on_row=tell,
    )


def print_explanation(found: Explanation) -> None:
    """The parts that count most, some rows, and the checks."""
    of = "the predicted class" if found.output == "predicted" else found.output
    rows = _counted(len(found.rows))
    print(f"trial {found.trial} of study {found.study}: {of}, in {found.unit}; {rows} by {found.method}")
    if found.parts:
        _print_parts(found)
    print()
    for row in found.rows[:ROWS]:
        print(_row(found, row))
    if len(found.rows) > ROWS:
        print(f"and {len(found.rows) - ROWS} more rows; --rows explains those that you name")
    print()
    for check in found.checks:
        print(f"{'ok  ' if check.passed else 'BAD '} {check.text}")
    for note in found.notes:
        print(f"note: {one_line(note)}")


def _print_parts(found: Explanation) -> None:
    shuffled = f"   {found.measure} lost when it is shuffled (95%)" if found.importance else ""
    what = "mean contribution  " if found.family == "text" else "mean |contribution|"
    print(f"\n{'':<{LONGEST}} {what}{shuffled}")
    sizes = found.mean_size
    for place in found.order()[:PARTS]:
        line = f"{_cut(found.parts[place]):<{LONGEST}} {sizes[place]:>19.4g}"
        if found.importance:
            one = found.importance[place]
            line += f"   {one.mean:.4g} ({one.low:.4g} to {one.high:.4g})"
        print(line)
    if len(found.parts) > PARTS:
        print(f"and {len(found.parts) - PARTS} more")


def _row(found: Explanation, row: RowExplained) -> str:
    head = f"row {row.row}: {found.said_of(row)}"
    if found.family == "image" or not len(row.values):
        return head
    names = row.shown if found.family == "text" else found.parts
    parts = []
    for place in row.strongest(ROW_PARTS):
        value = f" = {_cut(row.shown[place])}" if found.family == "table" and row.shown else ""
        parts.append(f"{_cut(names[place])}{value} {row.values[place]:+.3g}")
    return f"{head}: {', '.join(parts)}"


def _cut(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
