"""Filling, scaling, categories and the target's units: fitted on the training split alone, then plain values.

A table has one set of numbers a column. An image has one set a channel, over all its pixels and
all training images: one value a pixel would blow up pixels that hardly ever change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from goodfit.trainers.data.preparing.tokens import Tokenizer
from goodfit.trainers.data.reading.hints import data_key
from goodfit.trainers.data.reading.pixels import Reading
from goodfit.trainers.data.reading.raw import Raw, Target, one_of
from goodfit.trainers.data_specs import FilledSpec, TableSpec
from goodfit.trainers.errors import DataProblem

SCALES = ("standard", "minmax", "robust", "none")
BALANCES = ("none", "weights", "sampling")
Category = str | None  # None: the category of missing values
_LISTS = ("fill", "shift", "divide", "indicators")


@dataclass(frozen=True, slots=True)
class Preparation:
    """What was fitted: (x - shift) / divide, after `fill` took the place of missing values.

    A category that training had no row of is all zeros one-hot, and the code 0 as an embedding.

    Attributes:
        fill: None where missing values are an error.
        labels: what the classes were before they were names: "integer", "boolean" or "text".
        target_mean, target_std: the units of a regression's target; 0 and 1 for classes.
        categories: column of text -> its categories, in the order of their places.
        encode: what they become: "onehot" columns of the inputs, or "embedding" codes beside them.
        indicators: the columns of numbers that get a 0/1 column for "was missing".
        balance: what training does about rare classes: "none", "weights" or "sampling".
        tokens: of texts, which have none of the above but labels, target and balance.
        target_tokens: of the targets of pairs, whose sources have `tokens`.
        images: how the files of a folder of images are read.
    """

    fill: tuple[float, ...] | None
    shift: tuple[float, ...]
    divide: tuple[float, ...]
    labels: str = "text"
    target_mean: float = 0.0
    target_std: float = 1.0
    categories: Mapping[str, tuple[Category, ...]] = field(default_factory=dict)
    encode: str = "onehot"
    indicators: tuple[int, ...] = ()
    balance: str = "none"
    tokens: Tokenizer | None = None
    target_tokens: Tokenizer | None = None
    images: Reading | None = None

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        y: np.ndarray,
        target: Target,
        spec: FilledSpec,
        raw: Raw,
        words: np.ndarray | None = None,
        rows: np.ndarray | None = None,
        table: TableSpec | None = None,
    ) -> Preparation:
        """Fit on training rows, all or `rows` of x; DataProblem if a column has no value, or the target only one.

        Args:
            x: inputs, (rows, features) or (rows, channels, height, width).
            y: targets of the training rows.
            target: what is predicted.
            spec: how numbers are filled and scaled.
            raw: the data as read.
            words: the columns of text of the training rows.
            rows: which of x train; None: all.
            table: of a table, how its text and its gaps become columns.
        """
        _check_words_of(spec, target, raw)
        mark = table is not None and _marks_gaps(table, raw)
        columns = _fit_columns(x, rows, spec, raw, mark)
        fitted = cls(
            columns.fill,
            columns.shift,
            columns.divide,
            target.labels,
            categories=_categories(words, raw),
            encode="onehot" if table is None else table.encode,
            indicators=columns.indicators,
            balance=spec.balance,
        )
        if target.task == "classification":
            return fitted
        mean, std = float(y.mean(dtype=np.float64)), float(y.std(dtype=np.float64))
        if std == 0:
            raise DataProblem(f"{raw.source}: the target is {mean:g} in every training row; there is nothing to learn")
        return dataclasses.replace(fitted, target_mean=mean, target_std=std)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preparation:
        lists = {name: None if values[name] is None else tuple(values[name]) for name in _LISTS if name in values}
        categories = {name: tuple(words) for name, words in values.get("categories", {}).items()}
        tokens, target_tokens = (
            Tokenizer.from_dict(values[name]) if values.get(name) else None for name in ("tokens", "target_tokens")
        )
        images = Reading(**values["images"]) if values.get("images") else None
        fitted = {"categories": categories, "tokens": tokens, "target_tokens": target_tokens, "images": images}
        return cls(**{**values, **lists, **fitted})

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each column of `codes` can have, with 0 for a category that training had no row of."""
        return tuple(1 + len(names) for names in self.categories.values()) if self.encode == "embedding" else ()

    def columns(self, features: Sequence[str]) -> tuple[str, ...]:
        """The columns of a table's inputs: "age", "age is missing", "city = Rome"."""
        numbers = [name for name in features if name not in self.categories]
        names = [*numbers, *(f"{numbers[place]} is missing" for place in self.indicators)]
        if self.encode == "onehot":
            for column, words in self.categories.items():
                names += [f"{column} is missing" if word is None else f"{column} = {word}" for word in words]
        return tuple(names)

    def inputs(self, x: np.ndarray, words: np.ndarray | None = None) -> np.ndarray:
        """Raw rows as a model takes them, float32, or int64 for texts. Missing values must have been checked for.

        A table's columns of numbers come first, then the indicators, then the one-hot columns.
        """
        if self.tokens is not None:
            return self.tokens.encode(x.tolist())
        gaps = np.isnan(x[:, list(self.indicators)]) if self.indicators else None
        if self.fill is not None:
            x = _filled(x, np.asarray(self.fill))
        scaled = ((x - _by_column(self.shift, x)) / _by_column(self.divide, x)).astype(np.float32)
        parts = [scaled] if gaps is None else [scaled, gaps.astype(np.float32)]
        if words is not None and self.encode == "onehot":
            parts += [self._onehot(words)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def codes(self, words: np.ndarray | None) -> np.ndarray | None:
        """Columns of text as codes for embeddings, int64 (rows, columns); None where there are none."""
        if words is None or self.encode != "embedding":
            return None
        return np.stack([places + 1 for places in self._places(words)], axis=1)

    def _onehot(self, words: np.ndarray) -> np.ndarray:
        sizes = [len(names) for names in self.categories.values()]
        hot = np.zeros((len(words), sum(sizes)), dtype=np.float32)
        start = 0
        for size, places in zip(sizes, self._places(words), strict=True):
            known = np.flatnonzero(places >= 0)
            hot[known, start + places[known]] = 1
            start += size
        return hot

    def _places(self, words: np.ndarray) -> list[np.ndarray]:
        """For each column of text, the place of each row's category; -1 for one that training had no row of."""
        import pandas as pd

        found = []
        for column, names in enumerate(self.categories.values()):
            place_of = {name: place for place, name in enumerate(names)}
            codes, values = pd.factorize(words[:, column])
            places = [place_of.get(value, -1) for value in values] + [place_of.get(None, -1)]
            found.append(np.array(places, dtype=np.int64)[codes])
        return found

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Raw targets as a model is trained on them; class indices stay as they are."""
        if y.dtype == np.int64:
            return y
        return ((y - self.target_mean) / self.target_std).astype(np.float32)

    def original(self, y: np.ndarray) -> np.ndarray:
        """Regression outputs in the units of the data."""
        values: np.ndarray = y.astype(np.float64) * self.target_std + self.target_mean
        return values


class _Columns(NamedTuple):
    """What is fitted of columns of numbers, or of an image's channels."""

    fill: tuple[float, ...] | None
    indicators: tuple[int, ...]
    shift: tuple[float, ...]
    divide: tuple[float, ...]


def _fit_columns(x: np.ndarray, rows: np.ndarray | None, spec: FilledSpec, raw: Raw, mark: bool) -> _Columns:
    """Fit a few columns of a table at a time: its training rows are never all copied.

    Two or more, since numpy adds up a lone column in another order, and what is fitted to a column
    must not depend on its neighbours.
    """
    width = x.shape[1]
    starts = range(0, max(1, width - 3), 4) if x.ndim == 2 else range(1)
    ends = [*starts[1:], width]
    parts = []
    for start, end in zip(starts, ends, strict=True):
        block = x[:, start:end]
        parts.append(_fit_block(np.ascontiguousarray(block if rows is None else block[rows]), start, spec, raw, mark))
    return _Columns(
        None if parts[0].fill is None else tuple(value for part in parts for value in part.fill or ()),
        tuple(place for part in parts for place in part.indicators),
        tuple(value for part in parts for value in part.shift),
        tuple(value for part in parts for value in part.divide),
    )


def _fit_block(x: np.ndarray, first: int, spec: FilledSpec, raw: Raw, mark: bool) -> _Columns:
    """What is fitted of the columns from number `first` on; `mark`: gaps get columns of their own."""
    fill = _fill(x, spec.missing, raw, first)
    indicators: tuple[int, ...] = ()
    if fill is not None:
        if mark:
            indicators = tuple((first + np.flatnonzero(np.isnan(x).any(axis=0))).tolist())
        x = _filled(x, fill)
    return _Columns(_plain(fill), indicators, *_scaling(x, spec.scale))


def _by_column(values: object, x: np.ndarray) -> np.ndarray:
    """One number a column or channel, shaped to meet the rows `x`."""
    column = np.asarray(values, dtype=x.dtype)
    return column.reshape(-1, 1, 1) if x.ndim == 4 else column


def _filled(x: np.ndarray, fill: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), _by_column(fill, x), x)


