"""Tables as files hold them: .csv .tsv .parquet .jsonl .npy, each read into a data frame of separate columns.

Memory is what bounds the size of a file, so columns are read a few, or a part of their rows, at a
time. What the columns mean, and which of them is the target, is in files.py.
"""

from __future__ import annotations

import csv
import itertools
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainers.data.raw import nearest
from trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE = 100_000  # of a CSV; pandas needs 3 times the text of what it parses at once
GROUPS = 32  # of columns that a Parquet file is read in at most


def check_column(path: Path, name: str, columns: Sequence[str], key: str) -> None:
    """DataProblem if a column that the study names is not in the file."""
    if name not in columns:
        raise DataProblem(f"{path} has no column {name!r}, which {key} names; {nearest(name, columns)}")


def check_columns(path: Path, columns: Sequence[str]) -> None:
    """DataProblem if two columns have one name."""
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataProblem(f"{path} has two columns named {twice[0]}; rename one")


def _read_separated(path: Path, separator: str, ignore: Sequence[str]) -> pd.DataFrame:
    """A CSV or TSV. Its lines are counted first: pandas pads short ones in silence."""
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=separator)
            header = _header(path, reader, separator)
        if not _plain_and_even(path, reader.line_num, separator.encode(), len(header)):
            with path.open(encoding="utf-8-sig", newline="") as file:
                _check_lines(path, csv.reader(file, delimiter=separator), len(header))
        for name in ignore:
            check_column(path, name, header, "data.ignore")
        options: dict[str, Any] = {
            "sep": separator,
            "low_memory": False,
            "encoding": "utf-8-sig",
            "usecols": [name for name in header if name not in ignore] if ignore else None,
        }
        with pd.read_csv(path, **options, chunksize=ROWS_AT_ONCE) as chunks:
            frame = _together(chunks)
        return pd.DataFrame(pd.read_csv(path, **options)) if frame is None else frame
    except (csv.Error, pd.errors.ParserError) as error:
        raise DataProblem(f"{path} is not a table: {error}") from error


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


def _header(path: Path, reader: Any, separator: str) -> list[str]:
    header: list[str] | None = next((line for line in reader if line), None)
    if header is None:
        raise DataProblem(f"{path} is empty")
    if len(header) == 1 and ";" in header[0]:
        raise DataProblem(f"{path} is separated by semicolons; save it with {separator!r} between the values")
    if "" in (name.strip() for name in header):
        place = [name.strip() for name in header].index("") + 1
        raise DataProblem(
            f"{path}: column {place} has no name; name it, or take it out (a row number predicts nothing)"
        )
    check_columns(path, header)
    return header


def _plain_and_even(path: Path, above: int, separator: bytes, columns: int) -> bool:
    """Whether each line under the header (`above` lines) has a value a column, seen without parsing.

    Lines with quotes or zero bytes are left for the csv module to look at.

    590 MB take 1 s, and the csv module 3 to 9 s; that has the last word on what is not so plain.
    """
    with path.open("rb") as file:
        return all(
            line.count(separator) == columns - 1 and b'"' not in line and b"\0" not in line and b"\r" not in line[:-2]
            for line in itertools.islice(file, above, None)
        )


def _check_lines(path: Path, reader: Any, columns: int) -> None:
    for line in reader:
        if any("\0" in value for value in line):
            raise DataProblem(f"{path}, line {reader.line_num}: a zero byte, which text has not; save it as UTF-8")
        if line and len(line) != columns:
            raise DataProblem(
                f"{path}, line {reader.line_num}: {len(line)} values where the header names {columns} columns"
            )


def _read_csv(path: Path, ignore: Sequence[str]) -> pd.DataFrame:
    return _read_separated(path, ",", ignore)


def _read_tsv(path: Path, ignore: Sequence[str]) -> pd.DataFrame:
    return _read_separated(path, "\t", ignore)


