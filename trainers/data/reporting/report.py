"""What can be told of a study's data before anything is trained: `data_report(spec)`, plain JSON values.

It looks at the data as read, so it also tells of data that cannot be trained on yet, and what keeps
them from it. The test rows are counted and compared with the others; no model sees them. The parts
of a report are in report_parts.py.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data import load, load_test, look, read_raw, reading_notes
from goodfit.trainers.data.facts import Data, Split
from goodfit.trainers.data.kinds.corpus import corpus_notes, is_corpus
from goodfit.trainers.data.kinds.image_folder import class_indices, folder_rows, is_image_folder, list_folder
from goodfit.trainers.data.kinds.pairs import columns_told, is_pairs, pairs_notes
from goodfit.trainers.data.kinds.series import is_series, read_whole
from goodfit.trainers.data.kinds.text import is_text, read_texts, rows_with_text
from goodfit.trainers.data.reading.cache import forget, read_or_kept
from goodfit.trainers.data.reading.raw import Raw, complete_rows, encode_target, has_target, known_target
from goodfit.trainers.data.reading.times import times_notes
from goodfit.trainers.data.reading.written import whole_target
from goodfit.trainers.data.reporting.images import image_notes, look_through
from goodfit.trainers.data.reporting.leakage import giveaways
from goodfit.trainers.data.reporting.parts import (
    duplicates_of,
    hashes_of,
    keys_of,
    notes_of,
    range_of,
    table_columns,
    target_told,
    text_column,
    text_notes,
)
from goodfit.trainers.data.split import Rows, split_rows
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec


def data_report(spec: DataSpec) -> dict[str, Any]:
    """The report on a study's data.

    Returns:
        source, kind, task, reason (why it is this task), rows; columns (name, type, missing, distinct,
        and min, mean, max or the most frequent values; of texts the same of their characters); splits
        (rows by split; of a series windows); target (name, and classes by split, or min, mean, max);
        duplicates (rows of validation or test that training has as well); giveaways (columns that alone
        give the target away); problem: what keeps the data from being trained on, or None; notes: what
        to look at, in sentences. Of a folder of images also images: how many have which size and mode,
        which are broken, and what is left out.

    Raises:
        DataProblem: the data cannot be read at all.
    """
    spec = replace(spec, validation_seed=None, keep=True)  # it is read once, for its splits and for its report
    try:
        return _report(spec)
    finally:
        forget()


def _report(spec: DataSpec) -> dict[str, Any]:
    if is_image_folder(spec):
        return _of_images(spec)
    problem, data = None, None
    try:
        data = load(spec)
    except DataProblem as error:
        if is_corpus(spec) or is_pairs(spec):
            raise
        problem = str(error)
    if data is not None and data.kind == "corpus":
        return _of_corpus(spec, data)
    if data is not None and data.kind == "pairs":
        return _of_pairs(spec, data)
    if is_series(spec):
        return _of_series(spec, data, problem)
    return _of_texts(spec, data, problem) if is_text(spec) else _of_table(spec, problem)


def _of_table(spec: DataSpec, problem: str | None) -> dict[str, Any]:
    """The report on a table, or on images in arrays."""
    raw = read_or_kept(read_raw, spec)
    columns, count = table_columns(raw), len(raw.y)
    read = reading_notes(spec, raw) if raw.kind == "table" else []
    if spec.missing == "drop" and len(whole := complete_rows(raw)):
        raw = raw.take(whole)
    report = _of_rows(spec, raw, count, columns, problem)
    return {**report, "notes": [*read, *report["notes"]]}


def _of_texts(spec: DataSpec, data: Data | None, problem: str | None) -> dict[str, Any]:
    """The report on texts, as they are read; and what the tokenizer cuts off."""
    raw = read_texts(spec)
    columns, count = [text_column(raw)], len(raw.y)
    if spec.missing == "drop" and len(whole := rows_with_text(raw)):
        raw = raw.take(whole)
    report = _of_rows(spec, raw, count, columns, problem)
    return report if data is None else {**report, "notes": [*report["notes"], *text_notes(data)]}


def _of_rows(
    spec: DataSpec, raw: Raw, count: int, columns: list[dict[str, Any]], problem: str | None
) -> dict[str, Any]:
    """The report on rows that stand for themselves; `count` are read, and those of `raw` can be trained on."""
    if not has_target(raw.y).all():
        raw = known_target(raw, whole_target(spec))
    target, values = encode_target(raw, spec.task)
    try:
        rows: Rows | None = split_rows(values, target.classes, spec, raw.source, raw.divider)
    except DataProblem:
        rows = None  # which is what `problem` says
    report: dict[str, Any] = {
        "source": raw.source,
        "kind": raw.kind,
        "task": target.task,
        "reason": target.reason,
        "rows": count,
        "columns": columns,
        "splits": {} if rows is None else {name: len(part) for name, part in rows._asdict().items()},
        "target": target_told(spec.target, values, target.classes, rows),
        "duplicates": {} if rows is None else duplicates_of(keys_of(raw), rows),
        "giveaways": giveaways(raw, values, target.task, rows) if rows is not None and raw.kind == "table" else [],
        "problem": problem,
    }
    return {**report, "notes": notes_of(report)}


def _of_images(spec: DataSpec) -> dict[str, Any]:
    """The report on a folder of images, each of which is decoded once."""
    listing = list_folder(Path(spec.source))
    target, values = class_indices(listing)
    looked = look_through(listing, spec)
    problem = looked.broken[0] if looked.broken else None
    rows: Rows | None = None
    try:
        rows = folder_rows(listing, values, target.classes, spec)
        look(spec)
    except DataProblem as error:
        problem = problem or str(error)
    report: dict[str, Any] = {
        "source": spec.source,
        "kind": "image",
        "task": target.task,
        "rows": len(values),
        "columns": [],
        "images": looked.to_dict(listing),
        "splits": {} if rows is None else {name: len(part) for name, part in rows._asdict().items()},
        "target": target_told(None, values, target.classes, rows),
        "duplicates": {} if rows is None else duplicates_of(looked.keys, rows),
        "giveaways": [],
        "problem": problem,
    }
    return {**report, "notes": [*image_notes(looked, listing), *notes_of(report)]}


def _of_corpus(spec: DataSpec, data: Data) -> dict[str, Any]:
    """The report on running text, whose rows are windows, end to end: the tokens and characters of its splits."""
    parts = _parts(spec, data)
    tokens = data.preparation.tokens
    return {
        "source": spec.source,
        "kind": data.kind,
        "task": data.task,
        "rows": sum(map(len, parts.values())),
        "columns": [],
        "splits": {name: len(part) for name, part in parts.items()},
        "target": {"name": None},
        "duplicates": {},
        "giveaways": [],
        "problem": None,
        "notes": corpus_notes(tokens, parts) if tokens is not None else [],
    }


def _of_pairs(spec: DataSpec, data: Data) -> dict[str, Any]:
    """The report on pairs of texts: of their splits as prepared, and how long both sides are."""
    parts = _parts(spec, data)
    values, keys, rows = _together(parts)
    report: dict[str, Any] = {
        "source": spec.source,
        "kind": data.kind,
        "task": data.task,
        "rows": len(values),
        "columns": columns_told(data, parts.get("test"), spec.target),
        "splits": {name: len(part) for name, part in parts.items()},
        "target": {"name": spec.target},
        "duplicates": duplicates_of(keys, rows),
        "giveaways": [],
        "problem": None,
    }
    return {**report, "notes": [*notes_of(report), *pairs_notes(data)]}


def _of_series(spec: DataSpec, data: Data | None, problem: str | None) -> dict[str, Any]:
    """The report on a series, whose splits are of windows, or on whole sequences."""
    import pandas as pd

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
        "giveaways": [],
        "problem": problem,
    }
    uneven = [] if raw.times is None else times_notes(raw.times, spec.window)
    if not forecast:
        known = raw.y[~pd.isna(raw.y)]
        known = known.astype(str) if known.dtype.kind == "O" else known
        target, values = encode_target(replace(raw, y=known, kind=raw.kind if raw.x.ndim > 2 else "table"))
        report |= {"task": target.task, "target": target_told(name, values, target.classes, None)}
    if data is None:
        return {**report, "notes": [*uneven, *notes_of(report)]}
    parts = _parts(spec, data)
    values, keys, rows = _together(parts)
    report |= {"splits": {part: len(split) for part, split in parts.items()}, "duplicates": duplicates_of(keys, rows)}
    if not forecast:
        report["target"] = target_told(name, values, data.classes, rows)
    cut = [] if raw.x.ndim > 2 else [f"the splits count windows of {data.facts.input_shape[0]} rows each"]
    return {**report, "notes": [*uneven, *notes_of(report), *cut]}


def _parts(spec: DataSpec, data: Data) -> dict[str, Split]:
    """The splits by name, the test split where there is one."""
    parts = {"train": data.train, "validation": data.validation}
    return {**parts, "test": load_test(spec)} if spec.test else parts


def _together(parts: dict[str, Split]) -> tuple[np.ndarray, np.ndarray, Rows]:
    """The targets of all splits in turn, a number for each row that equal inputs share, and which row is whose."""
    starts = np.cumsum([0, *map(len, parts.values())])
    rows = [np.arange(start, end) for start, end in itertools.pairwise(starts)]
    values = np.concatenate([part.y for part in parts.values()])
    keys = np.concatenate([hashes_of(np.asarray(part.x)) for part in parts.values()])
    return values, keys, Rows(*rows, *[np.arange(0)] * (3 - len(rows)))
