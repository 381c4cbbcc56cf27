"""Data from files: .csv .tsv .parquet .jsonl .npy .xlsx tables and .npz arrays, with what can be wrong in them."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from goodfit.trainers.data.reading.annotations import Annotations, consensus_target, read_annotations
from goodfit.trainers.data.reading.arrays import array_data, read_npz
from goodfit.trainers.data.reading.categories import named, table_words, text_columns
from goodfit.trainers.data.reading.cells import Cells
from goodfit.trainers.data.reading.content import PACKED, Content, content_of, data_name, is_separated
from goodfit.trainers.data.reading.formats import ARRAYS, FORMATS, LATER, TABLES
from goodfit.trainers.data.reading.functions import function_name, is_function, returned, returned_frame
from goodfit.trainers.data.reading.headers import check_column as check_column
from goodfit.trainers.data.reading.headers import check_columns, header_note
from goodfit.trainers.data.reading.pixels import SUFFIXES
from goodfit.trainers.data.reading.raw import Raw, is_numbers, nearest, taken_values
from goodfit.trainers.data.reading.split_columns import split_key, split_values
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.data_specs import ColumnSpec, TableSpec
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.columns import GroupColumns, read_groups

if TYPE_CHECKING:
    import pandas as pd

Read = TypeVar("Read")

_PLAIN = TableFormat()
_CONTAINERS = {
    b"\x1f\x8b": ("compressed by gzip", ".gz"), b"BZh": ("compressed by bzip2", ".bz2"),
    b"\xfd7zXZ": ("compressed by xz", ".xz"), b"PK\x03\x04": ("a zip file or a workbook", ".zip or .xlsx"),
    b"PAR1": ("a Parquet file", ".parquet"),
}  # fmt: skip
MOST_INTEGER = 2**63 - 1
LONGEST_CLASS = 1000  # characters of a class's name
_KINDS = ", ".join((*TABLES, *ARRAYS))  # .txt is for language models alone: see corpus.py


def read_file(path: Path, spec: TableSpec) -> Raw:
    """Read a data file as the spec says: its target, and which columns are to be read how.

    Raises:
        DataProblem: the file is missing or broken, or its values cannot be trained on.
    """
    if is_function(str(path)):
        found = returned(str(path))
        TableFormat.of(spec).refuse(path)
        if isinstance(found, dict):
            return array_data(str(path), function_name(str(path)), found, spec)
        return _table(path, _ignoring(path, found, spec.unread), spec)

    def read(content: Content) -> Raw:
        if content.suffix == ".txt":
            raise DataProblem(f"{path} is running text and has no columns; give one of {_KINDS}")
        if content.suffix in ARRAYS:
            TableFormat.of(spec).refuse(path)
            return read_npz(content, spec)
        return _table(path, FORMATS[content.suffix].read(content, spec.unread, TableFormat.of(spec)), spec)

    return opened(path, read)


def read_frame(path: Path, ignore: Sequence[str], form: TableFormat = _PLAIN) -> pd.DataFrame:
    """The columns of a table file but those to `ignore`; DataProblem as in read_file."""
    import pandas as pd

    if is_function(str(path)):
        form.refuse(path)
        return _ignoring(path, returned_frame(str(path)), ignore)

    def read(content: Content) -> pd.DataFrame:
        if content.suffix not in TABLES:
            raise DataProblem(f"{path} has no columns; give one of {', '.join(TABLES)}")
        return pd.DataFrame(FORMATS[content.suffix].read(content, ignore, form))

    return opened(path, read)


def opened(path: Path, read: Callable[[Content], Read]) -> Read:
    """What `read` makes of a file; DataProblem where there is no such file or it is broken."""
    _check_path(path)
    try:
        content = content_of(path)
        _check_content(content)
        return read(content)
    except (gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataProblem(f"{path} is no whole {path.suffix} file: {error}") from error
    except OSError as error:
        raise DataProblem(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataProblem(_not_text(path, error)) from error
    except UnicodeEncodeError as error:  # JSON can name halves of characters, which no text can have
        raise DataProblem(f"{path} has half a character in it ({error.object!r:.40}); save it as UTF-8") from error


def _not_text(path: Path, error: UnicodeDecodeError) -> str:
    """What a file is that is no text."""
    with path.open("rb") as file:
        start = file.read(8)
    held, suffix = next((found for mark, found in _CONTAINERS.items() if start.startswith(mark)), (None, None))
    if held is None or path.suffix.lower() == suffix:
        return f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
    return f"{path} is {held}, not text; name it as such, {suffix}, or save it as UTF-8 text"


def _check_path(path: Path) -> None:
    """DataProblem where there is no such file, or it is known to be of another kind."""
    suffix = path.suffix.lower()
    if path.is_dir():
        raise DataProblem(f"{path} is a folder, and only images are read from folders; give one of {_KINDS}")
    if not path.exists():
        raise DataProblem(f"no data file {path}; correct data.source{_beside(path)}")
    if suffix in SUFFIXES:
        raise DataProblem(f"{path} is one image; give the folder that has a sub-folder of images for each class")
    if suffix in LATER:
        raise DataProblem(f"{path}: a {LATER[suffix]} is not supported yet; give one of {_KINDS}")


def _check_content(content: Content) -> None:
    path, packed = content.path, content.path.suffix.lower() in PACKED
    if content.suffix not in FORMATS:
        raise DataProblem(
            f"{path}: data files {'in it ' if packed else ''}of kind {content.suffix or 'no suffix'!r} are unknown; "
            f"give one of {_KINDS}"
        )
    if content.is_empty():
        raise DataProblem(f"{path} is empty")


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


def _table(path: Path, frame: pd.DataFrame, spec: TableSpec) -> Raw:
    """A data frame, which is used up, as features, target, and what the split goes by."""
    import pandas as pd

    if not len(frame):
        raise DataProblem(f"{path} has no rows")
    columns = [str(column) for column in frame.columns]
    frame.columns = pd.Index(columns)
    target, source = _checked_target(path, columns, spec), str(path)
    annotations = _annotations(path, frame, spec)
    check_columns(path, columns)
    split_by = split_column_values(path, frame, spec, spec.day_first)
    _check_named(path, columns, spec)
    groups = _groups(path, frame, spec)
    left_out = {split_key(spec)[1], *spec.ignore, *spec.annotators}
    held = {str(name): column for name, column in frame.items() if name not in left_out}
    del frame  # so that a column is freed once it has left `held`
    cells = Cells.fit(held, spec, source)
    held = cells.expand(held, source)
    held |= {name: named(held[name]) for name in spec.categorical if name in held}
    y = consensus_target(annotations) if target is None and annotations else target_column(path, held.pop(str(target)))
    if not held:
        raise DataProblem(f"{path} has no column beside the target {target}; there is nothing to predict from")
    features = tuple(held)
    text, problems = text_columns(held, features, spec.categorical, source)
    words = table_words(held, text) if text else None
    categories = set(text)
    numbers = taken_values(held, len(y), [name for name in features if name not in categories])
    name = data_name(path)
    return Raw(
        source,
        name,
        "table",
        numbers,
        y,
        features,
        text=tuple(text),
        words=words,
        split_by=split_by,
        cells=cells,
        problems=tuple(problems),
        groups=groups,
        annotations=annotations,
    )


def _annotations(path: Path, frame: pd.DataFrame, spec: TableSpec) -> Annotations | None:
    """The columns of annotators, where the study names some."""
    if not spec.annotators:
        return None
    for name in spec.annotators:
        check_column(path, name, list(frame.columns), "data.annotators")
        if name in (spec.target, split_key(spec)[1]):
            raise DataProblem(
                f"{path}: data.annotators names {name}, which is the target or says the split; take it out"
            )
    target = None if spec.target is None else frame[spec.target]
    return read_annotations({name: frame[name] for name in spec.annotators}, target, str(path))


def _groups(path: Path, frame: pd.DataFrame, spec: TableSpec) -> GroupColumns | None:
    """The columns that groups are compared by, where the study names some."""
    for name in spec.fairness.by:
        check_column(path, name, list(frame.columns), "fairness.by")
        if name == spec.target:
            raise DataProblem(f"{path}: fairness.by names the target {name}; give columns that say who a row is about")
    if not spec.fairness.by:
        return None
    return read_groups({name: frame[name] for name in spec.fairness.by}, spec.fairness, str(path))


def _checked_target(path: Path, columns: Sequence[str], spec: TableSpec) -> str | None:
    """The target; None: the annotators' consensus. DataProblem where there is neither, or it is not there."""
    if spec.target is None and spec.annotators:
        return None
    if spec.target is not None and spec.target in columns:
        return spec.target
    first = header_note(content_of(path), TableFormat.of(spec)) if is_separated(path) else None
    or_row = "" if first is None else f"; {first}"
    if spec.target is None:
        raise DataProblem(
            f"{path}: which column is to be predicted? give `data: {{target: COLUMN}}`; {nearest('', columns)}{or_row}"
        )
    raise DataProblem(f"{path} has no column {spec.target!r} to predict; {nearest(spec.target, columns)}{or_row}")


