"""Tables, and arrays of rows or images: each row stands for itself. All that is of no other kind."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data.datasets.tables import is_path, read_builtin
from goodfit.trainers.data.facts import Data, Facts, Split, joined
from goodfit.trainers.data.kinds.kind import Kind, Loaded
from goodfit.trainers.data.kinds.table_rows import table_example, table_rows
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.reading.alterations import alteration_notes, check_target, gap_hint
from goodfit.trainers.data.reading.cache import read_cached
from goodfit.trainers.data.reading.categories import check_words
from goodfit.trainers.data.reading.cells import Cells
from goodfit.trainers.data.reading.files import check_column, read_file
from goodfit.trainers.data.reading.raw import (
    NUMBERS_AT_ONCE,
    Raw,
    Target,
    check_any_value,
    check_values,
    complete_rows,
    encode_target,
)
from goodfit.trainers.data.reading.split_columns import split_key
from goodfit.trainers.data.reading.value_notes import value_notes
from goodfit.trainers.data.reporting.agreement import agreement_notes, agreement_of
from goodfit.trainers.data.reporting.parts import table_columns
from goodfit.trainers.data.reporting.rows import rows_report
from goodfit.trainers.data.split import Rows, numbered, split_rows
from goodfit.trainers.data_specs import DataSpec, TableSpec
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.columns import GroupColumns, read_groups
from goodfit.trainers.groups.facts import Groups
from goodfit.trainers.groups.metrics import check_measurable, group_notes


class Table(Kind[TableSpec]):
    """A table; or arrays, whose data may be of kind image."""

    name = "table"
    spec_type = TableSpec
    searched = ("scale", "missing", "indicator", "encode", "balance")

    def detects(self, spec: DataSpec) -> bool:  # noqa: ARG002 - what is of no other kind
        """Always: it comes last."""
        return True

    def load(self, spec: TableSpec) -> Loaded:
        raw = _checked(spec)
        raw, dropped = _complete(raw) if spec.missing == "drop" else (raw, None)
        target, values = encode_target(raw, spec.task)
        rows = split_rows(values, target.classes, spec, raw.source, raw.split_by)
        words = None if raw.words is None else raw.words[rows.train]
        preparation = Preparation.fit(raw.x, values[rows.train], target, spec, raw, words, rows.train, spec)
        groups, codes = _groups(spec, raw, target, values, rows)
        train, validation, test = (_part(raw, values, index, preparation, codes) for index in rows)
        facts = Facts(
            name=raw.name,
            task=target.task,
            kind=raw.kind,
            input_shape=train.x.shape[1:],
            classes=target.classes,
            features=raw.features,
            rows=_counts(rows) if dropped is None else {**_counts(rows), "dropped": dropped},
            preparation=preparation,
            cells=raw.cells or Cells(),
            reason=target.reason,
            groups=groups,
        )
        return Data(train, validation, facts), test

    def split_raw(self, spec: TableSpec) -> tuple[Raw, Rows]:
        """The source as read, and the numbers of its rows in each split."""
        source = _checked(spec)
        whole = complete_rows(source) if spec.missing == "drop" else None
        raw = source if whole is None else _complete(source)[0]
        target, values = encode_target(raw, spec.task)
        return source, numbered(split_rows(values, target.classes, spec, raw.source, raw.split_by), whole)

    def row_numbers(self, spec: TableSpec) -> Rows:
        return self.split_raw(spec)[1]

    def report(self, spec: TableSpec, loaded: Loaded | DataProblem) -> dict[str, Any]:
        """As of every kind, of the rows as they are read."""
        raw = read_cached(read_raw, spec)
        columns, count = table_columns(raw), len(raw.y)
        read = _reading_notes(spec, raw) if raw.kind == "table" else []
        if spec.missing == "drop" and len(whole := complete_rows(raw)):
            raw = raw.take(whole)
        report = rows_report(spec, raw, count, columns, str(loaded) if isinstance(loaded, DataProblem) else None)
        if raw.annotations is None:
            return {**report, "notes": [*read, *report["notes"]]}
        agreement = agreement_of(raw.annotations)
        return {**report, "annotators": agreement, "notes": [*read, *agreement_notes(agreement), *report["notes"]]}

    def notes(self, spec: TableSpec, data: Data) -> list[str]:
        read = _reading_notes(spec, read_cached(read_raw, spec)) if data.kind == "table" else []
        return [*read, *_notes_of_groups(data)]

    def inputs(self, x: Any, facts: Facts) -> np.ndarray:
        """Rows in any form that holds columns, read as the training data were."""
        rows, words = table_rows(x, facts)
        fitted = facts.preparation
        if len(rows):
            missing = "error" if fitted.fill is None else "mean"
            numbers = [name for name in facts.features if name not in fitted.categories]
            check_values(rows, numbers, missing, "the rows to predict", words, tuple(fitted.categories))
        return joined(fitted.inputs(rows, words), fitted.codes(words))

    def example(self, facts: Facts) -> Any:
        """One row, each column at its scale's middle."""
        return table_example(facts, 1)


