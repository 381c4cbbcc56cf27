"""Data from a user's function, `path.py:load`: called without arguments, and what it may return.

    a pandas DataFrame               read as a table file is: columns, target, texts, series
    a mapping {"x": ..., "y": ...}   read as an .npz file is, with further arrays to split by
    a tuple (x, y)                   the same

What comes back is checked like the content of a file, in files.py. The function should return the
same each time: every worker calls it for itself.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data.reading.digest import content_digest
from goodfit.trainers.errors import DataProblem, TrainersError
from goodfit.trainers.importing import import_function, not_sent
from goodfit.trainers.readable import one_line

if TYPE_CHECKING:
    import pandas as pd

_RETURNS = "return a pandas DataFrame, a mapping of arrays {'x': ..., 'y': ...}, or a tuple (x, y)"
_digests: dict[str, str] = {}  # of what a function returned last
_looked_at: dict[str, Any] = {}  # what a function returned when it was asked for its kind, until it is read


def is_function(source: str) -> bool:
    """Whether a source is `path.py:name` and no file or built-in name."""
    return ".py:" in source


def function_file(source: str) -> Path:
    """The file that a function is in."""
    return Path(source.rpartition(":")[0])


def function_name(source: str) -> str:
    """How the data of a function are called: by its file."""
    return function_file(source).stem


def returned_frame(source: str) -> pd.DataFrame:
    """The DataFrame that a function returns; DataProblem where it returns something else."""
    found = _returned(source)
    if _is_frame(found):
        frame: pd.DataFrame = found.copy(deep=False)  # columns can be taken out of it, and the user's own stays whole
        return frame
    raise DataProblem(f"{source} returned arrays, which have no columns; return a pandas DataFrame")


def returned(source: str) -> pd.DataFrame | dict[str, np.ndarray]:
    """A DataFrame, or arrays by name with an x among them; DataProblem where it returns something else."""
    found = _returned(source)
    return found.copy(deep=False) if _is_frame(found) else _arrays(source, found)


def returns_arrays(source: str) -> bool:
    """Whether a function returns arrays and no DataFrame; it is called to know."""
    return _kind(source, function_file(source).stat().st_mtime_ns if function_file(source).exists() else 0)


def returned_digest(source: str) -> str:
    """A hash of what a function returned last; it is called where it was not yet."""
    if source not in _digests:
        _looked_at.clear()
        _looked_at[source] = _call(source)
    return _digests[source]


@functools.lru_cache(maxsize=8)
def _kind(source: str, _written: int) -> bool:
    _looked_at.clear()
    _looked_at[source] = _call(source)
    return not _is_frame(_looked_at[source])


def _returned(source: str) -> Any:
    return _looked_at.pop(source) if source in _looked_at else _call(source)


def _is_frame(found: object) -> bool:
    return hasattr(found, "columns") and hasattr(found, "dtypes")


def _call(source: str) -> Any:
    path, name = function_file(source), source.rpartition(":")[2]
    if not path.is_file():
        raise DataProblem(f"there is no file {path} with a function {name}; correct data.source")
    try:
        function = import_function(path, name)
    except TrainersError as error:
        raise DataProblem(f"data.source: {error}") from error
    needed = _parameters(function)
    if needed:
        raise DataProblem(f"{source} is called without arguments, and needs {', '.join(needed)}; give them defaults")
    try:
        found = function()
    except (DataProblem, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise DataProblem(f"{source} failed: {_error_text(error, path)}") from error
    if found is None:
        raise DataProblem(f"{source} returned nothing; {_RETURNS}")
    try:
        _digests[source] = content_digest(found)
    except UnicodeEncodeError as error:
        odd = one_line(str(error.object)[error.start : error.end])
        raise DataProblem(
            f"{source} returned text with {odd}, which is half a letter and no UTF-8; decode it with errors='replace'"
        ) from error
    return found


def _parameters(function: Any) -> list[str]:
    """The names of the arguments that it cannot be called without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []  # written in C: calling it will tell
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in parameters if one.default is one.empty and one.kind not in open_ended]


def _error_text(error: BaseException, path: Path) -> str:
    """The error and its first line, and the last line of the user's file that led to it."""
    first = (str(error).strip().splitlines() or [""])[0]
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    place = f" ({path.name}:{lines[-1]})" if lines else ""
    return f"{type(error).__name__}{f': {first}' if first else ''}{place}{not_sent(error)}"


def _arrays(source: str, found: Any) -> dict[str, np.ndarray]:
    if isinstance(found, tuple) and len(found) == 2:
        found = {"x": found[0], "y": found[1]}
    if not isinstance(found, Mapping):
        what = f"a tuple of {len(found)}" if isinstance(found, tuple) else type(found).__name__
        raise DataProblem(f"{source} returned {what}; {_RETURNS}")
    return {str(name): _array(source, str(name), values) for name, values in found.items()}


def _array(source: str, name: str, values: Any) -> np.ndarray:
    """An array of plain values; texts in an array of objects become an array of text."""
    if _is_frame(values):
        raise DataProblem(
            f"{source} returned {name} as a DataFrame; return one DataFrame with the target in it, and name that: "
            "`data: {target: COLUMN}`"
        )
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataProblem(f"{source} returned {name}, which is no array: {error}") from error
    if array.dtype == object and all(isinstance(value, str) for value in array.flat):
        return array.astype(str)
    return array
