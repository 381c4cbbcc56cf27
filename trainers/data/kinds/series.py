"""Time series: one row a time step, cut into windows by time, or whole sequences from an .npz file.

A window's inputs are all columns up to its end, the target's own past among them. With a horizon
the targets are the target column's next `horizon` values (forecasting); without one it is the
class of the window's last row, and the target column is no input.

Split by time: the first rows train, the next validate, the last test; each of several folds trains
on what came before it (forward_fold in split.py). All targets of a window lie
in one split; its inputs may reach back into the split before, as they do when a model is used.
Filling and scaling are fitted on the training rows. Rows are taken as steps: what is uneven about
their times is for the report to say (times.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from goodfit.trainers.data.datasets.series import SERIES
from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.arrays import steps
from goodfit.trainers.data.kinds.kind import Kind, Loaded, is_empty, refuse
from goodfit.trainers.data.kinds.series_files import check_series, read_series
from goodfit.trainers.data.kinds.table_rows import table_example
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.reading.cache import read_cached
from goodfit.trainers.data.reading.files import read_file
from goodfit.trainers.data.reading.functions import is_function, returns_arrays
from goodfit.trainers.data.reading.raw import Raw, Target, check_values, encode_target, table_values
from goodfit.trainers.data.reading.times import times_notes
from goodfit.trainers.data.reporting.parts import (
    conflicts_of,
    duplicates_of,
    notes_of,
    part_splits,
    range_of,
    table_columns,
    target_summary,
    together,
)
from goodfit.trainers.data.split import Rows, forward_fold, split_rows
from goodfit.trainers.data_specs import DataSpec, SeriesSpec, TableSpec
from goodfit.trainers.errors import DataProblem

KEYS = ("time", "window", "horizon", "period")  # that only series have
_NOT_A_SERIES = ": {key} goes with a time series; give `kind: series` as well, or leave it out"


@dataclass(frozen=True, slots=True)
class Cut:
    """How a series is cut; in rows. A horizon of 0: the class of a window's last row."""

    window: int
    horizon: int
    period: int | None


class Span(NamedTuple):
    """The rows of a split: from start to before end."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


class Series(Kind[SeriesSpec]):
    """A time series, or whole sequences."""

    name = "series"
    spec_type = SeriesSpec
    refusal = ": {key} does not go with a time series; leave it out"
    passed_over: ClassVar[Mapping[str, str]] = dict.fromkeys(KEYS, _NOT_A_SERIES)
    searched = ("scale", "missing", "balance")

    def detects(self, spec: DataSpec) -> bool:
        """Whether the data are a series; DataProblem where the source is one, and `kind` says otherwise."""
        if spec.source in SERIES and spec.kind not in (None, "series"):
            raise DataProblem(f"{spec.source} is a time series, not of kind {spec.kind}; leave data.kind out")
        return spec.source in SERIES or spec.kind == "series"

    def load(self, spec: SeriesSpec) -> Loaded:
        """Training and validation, and the test split, of a series."""
        if _holds_sequences(spec.source):
            return _sequences(spec)
        spec = _with_defaults(spec)
        _refuse(spec)
        cut = _cut(spec)
        raw = read_whole(spec)
        check_series(raw, spec.target)
        target, values = _target(raw, cut, spec.task)
        check_values(raw.x, raw.features, spec.missing, raw.source)
        spans = _spans(len(raw.x), cut, spec, raw.source)
        train = slice(*spans[0])
        _check_classes(target, values[train], raw.source)
        preparation = Preparation.fit(raw.x[train], values[train], target, spec, raw)
        x, y = preparation.inputs(raw.x), preparation.targets(values)
        splits = [_windows(x, y, span, cut) for span in spans]
        return _data(raw, target, splits, preparation, cut)

    def row_numbers(self, spec: SeriesSpec) -> Rows:
        """Of whole sequences alone: windows overlap."""
        if not _holds_sequences(spec.source):
            return super().row_numbers(spec)
        raw = read_whole(spec)
        target, values = encode_target(raw, spec.task)
        return split_rows(values, target.classes, spec, raw.source, raw.split_by)

    def report(self, spec: SeriesSpec, loaded: Loaded | DataProblem) -> dict[str, Any]:
        """As of every kind; the splits are of windows, or of whole sequences."""
        return _report(spec, loaded)

    def notes(self, spec: SeriesSpec, data: Data) -> list[str]:  # noqa: ARG002 - whichever data
        """What is uneven about the times."""
        times = read_whole(spec).times
        return [] if times is None else times_notes(times, spec.window)

    def has_no_rows(self, x: Any) -> bool:
        return is_empty(x) and np.ndim(x) == 3  # a series without steps is too short

    def inputs(self, x: Any, facts: Facts) -> np.ndarray:
        return facts.preparation.inputs(windows_to_predict(x, facts))

    def example(self, facts: Facts) -> Any:
        """One window, each column at its scale's middle."""
        return table_example(facts, facts.input_shape[0])


