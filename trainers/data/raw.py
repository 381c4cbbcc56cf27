"""Data as read, before any split: the checks on their values, and what kind of target they have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 20  # distinct values of an integer column that is taken for classes
MISSING = ("error", "mean", "median")
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Raw:
    """A source as read.

    Attributes:
        source: how messages name it.
        kind: "table" or "image".
        x: floats, NaN where a value is missing; (rows, features) or (rows, channels, height, width).
        y: one target a row: integers, floats, booleans or text.
        features: the columns of a table; empty for images.
        classes: class names, where the source knows better names than its values.
    """

    source: str
    name: str
    kind: str
    x: np.ndarray
    y: np.ndarray
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What is predicted: the task, and for classes their names and what they were before."""

    task: str
    classes: tuple[str, ...] = ()
    labels: str = "text"


def encode_target(raw: Raw) -> tuple[Target, np.ndarray]:
    """The task, and the targets as int64 class indices or float64 numbers.

    Text and booleans are classes. Integers are classes for images, and for tables when they take
    at most 20 distinct values; other integers, and all floats, are a regression.
    """
    y = raw.y
    if y.dtype.kind == "f":
        return Target("regression"), _finite_target(y, raw.source)
    values, indices = np.unique(y, return_inverse=True)
    if y.dtype.kind in "iu" and raw.kind == "table" and len(values) > MOST_CLASSES:
        return Target("regression"), y.astype(np.float64)
    if len(values) < 2:
        only = f"one class, {values[0]}" if len(values) else "no rows"
        raise DataProblem(f"{raw.source}: the target has {only}; there is nothing to tell apart")
    labels = {"i": "integer", "u": "integer", "b": "boolean"}.get(y.dtype.kind, "text")
    if raw.classes:
        return Target("classification", raw.classes, "text"), indices.astype(np.int64)
    return Target("classification", tuple(str(value) for value in values), labels), indices.astype(np.int64)


def _finite_target(y: np.ndarray, source: str) -> np.ndarray:
    y = y.astype(np.float64)
    for what, bad in (("missing", np.isnan(y)), ("infinite", np.isinf(y))):
        if count := int(bad.sum()):
            raise DataProblem(f"{source}: {count} of {len(y)} target values are {what}; take these rows out")
    return y


def check_values(x: np.ndarray, features: Sequence[str], missing: str, source: str) -> None:
    """DataProblem if a value is infinite, or missing where that is an error; the column is named."""
    one_of("prepare.missing", missing, MISSING)
    if infinite := _counts(np.abs(x) > _LARGEST, features):
        raise DataProblem(f"{source}: {infinite} infinite or past float32's range; correct the values or take them out")
    if missing == "error" and (gaps := _counts(np.isnan(x), features)):
        raise DataProblem(f"{source}: {gaps} missing; fill them in, or give `prepare: {{missing: median}}`")


def _counts(bad: np.ndarray, features: Sequence[str]) -> str:
    """How many values are bad, by column: "column age: 3 values, column bmi: 1 value"; empty if none is."""
    if not bad.any():
        return ""
    if not features:
        return _values(int(bad.sum()))
    by_column = bad.sum(axis=0)
    worst = np.argsort(-by_column, kind="stable")[: min(3, int((by_column > 0).sum()))]
    told = ", ".join(f"column {features[column]}: {_values(int(by_column[column]))}" for column in worst)
    more = int((by_column > 0).sum()) - len(worst)
    return f"{told} (and {more} more columns)" if more else told


def _values(count: int) -> str:
    return f"{count} value{'s' if count != 1 else ''}"


def table_values(frame: pd.DataFrame, features: Sequence[str], source: str) -> np.ndarray:
    """The feature columns as float64; DataProblem names those that hold no numbers."""
    import pandas as pd

    text = [name for name in features if not pd.api.types.is_numeric_dtype(frame[name])]
    if text:
        told = ", ".join(f"{name} (such as {_example(frame[name])!r})" for name in text[:5])
        more = f" and {len(text) - 5} more" if len(text) > 5 else ""
        raise DataProblem(
            f"{source}: these columns are not numbers: {told}{more}; encode them as numbers, or take them out"
        )
    return np.column_stack([frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in features])


def _example(column: pd.Series) -> str:
    """A value that is no number, to be found in the file."""
    import pandas as pd

    known = column.dropna().astype(str)
    odd = known[pd.to_numeric(known, errors="coerce").isna()]
    return str(next(iter(odd if len(odd) else known), ""))[:40]


def as_images(x: np.ndarray, source: str) -> np.ndarray:
    """Images as (rows, channels, height, width), float32.

    (n, h, w) has one channel. In four dimensions the shorter of the second and the last axis is
    taken for the channels; if they are equal, the second.
    """
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim == 4 and x.shape[3] < x.shape[1]:
        x = np.moveaxis(x, 3, 1)
    if x.ndim != 4:
        raise DataProblem(f"{source}: images are (n, h, w), (n, c, h, w) or (n, h, w, c), not {x.shape}")
    with np.errstate(over="ignore"):  # what is past float32's range becomes infinite, which check_values reports
        return np.ascontiguousarray(x, dtype=np.float32)


def one_of(key: str, value: str, choices: Sequence[str]) -> None:
    """DataProblem unless the value is one of the choices."""
    if value not in choices:
        raise DataProblem(f"{key}: {value!r} is unknown; {nearest(value, choices)}")


def nearest(word: str, choices: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest choice, then all of them."""
    known = list(choices)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"{hint}choose from: {shown}"
