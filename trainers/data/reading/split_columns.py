"""The column that a split goes by: given splits, groups, or time. Who goes where is decided in split.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.reading.raw import nearest
from goodfit.trainers.data.reading.times import odd_time, read_times
from goodfit.trainers.data_specs import ColumnSpec, RowSpec
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
_ALIASES = {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "testing": "test",
}


def split_number(name: str) -> int | None:
    """The number in SPLITS of the split that a name stands for, such as "val"; None where it stands for none."""
    word = name.strip().lower()
    word = _ALIASES.get(word, word)
    return SPLITS.index(word) if word in SPLITS else None


def split_key(spec: RowSpec) -> tuple[str, str | None]:
    """The key of the study file that names the split's column, and the column; None where it goes by none."""
    if not isinstance(spec, ColumnSpec):
        return "split", None
    given = {"split.column": spec.split_column, "split.group": spec.split_group, "split.time": spec.split_time}
    named = [(key, name) for key, name in given.items() if name is not None]
    if len(named) > 1:
        raise DataProblem(f"{named[0][0]} and {named[1][0]} are two ways to split; give one of them")
    return named[0] if named else ("split", None)


def split_values(column: pd.Series, key: str, source: str, day_first: bool | None = None) -> np.ndarray:
    """What a split can go by: the split's number in SPLITS, a number for each group, or a time that sorts.

    Args:
        column: that the split goes by.
        key: of the study file, that names it.
        source: how messages name the data.
        day_first: whether the day of a time stands before its month, where the times do not say it.

    Raises:
        DataProblem: a value is missing, or is no split or no time.
    """
    if gaps := int(column.isna().sum()):
        raise DataProblem(
            f"{source}: {gaps} of {len(column)} rows have no value of {column.name or 'the array'}, which {key} names; "
            "fill it in, or take these rows out"
        )
    if key == "split.column":
        return _given(column, source)
    if key == "split.group":
        import pandas as pd

        return np.asarray(pd.factorize(column, sort=False)[0], dtype=np.int64)
    return _times(column, source, day_first)


def _given(column: pd.Series, source: str) -> np.ndarray:
    import pandas as pd

    codes, values = pd.factorize(column)
    numbers = []
    for value in values:
        number = split_number(str(value))
        if number is None:
            near = nearest(str(value).strip().lower(), SPLITS)
            raise DataProblem(f"{source}: split.column has {str(value)[:40]!r}; {near}")
        numbers.append(number)
    given: np.ndarray = np.array(numbers, dtype=np.int64)[codes]
    return given


def _times(column: pd.Series, source: str, day_first: bool | None) -> np.ndarray:
    """Dates as nanoseconds, numbers as they are."""
    try:
        times = read_times(column, day_first=day_first)
    except DataProblem as error:
        raise DataProblem(f"{source}: split.time: {error}") from error
    if times is None:
        raise DataProblem(
            f"{source}: split.time has a value that is no time, such as {odd_time(column)!r}; "
            "give numbers, or dates such as 2026-01-31 or 2026-01-31T12:00"
        )
    if not times.dates and not np.isfinite(times.values.astype(np.float64)).all():
        raise DataProblem(f"{source}: split.time has an infinite value; correct it, or take the row out")
    return times.values if times.dates else times.values.astype(np.float64)