def _report(spec: SeriesSpec, loaded: Loaded | DataProblem) -> dict[str, Any]:
    import pandas as pd

    data = None if isinstance(loaded, DataProblem) else loaded[0]
    raw = read_whole(spec)
    forecast = spec.horizon is not None if data is None else data.task == "forecasting"
    name = raw.features[0] if forecast else spec.target
    report: dict[str, Any] = {
        "source": raw.source,
        "kind": "series",
        "task": "forecasting",
        "rows": len(raw.x),
        "columns": table_columns(replace(raw, x=raw.x.reshape(-1, raw.x.shape[-1]))),
        "splits": {},
        "target": {"name": name, **(range_of(raw.y[np.isfinite(raw.y)]) if forecast else {})},
        "duplicates": {},
        "conflicts": 0,
        "giveaways": [],
        "problem": str(loaded) if isinstance(loaded, DataProblem) else None,
    }
    uneven = [] if raw.times is None else times_notes(raw.times, spec.window)
    if not forecast:
        known = raw.y[~pd.isna(raw.y)]
        known = known.astype(str) if known.dtype.kind == "O" else known
        target, values = encode_target(replace(raw, y=known, kind=raw.kind if raw.x.ndim > 2 else "table"))
        report |= {"task": target.task, "target": target_summary(name, values, target.classes, None)}
    if isinstance(loaded, DataProblem) or data is None:
        return {**report, "notes": [*uneven, *notes_of(report)]}
    parts = part_splits(spec, *loaded)
    values, keys, rows = together(parts)
    report |= {"splits": {part: len(split) for part, split in parts.items()}, "duplicates": duplicates_of(keys, rows)}
    if not forecast:
        report |= {
            "target": target_summary(name, values, data.classes, rows),
            "conflicts": conflicts_of(keys, values, data.classes),
        }
    cut = [] if raw.x.ndim > 2 else [f"the splits count windows of {data.facts.input_shape[0]} rows each"]
    return {**report, "notes": [*uneven, *notes_of(report), *cut]}


def read_whole(spec: SeriesSpec) -> Raw:
    """A series (steps, features), or whole sequences (rows, steps, features), before any check of its inputs."""
    if _holds_sequences(spec.source):
        return _as_sequences(read_cached(_read_sequences, spec))
    return read_cached(read_series, _with_defaults(spec))


def _holds_sequences(source: str) -> bool:
    """Whether a source has arrays of whole sequences, and not the columns of one long series."""
    if is_function(source):
        return returns_arrays(source)
    return Path(source).suffix.lower() == ".npz"


