"""Filling, scaling and the target's units: fitted on the training split alone, then plain numbers.

A table has one set of numbers a column. An image has one set a channel, over all its pixels and
all training images: one value a pixel would blow up pixels that hardly ever change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainers.data.raw import Raw, Target, one_of
from trainers.errors import DataProblem
from trainers.messages import DataSpec

SCALES = ("standard", "minmax", "none")


@dataclass(frozen=True, slots=True)
class Preparation:
    """What was fitted: (x - shift) / divide, after `fill` took the place of missing values.

    Attributes:
        fill: None where missing values are an error.
        labels: what the classes were before they were names: "integer", "boolean" or "text".
        target_mean, target_std: the units of a regression's target; 0 and 1 for classes.
    """

    fill: tuple[float, ...] | None
    shift: tuple[float, ...]
    divide: tuple[float, ...]
    labels: str = "text"
    target_mean: float = 0.0
    target_std: float = 1.0

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, target: Target, spec: DataSpec, raw: Raw) -> Preparation:
        """Fit on training rows; DataProblem if a column has no value there, or the target only one."""
        one_of("prepare.scale", spec.scale, SCALES)
        fill = _fill(x, spec.missing, raw)
        if fill is not None:
            x = _filled(x, fill)
        shift, divide = _scaling(x, spec.scale)
        if target.task == "classification":
            return cls(_plain(fill), shift, divide, target.labels)
        mean, std = float(y.mean(dtype=np.float64)), float(y.std(dtype=np.float64))
        if std == 0:
            raise DataProblem(f"{raw.source}: the target is {mean:g} in every training row; there is nothing to learn")
        return cls(_plain(fill), shift, divide, target.labels, mean, std)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preparation:
        lists = {name: None if values[name] is None else tuple(values[name]) for name in ("fill", "shift", "divide")}
        return cls(**{**values, **lists})

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Raw rows as a model takes them, float32. Missing values must have been checked for."""
        if self.fill is not None:
            x = _filled(x, np.asarray(self.fill))
        scaled: np.ndarray = (x - _by_column(self.shift, x)) / _by_column(self.divide, x)
        return scaled.astype(np.float32)

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Raw targets as a model is trained on them; class indices stay as they are."""
        if y.dtype == np.int64:
            return y
        return ((y - self.target_mean) / self.target_std).astype(np.float32)

    def original(self, y: np.ndarray) -> np.ndarray:
        """Regression outputs in the units of the data."""
        values: np.ndarray = y.astype(np.float64) * self.target_std + self.target_mean
        return values


def _by_column(values: object, x: np.ndarray) -> np.ndarray:
    """One number a column or channel, shaped to meet the rows `x`."""
    column = np.asarray(values, dtype=x.dtype)
    return column.reshape(-1, 1, 1) if x.ndim == 4 else column


def _filled(x: np.ndarray, fill: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), _by_column(fill, x), x)


def _fill(x: np.ndarray, missing: str, raw: Raw) -> np.ndarray | None:
    if missing == "error":
        return None
    columns = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    empty = np.flatnonzero(np.isnan(columns).all(axis=1))
    if len(empty):
        name = raw.features[empty[0]] if raw.features else f"channel {empty[0]}"
        raise DataProblem(f"{raw.source}: column {name} has no value in the training rows; take it out of the file")
    middle = np.nanmean if missing == "mean" else np.nanmedian
    return np.asarray(middle(columns, axis=1), dtype=np.float64)


def _scaling(x: np.ndarray, scale: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    columns = x.shape[1]
    if scale == "none":
        return (0.0,) * columns, (1.0,) * columns
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    if scale == "standard":
        shift, divide = x.mean(axis=axes, dtype=np.float64), x.std(axis=axes, dtype=np.float64)
    else:
        shift, divide = x.min(axis=axes).astype(np.float64), np.ptp(x.astype(np.float64), axis=axes)
    # A column that never changes in training is left at 0, not divided by its rounding error.
    divide = np.where(divide > 1e-12 * np.maximum(1.0, np.abs(shift)), divide, 1.0)
    return _numbers(shift), _numbers(divide)


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _plain(values: np.ndarray | None) -> tuple[float, ...] | None:
    return None if values is None else _numbers(values)
