"""What a table in text has written that reading alters: zeros before a number, exponents, words that are gaps.

Every cell is looked at once more as text, a part of the rows at a time; this is for `check` and `data`, not for trials.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import goodfit.trainers.data.reading.tables as readers
from goodfit.trainers.data.reading.content import content_of, is_separated
from goodfit.trainers.data.reading.excel import sheet_notes
from goodfit.trainers.data.reading.headers import header_note, read_header
from goodfit.trainers.data.reading.hints import data_key, in_yaml
from goodfit.trainers.data.reading.raw import Raw, has_target, no_words, quoted
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.data_specs import ColumnSpec
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

CELLS_AT_ONCE = 2_000_000
_SHOWN = 3  # columns that a sentence names
_ALTERED = {
    "with leading zeros": r"[+-]?0[0-9]+(?:\.[0-9]*)?",
    "with a plus sign": r"\+[0-9.]+",
    "with an exponent": r"[0-9]+[eE][0-9]+",
}


_GROUPED = r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}"  # 1.234, which is a thousand and more where commas are decimal
_FIRST_DATE, _LAST_DATE = 19000101, 21001231


@dataclass(slots=True)
class Alterations:
    """What is written in one column that reading alters.

    Attributes:
        gaps: the words that are read as gaps -> how many cells have them.
        altered: "with leading zeros", ... -> how many cells are written so.
        grouped: how many cells have three digits behind a point, as thousands have.
        examples: one of them each.
    """

    gaps: Counter[str] = field(default_factory=Counter)
    altered: Counter[str] = field(default_factory=Counter)
    grouped: int = 0
    examples: dict[str, str] = field(default_factory=dict)


def look_at(path: Path, form: TableFormat, columns: Sequence[str]) -> dict[str, Alterations]:
    """What reading alters in columns of a table in text; nothing of a column where it alters nothing."""
    content = content_of(path)
    header = read_header(content, form)
    chosen = set(columns)
    wanted = [name for name in header.names if name in chosen]
    found: dict[str, Alterations] = {}
    if not wanted:
        return found
    words = "|".join(map(re.escape, form.gaps))
    odd = rf"^\s*(?:{'|'.join([*_ALTERED.values(), _GROUPED])}{f'|{words}' if words else ''})\s*$"
    rows = max(1, min(readers.ROWS_AT_ONCE, CELLS_AT_ONCE // len(wanted)))
    plain = {"dtype": str, "na_filter": False, "na_values": None}
    for chunk in readers.parse(content, header, form, wanted, rows, **plain):
        for name, cells in _odd_cells(chunk, odd):
            _note(found.setdefault(name, Alterations()), cells, form)
    return found


def _odd_cells(chunk: pd.DataFrame, odd: str) -> Iterator[tuple[str, Counter[str]]]:
    """Columns with cells that match, and how many have which text; all columns are searched as one."""
    import pyarrow as pa
    from pyarrow import compute

    if not len(chunk):
        return
    arrays = [pa.array(column, pa.large_string()) for _, column in chunk.items()]
    cells = pa.concat_arrays([part for array in arrays for part in _parts(array)])
    places = np.flatnonzero(np.asarray(compute.match_substring_regex(cells, odd)))
    for place, name in zip(*_columns_of(places, chunk), strict=True):
        counts = compute.value_counts(cells.take(place)).to_pylist()
        yield name, Counter({count["values"]: count["counts"] for count in counts})


def _parts(array: object) -> list[object]:
    return list(getattr(array, "chunks", [array]))


def _columns_of(places: np.ndarray, chunk: pd.DataFrame) -> tuple[list[np.ndarray], list[str]]:
    """Places in all cells, column after column, by the column; and these columns."""
    columns, starts = np.unique(places // len(chunk), return_index=True)
    return np.split(places, starts[1:]) if len(places) else [], [str(chunk.columns[column]) for column in columns]


def _note(written: Alterations, cells: Counter[str], form: TableFormat) -> None:
    for cell, count in cells.items():
        text = cell.strip()
        if cell in form.gaps:
            written.gaps[cell] += count
            continue
        if re.fullmatch(_GROUPED, text):
            written.grouped += count
            written.examples.setdefault("grouped", text)
        for how, pattern in _ALTERED.items():
            if re.fullmatch(pattern, text):
                written.altered[how] += count
                written.examples.setdefault(how, cell)


def check_target(raw: Raw, spec: ColumnSpec) -> None:
    """DataProblem if rows of a table have no target; says which words were taken for gaps."""
    missing = int((~has_target(raw.y)).sum())
    if not missing or spec.target is None:
        return
    gaps = _gaps_of(spec, spec.target)
    how = f": {_counted(gaps)} read as a gap; {_keep(gaps)}, else drop these rows" if gaps else "; drop them"
    raise DataProblem(
        f"{raw.source}: {missing} of {len(raw.y)} rows have no value of the target {quoted(spec.target)}{how}"
    )


def _gaps_of(spec: ColumnSpec, column: str) -> Counter[str]:
    path = Path(spec.source)
    if not is_separated(path):
        return Counter()
    return look_at(path, TableFormat.of(spec), [column]).get(column, Alterations()).gaps


def _counted(gaps: Counter[str]) -> str:
    words = [f"{word!r} (in {count} rows)" for word, count in gaps.most_common(_SHOWN)]
    return f"{' and '.join(words)} {'is' if len(words) == 1 else 'are'}"


def _keep(gaps: Counter[str]) -> str:
    it = "it as a value" if len(gaps) == 1 else "them as values"
    return f"to keep {it} list the words that are gaps without it, such as `data: {{gaps: []}}` (empty cells alone)"


def gap_hint(spec: ColumnSpec, raw: Raw) -> str:
    """Which words in columns of text were taken for gaps, at the end of a message on missing values."""
    path = Path(spec.source)
    if raw.words is None or not is_separated(path):
        return ""
    columns = [name for place, name in enumerate(raw.text) if no_words(raw.words[:, place]).any()]
    found = look_at(path, TableFormat.of(spec), columns)
    gaps = {name: written.gaps for name, written in found.items() if written.gaps}
    return "".join(f"; {note}" for note in _gap_notes(gaps))


def whole_target(spec: ColumnSpec) -> bool:
    """Whether the numbers of a table's target are written as whole ones, without a decimal mark."""
    path = Path(spec.source)
    if spec.target is None or not is_separated(path):
        return path.suffix.lower() == ".jsonl"
    content, form = content_of(path), TableFormat.of(spec)
    plain = {"dtype": str, "na_filter": False, "na_values": None}
    chunks = readers.parse(content, read_header(content, form), form, [spec.target], readers.ROWS_AT_ONCE, **plain)
    return not any(chunk[spec.target].str.contains(form.decimal, regex=False).any() for chunk in chunks)


