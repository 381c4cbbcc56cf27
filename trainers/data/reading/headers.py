"""The first lines of a table in text: the columns' names, what separates the values, whether they are names at all."""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from goodfit.trainers.data.reading.content import Content
from goodfit.trainers.data.reading.hints import data_key
from goodfit.trainers.data.reading.raw import nearest, quoted
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.errors import DataProblem

LOOKED_AT = 200  # rows below the header
LONGEST_NAME = 1000  # characters of a column's name
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # as Excel writes it
_NAMES = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

csv.field_size_limit(2**31 - 1)  # a text may be longer than the 131,072 characters that the module takes by itself


@dataclass(frozen=True, slots=True)
class Header:
    """How the lines of a table begin.

    Attributes:
        names: of the columns.
        separator: between the values.
        skipped: lines above the header, which say something else.
        lines: lines above the first row.
    """

    names: tuple[str, ...]
    separator: str
    skipped: int
    lines: int


def check_column(path: Path, name: str, columns: Sequence[str], key: str) -> None:
    """DataProblem if a column that the study names is not in the file."""
    if name not in columns:
        raise DataProblem(f"{path} has no column {name!r}, which {key} names; {nearest(name, columns)}")


def check_columns(path: Path, columns: Sequence[str]) -> None:
    """DataProblem if two columns have one name, or one has a name that is none."""
    for place, name in enumerate(columns, start=1):
        if len(name) > LONGEST_NAME:
            raise DataProblem(
                f"{path}: the name of column {place} has {len(name):,} characters ({quoted(name)}); shorten it"
            )
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataProblem(f"{path} has two columns named {twice[0]}; rename one")


def read_header(content: Content, form: TableFormat) -> Header:
    """The header of a table in text.

    Raises:
        DataProblem: there is none, or a column has no name or that of another, or the values are separated otherwise.
    """
    with content.text() as file:
        separator, skipped = _separator(file, content, form)
        reader = csv.reader(file, delimiter=separator)
        first = next((line for line in reader if line), None)
        if first is None:
            raise DataProblem(f"{content.path} is empty")
        above = skipped + int(reader.line_num) if form.header else skipped
        rows = list(itertools.islice((line for line in reader if line), LOOKED_AT))
        if len(first) == 1:
            _check_separator(content.path, separator, first[0], rows)
    names = list(map(_name, range(len(first)), first)) if form.header else [f"x{place}" for place in range(len(first))]
    if form.header:
        check_names(content.path, first, rows, form.ignored)
    return Header(tuple(names), separator, skipped, above)


def _separator(file: IO[str], content: Content, form: TableFormat) -> tuple[str, int]:
    """What stands between the values, and how many lines say so; the file goes on behind them."""
    found = _SEPARATOR_LINE.fullmatch(file.readline())
    if found is None:
        file.seek(0)
    return form.separator or (found[1] if found else content.separator), int(found is not None)


def _check_separator(path: Path, separator: str, line: str, rows: Sequence[Sequence[str]]) -> None:
    """DataProblem where a lone column has the separators of several."""
    mark = max(_NAMES, key=line.count)
    if mark == separator or mark not in line:
        return
    cells = [cell for row in rows for cell in separator.join(row).split(mark)]
    decimal = ""
    if mark != "," and any(_DECIMAL_COMMA.fullmatch(cell.strip()) for cell in cells):
        decimal = ', decimal: ","'
    written = '"\\t"' if mark == "\t" else f'"{mark}"'
    raise DataProblem(
        f"{path} is separated by {_NAMES[mark]}; save it with {separator!r} between the values, or give "
        f"`data: {{separator: {written}{decimal}}}`"
    )


def _name(place: int, name: str) -> str:
    """The name of a column; what pandas calls it where it has none, as the row numbers that pandas writes."""
    return name if name.strip() else f"Unnamed: {place}"


def check_names(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], ignored: Collection[str] = ()
) -> None:
    """DataProblem where a column that is not ignored has no name, or one has that of another."""
    try:
        _check_named(path, header, ignored)
        check_columns(path, list(map(_name, range(len(header)), header)))
    except DataProblem as error:
        or_data = f"; {_no_header(header)}" if looks_like_data(header, rows) else ""
        raise DataProblem(f"{error}{or_data}") from error


def _check_named(path: Path, header: Sequence[str], ignored: Collection[str]) -> None:
    unnamed = {place: _name(place, name) for place, name in enumerate(header) if not name.strip()}
    if set(unnamed.values()) - set(ignored):
        place = next(place for place, name in unnamed.items() if name not in ignored)
        raise DataProblem(
            f"{path}: column {place + 1} has no name; name it, or leave it out (a row number predicts nothing): "
            f"{data_key('ignore', unnamed.values())}"
        )


def header_note(content: Content, form: TableFormat) -> str | None:
    """A sentence where the first line of a table looks like a row, which would be lost."""
    if not form.header:
        return None
    with content.text() as file:
        separator, _ = _separator(file, content, form)
        lines = (line for line in csv.reader(file, delimiter=separator) if line)
        header = next(lines, [])
        return _no_header(header) if looks_like_data(header, list(itertools.islice(lines, LOOKED_AT))) else None


def _no_header(header: Sequence[str]) -> str:
    shown = ", ".join(header[:4]) + (", ..." if len(header) > 4 else "")
    return (
        f"the first line ({shown:.80}) looks like a row and is taken for the columns' names: if it is a row, give "
        "`data: {header: false}`, and the columns are x0, x1, ..."
    )


def looks_like_data(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a header's cells are like those below them: numbers over numbers, a text that comes again over texts.

    Years or other numbers that count the columns are names all the same.
    """
    rows = [row for row in rows if len(row) == len(header)]
    if len(rows) < 2 or _counts_up(header):
        return False
    alike = 0
    for place, name in enumerate(header):
        found = _alike(name, [row[place] for row in rows if row[place].strip()])
        if found is False:
            return False
        alike += found is True
    return alike * 2 > len(header)


def _alike(name: str, cells: Sequence[str]) -> bool | None:
    """Whether a header's cell is of the kind of those below; None: it cannot be told."""
    numbers = [number for number in map(_number, cells) if number is not None]
    mine = _number(name)
    if numbers and len(numbers) == len(cells):
        low, high = min(numbers), max(numbers)
        return mine is not None and abs(mine) <= 3 * max(abs(low), abs(high))
    if mine is not None and not numbers:
        return False
    return True if name in cells else None


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _counts_up(header: Sequence[str]) -> bool:
    """Whether the numbers of a header are years, or go up by one step."""
    numbers = [_number(name) for name in header]
    known = [number for number in numbers if number is not None]
    if known and all(number.is_integer() and 1800 <= number <= 2100 for number in known):
        return True
    steps = {round(later - earlier, 9) for earlier, later in itertools.pairwise(known)}
    return len(known) > 2 and len(steps) == 1 and steps != {0.0}
