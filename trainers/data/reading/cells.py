"""What the cells of a table mean, alike in training and in prediction: numbers, dates, gaps and categories.

Training decides it from whole columns; `Cells` keeps the decision with the model, so that a row to predict is read
in the same way, be its values typed or text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data.reading.amounts import amounts, mark_of
from goodfit.trainers.data.reading.date_parts import DateColumn, fit_dates
from goodfit.trainers.data.reading.raw import is_numbers
from goodfit.trainers.data.reading.table_format import GAPS
from goodfit.trainers.data_specs import TableSpec
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

BOOLEANS = {"true": 1.0, "false": 0.0}  # in any case, as pandas reads them
_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))\.0+")


@dataclass(frozen=True, slots=True)
class Cells:
    """How the values of a table's columns are read.

    Attributes:
        gaps: the words that stand for a missing value.
        decimal: the mark before a number's decimals, in text.
        numbers: the columns whose numbers may have currency signs, percent signs and thousands separators.
        dates: the columns that become parts of their dates.
        marks: the decimal marks of those of `numbers` that are written with another one.
    """

    gaps: tuple[str, ...] = GAPS
    decimal: str = "."
    numbers: tuple[str, ...] = ()
    dates: tuple[DateColumn, ...] = ()
    marks: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fit(cls, columns: Mapping[str, pd.Series], spec: TableSpec, source: str) -> Cells:
        """Decide how columns are read; DataProblem where a date is none, or its day might be the month."""
        dates = tuple(fit_dates(columns[name], spec.day_first, source) for name in spec.dates)
        cells = cls(GAPS if spec.gaps is None else spec.gaps, spec.decimal or ".", spec.numbers, dates)
        marks = {name: cells._mark(columns[name]) for name in spec.numbers if not is_numbers(columns[name])}
        return replace(cells, marks={name: mark for name, mark in marks.items() if mark != cells.decimal})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Cells:
        """The inverse of dataclasses.asdict, also after JSON."""
        dates = tuple(DateColumn(**{**date, "parts": tuple(date["parts"])}) for date in values["dates"])
        marks = dict(values.get("marks", {}))
        return cls(tuple(values["gaps"]), values["decimal"], tuple(values["numbers"]), dates, marks)

    def raw_columns(self, features: Sequence[str]) -> tuple[str, ...]:
        """The columns of the file that the features come from: a date in the place of its parts."""
        origin = {part: date.name for date in self.dates for part in date.columns}
        return tuple(dict.fromkeys(origin.get(name, name) for name in features))

    def expand(self, columns: dict[str, pd.Series], source: str) -> dict[str, pd.Series]:
        """The columns with the parts of dates in the place of the dates, and numbers where they are named."""
        import pandas as pd

        dates = {date.name: date for date in self.dates}
        found: dict[str, pd.Series] = {}
        for name in list(columns):
            column = columns.pop(name)
            if name in dates:
                parts = dates[name].read(self.without_gaps(column), source)
                found |= {part: pd.Series(values, name=part, copy=False) for part, values in parts.items()}
            else:
                found[name] = self.amounts(column, source) if name in self.numbers else column
        return found

    def amounts(self, column: pd.Series, source: str) -> pd.Series:
        """A column whose numbers are written with signs and separators, as numbers."""
        import pandas as pd

        if is_numbers(column):
            return column
        codes, texts = self._texts(column)
        numbers = amounts(texts, self.marks.get(str(column.name), self.decimal), str(column.name), source)
        return pd.Series(np.array([*numbers, np.nan])[codes], index=column.index, name=column.name)

    def _texts(self, column: pd.Series) -> tuple[np.ndarray, list[str]]:
        """The distinct values of a column as text, and which of them each row has; -1 where it has none."""
        import pandas as pd

        codes, values = pd.factorize(self.without_gaps(column).astype(object))
        return codes, [value if isinstance(value, str) else repr(value) for value in values]

    def _mark(self, column: pd.Series) -> str:
        """The decimal mark of a column's numbers, which may not be that of the others."""
        return mark_of(self._texts(column)[1], self.decimal)

    def without_gaps(self, column: pd.Series) -> pd.Series:
        """A column where the words for a missing value are one, if it holds text."""
        import pandas as pd

        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
            return column
        return column.mask(column.isin(["", *self.gaps]))

    def number(self, value: Any) -> float | None:
        """A value of a column of numbers, NaN where it is missing; None where it is no number."""
        import pandas as pd

        if not isinstance(value, str):
            try:
                return float("nan") if pd.isna(value) else float(value)
            except (TypeError, ValueError):
                return None
        text = value.strip()
        if "_" in text:  # which Python would take for a separator of thousands
            return None
        if text in ("", *self.gaps):
            return float("nan")
        if text.lower() in BOOLEANS:
            return BOOLEANS[text.lower()]
        try:
            return float(text.replace(",", ".") if self.decimal == "," and "." not in text else text)
        except ValueError:
            return None