def _check_named(path: Path, columns: Sequence[str], spec: TableSpec) -> None:
    """DataProblem where a column that the study names is not there, or is named for two ends."""
    for key in ("categorical", "numbers", "dates"):
        for name in getattr(spec, key):
            check_column(path, name, columns, f"data.{key}")
            if key == "dates" and name in (spec.target, split_key(spec)[1]):
                raise DataProblem(f"{path}: data.dates names {name}, which is no feature; take it out of the list")
    twice = next((name for name in spec.categorical if name in (*spec.numbers, *spec.dates)), None) or next(
        (name for name in spec.numbers if name in spec.dates), None
    )
    if twice is not None:
        raise DataProblem(f"{path}: column {twice} is named as two of categorical, numbers and dates; name it once")


def split_column_values(
    path: Path, frame: pd.DataFrame, spec: ColumnSpec, day_first: bool | None = None
) -> np.ndarray | None:
    """The values of the column that the split goes by, where it goes by one; `day_first`: as for split_values."""
    key, name = split_key(spec)
    if name is None:
        return None
    check_column(path, name, list(frame.columns), key)
    if name == spec.target:
        raise DataProblem(f"{path}: {key} names the target {name}; give a column of its own")
    return split_values(frame[name], key, str(path), day_first)


def target_column(path: Path, column: pd.Series) -> np.ndarray:
    """The target's values: integers, floats (NaN where one is missing), booleans or text.

    Text and booleans with gaps are objects, None where one is missing.
    """
    import pandas as pd

    types = pd.api.types
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise DataProblem(f"{path}: the target {column.name} is a date; give it as a number, or as text for classes")
    gaps = column.isna().to_numpy()
    flags = types.is_bool_dtype(column) or types.infer_dtype(column, skipna=True) == "boolean"
    if is_numbers(column) and not flags:
        if types.is_integer_dtype(column) and not gaps.any():
            return np.asarray(column.to_numpy(dtype=np.uint64 if column.max() > MOST_INTEGER else np.int64))
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if flags and not gaps.any():
        return np.asarray(column.to_numpy(dtype=bool))
    known = column[~gaps].astype(bool if flags else str)
    longest = int(known.str.len().max()) if len(known) and not flags else 0
    if longest > LONGEST_CLASS:
        raise DataProblem(
            f"{path}: the target {column.name} has texts of up to {longest} characters, which are no class names; name "
            "another column"
        )
    if not gaps.any():
        return np.asarray(known.to_numpy(dtype=str))
    y = np.full(len(column), None, dtype=object)
    y[~gaps] = known.to_numpy(dtype=object)
    return y
