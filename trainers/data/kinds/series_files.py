"""A time series as read: its columns, and what can be wrong in them. How it is cut into windows is in series.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.datasets.series import SERIES
from goodfit.trainers.data.reading.content import data_name
from goodfit.trainers.data.reading.files import read_frame
from goodfit.trainers.data.reading.hints import in_yaml
from goodfit.trainers.data.reading.raw import Raw, nearest, table_values
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.data.reading.times import Times, check_order, odd_time, read_times
from goodfit.trainers.data_specs import SeriesSpec
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd


def read_series(spec: SeriesSpec) -> Raw:
    """The columns of a series; the target comes first among the inputs of a forecast.

    Raises:
        DataProblem: a column is missing or holds no numbers, or a row has no time.
    """
    frame = (
        SERIES[spec.source].read()
        if spec.source in SERIES
        else read_frame(Path(spec.source), spec.ignore, TableFormat.of(spec))
    )
    columns = [str(column) for column in frame.columns]
    frame = frame.set_axis(columns, axis=1)
    if spec.target is None:
        raise DataProblem(f"{spec.source}: which column is to be predicted? give `data: {{target: COLUMN}}`")
    for key, name in (("target", spec.target), ("time", spec.time)):
        if name is not None and name not in columns:
            raise DataProblem(f"{spec.source} has no column {name!r} (data.{key}); {nearest(name, columns)}")
    if spec.target == spec.time:
        raise DataProblem(f"{spec.source}: data.target and data.time are both {spec.time}; they are two columns")
    times = None if spec.time is None else _times(frame[spec.time], spec.source, spec.day_first)
    others = [column for column in columns if column not in (spec.target, spec.time)]
    _check_text(frame, others, spec)
    features = (spec.target, *others) if spec.horizon else tuple(others)
    if not features:
        raise DataProblem(f"{spec.source} has no column beside the target {spec.target}; there is nothing to look at")
    x = table_values(frame, features, spec.source)
    y = x[:, 0] if spec.horizon else _classes(frame[spec.target])
    return Raw(spec.source, data_name(Path(spec.source)), "series", x, y, features, times=times)


def check_series(raw: Raw, target: str | None) -> None:
    """DataProblem where the target of a series has gaps, or its times do not strictly increase."""
    import pandas as pd

    gaps = np.flatnonzero(pd.isna(raw.y))
    if len(gaps):
        raise DataProblem(
            f"{raw.source}: the target {target} is missing in {len(gaps)} of {len(raw.y)} rows, first in row "
            f"{gaps[0] + 1}; a series has no gaps: fill them in"
        )
    if raw.times is not None:
        check_order(raw.times, raw.source)


def _classes(column: pd.Series) -> np.ndarray:
    """The classes of rows: numbers and booleans as they are, all else as text, None where one is missing."""
    y: np.ndarray = column.to_numpy()
    if y.dtype.kind in "iufb":
        return y
    if not column.isna().any():
        return y.astype(str)
    return np.array([None if missing else str(value) for value, missing in zip(y, column.isna(), strict=True)], object)


def _times(column: pd.Series, source: str, day_first: bool | None) -> Times:
    """The times of all rows, in whatever order; DataProblem where one has none, or something else."""
    if gaps := int(column.isna().sum()):
        raise DataProblem(f"{source}: {gaps} of {len(column)} rows have no time in column {column.name}; take them out")
    try:
        times = read_times(column, ordered=True, day_first=day_first)
    except DataProblem as error:
        raise DataProblem(f"{source}: {error}") from error
    if times is None:
        raise DataProblem(
            f"{source}: column {column.name} is no time, with values such as {odd_time(column)!r}; write dates as "
            "2024-12-31 or 2024-12-31 23:59"
        )
    return times


def _check_text(frame: pd.DataFrame, names: Sequence[str], spec: SeriesSpec) -> None:
    import pandas as pd

    text = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
    if text and spec.time is None:
        raise DataProblem(
            f"{spec.source}: column {text[0]} holds no numbers (such as {str(frame[text[0]].iloc[0])[:40]!r}); if it "
            f"is the time of the rows, give `data: {{time: {in_yaml(text[0])}}}`, else encode it as numbers, or take "
            "it out"
        )
