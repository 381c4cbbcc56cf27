"""Times of rows: how a column of them is read, and how evenly they follow each other.

Dates are read as ISO 8601 writes them, or in one of the orders that people and spreadsheets write
(30/03/2024 14:00, 03/30/2024, 30.03.2024, 30 Mar 2024), the same order in the whole column. Numbers
are taken as they are; those that are times since 1970 are described as dates.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d")
_SHORT_DAYS = ("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_FORMATS = tuple(day + clock for day, clock in itertools.product((*_DAYS, *_SHORT_DAYS), _CLOCKS))
_DAY_LIKE = re.compile(r"\s*(\d{1,4}[-/. ]|[^\W\d]+ \d)")  # how each of them begins
_MONTH_FIRST, _DAY_FIRST = ("%m/", "%m-"), ("%d/", "%d-%m")
_EPOCHS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # nanoseconds in one
_FROM, _TO = 946_684_800, 4_102_444_800  # 2000 and 2100, in seconds since 1970
_UNITS = (("d", 86_400 * 10**9), ("h", 3_600 * 10**9), ("min", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3))
_CALENDAR = (("month", 27, 32, 1), ("quarter", 88, 94, 3), ("year", 364, 367, 12))  # days between them, months in one
EVEN = 0.8  # the share of steps that are alike in a series whose other steps are exceptions
DAY = 86_400 * 10**9


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """The times of rows, in the order of the rows.

    Attributes:
        name: of the column.
        values: nanoseconds since 1970 (UTC) as int64, or the column's own numbers.
        dates: whether they are nanoseconds.
    """

    name: str
    values: np.ndarray
    dates: bool

    def written(self, row: int) -> str:
        """The time of a row, as messages write it."""
        if not self.dates:
            return f"{self.values[row]:.15g}"
        text = str(np.datetime_as_string(self.values[row].astype("datetime64[ns]")))
        return text.rstrip("0").rstrip(".").removesuffix(":00").replace("T00:00", "")

    def amount(self, difference: float) -> str:
        """A difference between two of them, in the largest unit that is no larger."""
        if not self.dates:
            return f"{difference:.6g}"
        unit, size = next(((unit, size) for unit, size in _UNITS if difference >= size), ("ns", 1))
        return f"{difference / size:.4g} {unit}"


def date_values(column: pd.Series, day_first: bool | None = None) -> list[np.ndarray]:
    """A column of dates as nanoseconds since 1970 (UTC), in every way that all of its values can be read.

    Empty where they are no dates; two where the day might be the month.

    Args:
        column: without gaps.
        day_first: whether the day stands before the month where both are numbers; None: both ways are tried.
    """
    import pandas as pd

    if column.dtype.kind == "M" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return [_nanoseconds(pd.to_datetime(column, utc=True))]
    first = str(column.iloc[0]) if len(column) else ""
    if not any(letter.isdigit() for letter in first):
        return []  # most texts, without pandas trying each format on each of thousands of columns
    try:
        return [_nanoseconds(pd.to_datetime(column, utc=True, format="ISO8601"))]
    except (ValueError, TypeError):
        pass  # in no such way; the others are tried
    if not _DAY_LIKE.match(first):
        return []
    found: list[np.ndarray] = []
    other = {True: _MONTH_FIRST, False: _DAY_FIRST, None: ()}[day_first]
    for form in _FORMATS:
        if form.startswith(other):
            continue
        if not pd.isna(pd.to_datetime(column.iloc[:1], utc=True, format=form, errors="coerce").iloc[0]):
            parsed = pd.to_datetime(column, utc=True, format=form, errors="coerce")
            if not parsed.isna().any():
                values = _nanoseconds(parsed)
                found += [] if any(np.array_equal(values, other) for other in found) else [values]
    return found


def _nanoseconds(parsed: pd.Series) -> np.ndarray:
    values: np.ndarray = parsed.dt.as_unit("ns").astype("int64").to_numpy()
    return values


def read_times(column: pd.Series, ordered: bool = False, day_first: bool | None = None) -> Times | None:
    """The times of a column without gaps; None where it holds neither numbers nor dates.

    Args:
        column: of numbers or dates.
        ordered: whether its rows are to be in the order of their times, which settles what is day and what month.
        day_first: whether the day stands before the month, where the dates do not say it.

    Raises:
        DataProblem: the day might be the month.
    """
    import pandas as pd

    name = str(column.name)
    if pd.api.types.is_numeric_dtype(column):
        return Times(name, column.to_numpy(), dates=False)
    readings = date_values(column, day_first)
    if ordered and len(readings) > 1:
        readings = [values for values in readings if (np.diff(values) > 0).all()] or readings
    if len(readings) > 1:
        raise DataProblem(
            f"column {name} has dates whose day might be the month, such as {str(column.iloc[0])[:40]!r}; "
            "say which: `data: {day_first: true}` or `false`"
        )
    return Times(name, readings[0], dates=True) if readings else None


def odd_time(column: pd.Series) -> str:
    """The first value of a column that is no ISO date."""
    import pandas as pd

    parsed = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
    return str(column[parsed.isna()].iloc[0])[:40]


def times_notes(times: Times, window: int | None) -> list[str]:
    """What is uneven about the times of a series, each in a sentence.

    Args:
        times: of its rows.
        window: how many rows a model sees, where that is known.
    """
    times = _since_1970(times)
    notes = _order_notes(times)
    places, unit = _places(times)
    steps = np.diff(places)
    ahead = steps[steps > 0]
    if len(ahead) < 2:
        return notes
    sizes, counts = np.unique(ahead, return_counts=True)
    step = sizes[counts.argmax()]
    alike = np.abs(ahead - step) <= 0.01 * step
    holes = np.flatnonzero(steps > 1.5 * step)
    one = f"{step / unit[1]:g} {unit[0]}" if unit else times.amount(float(step))
    rows = f"a window of {window} rows is" if window else "windows are"
    if alike.mean() < EVEN:
        return [
            *notes,
            f"the steps in {times.name} are uneven: {alike.mean():.0%} are {one}, the shortest is "
            f"{_amount(times, ahead.min(), unit)} and the longest {_amount(times, ahead.max(), unit)}; {rows} as many "
            "rows, however long they take: resample the series if that matters",
        ]
    if len(holes):
        notes.append(_holes_note(times, places, holes, float(step), one))
    if close := int((ahead < 0.99 * step).sum()):
        notes.append(f"{close} rows follow the row before in less than the step of {one} in {times.name}")
    return notes


def _amount(times: Times, difference: float, unit: tuple[str, int] | None) -> str:
    return f"{difference / unit[1]:g} {unit[0]}" if unit else times.amount(float(difference))


def _holes_note(times: Times, places: np.ndarray, holes: np.ndarray, step: float, one: str) -> str:
    """Where steps are left out, and how many."""
    missing = np.rint(np.diff(places)[holes] / step).astype(int) - 1
    worst = int(holes[missing.argmax()])
    where = f"between {times.written(worst)} and {times.written(worst + 1)}"
    lost = f"{missing.sum()} step{'s' if missing.sum() > 1 else ''} of {one}"
    each = f"{lost} missing {where}" if len(holes) == 1 else f"{lost} missing, {missing.max()} of them {where}"
    changed = all(_is_clock_change(times, row) for row in holes)
    summer = ", as where clocks are put forward to summer time" if changed else ""
    return (
        f"{len(holes)} gap{'s' if len(holes) > 1 else ''} in {times.name}: {each}{summer}; windows go over a gap as if "
        "it were one step: fill the rows in, or cut the series there"
    )


def _is_clock_change(times: Times, row: int) -> bool:
    """Whether one hour is missing in a night of a Sunday, when clocks are put forward."""
    if not times.dates or times.values[row + 1] - times.values[row] > 2 * 3_600 * 10**9:
        return False
    start = times.values[row].astype("datetime64[ns]")
    sunday = (start.astype("datetime64[D]").astype(int) + 4) % 7 == 0  # 1970-01-01 was a Thursday
    return bool(sunday and start.astype("datetime64[h]").astype(int) % 24 <= 3)


def _order_notes(times: Times) -> list[str]:
    """Doubles, and rows that go back in time."""
    steps, notes = np.diff(times.values), []
    doubles, back = np.flatnonzero(steps == 0), np.flatnonzero(steps < 0)
    if len(doubles):
        first = int(doubles[0]) + 1
        notes.append(
            f"{len(doubles)} row{'s have' if len(doubles) > 1 else ' has'} the time of the row before, first row "
            f"{first + 1} of the data ({times.written(first)})"
        )
    if len(back) and len(back) == len(steps):
        notes.append("the rows go from the newest to the oldest")
    elif len(back):
        notes.append(f"{len(back)} row{'s go' if len(back) > 1 else ' goes'} back in time")
    return notes


def check_order(times: Times, source: str) -> None:
    """DataProblem unless the times strictly increase."""
    late = np.flatnonzero(times.values[1:] <= times.values[:-1])
    if not len(late):
        return
    row = int(late[0]) + 1
    if len(late) == len(times.values) - 1 and times.values[0] > times.values[-1]:
        advice = "the rows go from the newest to the oldest: turn them round"
    elif times.values[row] == times.values[row - 1]:
        advice = (
            "sort the rows by time, and keep one row a time (where clocks were put back an hour, write the times in "
            "UTC or with their offset, such as 2024-10-27T02:30+01:00)"
        )
    else:
        advice = "sort the rows by time, and keep one row a time"
    raise DataProblem(
        f"{source}: column {times.name}, row {row + 1} of the data ({times.written(row)}) does not come after the row "
        f"before ({times.written(row - 1)}); {advice}"
    )


def _since_1970(times: Times) -> Times:
    """Whole numbers that are seconds or less since 1970, as dates; others as they are."""
    if times.dates or times.values.dtype.kind not in "iu" or not len(times.values):
        return times
    low, high = int(times.values.min()), int(times.values.max())
    for size in _EPOCHS.values():
        if low * size >= _FROM * 10**9 and high * size <= _TO * 10**9:
            return Times(times.name, times.values.astype(np.int64) * size, dates=True)
    return times


def _places(times: Times) -> tuple[np.ndarray, tuple[str, int] | None]:
    """Numbers that grow by one step from row to row where the rows are regular, and the unit they count.

    Months are of several lengths, and working days have weekends between them: such rows are counted in
    months or working days. None: nanoseconds, or the column's own numbers.
    """
    values = times.values
    if not times.dates or len(values) < 3:
        return values.astype(np.float64) if values.dtype.kind == "f" else values.astype(np.int64), None
    days = values.astype("datetime64[ns]").astype("datetime64[D]")
    typical = float(np.median(np.diff(values))) / DAY
    months = days.astype("datetime64[M]").astype(np.int64)
    for name, least, most, size in _CALENDAR:
        if least <= typical <= most and (np.diff(months) >= size).all():
            return months, (name, size)
    weekday = (days.astype(np.int64) + 3) % 7  # 0 is Monday
    if typical == 1 and (weekday < 5).all() and (values % DAY == values[0] % DAY).all():
        return np.busday_count(days[0], days).astype(np.int64), ("working day", 1)
    return values, None
