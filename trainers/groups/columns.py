"""Columns of a table as groups: sex, age in bands. They need not be features of the model."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data_specs import GroupSpec
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.readable import one_line

if TYPE_CHECKING:
    import pandas as pd

MOST_VALUES = 20  # of a column; as many as of a column of whole numbers that is taken for classes
MISSING = "missing"  # the group of rows without a value
LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class GroupColumns:
    """Which group each row is in, by column.

    Attributes:
        labels: the groups of each column.
        codes: int64 (rows, columns), the place of each row's label.
        examples: a value of each column, as the data have it, of one row where one has all.
    """

    labels: tuple[tuple[str, ...], ...]
    codes: np.ndarray
    examples: tuple[Any, ...] = ()

    def take(self, rows: np.ndarray) -> GroupColumns:
        return GroupColumns(self.labels, self.codes[rows], self.examples)


def read_groups(columns: Mapping[str, pd.Series], spec: GroupSpec, source: str) -> GroupColumns:
    """The columns that a study compares by.

    Args:
        columns: by name; at least those of the spec.
        spec: which columns, and how their values become groups.
        source: how messages name the data.

    Raises:
        DataProblem: a column has gaps, one value, values whose names are alike, or so many that they are no groups.
    """
    bins = dict(spec.bins)
    found = [_labelled(columns[name], bins.get(name), spec.gaps, source) for name in spec.by]
    for name in spec.by:
        if name not in bins:
            _check_names(columns[name], source)
    for name, (labels, _) in zip(spec.by, found, strict=True):
        if len(labels) < 2:
            raise DataProblem(
                f"{source}: fairness.by names {name}, which has one value, {labels[0]}: there is no other group to "
                "compare it with; leave it out"
            )
    whole = ~np.any([columns[name].isna() for name in spec.by], axis=0)
    first = int(whole.argmax()) if whole.any() else None
    examples = tuple(
        _plain(columns[name].dropna().iloc[0] if first is None else columns[name].iloc[first]) for name in spec.by
    )
    return GroupColumns(tuple(labels for labels, _ in found), np.stack([codes for _, codes in found], axis=1), examples)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, (bool, int, float, str)) else str(plain)


def row_labels(columns: Sequence[pd.Series], spec: GroupSpec, what: str) -> list[list[str]]:
    """The label of each row by column, of rows to predict: values of any kind, and any number of them."""
    bins = dict(spec.bins)
    found = []
    for column in columns:
        _check_gaps(column, spec.gaps, what)
        _check_kind(column, what)
        labels, codes = _groups_of(column, bins.get(str(column.name)), what)
        found.append([labels[code] for code in codes])
    return found


def _labelled(
    column: pd.Series, bounds: tuple[float, ...] | None, gaps: str, source: str
) -> tuple[tuple[str, ...], np.ndarray]:
    _check_gaps(column, gaps, source)
    _check_kind(column, source)
    if bounds is None:
        _check_values(column, source)
    return _groups_of(column, bounds, source)


def _check_gaps(column: pd.Series, gaps: str, source: str) -> None:
    count = int(column.isna().sum())
    if count and gaps != "group":
        raise DataProblem(
            f"{source}: {count} of {len(column)} rows have no value of {column.name}, which fairness.by names; fill it "
            "in, or give `fairness: {gaps: group}`, which makes them a group of their own"
        )


def _check_kind(column: pd.Series, source: str) -> None:
    """DataProblem where a column's values are neither names nor numbers: dates, lists."""
    import pandas as pd

    name, types = column.name, pd.api.types
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise DataProblem(f"{source}: fairness.by names {name}, which holds dates; give a column of groups")
    if types.is_object_dtype(column):
        odd = next((value for value in column if types.is_list_like(value) and not isinstance(value, tuple)), None)
        if odd is not None:
            raise DataProblem(
                f"{source}: fairness.by names {name}, which holds lists or the like, such as "
                f"{one_line(str(odd)[:40])}; give a column of names or numbers"
            )