def _checked(spec: TableSpec) -> Raw:
    """The source of a spec as read, once its values are found fit to train on."""
    raw = read_cached(read_raw, spec)
    check_target(raw, spec)
    if raw.problems:
        raise DataProblem(raw.problems[0])
    if spec.missing == "error":
        check_any_value(raw.x, raw.numeric, raw.source)
    try:
        check_values(raw.x, raw.numeric, spec.missing, raw.source, raw.words, raw.text)
    except DataProblem as error:
        raise DataProblem(f"{error}{gap_hint(spec, raw) if spec.missing == 'error' else ''}") from error
    check_words(raw, spec.encode, spec.categorical)
    return raw


def _reading_notes(spec: TableSpec, raw: Raw) -> list[str]:
    """What reading a table alters, and what may be meant otherwise, each in a sentence."""
    return [*value_notes(raw, spec), *alteration_notes(spec, raw)]


def read_raw(spec: TableSpec) -> Raw:
    """The source of a spec as read, before any check of its features' values."""
    if is_path(spec.source):
        raw = read_file(Path(spec.source), spec)
        if spec.annotators and raw.annotations is None:
            raise DataProblem(
                f"{spec.source}: data.annotators names columns of a table, and these are arrays; leave it out"
            )
        return raw
    given = {
        "ignore": spec.ignore,
        "annotators": spec.annotators,
        "categorical": spec.categorical,
        **dict([split_key(spec)]),
    }
    for key, value in given.items():
        if value:
            raise DataProblem(f"{spec.source}: data.{key} names columns of a file, and {spec.source} is built in")
    raw = read_builtin(spec.source)
    grouped = spec.fairness.by and raw.kind == "table"
    return dataclasses.replace(raw, groups=_builtin_groups(raw, spec)) if grouped else raw


def _builtin_groups(raw: Raw, spec: TableSpec) -> GroupColumns:
    """Columns of a built-in table as groups."""
    import pandas as pd

    for name in spec.fairness.by:
        check_column(Path(raw.source), name, raw.features, "fairness.by")
    columns = {name: pd.Series(raw.x[:, raw.features.index(name)], name=name) for name in spec.fairness.by}
    return read_groups(columns, spec.fairness, raw.source)


def _complete(raw: Raw) -> tuple[Raw, int]:
    """The rows without missing values, and how many are left out."""
    whole = complete_rows(raw)
    if not len(whole):
        raise DataProblem(f"{raw.source}: every row has a missing value; give `prepare: {{missing: median}}`")
    return raw.take(whole), len(raw.y) - len(whole)


def _groups(
    spec: TableSpec, raw: Raw, target: Target, values: np.ndarray, rows: Rows
) -> tuple[Groups | None, np.ndarray | None]:
    """The groups that the study compares, and that of each row; DataProblem where a split cannot compare them."""
    if not spec.fairness.by:
        return None, None
    if raw.groups is None:
        raise DataProblem(
            f"{raw.source}: fairness.by names columns of tables, and these are {raw.kind} data; leave it out"
        )
    groups, codes = Groups.of(spec.fairness, raw.groups, target.task, target.classes, raw.source)
    for name, part in rows._asdict().items():
        if len(part):
            check_measurable(name, values[part], codes[part], groups, target.classes, raw.source)
    return groups, codes


def _notes_of_groups(data: Data) -> list[str]:
    groups, held = data.facts.groups, data.validation
    if groups is None or held.groups is None:
        return []
    which = f"fairness: the positive outcome is class {data.classes[groups.positive]}"
    return [which, *group_notes("validation", held.y, held.groups, groups, data.classes)]


def _part(
    raw: Raw, values: np.ndarray, index: np.ndarray, preparation: Preparation, groups: np.ndarray | None
) -> Split:
    words = None if raw.words is None else raw.words[index]
    inputs = _inputs(raw, index, preparation)
    codes = preparation.codes(words)
    return Split(inputs, preparation.targets(values[index]), codes, None if groups is None else groups[index])


def _inputs(raw: Raw, index: np.ndarray, preparation: Preparation) -> np.ndarray:
    """Rows as a model takes them, some at a time: their raw values are never all copied."""

    def part(chosen: np.ndarray) -> np.ndarray:
        return preparation.inputs(raw.x[chosen], None if raw.words is None else raw.words[chosen])

    step = max(1, NUMBERS_AT_ONCE // max(1, math.prod(raw.x.shape[1:])))
    first = part(index[:step])
    inputs = np.empty((len(index), *first.shape[1:]), dtype=first.dtype)
    inputs[:step] = first
    for start in range(step, len(index), step):
        inputs[start : start + step] = part(index[start : start + step])
    return inputs


def _counts(rows: Rows) -> dict[str, int]:
    return {"train": len(rows.train), "validation": len(rows.validation), "test": len(rows.test)}
