"""Data that a study is given in Python, as a file: a data frame as Parquet, arrays as .npz."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service.errors import DataError, did_you_mean
from goodfit.trainers.files import replacing

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def is_in_memory(source: object) -> bool:
    """Whether a source of data is values, and not the name of a data set or a path."""
    return source is not None and not isinstance(source, str | Path)


def content_of(source: Any, target: object) -> tuple[str, bytes]:
    """The ending and the bytes of a file with these data.

    Args:
        source: a data frame (or series of columns), a pair (x, y), or a mapping of arrays {"x": ..., "y": ...}.
        target: the column, where one is named.

    Raises:
        DataError: they are none of these, or cannot be written.
    """
    if hasattr(source, "columns") and hasattr(source, "to_parquet"):
        return "parquet", _parquet(source, target)
    if isinstance(source, tuple) and len(source) == 2:
        source = {"x": source[0], "y": source[1]}
    if isinstance(source, Mapping) and source:
        return "npz", _npz({str(name): _array(str(name), value) for name, value in source.items()})
    raise DataError(
        f"data is {type(source).__name__}: give a data frame, a pair of arrays (x, y), a mapping of arrays "
        '{"x": ..., "y": ...}, the name of a data set or the path of a file'
    )


def name_of_file(kind: str, content: bytes) -> str:
    """The name of a file with this content: other data never take its place."""
    return f"data-{hashlib.blake2b(content, digest_size=6).hexdigest()}.{kind}"


def file_of(kind: str, content: bytes, folder: Path) -> Path:
    """The file with this content in a folder, written if it is not there."""
    file = folder / name_of_file(kind, content)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as part:
            part.write(content)
    return file


def _parquet(frame: pd.DataFrame, target: object) -> bytes:
    names = [str(name) for name in frame.columns]
    if not names:
        raise DataError("data is a frame without columns: give one with the rows to learn from")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"data has two columns {twice[0]!r}; rename one")
    if isinstance(target, str) and target not in names and target in frame.index.names:
        raise DataError(f"the target {target!r} is the index of data, and not a column: give frame.reset_index()")
    if isinstance(target, str) and target not in names:
        raise DataError(f"data has no column {target!r} to be the target; {did_you_mean(target, names)}")
    stream = io.BytesIO()
    try:
        frame.set_axis(names, axis="columns").to_parquet(stream, index=False)
    except Exception as error:  # pyarrow's own errors are of many kinds
        raise DataError(f"data cannot be kept as a table: {_first_line(error)}{_column(frame, names)}") from error
    return stream.getvalue()


def _column(frame: pd.DataFrame, names: list[str]) -> str:
    """Which column it is."""
    for place, name in enumerate(names):
        try:
            frame.iloc[:, place].to_frame(name).to_parquet(io.BytesIO(), index=False)
        except Exception:  # noqa: BLE001 - the reason has been given
            return (
                f"; it is in the column {name!r}: give it numbers, texts, dates or truth values, of one kind, or leave "
                "it out"
            )
    return ""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _array(name: str, value: Any) -> np.ndarray:
    import numpy as np

    try:
        found = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except ValueError as error:  # of lists that are not of one length
        raise DataError(f"data[{name!r}] is no array: {_first_line(error)}") from error
    if found.dtype == object:
        if all(isinstance(one, str) for one in found.flat):
            return found.astype(str)
        raise DataError(f"data[{name!r}] is an array of objects; give numbers, or texts alone")
    return found


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    import numpy as np

    stream = io.BytesIO()
    np.savez(stream, **{name: arrays[name] for name in sorted(arrays)})  # type: ignore[arg-type]
    return stream.getvalue()