def alteration_notes(spec: ColumnSpec, raw: Raw) -> list[str]:
    """What reading a table in text alters, each in a sentence."""
    path = Path(spec.source)
    if path.suffix.lower() == ".xlsx":
        return sheet_notes(content_of(path))
    if not is_separated(path):
        return []
    form = TableFormat.of(spec)
    content = content_of(path)
    first = header_note(content, form)
    grouped = _maybe_thousands(raw) if form.decimal == "." and read_header(content, form).separator != "," else []
    found = look_at(path, form, [*_columns_to_look_at(raw, spec), *grouped])
    text = {*raw.text, *([spec.target] if raw.y.dtype.kind not in "iuf" else [])}
    notes = [] if first is None else [first]
    # A target with gaps is a problem, which names them.
    gaps = {name: written.gaps for name, written in found.items() if written.gaps and name in text}
    notes += _gap_notes({name: words for name, words in gaps.items() if name != spec.target})
    numbers = {name: written for name, written in found.items() if name not in text}
    for how in _ALTERED:
        columns = {name: written for name, written in numbers.items() if written.altered[how]}
        notes += _altered_notes(how, columns)
    return [*notes, *_thousands_notes(raw, numbers), *_date_notes(raw)]


def _maybe_thousands(raw: Raw) -> list[str]:
    """The columns whose numbers may be thousands with points between: 1.234 is written so where commas are decimal."""
    found = []
    for place, name in enumerate(raw.numeric):
        known = raw.x[np.isfinite(raw.x[:, place]), place]
        if len(known) and (np.abs(known) < 1000).all() and (np.abs(known) >= 1).all() and np.mod(known, 1).any():
            found.append(name)
    return found


