"""Data as read, before any split: the checks on their values, and what kind of target they have."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from goodfit.spelling import close
from goodfit.trainers.data.reading.hints import data_key
from goodfit.trainers.data.reading.times import Times
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.columns import GroupColumns

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.trainers.data.reading.annotations import Annotations
    from goodfit.trainers.data.reading.cells import Cells

MOST_CLASSES = 20  # distinct values of an integer column that is taken for classes
TASKS = ("classification", "regression")
MISSING = ("error", "drop", "mean", "median", "most_frequent", "constant")
NUMBERS_AT_ONCE = 2**20  # that are worked on: bounds the memory, changes no result
_LONGEST_NAME = 100  # letters of a name in a message
_NUMBERS = ("boolean", "integer", "floating", "mixed-integer-float", "decimal")  # objects that are numbers
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Raw:
    """A source as read.

    Attributes:
        source: how messages name it.
        kind: "table" or "image".
        x: floats, NaN where a value is missing; (rows, columns of numbers) or (rows, channels, height, width).
        y: one target a row: integers, floats, booleans or text.
        features: the columns of a table, of numbers and of text; empty for images.
        classes: class names, where the source knows better names than its values.
        text: those of the features that hold text.
        words: their values, (rows, columns of text); None where a value is missing.
        split_by: the values of the column that the split goes by, where it goes by one.
        times: of the rows of a series whose study names the column.
        cells: how the values of a table were read, which is how rows to predict are read.
        annotations: what several annotators have said, where the study names their columns.
        problems: what keeps columns from being trained on, in sentences.
        groups: the columns whose groups are compared, where the study names some.
    """

    source: str
    name: str
    kind: str
    x: np.ndarray
    y: np.ndarray
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    words: np.ndarray | None = None
    split_by: np.ndarray | None = None
    times: Times | None = None
    cells: Cells | None = None
    problems: tuple[str, ...] = ()
    groups: GroupColumns | None = None
    annotations: Annotations | None = None

    @property
    def numeric(self) -> tuple[str, ...]:
        """The columns of `x`."""
        text = set(self.text)
        return tuple(name for name in self.features if name not in text)

    def take(self, rows: np.ndarray) -> Raw:
        """The same source with these rows alone."""
        words, split_by = (None if part is None else part[rows] for part in (self.words, self.split_by))
        groups = None if self.groups is None else self.groups.take(rows)
        said = None if self.annotations is None else self.annotations.take(rows)
        kept = dataclasses.replace(self, x=self.x[rows], y=self.y[rows], groups=groups, annotations=said)
        return dataclasses.replace(kept, words=words, split_by=split_by)


@dataclass(frozen=True, slots=True)
class Target:
    """What is predicted: the task, for classes their names and what they were before, and why it is this task."""

    task: str
    classes: tuple[str, ...] = ()
    labels: str = "text"
    reason: str = ""


def encode_target(raw: Raw, task: str | None = None) -> tuple[Target, np.ndarray]:
    """The task, and the targets as int64 class indices or float64 numbers.

    Text and booleans are classes. Integers are classes for images, and for tables when they take
    at most 20 distinct values; other integers, and all floats, are a regression. Unless `task` says otherwise.

    Raises:
        DataProblem: a target is missing or infinite, there is one class alone, or text is to be a regression.
    """
    one_of("data.task", task or TASKS[0], TASKS)
    y = raw.y
    _check_target(raw)
    if task == "regression" and y.dtype.kind not in "fiub":
        raise DataProblem(
            f"{raw.source}: data.task is regression, and the target holds text, such as {str(y[0])[:40]!r}; give "
            "numbers"
        )
    if task == "regression" or (task is None and y.dtype.kind == "f"):
        return Target("regression", reason=_why_numbers(y, task)), y.astype(np.float64)
    values, indices = np.unique(y, return_inverse=True)
    if task is None and y.dtype.kind in "iu" and raw.kind == "table" and len(values) > MOST_CLASSES:
        return Target("regression", reason=_why_numbers(y, task, len(values))), y.astype(np.float64)
    if len(values) < 2:
        only = (
            f"one class, {values[0] if str(values[0]).strip() else repr(str(values[0]))}" if len(values) else "no rows"
        )
        raise DataProblem(f"{raw.source}: the target has {only}; there is nothing to tell apart")
    if raw.classes:
        return Target("classification", raw.classes, "text"), indices.astype(np.int64)
    names, labels = _classes(values)
    return Target("classification", names, labels, _why_classes(raw, values, task)), indices.astype(np.int64)


def _classes(values: np.ndarray) -> tuple[tuple[str, ...], str]:
    """The names of classes, and what they were before."""
    if values.dtype.kind == "f" and (values == np.floor(values)).all():
        return tuple(str(int(value)) for value in values.tolist()), "integer"
    labels = {"i": "integer", "u": "integer", "b": "boolean", "f": "float"}.get(values.dtype.kind, "text")
    return tuple(str(value) for value in values.tolist()), labels


def _why_numbers(y: np.ndarray, task: str | None, distinct: int | None = None) -> str:
    """Why a target is a regression, and how to have classes where it may be meant so."""
    if task is not None:
        return "data.task says so"
    or_classes = "; if they are classes: `data: {task: classification}`"
    if distinct is not None:
        return f"the target has {distinct} distinct whole numbers, more than {MOST_CLASSES}{or_classes}"
    values = np.unique(y)
    if len(values) > MOST_CLASSES:
        return "the target has numbers with decimals" + ("" if (values != np.floor(values)).any() else or_classes)
    shown = ", ".join(str(value) for value in values[:4].tolist()) + (", ..." if len(values) > 4 else "")
    return f"the target has numbers with decimals ({shown}){or_classes}"


def _why_classes(raw: Raw, values: np.ndarray, task: str | None) -> str:
    """Why a target is classes, and how to have a regression where it may be meant so."""
    kind = values.dtype.kind
    if task is not None:
        return "data.task says so"
    if kind == "b":
        return "the target has booleans"
    if kind not in "iu":
        return "the target has text"
    if raw.kind == "table":
        return (
            f"the target has {len(values)} distinct whole numbers, no more than {MOST_CLASSES}; if they are "
            "quantities: `data: {task: regression}`"
        )
    return "the target has whole numbers"


def _check_target(raw: Raw) -> None:
    """DataProblem if a target is missing or infinite."""
    y = raw.y
    if y.dtype.kind == "O" or y.dtype.kind == "f":
        gaps = ~has_target(y)
        if count := int(gaps.sum()):
            raise DataProblem(f"{raw.source}: {count} of {len(y)} target values are missing; take these rows out")
    if y.dtype.kind == "f" and (count := int(np.isinf(y).sum())):
        raise DataProblem(f"{raw.source}: {count} of {len(y)} target values are infinite; take these rows out")


def has_target(y: np.ndarray) -> np.ndarray:
    """Which targets are there."""
    if y.dtype.kind in "biu":  # whole numbers have no gaps, and need no pandas
        return np.ones(y.shape, dtype=bool)
    import pandas as pd

    return np.asarray(~pd.isna(y), dtype=bool)


def known_target(raw: Raw, whole: bool) -> Raw:
    """The rows with a target, which has the type that it would have without the others.

    Args:
        raw: with gaps in the target.
        whole: whether its numbers are whole where they come from, 1 and not 1.0: beside a gap, both are floats.
    """
    known = has_target(raw.y)
    if known.all():
        return raw
    rows = raw.take(np.flatnonzero(known))
    y = rows.y
    if y.dtype.kind == "O":
        y = y.astype(bool if all(isinstance(value, bool) for value in y) else str)
    elif whole and y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.floor(y)).all():
        y = y.astype(np.int64)
    return dataclasses.replace(rows, y=y)


def check_values(
    x: np.ndarray,
    features: Sequence[str],
    missing: str,
    source: str,
    words: np.ndarray | None = None,
    text: Sequence[str] = (),
) -> None:
    """DataProblem if a value is infinite, or missing where that is an error; the column is named.

    Args:
        x: numbers.
        features: the names of their columns; empty for images.
        missing: what `prepare.missing` says.
        source: how the message names the data.
        words: text, with None where a value is missing.
        text: the names of its columns.
    """
    one_of("prepare.missing", missing, MISSING)
    if infinite := _counted_values(_counts(x, lambda part: np.abs(part) > _LARGEST, features)):
        raise DataProblem(f"{source}: {infinite} infinite or past float32's range; correct the values or take them out")
    if missing == "error":
        empty = _counts(x, np.isnan, features)
        if words is not None:
            empty |= _counts(words, no_words, text)
        if gaps := _counted_values(empty):
            raise DataProblem(f"{source}: {gaps} missing; fill them in, or give `prepare: {{missing: median}}`")


def check_any_value(x: np.ndarray, features: Sequence[str], source: str) -> None:
    """DataProblem names a column without any value, which nothing fills."""
    if features and len(x) and (gaps := np.isnan(x[0])).any():
        names = [features[place] for place in np.flatnonzero(gaps).tolist() if np.isnan(x[:, place]).all()]
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise DataProblem(f"{source}: column {names[0]}{more} has no value; leave out: {data_key('ignore', names)}")


def no_words(words: np.ndarray) -> np.ndarray:
    """Where text is missing."""
    import pandas as pd

    return np.asarray(pd.isna(words), dtype=bool)


def complete_rows(raw: Raw) -> np.ndarray:
    """The rows without any missing value."""
    gaps = np.isnan(raw.x).any(axis=tuple(range(1, raw.x.ndim)))
    if raw.words is not None:
        gaps |= no_words(raw.words).any(axis=1)
    return np.flatnonzero(~gaps)


def _counts(x: np.ndarray, bad: Callable[[np.ndarray], np.ndarray], features: Sequence[str]) -> dict[str, int]:
    """How many values are bad, by column, and under "" for images; a part of them looked at a time."""
    if features:
        counts = {name: int(bad(x[:, column]).sum()) for column, name in enumerate(features)}
    else:
        step = max(1, NUMBERS_AT_ONCE // max(1, math.prod(x.shape[1:])))
        counts = {"": sum(int(bad(x[start : start + step]).sum()) for start in range(0, len(x), step))}
    return {name: count for name, count in counts.items() if count}


def _counted_values(counts: Mapping[str, int]) -> str:
    """Bad values by column, the worst first: "column age: 3 values, column bmi: 1 value"; empty if there are none."""
    worst = sorted(counts, key=lambda name: -counts[name])
    listed = ", ".join(
        f"column {name}: {_values(counts[name])}" if name else _values(counts[name]) for name in worst[:3]
    )
    return f"{listed} (and {len(worst) - 3} more columns)" if len(worst) > 3 else listed


def _values(count: int) -> str:
    return f"{count} value{'s' if count != 1 else ''}"


def is_numbers(column: pd.Series) -> bool:
    """Whether a column holds numbers or booleans, with or without gaps, of whatever type."""
    import pandas as pd

    types = pd.api.types
    if types.is_numeric_dtype(column):
        return True
    return bool(column.dtype == object and types.infer_dtype(column, skipna=True) in _NUMBERS)


def table_values(frame: pd.DataFrame, features: Sequence[str], source: str) -> np.ndarray:
    """Columns of numbers as float64; DataProblem names those that hold none."""
    text = [name for name in features if not is_numbers(frame[name])]
    if text:
        listed = ", ".join(f"{name} (such as {_example(frame[name])!r})" for name in text[:5])
        more = f" and {len(text) - 5} more" if len(text) > 5 else ""
        raise DataProblem(
            f"{source}: these columns are not numbers: {listed}{more}; encode them as numbers, or take them out"
        )
    values = np.empty((len(frame), len(features)), dtype=np.float64)
    for place, name in enumerate(features):
        values[:, place] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def taken_values(columns: dict[str, pd.Series], rows: int, features: Sequence[str]) -> np.ndarray:
    """As table_values, of columns known to hold numbers; each leaves `columns`, or all would be there twice."""
    values = np.empty((rows, len(features)), dtype=np.float64, order="F")
    for place, name in enumerate(features):
        values[:, place] = columns.pop(name).to_numpy(dtype=np.float64, na_value=np.nan)
    return values


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
    near = close(word, known)
    hint = f"did you mean {quoted(near)}? " if near else ""
    shown = ", ".join(map(quoted, known[:20])) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"{hint}choose from: {shown}"


def quoted(name: str) -> str:
    """A name in a message: in quotes where its spaces would not be seen, and cut where it is long."""
    name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    return repr(name) if name != name.strip() or not name.isprintable() or not name else name
