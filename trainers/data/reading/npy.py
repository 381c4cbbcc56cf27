"""Tables from .npy files: the columns of an array of two dimensions, or the fields of a structured one."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.reading.content import Content
from goodfit.trainers.data.reading.headers import check_column
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd


def read_npy(content: Content, ignore: Sequence[str]) -> pd.DataFrame:
    """Two dimensions are the columns x0, x1, ...; of a structured array the fields are."""
    import pandas as pd

    path = content.path
    try:
        with content.open() as file:
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