def _check_words_of(spec: FilledSpec, target: Target, raw: Raw) -> None:
    """DataProblem for a word of `prepare` that is unknown, or goes with nothing else here."""
    one_of("prepare.scale", spec.scale, SCALES)
    one_of("prepare.balance", spec.balance, BALANCES)
    if spec.balance != "none" and target.task != "classification":
        raise DataProblem(f"{raw.source}: prepare.balance is for classes, and the target is a number; leave it out")


def _marks_gaps(spec: TableSpec, raw: Raw) -> bool:
    """Whether columns with gaps get one beside them; DataProblem where no gaps are filled in."""
    if spec.indicator and (spec.missing in ("error", "drop") or raw.kind != "table"):
        raise DataProblem(
            "prepare.indicator marks the values of a table that were filled in; give prepare.missing: median as well, "
            "or leave it out"
        )
    return spec.indicator


def _categories(words: np.ndarray | None, raw: Raw) -> dict[str, tuple[Category, ...]]:
    """The categories of the training rows, sorted; that of missing values last."""
    if words is None:
        return {}
    found: dict[str, tuple[Category, ...]] = {}
    for place, name in enumerate(raw.text):
        values = set(words[:, place])
        known = sorted(values - {None})
        if not known:
            raise DataProblem(f"{raw.source}: column {name} has no value in the training rows; {_leave_out(name)}")
        found[name] = (*known, None) if None in values else tuple(known)
    return found


