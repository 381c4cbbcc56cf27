"""Arrays as an .npz file or a user's function gives them: x, y, and what the split goes by."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from goodfit.trainers.data.reading.content import Content, data_name
from goodfit.trainers.data.reading.raw import Raw, as_images, nearest
from goodfit.trainers.data.reading.split_columns import split_key, split_values
from goodfit.trainers.data_specs import GroupSpec, TableSpec
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.columns import GroupColumns, read_groups


def read_npz(content: Content, spec: TableSpec) -> Raw:
    """Arrays `x` (or `X`) and `y` (or `Y`, or the target's name); two dimensions are a table, more are images."""
    path = content.path
    try:
        with np.load(content.seekable(), allow_pickle=False) as file:
            return array_data(str(path), data_name(path), file, spec)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise DataProblem(f"{path} is not an .npz file of plain arrays: {error}") from error


def array_data(source: str, name: str, arrays: Mapping[str, Any], spec: TableSpec) -> Raw:
    """Arrays `x` (or `X`) and `y` (or `Y`, or the target's name), and what the split goes by."""
    target = spec.target
    key, by = split_key(spec)
    for given in ("ignore", "categorical", "numbers", "dates"):
        if getattr(spec, given):
            raise DataProblem(f"{source}: data.{given} names columns, which arrays do not have")
    x, y = _array(source, arrays, ("x", "X")), _array(source, arrays, (target,) if target else ("y", "Y"))
    split_by = _array(source, arrays, (by,)) if by else None
    if x.ndim < 2 or x.dtype.kind not in "fiub":
        raise DataProblem(f"{source}: x is numbers, (n, features) or images, not {x.dtype} {x.shape}")
    if y.shape != (len(x),):
        raise DataProblem(
            f"{source}: x has {len(x)} rows and y has shape {y.shape}; give y one value a row: ({len(x)},)"
        )
    if not x.size:
        raise DataProblem(f"{source}: x is empty: {x.shape}")
    if y.dtype.kind not in "fiubUS":
        raise DataProblem(f"{source}: y is {y.dtype}; give integers or text for classes, or floats")
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    split_by = None if split_by is None else _array_split_values(split_by, len(x), key, source)
    if x.ndim > 2:
        return Raw(source, name, "image", as_images(x, source), y, split_by=split_by)
    features = tuple(f"x{column}" for column in range(x.shape[1]))
    groups = _groups(source, arrays, spec.fairness, len(x)) if spec.fairness.by else None
    return Raw(source, name, "table", x.astype(np.float64), y, features, split_by=split_by, groups=groups)


def _groups(source: str, arrays: Mapping[str, Any], spec: GroupSpec, rows: int) -> GroupColumns:
    """Arrays beside x and y that groups are compared by."""
    import pandas as pd

    columns = {}
    for name in spec.by:
        values = _array(source, arrays, (name,))
        if values.shape != (rows,):
            raise DataProblem(
                f"{source}: fairness.by names an array of shape {values.shape}; give one value a row: ({rows},)"
            )
        columns[name] = pd.Series(np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values, name=name)
    return read_groups(columns, spec, source)


def _array_split_values(values: np.ndarray, rows: int, key: str, source: str) -> np.ndarray:
    import pandas as pd

    if values.shape != (rows,):
        raise DataProblem(f"{source}: {key} names an array of shape {values.shape}; give one value a row: ({rows},)")
    return split_values(pd.Series(values), key, source)


def _array(source: str, arrays: Mapping[str, Any], choices: Sequence[str]) -> np.ndarray:
    for name in choices:
        if name in arrays:
            return np.asarray(arrays[name])
    raise DataProblem(f"{source} has no array {' or '.join(choices)}; {nearest(choices[0], arrays)}")
