"""Rows to predict, as users hand them over: made into the columns that a table's model takes, read as in training.

A DataFrame, an array, a list of dicts, one dict or one Series; columns in any order, others left out of account.
"""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data.facts import Facts
from goodfit.trainers.data.reading.cells import as_numbers, categories_of
from goodfit.trainers.data.reading.raw import nearest, quoted
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.columns import row_labels
from goodfit.trainers.groups.thresholds import USUAL

if TYPE_CHECKING:
    import pandas as pd

_WHAT = "the rows to predict"
_SHOWN = 10  # columns or groups that a message names


def table_rows(x: Any, facts: Facts) -> tuple[np.ndarray, np.ndarray | None]:
    """The columns of numbers as float64, and those of text as categories where the data have them.

    Raises:
        DataProblem: a column is missing, there twice, or holds what training had not.
    """
    wanted = _wanted(facts)
    frame = _frame(x, wanted)
    names = [str(name) for name in frame.columns]
    absent = sorted(set(wanted) - set(names), key=wanted.index)
    if absent:
        raise DataProblem(_lacking(absent, names, wanted))
    held: dict[str, pd.Series] = {}
    known = set(wanted)
    for place, name in enumerate(names):
        if name in held:
            raise DataProblem(f"{_WHAT} have two columns named {quoted(name)}; give one")
        if name in known:
            held[name] = frame.iloc[:, place].rename(name)
    held = facts.cells.expand(held, _WHAT)
    categories = facts.preparation.categories
    numbers = [name for name in facts.features if name not in categories]
    values = np.empty((len(frame), len(numbers)), dtype=np.float64)
    for place, name in enumerate(numbers):
        values[:, place] = as_numbers(held[name], facts.cells, _WHAT)
    return values, _words(held, facts, len(frame)) if categories else None


def group_codes(x: Any, facts: Facts) -> np.ndarray:
    """The group of each row, where the model has a threshold for each; -1, with a warning, where the data had it not.

    Raises:
        DataProblem: a column is missing, or a row's value.
    """
    if facts.groups is None:
        raise ValueError("the model knows no groups")
    frame = _frame(x, _wanted(facts))
    spec = facts.groups.spec
    labels = row_labels([frame[name] for name in spec.by], spec, _WHAT)
    codes = facts.groups.codes(labels)
    if (unknown := codes < 0).any():
        warnings.warn(_unknown_groups(labels, spec.by, unknown), stacklevel=4)  # where a model's predict is called
    return codes


def _unknown_groups(labels: Sequence[Sequence[str]], by: Sequence[str], unknown: np.ndarray) -> str:
    """That rows are of groups which have no threshold of their own."""
    rows = [row for row, new in zip(zip(*labels, strict=True), unknown, strict=True) if new]
    names = [
        "/".join(f"{column}:{label}" for column, label in zip(by, row, strict=True)) for row in dict.fromkeys(rows)
    ]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"{_WHAT}: {len(rows)} of {len(unknown)} are of groups that the data had not in training, and are predicted "
        f"by the usual threshold of {USUAL}: {', '.join(names[:_SHOWN])}{more}"
    )


def _wanted(facts: Facts) -> list[str]:
    """The columns that a row must have: those of the features, and of the groups where each has its threshold."""
    columns = list(facts.cells.raw_columns(facts.features))
    if facts.groups is None or facts.groups.spec.thresholds == "none":
        return columns
    return [*columns, *(name for name in facts.groups.spec.by if name not in columns)]


def table_example(facts: Facts, rows: int) -> Any:
    """A frame of equal rows, each column of numbers at its scale's middle."""
    import pandas as pd

    categories = facts.preparation.categories
    numbers = [name for name in facts.features if name not in categories]
    shift = np.asarray(facts.preparation.shift)
    row = {**dict(zip(numbers, shift, strict=True)), **{name: words[0] for name, words in categories.items()}}
    if facts.groups is not None:  # of a group that there is
        row |= dict(zip(facts.groups.spec.by, facts.groups.examples, strict=True))
    row |= {date.name: date.example for date in facts.cells.dates}
    return pd.DataFrame([{name: row[name] for name in _wanted(facts)}] * rows)


def _words(held: Mapping[str, pd.Series], facts: Facts, rows: int) -> np.ndarray:
    """Columns of text as the categories that their values stand for, None where one is missing."""
    import pandas as pd

    categories = facts.preparation.categories
    words = np.empty((rows, len(categories)), dtype=object)
    for place, (name, known) in enumerate(categories.items()):
        codes, values = pd.factorize(held[name].astype(object))
        found = categories_of(list(values), known, facts.cells, name)
        words[:, place] = np.array([*found, None], dtype=object)[codes]
    return words


def _frame(x: Any, wanted: Sequence[str]) -> pd.DataFrame:
    """Rows as a DataFrame, whatever they came as."""
    import pandas as pd

    if hasattr(x, "to_pandas"):  # Arrow's tables, Polars
        x = x.to_pandas()
    if isinstance(x, pd.DataFrame):
        return x
    if isinstance(x, pd.Series):
        labels = {str(label) for label in x.index}
        alone = len(wanted) == 1 and (x.name is None or str(x.name) in wanted) and wanted[0] not in labels
        return x.to_frame(wanted[0]) if alone else x.to_frame().T.infer_objects()
    if isinstance(x, Mapping):
        return pd.DataFrame(dict(x) if any(pd.api.types.is_list_like(value) for value in x.values()) else [dict(x)])
    if isinstance(x, (list, tuple)) and x and all(isinstance(row, (Mapping, pd.Series)) for row in x):
        return pd.DataFrame([dict(row) for row in x])
    values = np.asarray(x) if isinstance(x, np.ndarray) else np.asarray(x, dtype=object)
    if values.ndim != 2 or values.shape[1] != len(wanted):
        raise DataProblem(_misshapen(x, values.shape, len(wanted)))
    frame = pd.DataFrame(values, columns=pd.Index(list(wanted)))
    return frame.infer_objects() if values.dtype == object else frame


def _misshapen(x: Any, shape: tuple[int, ...], columns: int) -> str:
    """How rows are given that are no table."""
    if not shape:
        return (
            f"{_WHAT} are a DataFrame, a dict, a list of dicts or an array of (rows, {columns}), not {reprlib.repr(x)}"
        )
    row = "; put the one row into brackets" if shape == (columns,) else ""
    return f"{_WHAT} are (rows, {columns}), not {shape}{row}"


def _lacking(absent: Sequence[str], names: Sequence[str], wanted: Sequence[str]) -> str:
    """Which columns are missing, and which are there that the model does not know: one may be meant for the other."""
    known = set(wanted)
    others = [name for name in names if name not in known]
    beside = f" ({_listed(others)} {'is' if len(others) == 1 else 'are'} unknown)" if others else ""
    near = nearest(absent[0], others).split("? ")[0] if others else ""
    hint = f"; {absent[0]}: {near}?" if near.startswith("did you mean") else ""
    return f"{_WHAT} lack the columns {_listed(absent)}{beside}; give {_listed(wanted)}{hint}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(quoted, names[:_SHOWN])) + more
