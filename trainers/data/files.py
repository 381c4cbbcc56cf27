"""Data from files: .csv .tsv .parquet .jsonl tables and .npz arrays, with what can be wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from trainers.data.arrays import array_data, read_npz
from trainers.data.dividers import divider_key, divider_values
from trainers.data.functions import function_name, is_function, returned, returned_frame
from trainers.data.pixels import SUFFIXES
from trainers.data.raw import Raw, nearest, taken_values
from trainers.data.readers import TABLES, check_columns
from trainers.data.readers import check_column as check_column
from trainers.data.words import named, table_words, text_columns
from trainers.errors import DataProblem
from trainers.messages import DataSpec

if TYPE_CHECKING:
    import pandas as pd

Read = TypeVar("Read")

_LATER = {
    ".ts": "a time series file",
}
_KINDS = ", ".join([*TABLES, ".npz"])  # .txt is for language models alone: see corpus.py


def read_file(path: Path, spec: DataSpec) -> Raw:
    """Read a data file as the spec says: its target, and which columns are to be read how.

    Raises:
        DataProblem: the file is missing or broken, or its values cannot be trained on.
    """
    if is_function(str(path)):
        found = returned(str(path))
        if isinstance(found, dict):
            return array_data(str(path), function_name(str(path)), found, spec)
        return _table(path, _ignoring(path, found, spec.ignore), spec)

    def read(suffix: str) -> Raw:
        if suffix == ".txt":
            raise DataProblem(f"{path} is running text and has no columns; give one of {_KINDS}")
        return read_npz(path, spec) if suffix == ".npz" else _table(path, TABLES[suffix](path, spec.ignore), spec)

    return opened(path, read)


def read_frame(path: Path, ignore: Sequence[str]) -> pd.DataFrame:
    """The columns of a table file but those to `ignore`; DataProblem as in read_file."""
    import pandas as pd

    if is_function(str(path)):
        return _ignoring(path, returned_frame(str(path)), ignore)

    def read(suffix: str) -> pd.DataFrame:
        if suffix not in TABLES:
            raise DataProblem(f"{path} has no columns; give one of {', '.join(TABLES)}")
        return pd.DataFrame(TABLES[suffix](path, ignore))

    return opened(path, read)


def opened(path: Path, read: Callable[[str], Read]) -> Read:
    """What `read` makes of a file, given its suffix; DataProblem where there is no such file or it is broken."""
    suffix = path.suffix.lower()
    if path.is_dir():
        raise DataProblem(f"{path} is a folder, and only images are read from folders; give one of {_KINDS}")
    if not path.exists():
        raise DataProblem(f"no data file {path}; correct data.source{_beside(path)}")
    if suffix in SUFFIXES:
        raise DataProblem(f"{path} is one image; give the folder that has a sub-folder of images for each class")
    if suffix in _LATER:
        raise DataProblem(f"{path}: {_LATER[suffix]} is not there yet; give one of {_KINDS}")
    if suffix not in (".npz", ".txt") and suffix not in TABLES:
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


def _ignoring(path: Path, frame: pd.DataFrame, ignore: Sequence[str]) -> pd.DataFrame:
    """A frame without the columns to ignore."""
    for name in ignore:
        check_column(path, name, list(frame.columns), "data.ignore")
    return frame.drop(columns=list(ignore))


def _beside(path: Path) -> str:
    """A hint at a file of nearly the same name in the same folder."""
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent})"
    near = nearest(path.name, sorted(item.name for item in path.parent.iterdir() if item.is_file()))
    return f" ({near.split('? ')[0]}?)" if "did you mean" in near else ""


def _table(path: Path, frame: pd.DataFrame, spec: DataSpec) -> Raw:
    """A data frame, which is used up, as features, target, and what the split goes by."""
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
    check_columns(path, columns)
    for name in spec.categorical:
        check_column(path, name, columns, "data.categorical")
    divider = divider_column(path, frame, spec)
    features = tuple(column for column in columns if column not in (target, divider_key(spec)[1]))
    if not features:
        raise DataProblem(f"{path} has no column beside the target {target}; there is nothing to predict from")
    y, source = target_column(path, frame[target]), str(path)
    if target in spec.categorical:
        y = named(y)
    held = {str(name): column for name, column in frame.items()}
    del frame  # so that a column is freed once it has left `held`
    text = text_columns(held, features, spec.categorical, source)
    words = table_words(held, text) if text else None
    categories = set(text)
    numbers = taken_values(held, len(y), [name for name in features if name not in categories])
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
