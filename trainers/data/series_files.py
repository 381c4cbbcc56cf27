"""A time series as read: its columns, and what can be wrong in them. How it is cut into windows is in series.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainers.data.dividers import odd_time
from trainers.data.files import read_frame
from trainers.data.raw import Raw, nearest, table_values
from trainers.data.series_builtin import SERIES
from trainers.errors import DataProblem
from trainers.messages import DataSpec

if TYPE_CHECKING:
    import pandas as pd


def read_series(spec: DataSpec) -> Raw:
    """The columns of a series; the target comes first among the inputs of a forecast.

    Raises:
        DataProblem: a column is missing or holds no numbers, the target has gaps, or the time goes back.
    """
    frame = SERIES[spec.source].read() if spec.source in SERIES else read_frame(Path(spec.source), spec.ignore)
    columns = [str(column) for column in frame.columns]
    frame = frame.set_axis(columns, axis=1)
    if spec.target is None:
        raise DataProblem(f"{spec.source}: which column is to be predicted? give `data: {{target: COLUMN}}`")
    for key, name in (("target", spec.target), ("time", spec.time)):
        if name is not None and name not in columns:
            raise DataProblem(f"{spec.source} has no column {name!r} (data.{key}); {nearest(name, columns)}")
    if spec.target == spec.time:
        raise DataProblem(f"{spec.source}: data.target and data.time are both {spec.time}; they are two columns")
    if spec.time is not None:
        _check_time(frame[spec.time], spec.source)
    _check_target(frame[spec.target], spec.source)
    others = [column for column in columns if column not in (spec.target, spec.time)]
    _check_text(frame, others, spec)
    features = (spec.target, *others) if spec.horizon else tuple(others)
    if not features:
        raise DataProblem(f"{spec.source} has no column beside the target {spec.target}; there is nothing to look at")
    if spec.horizon:
        return Raw(
            spec.source,
            Path(spec.source).stem,
            "series",
            table_values(frame, features, spec.source),
            table_values(frame, [spec.target], spec.source)[:, 0],
            features,
        )
    y = frame[spec.target].to_numpy()
    classes = y.astype(str) if y.dtype.kind not in "iufb" else y
    return Raw(
        spec.source, Path(spec.source).stem, "series", table_values(frame, features, spec.source), classes, features
    )


def _check_time(column: pd.Series, source: str) -> None:
    """DataProblem unless the times, numbers or dates, strictly increase."""
    import pandas as pd

    name = column.name
    if gaps := int(column.isna().sum()):
        raise DataProblem(f"{source}: {gaps} of {len(column)} rows have no time in column {name}; take them out")
    if pd.api.types.is_numeric_dtype(column):
        times = column.to_numpy()
    else:
        try:
            times = pd.DatetimeIndex(pd.to_datetime(column, format="ISO8601", utc=True)).asi8
        except (ValueError, TypeError) as error:
            raise DataProblem(
                f"{source}: column {name} is no time, with values such as {odd_time(column)!r}; write dates as "
                "2024-12-31 or 2024-12-31 23:59"
            ) from error
    late = np.flatnonzero(times[1:] <= times[:-1])
    if len(late):
        row = int(late[0]) + 1
        raise DataProblem(
            f"{source}: column {name}, row {row + 1} of the data ({column.iloc[row]}) does not come after the row "
            f"before ({column.iloc[row - 1]}); sort the rows by time, and keep one row a time"
        )


def _check_target(column: pd.Series, source: str) -> None:
    gaps = np.flatnonzero(column.isna().to_numpy())
    if len(gaps):
        raise DataProblem(
            f"{source}: the target {column.name} is missing in {len(gaps)} of {len(column)} rows, first in row "
            f"{gaps[0] + 1}; a series has no gaps: fill them in"
        )


def _check_text(frame: pd.DataFrame, names: Sequence[str], spec: DataSpec) -> None:
    import pandas as pd

    text = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
    if text and spec.time is None:
        raise DataProblem(
            f"{spec.source}: column {text[0]} holds no numbers (such as {str(frame[text[0]].iloc[0])[:40]!r}); if it "
            f"is the time of the rows, give `data: {{time: {text[0]}}}`, else encode it as numbers, or take it out"
        )