def _data(raw: Raw, target: Target, splits: Sequence[Split], preparation: Preparation, cut: Cut) -> tuple[Data, Split]:
    train, validation, test = splits
    facts = Facts(
        name=raw.name,
        task=target.task,
        kind="series",
        input_shape=train.x.shape[1:],
        classes=target.classes,
        features=raw.features,
        rows={"train": len(train), "validation": len(validation), "test": len(test)},
        preparation=preparation,
        horizon=cut.horizon,
        period=cut.period,
        reason=target.reason,
    )
    return Data(train, validation, facts), test


def _with_defaults(spec: SeriesSpec) -> SeriesSpec:
    """A built-in series is cut as it suggests, where the study does not say."""
    if spec.source not in SERIES:
        return spec
    known = SERIES[spec.source]
    open_keys = [key for key in ("target", *KEYS) if getattr(spec, key) is None]
    return replace(spec, **{key: getattr(known, key) for key in open_keys})


def _refuse(spec: SeriesSpec) -> None:
    """DataProblem for what rows that stand for themselves can have, and steps of a series cannot."""
    sentence = ": {key} does not go with a time series, which is cut by time; leave it out"
    refuse(spec, ("split_column", "split_group", "split_time", "reshuffle"), sentence)
    if spec.missing == "drop":
        raise DataProblem(f"{spec.source}{sentence.format(key='prepare.missing: drop')}")


def _cut(spec: SeriesSpec) -> Cut:
    if spec.window is None:
        raise DataProblem(f"{spec.source}: how many rows does the model see? give `data: {{window: 48}}`")
    for key in ("window", "horizon", "period"):
        value = getattr(spec, key)
        if value is not None and value < 1:
            raise DataProblem(f"data.{key}: {value} is too small; give 1 or more")
    if spec.period is not None and spec.period > spec.window:
        raise DataProblem(
            f"data.period: {spec.period} is longer than the window of {spec.window}, so a window does not show the "
            f"season before; give `window: {spec.period}` or more"
        )
    if spec.period is not None and spec.horizon is None:
        raise DataProblem("data.period is of use to forecasts alone; give a horizon, or leave period out")
    return Cut(spec.window, spec.horizon or 0, spec.period)


def _target(raw: Raw, cut: Cut, task: str | None) -> tuple[Target, np.ndarray]:
    if cut.horizon and task is not None:
        raise DataProblem(f"{raw.source}: data.task is {task}, and data.horizon forecasts; leave one of them out")
    # Whole numbers are classes as in tables.
    target, values = encode_target(raw if cut.horizon else replace(raw, kind="table"), task)
    if cut.horizon:
        return replace(target, task="forecasting"), values
    if target.task != "classification":
        raise DataProblem(
            f"{raw.source}: the target holds numbers, not classes; give `data: {{horizon: 12}}` to forecast them"
        )
    return target, values


def _check_classes(target: Target, train: np.ndarray, source: str) -> None:
    known = set(train.tolist())
    new = [name for index, name in enumerate(target.classes) if index not in known]
    if new:
        raise DataProblem(
            f"{source}: class {new[0]} does not occur in the training rows, which are the first of the series; "
            "give smaller shares to validation and test"
        )


def _spans(steps: int, cut: Cut, spec: SeriesSpec, source: str) -> tuple[Span, Span, Span]:
    """The rows of training, validation and test; DataProblem where one holds no whole window."""
    test = round(steps * spec.test)
    if spec.folds is None:
        train, end = steps - round(steps * spec.validation) - test, steps - test
    else:
        train, end = forward_fold(steps - test, spec.folds, spec.fold or 0)
    validation = end - train
    needed = cut.window + cut.horizon
    if train < needed:
        past = f"a window of {cut.window}" + (f" and its horizon of {cut.horizon}" if cut.horizon else "")
        raise DataProblem(
            f"{source}: the series is too short: {train} of its {steps} rows are for training, and {past} need "
            f"{needed}; give a longer series or a shorter window"
        )
    least = cut.horizon or 1
    for name, rows in (("validation", validation), ("test", test)):
        if rows < least and (name == "validation" or spec.test):
            raise DataProblem(
                f"{source}: {rows} of {steps} rows are for {name}, fewer than the horizon of {least}; "
                "give a longer series, a larger share or a shorter horizon"
            )
    return Span(0, train), Span(train, end), Span(steps - test, steps)