def _thousands_notes(raw: Raw, columns: dict[str, Alterations]) -> list[str]:
    """Columns of a file without commas between the values in which every number has a point and three digits."""
    counts = dict(zip(raw.numeric, np.isfinite(raw.x).sum(axis=0).tolist(), strict=True))
    names = [name for name, written in columns.items() if written.grouped and written.grouped == counts.get(name)]
    if not names:
        return []
    example = columns[names[0]].examples["grouped"]
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return [
        f"column {quoted(names[0])}{more}: every value has three digits behind its point, such as {example!r}, which "
        f'is read as {float(example)}; if the points group thousands: `data: {{decimal: ",", numbers: '
        f"[{', '.join(map(in_yaml, names))}]}}`"
    ]


def _date_notes(raw: Raw) -> list[str]:
    """Columns of whole numbers that are all dates, such as 20260131."""
    import pandas as pd

    notes = []
    for place, name in enumerate(raw.numeric):
        known = raw.x[np.isfinite(raw.x[:, place]), place]
        if len(known) < 2 or known.min() < _FIRST_DATE or known.max() > _LAST_DATE or np.mod(known, 1).any():
            continue
        dates = pd.to_datetime(
            pd.Series(np.unique(known)).astype(np.int64).astype(str), format="%Y%m%d", errors="coerce"
        )
        if len(dates) > 1 and dates.notna().all():
            notes.append(
                f"column {quoted(name)} has numbers that are dates, such as {int(known[0])}, and is read as numbers; "
                f"to take their year, month, day and weekday: {data_key('dates', [name])}"
            )
    return notes


def _columns_to_look_at(raw: Raw, spec: ColumnSpec) -> list[str]:
    """The columns where reading may alter something: text with gaps, whole numbers, and the target."""
    import pandas as pd

    whole = [
        name
        for place, name in enumerate(raw.numeric)
        if np.isfinite(column := raw.x[:, place]).any() and not (np.mod(column[np.isfinite(column)], 1) != 0).any()
    ]
    words = raw.words
    text = [] if words is None else [name for place, name in enumerate(raw.text) if pd.isna(words[:, place]).any()]
    return [*whole, *text, *([spec.target] if spec.target is not None else [])]


def _gap_notes(columns: dict[str, Counter[str]]) -> list[str]:
    return [
        f"column {quoted(name)}: {_counted(gaps)} read as a gap; {_keep(gaps)}"
        for name, gaps in list(columns.items())[:_SHOWN]
    ] + ([f"{len(columns) - _SHOWN} more columns have words that are read as gaps"] if len(columns) > _SHOWN else [])


def _altered_notes(how: str, columns: dict[str, Alterations]) -> list[str]:
    """Columns whose numbers are written so; a column of measurements with exponents here and there is not meant."""
    notes = []
    for name, written in list(columns.items())[:_SHOWN]:
        example = written.examples[how]
        notes.append(
            f"column {quoted(name)}: {written.altered[how]} values are written {how}, such as {example!r}, and are "
            f"read as numbers ({_as_read(example)}); to keep them as written: {data_key('categorical', [name])}"
        )
    if len(columns) > _SHOWN:
        notes.append(f"{len(columns) - _SHOWN} more columns have numbers that are written {how}")
    return notes


def _as_read(cell: str) -> str:
    return f"{float(cell):.17g}"
