"""Data from files: .csv .tsv .parquet .jsonl tables and .npz arrays, with what can be wrong in them."""

from __future__ import annotations

import csv
import itertools
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trainers.data.dividers import divider_key, divider_values
from trainers.data.raw import Raw, as_images, nearest, table_values
from trainers.data.words import table_words, text_columns
from trainers.errors import DataProblem
from trainers.messages import DataSpec

if TYPE_CHECKING:
    import pandas as pd

Read = TypeVar("Read")

_LATER = {
    ".txt": "text data",
    ".ts": "a time series file",
    ".png": "a folder of images",
    ".jpg": "a folder of images",
    ".jpeg": "a folder of images",
}


def read_file(path: Path, spec: DataSpec) -> Raw:
    """Read a data file as the spec says: its target, and which columns are to be read how.

    Raises:
        DataProblem: the file is missing or broken, or its values cannot be trained on.
    """

    def read(suffix: str) -> Raw:
        return _read_npz(path, spec) if suffix == ".npz" else _table(path, _TABLES[suffix](path, spec.ignore), spec)

    return _opened(path, read)


def read_frame(path: Path, ignore: Sequence[str]) -> pd.DataFrame:
    """The columns of a table file but those to `ignore`; DataProblem as in read_file."""
    import pandas as pd

    def read(suffix: str) -> pd.DataFrame:
        if suffix not in _TABLES:
            raise DataProblem(f"{path} has no columns; give one of {', '.join(_TABLES)}")
        return pd.DataFrame(_TABLES[suffix](path, ignore))

    return _opened(path, read)


def _opened(path: Path, read: Callable[[str], Read]) -> Read:
    """What `read` makes of a file, given its suffix; DataProblem where there is no such file or it is broken."""
    suffix = path.suffix.lower()
    if path.is_dir():
        raise DataProblem(f"{path} is a folder; a folder of images is not there yet: give one of {_KINDS}")
    if not path.exists():
        raise DataProblem(f"no data file {path}; correct data.source{_beside(path)}")
    if suffix in _LATER:
        raise DataProblem(f"{path}: {_LATER[suffix]} is not there yet; give one of {_KINDS}")
    if suffix != ".npz" and suffix not in _TABLES:
        raise DataProblem(f"{path}: data files of kind {suffix or 'no suffix'!r} are unknown; give one of {_KINDS}")
    try:
        if path.stat().st_size == 0:
            raise DataProblem(f"{path} is empty")
        return read(suffix)
    except OSError as error:
        raise DataProblem(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataProblem(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except UnicodeEncodeError as error:  # JSON can name halves of characters, which no text can have
        raise DataProblem(f"{path} has half a character in it ({error.object!r:.40}); save it as UTF-8 anew") from error


def _beside(path: Path) -> str:
    """A hint at a file of nearly the same name in the same folder."""
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent})"
    near = nearest(path.name, sorted(item.name for item in path.parent.iterdir() if item.is_file()))
    return f" ({near.split('? ')[0]}?)" if "did you mean" in near else ""


def _table(path: Path, frame: pd.DataFrame, spec: DataSpec) -> Raw:
    """A data frame as features, target, and what the split goes by."""
    import pandas as pd

    if not len(frame):
        raise DataProblem(f"{path} has no rows")
    columns = [str(column) for column in frame.columns]
    frame.columns = pd.Index(columns)
    target = spec.target
    if target is None:
        raise DataProblem(
            f"{path}: which column is to be predicted? give `data: {{target: COLUMN}}`; {nearest('', columns)}"
        )
    if target not in columns:
        raise DataProblem(f"{path} has no column {target!r} to predict; {nearest(target, columns)}")
    _check_columns(path, columns)
    for name in spec.categorical:
        check_column(path, name, columns, "data.categorical")
    divider = divider_column(path, frame, spec)
    features = tuple(column for column in columns if column not in (target, divider_key(spec)[1]))
    if not features:
        raise DataProblem(f"{path} has no column beside the target {target}; there is nothing to predict from")
    y, source = target_column(path, frame[target]), str(path)
    text = text_columns(frame, features, spec.categorical, source)
    numbers = table_values(frame, [name for name in features if name not in text], source)
    words = table_words(frame, text) if text else None
    return Raw(source, path.stem, "table", numbers, y, features, (), tuple(text), words, divider)


def divider_column(path: Path, frame: pd.DataFrame, spec: DataSpec) -> np.ndarray | None:
    """The values of the column that the split goes by, where it goes by one."""
    key, name = divider_key(spec)
    if name is None:
        return None
    check_column(path, name, list(frame.columns), key)
    if name == spec.target:
        raise DataProblem(f"{path}: {key} names the target {name}; give a column of its own")
    return divider_values(frame[name], key, str(path))