def _leave_out(name: str) -> str:
    return f"leave it out: {data_key('ignore', [name])}"


def _fill(x: np.ndarray, missing: str, raw: Raw, first: int) -> np.ndarray | None:
    if missing in ("error", "drop"):
        return None
    columns = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    empty = np.flatnonzero(np.isnan(columns).all(axis=1))
    if len(empty):
        name = raw.numeric[first + empty[0]] if raw.features else f"channel {empty[0]}"
        raise DataProblem(f"{raw.source}: column {name} has no value in the training rows; {_leave_out(name)}")
    if missing == "constant":
        return np.zeros(len(columns))
    if missing == "most_frequent":
        return np.array([_most_frequent(column) for column in columns], dtype=np.float64)
    middle = np.nanmean if missing == "mean" else np.nanmedian
    return np.asarray(middle(columns, axis=1), dtype=np.float64)


def _most_frequent(column: np.ndarray) -> float:
    """The smallest of the values that are there most often."""
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    return float(values[counts.argmax()])


def _scaling(x: np.ndarray, scale: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    columns = x.shape[1]
    if scale == "none" or not columns:
        return (0.0,) * columns, (1.0,) * columns
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    if scale == "standard":
        shift, divide = x.mean(axis=axes, dtype=np.float64), x.std(axis=axes, dtype=np.float64)
    elif scale == "robust":
        low, shift, high = np.quantile(x.astype(np.float64), (0.25, 0.5, 0.75), axis=axes)
        # Where the quartiles are one (a column that is mostly zeros) they are no unit to measure in.
        divide = np.where(high > low, high - low, x.std(axis=axes, dtype=np.float64))
    else:
        shift, divide = x.min(axis=axes).astype(np.float64), np.ptp(x.astype(np.float64), axis=axes)
    # A column that never changes in training is left at 0, not divided by its rounding error.
    divide = np.where(divide > 1e-12 * np.maximum(1.0, np.abs(shift)), divide, 1.0)
    return _numbers(shift), _numbers(divide)


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _plain(values: np.ndarray | None) -> tuple[float, ...] | None:
    return None if values is None else _numbers(values)