def as_numbers(column: pd.Series, cells: Cells, what: str) -> np.ndarray:
    """A column of a row to predict as float64, as training would have read it; DataProblem where it is no number."""
    import pandas as pd

    if is_numbers(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if column.name in cells.numbers:
        return cells.amounts(column, what).to_numpy(dtype=np.float64)
    codes, values = pd.factorize(column.astype(object))
    numbers = [cells.number(value) for value in values]
    if None in numbers:
        odd = str(values[numbers.index(None)])[:40]
        raise DataProblem(
            f"{what}: these columns are not numbers: {column.name} (such as {odd!r}); training had numbers"
        )
    return np.array([*numbers, np.nan], dtype=np.float64)[codes]


def categories_of(values: Sequence[Any], known: Collection[str | None], cells: Cells, column: str) -> list[str | None]:
    """The categories that distinct values of rows to predict stand for; None where one is missing.

    A number stands for the category that is written as that number, 7 for "00007", as it does where a program
    has read the file with numbers in the place of codes.

    Raises:
        DataProblem: several categories are written as one of the numbers.
    """
    names, by_number = {name for name in known if name is not None}, _by_number(known)
    found: list[str | None] = []
    for value in values:
        if isinstance(value, str):
            found.append(_category_of_text(value, names, cells))
            continue
        alike = by_number.get(float(value), []) if isinstance(value, (bool, int, float, np.bool_, np.number)) else []
        if len(alike) > 1:
            raise DataProblem(
                f"column {column} has the number {as_word(value)}, which may be {alike[0]!r} or {alike[1]!r} of the "
                f"training rows; give the column as text, such as pandas.read_csv(..., dtype={{{column!r}: str}})"
            )
        found.append(alike[0] if alike else as_word(value))
    return found


def _by_number(known: Collection[str | None]) -> dict[float, list[str]]:
    """The categories by the number that they are written as; true and false are 1 and 0, as in all columns."""
    found: dict[float, list[str]] = {}
    for name in known:
        number = BOOLEANS.get(name.lower()) if name is not None else None
        if number is None and name is not None:
            try:
                number = float(name)
            except ValueError:
                continue
        if name is not None and number is not None:
            found.setdefault(number, []).append(name)
    return found


def _category_of_text(value: str, names: Collection[str], cells: Cells) -> str | None:
    if value in names:
        return value
    whole = _WHOLE.fullmatch(value)
    if whole and whole[1] in names:
        return whole[1]
    return None if value in ("", *cells.gaps) else value


def as_word(value: Any) -> str:
    """A value as text; 3.0 is "3", because a gap anywhere in a column of integers makes floats of them all."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def whole_words(words: Sequence[str]) -> list[str]:
    """Cells as written; but where all are written 3.0, as a program writes integers beside gaps, as 3."""
    found = [_WHOLE.fullmatch(word) for word in words]
    return [match[1] for match in found if match] if words and all(found) else list(words)
