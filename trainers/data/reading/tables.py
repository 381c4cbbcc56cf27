"""Tables as .csv, .tsv and .parquet files hold them, each read into a data frame of separate columns.

Memory is what bounds the size of a file, so columns are read a few, or a part of their rows, at a
time. What the columns mean, and which of them is the target, is in files.py.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data.reading.content import Content
from goodfit.trainers.data.reading.headers import Header, check_column, read_header
from goodfit.trainers.data.reading.raw import quoted
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE = 100_000  # of a CSV; pandas needs 3 times the text of what it parses at once
GROUPS = 32  # of columns that a Parquet file is read in at most


def read_separated(content: Content, ignore: Sequence[str], form: TableFormat) -> pd.DataFrame:
    """A CSV or TSV. Its lines are counted first: pandas pads short ones in silence."""
    import pandas as pd

    try:
        header = read_header(content, form)
        if not _plain_and_even(content, header):
            _check_lines(content, header)
        for name in ignore:
            check_column(content.path, name, header.names, "data.ignore")
        left_out = set(ignore)
        wanted = [name for name in header.names if name not in left_out]
        if (frame := _together(parse(content, header, form, wanted, ROWS_AT_ONCE))) is not None:
            return frame
        return next(parse(content, header, form, wanted, None))
    except (csv.Error, pd.errors.ParserError) as error:
        raise DataProblem(f"{content.path} is not a table: {error}") from error


def parse(
    content: Content, header: Header, form: TableFormat, wanted: Sequence[str], rows: int | None, **options: Any
) -> Iterator[pd.DataFrame]:
    """The rows of a table in text, some at a time, or all of them (None).

    Args:
        content: of the file.
        header: its first lines.
        form: how it is written.
        wanted: the columns to read.
        rows: how many at a time.
        options: of pandas, in the place of our own.
    """
    import pandas as pd

    names = set(header.names)
    ours: dict[str, Any] = {
        "sep": header.separator,
        "decimal": form.decimal,
        "names": list(header.names),
        "header": 0 if form.header else None,
        "skiprows": header.skipped,
        "usecols": None if len(wanted) == len(header.names) else list(wanted),
        "dtype": {name: str for name in form.texts if name in names},
        "na_values": ["", *form.gaps],
        "keep_default_na": False,
        "low_memory": False,
        "encoding": "utf-8-sig",
        "iterator": True,
        **options,
    }
    with content.open() as file, pd.read_csv(file, **ours) as chunks:
        if rows is None:
            yield chunks.read()
            return
        part = chunks.read(rows)
        while True:
            yield part
            try:
                part = chunks.read(rows)
            except StopIteration:
                return


def _together(chunks: Iterable[pd.DataFrame]) -> pd.DataFrame | None:
    """Parts of a table as one, where each column's parts are of one type; None where all must be seen to tell it.

    A column of whole numbers in one part and of text in another would lose its "007".
    """
    import pandas as pd

    parts: dict[str, list[pd.Series]] = {}
    for chunk in chunks:
        for name, column in chunk.items():  # which share no memory, so that each is freed for itself below
            parts.setdefault(str(name), []).append(column)
    columns: dict[str, Any] = {}
    for name in list(parts):
        whole = _one_column(parts.pop(name))
        if whole is None:
            return None
        columns[name] = whole.array
    return pd.DataFrame(columns, copy=False)


def _one_column(parts: list[pd.Series]) -> pd.Series | None:
    """The parts of a column one after the other; None where they are of several types."""
    import pandas as pd

    if len(parts) == 1:
        return parts[0]
    kinds = {part.dtype for part in parts}
    texts = [kind for kind in kinds if isinstance(kind, pd.StringDtype)]
    if len(texts) == 1:  # a part without any value looks like numbers
        parts = [part.astype(texts[0]) if part.isna().all() else part for part in parts]
        kinds = {part.dtype for part in parts}
    if len(kinds) > 1 and not kinds <= {np.dtype(np.int64), np.dtype(np.float64)}:
        return None
    return pd.concat(parts, ignore_index=True)


def _plain_and_even(content: Content, header: Header) -> bool:
    """Whether each line under the header has a value a column, seen without parsing.

    Lines with quotes or zero bytes are left for the csv module to look at.

    590 MB take 1 s, and the csv module 3 to 9 s; that has the last word on what is not so plain.
    """
    separator, marks = header.separator.encode(), len(header.names) - 1
    with content.open() as file:
        return all(
            line.count(separator) == marks and b'"' not in line and b"\0" not in line and b"\r" not in line[:-2]
            for line in itertools.islice(file, header.lines, None)
        )


def _check_lines(content: Content, header: Header) -> None:
    path, columns = content.path, len(header.names)
    with content.text() as file:
        for _ in range(header.skipped):
            file.readline()
        reader = csv.reader(file, delimiter=header.separator)
        for line in reader:
            number = reader.line_num + header.skipped
            if any("\0" in value for value in line):
                raise DataProblem(f"{path}, line {number}: a zero byte, which text has not; save it as UTF-8")
            if line and len(line) != columns:
                raise DataProblem(_uneven(path, number, len(line), header))


def _uneven(path: Path, number: int, values: int, header: Header) -> str:
    """A line has other values than the header, or the header is none."""
    columns = len(header.names)
    named = f"{columns} columns" if columns != 1 else f"1 column ({quoted(header.names[0])}), as if it were a title"
    held = f"{values} value{'s' if values != 1 else ''}"
    return f"{path}, line {number}: {held} where the header names {named}"


def read_parquet(content: Content, ignore: Sequence[str]) -> pd.DataFrame:
    """A Parquet file, a few columns at a time."""
    import pandas as pd
    from pyarrow import parquet, types

    path, file = content.path, content.seekable()
    try:
        schema = parquet.read_schema(file)
        for name in ignore:
            check_column(path, name, schema.names, "data.ignore")
        wanted = [name for name in schema.names if name not in ignore]
        decimals = {field.name for field in schema if types.is_decimal(field.type)}  # objects to pandas, not numbers
        stored = [name for name in (schema.pandas_metadata or {}).get("index_columns", ()) if isinstance(name, str)]
        if stored or not wanted or len(set(wanted)) < len(wanted):  # an index among the columns is for pandas to tell
            frame = pd.read_parquet(file, columns=wanted if ignore else None)
            return frame.astype({name: np.float64 for name in decimals if name in frame.columns})
        groups = np.array_split(np.array(wanted, dtype=object), min(GROUPS, len(wanted)))
        frames = (pd.read_parquet(file, columns=list(group)) for group in groups)
        # Copies, so that pyarrow, which gives little back, reads the next columns into the memory of these.
        copied = (column.copy() for frame in frames for _, column in frame.items())
        columns = {column.name: column.astype(np.float64) if column.name in decimals else column for column in copied}
        return pd.DataFrame(columns, copy=False)
    except ValueError as error:  # pyarrow's ArrowInvalid is one
        raise DataProblem(f"{path} is not a Parquet file: {error}") from error