def _check_values(column: pd.Series, source: str) -> None:
    """DataProblem where a column has too many values to be groups: a quantity, names of people."""
    import pandas as pd

    name, types = column.name, pd.api.types
    known = column.dropna()
    distinct = int(known.nunique())
    if distinct <= MOST_VALUES:
        return
    if types.is_numeric_dtype(column) and not types.is_complex_dtype(column):
        low, high = (float(f"{value:.3g}") for value in np.quantile(known.to_numpy(dtype=np.float64), (1 / 3, 2 / 3)))
        cuts = [low, high] if low < high else [low]
        raise DataProblem(
            f"{source}: fairness.by names {name}, which has {distinct} different numbers: these are no groups; say "
            f"where to cut them, such as `fairness: {{bins: {{{name}: [{', '.join(f'{cut:g}' for cut in cuts)}]}}}}`"
        )
    raise DataProblem(
        f"{source}: fairness.by names {name}, which has {distinct} different values, more than {MOST_VALUES}; give a "
        "column of fewer groups"
    )


def _check_names(column: pd.Series, source: str) -> None:
    """DataProblem where different values, or a value and the gaps, would be one group by its name."""
    written: dict[str, str] = {}
    for value in column.dropna().tolist():
        text = _written(value)
        if (other := written.setdefault(_text(value), text)) != text:
            raise DataProblem(
                f"{source}: fairness.by names {column.name}, whose values {other!r} and {text!r} would both be the "
                f"group {_text(value)}; write one of them otherwise"
            )
    if MISSING in written and column.isna().any():
        raise DataProblem(
            f"{source}: fairness.by names {column.name}, which has rows of the value {MISSING} and rows without a "
            "value: both would be the group of that name; write the value otherwise, or empty its cells"
        )


def _groups_of(column: pd.Series, bounds: tuple[float, ...] | None, source: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The labels of a column, in the order of its values, and the place of each row's."""
    gaps = column.isna().to_numpy()
    found, order = _banded(column[~gaps], bounds, source) if bounds is not None else _named(column[~gaps])
    names = np.full(len(column), MISSING, dtype=object)
    names[~gaps] = found
    there = set(found)
    labels = [name for name in order if name in there]
    if MISSING not in there and gaps.any():
        labels.append(MISSING)
    places = {name: place for place, name in enumerate(labels)}
    return tuple(labels), np.array([places[name] for name in names], dtype=np.int64)


def _named(column: pd.Series) -> tuple[list[str], list[str]]:
    """Each value is a group: that of each row, and all in the order of their values."""
    values = column.tolist()
    names = [_text(value) for value in values]
    one = list(dict(zip(names, values, strict=True)).items())
    try:
        one.sort(key=lambda pair: pair[1])
    except TypeError:  # numbers and text in one column
        one.sort(key=lambda pair: str(pair[1]))
    return names, [name for name, _ in one]


@functools.lru_cache(maxsize=1024, typed=True)  # of True and 1, which are equal, each has a name of its own
def _text(value: object) -> str:
    """A value as a group's name; long ones are cut, and told apart by a digest."""
    text = one_line(_written(value)) or "empty"
    if len(text) <= LONGEST_LABEL:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=3).hexdigest()
    return f"{text[: LONGEST_LABEL - len(digest) - 1]}~{digest}"


def _written(value: object) -> str:
    """A value as text: 1.0 is 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _banded(column: pd.Series, bounds: tuple[float, ...], source: str) -> tuple[list[str], list[str]]:
    """Numbers from one bound up to below the next are a group: that of each row, and all in their order."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    if (lost := numbers.isna().to_numpy()).any():
        odd = one_line(str(column[lost].iloc[0])[:40])
        raise DataProblem(
            f"{source}: fairness.bins cuts {column.name}, which holds {odd!r} and not numbers alone; leave it out of "
            "bins"
        )
    marks = [_bound(one) for one in bounds]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(marks)]
    labels = [f"under {marks[0]}", *between, f"{marks[-1]} or more"]
    return [labels[place] for place in np.digitize(numbers.to_numpy(dtype=np.float64), bounds)], labels


def _bound(value: float) -> str:
    """A bound as a group's name has it: in few digits where these are the whole of it."""
    short = f"{value:g}"
    return short if float(short) == value else _written(value)