def _windows(x: np.ndarray, y: np.ndarray, span: Span, cut: Cut) -> Split:
    """The windows whose targets are all in the span; views, since windows overlap nearly wholly."""
    shown = np.lib.stride_tricks.sliding_window_view(x, cut.window, axis=0, writeable=True).swapaxes(1, 2)
    if cut.horizon:
        first, last = max(cut.window, span.start), span.end - cut.horizon + 1
        ahead = np.lib.stride_tricks.sliding_window_view(y, cut.horizon, writeable=True)
        last = max(first, last)  # of an empty test split
        return Split(shown[first - cut.window : last - cut.window], ahead[first:last])
    first = max(cut.window - 1, span.start)
    return Split(shown[first - cut.window + 1 : span.end - cut.window + 1], y[first : span.end])


def _sequences(spec: SeriesSpec) -> tuple[Data, Split]:
    """An .npz file's x (n, steps) or (n, steps, features), a whole sequence a row, split like any rows."""
    given = [key for key in KEYS if getattr(spec, key) is not None]
    if given:
        raise DataProblem(f"{spec.source} holds whole sequences, which are not cut; leave data.{given[0]} out")
    raw = read_whole(spec)
    check_values(steps(raw.x), raw.features, spec.missing, raw.source)
    target, values = encode_target(raw, spec.task)
    rows = split_rows(values, target.classes, spec, raw.source, raw.split_by)
    preparation = Preparation.fit(steps(raw.x[rows.train]), values[rows.train], target, spec, raw)
    splits = [Split(preparation.inputs(raw.x[index]), preparation.targets(values[index])) for index in rows]
    return _data(raw, target, splits, preparation, Cut(raw.x.shape[1], 0, None))


def _read_sequences(spec: SeriesSpec) -> Raw:
    return read_file(Path(spec.source), TableSpec.of(spec))


def _as_sequences(raw: Raw) -> Raw:
    """Arrays that were read as a table or as images of one channel."""
    x = raw.x[:, :, None] if raw.kind == "table" else raw.x[:, 0]
    if raw.kind == "image" and raw.x.shape[1] != 1:
        raise DataProblem(f"{raw.source}: sequences are (n, steps) or (n, steps, features); x has more dimensions")
    return replace(raw, kind="series", x=x, features=tuple(f"x{number}" for number in range(x.shape[2])))


def windows_to_predict(x: Any, facts: Facts) -> np.ndarray:
    """Raw windows (rows, window, features), as a model of these facts takes them once they are prepared.

    Args:
        x: a DataFrame or (steps, features): a series, whose last `window` rows are taken; or
            (rows, window, features).
        facts: of the model.

    Raises:
        DataProblem: a column is missing, or the series is shorter than the window.
    """
    what = "the series to predict from"
    window, columns = facts.input_shape
    if hasattr(x, "columns"):
        absent = [name for name in facts.features if name not in x.columns]
        if absent:
            raise DataProblem(f"{what} lacks the columns {', '.join(absent)}; give {', '.join(facts.features)}")
        x = table_values(x, facts.features, what)
    values = np.asarray(x, dtype=np.float64)
    if values.ndim == 2 and values.shape[1] == columns:
        if len(values) < window:
            raise DataProblem(
                f"{what} has {len(values)} rows, fewer than the window of {window}; give {window} or more"
            )
        values = values[None, -window:]
    if values.ndim != 3 or values.shape[1:] != (window, columns):
        raise DataProblem(f"{what} is (steps, {columns}) or (rows, {window}, {columns}), not {values.shape}")
    check_values(steps(values), facts.features, "error" if facts.preparation.fill is None else "mean", what)
    return values
