"""Columns of dates as numbers that a model can use: year, month, day, weekday, and the hour where there are times.

Which of 01/02/2026 is the month is decided once for the whole column, and kept with the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.reading.hints import data_key
from goodfit.trainers.data.reading.times import date_values, odd_time
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("year", "month", "day", "weekday", "hour")


@dataclass(frozen=True, slots=True)
class DateColumn:
    """A column of dates, and what becomes of it.

    Attributes:
        name: of the column.
        parts: of PARTS; the hour where training has times of day.
        day_first: whether 01/02/2026 is in February; None where the dates are written otherwise.
        example: one of them, as it is written.
    """

    name: str
    parts: tuple[str, ...]
    day_first: bool | None
    example: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of numbers that it becomes."""
        return tuple(f"{self.name} {part}" for part in self.parts)

    def read(self, column: pd.Series, source: str) -> dict[str, np.ndarray]:
        """The columns of numbers, NaN where a date is missing; DataProblem where one is no date."""
        values = _moments(column, self.day_first, source)
        return {f"{self.name} {part}": _part(values, part) for part in self.parts}


def fit_dates(column: pd.Series, day_first: bool | None, source: str) -> DateColumn:
    """How a column of dates is read; DataProblem where a value is no date, or its day might be the month."""
    name, known = str(column.name), column.dropna()
    if not len(known):
        raise DataProblem(f"{source}: column {name} has no value; leave it out: {data_key('ignore', [name])}")
    if day_first is None:
        day_first = _order(known, source)
    hours = _part(_moments(known, day_first, source), "hour")
    parts = PARTS if np.any(hours > 0) else PARTS[:-1]
    return DateColumn(name, parts, day_first, str(known.iloc[0]))


def _order(known: pd.Series, source: str) -> bool | None:
    """Whether the day comes before the month; None where both readings are the same."""
    readings = {order: date_values(known, order) for order in (True, False)}
    possible = [order for order, found in readings.items() if found]
    if len(possible) == 1:
        return possible[0]
    if possible and not np.array_equal(readings[True][0], readings[False][0]):
        raise DataProblem(
            f"{source}: column {known.name} has dates whose day might be the month, such as "
            f"{str(known.iloc[0])[:40]!r}; say which: `data: {{day_first: true}}` or `false`"
        )
    return None


def _moments(column: pd.Series, day_first: bool | None, source: str) -> np.ndarray:
    """Dates as datetime64[ns], NaT where one is missing."""
    import pandas as pd

    values = np.full(len(column), np.datetime64("NaT"), dtype="datetime64[ns]")
    known = column[column.notna()]
    if not len(known):
        return values
    if pd.api.types.is_numeric_dtype(known):
        raise DataProblem(f"{source}: column {column.name} holds numbers, such as {known.iloc[0]!r}, and no dates")
    found = date_values(known, day_first)
    if not found:
        raise DataProblem(
            f"{source}: column {column.name} has a value that is no date, or is written in another order than the "
            f"others, such as {_odd(known)!r}; correct it, or write all as 2026-01-31"
        )
    if len(found) > 1:
        raise DataProblem(
            f"{source}: column {column.name} has dates whose day might be the month, such as "
            f"{str(known.iloc[0])[:40]!r}; write them as 2026-01-31"
        )
    values[column.notna().to_numpy()] = found[0].astype("datetime64[ns]")
    return values


def _odd(known: pd.Series) -> str:
    """A value that cannot be read as a date by itself, or else the first that is not written as ISO 8601 says."""
    for value in known.unique()[:1000]:
        one = known[known == value].iloc[:1]
        if not date_values(one):
            return str(value)[:40]
    return odd_time(known)


def _part(values: np.ndarray, part: str) -> np.ndarray:
    import pandas as pd

    index = pd.DatetimeIndex(values)
    name = "day_of_week" if part == "weekday" else part  # 0 is Monday
    found: np.ndarray = np.asarray(getattr(index, name), dtype=np.float64)
    return np.where(index.isna(), np.nan, found)