def check_column(path: Path, name: str, columns: Sequence[str], key: str) -> None:
    """DataProblem if a column that the study names is not in the file."""
    if name not in columns:
        raise DataProblem(f"{path} has no column {name!r}, which {key} names; {nearest(name, columns)}")


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataProblem(f"{path} has two columns named {twice[0]}; rename one")


def target_column(path: Path, column: pd.Series) -> np.ndarray:
    """The target's values as a numpy array of integers, floats, booleans or text."""
    import pandas as pd

    if gaps := int(column.isna().sum()):
        raise DataProblem(f"{path}: {gaps} of {len(column)} rows have no value of the target {column.name}; drop them")
    types = pd.api.types
    if types.is_bool_dtype(column):
        return column.to_numpy(dtype=bool)
    if types.is_integer_dtype(column):
        return column.to_numpy(dtype=np.int64)
    if types.is_float_dtype(column):
        return column.to_numpy(dtype=np.float64)
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise DataProblem(f"{path}: the target {column.name} is a date; give it as a number, or as text for classes")
    return column.astype(str).to_numpy(dtype=str)


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
        return pd.read_csv(
            path,
            sep=separator,
            low_memory=False,
            encoding="utf-8-sig",
            usecols=[name for name in header if name not in ignore] if ignore else None,
        )
    except (csv.Error, pd.errors.ParserError) as error:
        raise DataProblem(f"{path} is not a table: {error}") from error


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
    _check_columns(path, header)
    return header


def _plain_and_even(path: Path, above: int, separator: bytes, columns: int) -> bool:
    """Whether each line under the header (`above` lines) has a value a column, seen without parsing: it has no quotes.

    590 MB take 1 s, and the csv module 3 to 9 s; that has the last word on what is not so plain.
    """
    with path.open("rb") as file:
        return all(
            line.count(separator) == columns - 1 and b'"' not in line and b"\r" not in line[:-2]
            for line in itertools.islice(file, above, None)
        )


def _check_lines(path: Path, reader: Any, columns: int) -> None:
    for line in reader:
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
    from pyarrow import parquet

    try:
        if not ignore:
            return pd.read_parquet(path)
        columns = parquet.read_schema(path).names
        for name in ignore:
            check_column(path, name, columns, "data.ignore")
        return pd.read_parquet(path, columns=[name for name in columns if name not in ignore])
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


_TABLES: dict[str, Callable[[Path, Sequence[str]], Any]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
}
_KINDS = ", ".join([*_TABLES, ".npz"])


def _read_npz(path: Path, spec: DataSpec) -> Raw:
    """Arrays `x` (or `X`) and `y` (or `Y`, or the target's name); two dimensions are a table, more are images."""
    target = spec.target
    key, by = divider_key(spec)
    if spec.ignore or spec.categorical:
        raise DataProblem(f"{path}: data.ignore and data.categorical name columns, which arrays do not have")
    try:
        with np.load(path, allow_pickle=False) as file:
            x, y = _array(path, file, ("x", "X")), _array(path, file, (target,) if target else ("y", "Y"))
            divider = _array(path, file, (by,)) if by else None
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise DataProblem(f"{path} is not an .npz file of plain arrays: {error}") from error
    source = str(path)
    if x.ndim < 2 or x.dtype.kind not in "fiub":
        raise DataProblem(f"{path}: x is numbers, (n, features) or images, not {x.dtype} {x.shape}")
    if y.shape != (len(x),):
        raise DataProblem(f"{path}: x has {len(x)} rows and y has shape {y.shape}; give y one value a row: ({len(x)},)")
    if not x.size:
        raise DataProblem(f"{path}: x is empty: {x.shape}")
    if y.dtype.kind not in "fiubUS":
        raise DataProblem(f"{path}: y is {y.dtype}; give integers or text for classes, or floats")
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    divider = None if divider is None else _array_divider(divider, len(x), key, source)
    if x.ndim > 2:
        return Raw(source, path.stem, "image", as_images(x, source), y, divider=divider)
    features = tuple(f"x{column}" for column in range(x.shape[1]))
    return Raw(source, path.stem, "table", x.astype(np.float64), y, features, divider=divider)


def _array_divider(values: np.ndarray, rows: int, key: str, source: str) -> np.ndarray:
    import pandas as pd

    if values.shape != (rows,):
        raise DataProblem(f"{source}: {key} names an array of shape {values.shape}; give one value a row: ({rows},)")
    return divider_values(pd.Series(values), key, source)


def _array(path: Path, file: Any, choices: Sequence[str]) -> np.ndarray:
    for name in choices:
        if name in file.files:
            return np.asarray(file[name])
    raise DataProblem(f"{path} has no array {' or '.join(choices)}; {nearest(choices[0], file.files)}")