def _read_parquet(path: Path, ignore: Sequence[str]) -> pd.DataFrame:
    import pandas as pd
    from pyarrow import parquet, types

    try:
        schema = parquet.read_schema(path)
        for name in ignore:
            check_column(path, name, schema.names, "data.ignore")
        wanted = [name for name in schema.names if name not in ignore]
        decimals = {field.name for field in schema if types.is_decimal(field.type)}  # objects to pandas, not numbers
        stored = [name for name in (schema.pandas_metadata or {}).get("index_columns", ()) if isinstance(name, str)]
        if stored or not wanted or len(set(wanted)) < len(wanted):  # an index among the columns is for pandas to tell
            frame = pd.read_parquet(path, columns=wanted if ignore else None)
            return frame.astype({name: np.float64 for name in decimals if name in frame.columns})
        groups = np.array_split(np.array(wanted, dtype=object), min(GROUPS, len(wanted)))
        frames = (pd.read_parquet(path, columns=list(group)) for group in groups)
        # Copies, so that pyarrow, which gives little back, reads the next columns into the memory of these.
        copied = (column.copy() for frame in frames for _, column in frame.items())
        columns = {column.name: column.astype(np.float64) if column.name in decimals else column for column in copied}
        return pd.DataFrame(columns, copy=False)
    except ValueError as error:  # pyarrow's ArrowInvalid is one
        raise DataProblem(f"{path} is not a Parquet file: {error}") from error


def _read_jsonl(path: Path, ignore: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                rows.append(_json_row(path, number, line))
    frame = pd.DataFrame(rows)
    for name in ignore:
        check_column(path, name, list(frame.columns), "data.ignore")
    return frame.drop(columns=list(ignore))


def _json_row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataProblem(f"{path}, line {number}: not JSON: {error.msg} (column {error.colno})") from error
    if not isinstance(row, dict):
        raise DataProblem(f'{path}, line {number}: a row is an object such as {{"age": 41}}, not {line.strip()[:40]}')
    return row


def _read_npy(path: Path, ignore: Sequence[str]) -> pd.DataFrame:
    """Two dimensions are the columns x0, x1, ...; of a structured array the fields are."""
    import pandas as pd

    try:
        with path.open("rb") as file:
            values = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataProblem(f"{path} is not an .npy file of plain values: {error}") from error
    if not isinstance(values, np.ndarray):  # an .npz by another name
        raise DataProblem(f"{path} holds several arrays; name it .npz")
    columns = _fields(path, values) if values.dtype.names else _plain_columns(path, values)
    for name in ignore:
        check_column(path, name, list(columns), "data.ignore")
    return pd.DataFrame({name: column for name, column in columns.items() if name not in ignore}, copy=False)


def _fields(path: Path, values: np.ndarray) -> dict[str, np.ndarray]:
    if values.ndim != 1:
        raise DataProblem(f"{path}: a structured array has one dimension, a row an element, not {values.shape}")
    fields = {name: values[name] for name in values.dtype.names or ()}
    for name, column in fields.items():
        if column.ndim != 1:
            raise DataProblem(
                f"{path}: field {name} holds {column.shape[1:]} values a row; give each a field of its own"
            )
    return {name: _native(path, name, column) for name, column in fields.items()}


def _plain_columns(path: Path, values: np.ndarray) -> dict[str, np.ndarray]:
    if values.ndim > 2:
        raise DataProblem(
            f"{path}: an array of {values.ndim} dimensions {values.shape} has no target; save an .npz file with the "
            "arrays x (the images or sequences) and y (a target each)"
        )
    if values.ndim < 2:
        raise DataProblem(f"{path}: a table has two dimensions, (rows, columns), not {values.shape}")
    return {f"x{place}": _native(path, f"x{place}", values[:, place]) for place in range(values.shape[1])}


def _native(path: Path, name: str, column: np.ndarray) -> np.ndarray:
    """A column in this machine's byte order, and text as text."""
    if column.dtype.kind == "S":
        try:
            return np.char.decode(column, "utf-8")
        except UnicodeDecodeError as error:
            raise DataProblem(f"{path}: field {name} is not UTF-8 text; save it as text") from error
    if column.dtype.kind not in "fiubUMm":
        raise DataProblem(f"{path}: {name} holds {column.dtype}, which no column can; give numbers or text")
    return np.asarray(column, dtype=column.dtype.newbyteorder("="))


TABLES: dict[str, Callable[[Path, Sequence[str]], Any]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
    ".npy": _read_npy,
}
