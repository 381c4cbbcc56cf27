"""The data of a study: read, split, prepared; the test split apart from the others.

    load(spec)       -> Data: training and validation splits, and the facts about them
    load_test(spec)  -> Split: the test rows, for the confirmation of a winner alone
    load_sealed(spec) -> Data: likewise, with the test rows in the place of the validation rows

The same spec gives the same splits. Reading is in files.py and builtin.py, the checks and the kind
of target in raw.py, text columns in words.py, who goes where in dividers.py and split.py, scaling,
filling and encoding in preparation.py; series.py has time series, text.py texts, corpus.py running
text, pairs.py pairs of texts, image_folder.py images in files. No torch here; pandas and
scikit-learn are imported when a source needs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from goodfit.trainers.data.augmenting.variations import asked, check_fit, check_kind
from goodfit.trainers.data.datasets.tables import DATASETS, Dataset, read_builtin
from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.corpus import is_corpus, prepare_corpus
from goodfit.trainers.data.kinds.image_folder import is_image_folder, prepare_images
from goodfit.trainers.data.kinds.pairs import is_pairs, prepare_pairs
from goodfit.trainers.data.kinds.series import is_series, prepare_series, read_whole
from goodfit.trainers.data.kinds.text import is_text, prepare_text
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.reading.cache import forget, read_or_kept
from goodfit.trainers.data.reading.categories import check_words
from goodfit.trainers.data.reading.cells import Cells
from goodfit.trainers.data.reading.files import read_file
from goodfit.trainers.data.reading.raw import (
    NUMBERS_AT_ONCE,
    Raw,
    check_any_value,
    check_values,
    complete_rows,
    encode_target,
)
from goodfit.trainers.data.reading.split_columns import divider_key
from goodfit.trainers.data.reading.table_format import check_keys
from goodfit.trainers.data.reading.times import times_notes
from goodfit.trainers.data.reading.value_notes import value_notes
from goodfit.trainers.data.reading.written import check_target, gap_hint, written_notes
from goodfit.trainers.data.split import Rows, split_rows
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

__all__ = [
    "DATASETS",
    "Data",
    "Dataset",
    "Facts",
    "Preparation",
    "Split",
    "is_path",
    "load",
    "load_sealed",
    "load_test",
    "look",
    "look_closely",
]


_KINDS: tuple[tuple[str, Callable[[DataSpec], bool], Callable[[DataSpec], tuple[Data, Split]]], ...] = (
    ("image", is_image_folder, prepare_images),
    ("pairs", is_pairs, prepare_pairs),
    ("series", is_series, prepare_series),
    ("corpus", is_corpus, prepare_corpus),
    ("text", is_text, prepare_text),
)


def is_path(source: str) -> bool:
    """Whether a source names a file or folder and not a built-in data set: it has a separator or a suffix."""
    return "/" in source or "\\" in source or bool(Path(source).suffix)


def load(spec: DataSpec) -> Data:
    """The training and validation splits.

    Raises:
        DataProblem: the data are missing, broken, or cannot be split, prepared or varied as asked.
    """
    data = _prepared(spec)[0]
    if not asked(spec.augment):
        return data
    check_kind(spec.augment, data.kind, data.task, data.name)
    check_fit(spec.augment, data.kind, data.facts.input_shape, data.name)
    return replace(data, augment=spec.augment)


def look(spec: DataSpec) -> Data:
    """As load, but fits no scale where that would decode every image of a folder: for what is known without it."""
    return load(replace(spec, scale="none") if is_image_folder(spec) else spec)


def look_closely(spec: DataSpec) -> tuple[Data, list[str]]:
    """As look, with notes on how a table was read, and on the times of a series."""
    kept = replace(spec, keep=True)
    try:
        data = look(kept)
        if data.kind == "series":
            times = read_whole(kept).times
            return data, [] if times is None else times_notes(times, spec.window)
        return data, reading_notes(kept) if data.kind == "table" else []
    finally:
        forget()


def reading_notes(spec: DataSpec, raw: Raw | None = None) -> list[str]:
    """What reading a table alters, and what may be meant otherwise, each in a sentence."""
    raw = raw or read_or_kept(read_raw, spec)
    return [*value_notes(raw, spec), *written_notes(spec, raw)]


def load_test(spec: DataSpec) -> Split:
    """The test split, prepared as fitted on the training split; DataProblem where there is none."""
    test = None if spec.test == 0 else _prepared(spec)[1]
    if test is None or not len(test):
        raise DataProblem(f"{spec.source}: no rows were kept for testing; give `split: {{test: 0.2}}`")
    return test


def load_sealed(spec: DataSpec) -> Data:
    """The test rows in the place of the validation rows: for the confirmation of a winner alone."""
    return replace(load(spec), validation=load_test(spec))


def _prepared(spec: DataSpec) -> tuple[Data, Split]:
    for kind, is_kind, prepare in _KINDS:
        if is_kind(spec):
            check_keys(spec, kind, is_path(spec.source))
            return prepare(spec)
    check_keys(spec, "table", is_path(spec.source))
    raw = read_or_kept(read_raw, spec)
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
    raw, dropped = _complete(raw) if spec.missing == "drop" else (raw, None)
    target, values = encode_target(raw, spec.task)
    rows = split_rows(values, target.classes, spec, raw.source, raw.divider)
    words = None if raw.words is None else raw.words[rows.train]
    preparation = Preparation.fit(raw.x, values[rows.train], target, spec, raw, words, rows.train)
    train, validation, test = (_part(raw, values, index, preparation) for index in rows)
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
    )
    return Data(train, validation, facts), test


def read_raw(spec: DataSpec) -> Raw:
    """The source of a spec as read, before any check of its features' values."""
    if is_path(spec.source):
        return read_file(Path(spec.source), spec)
    given = {"ignore": spec.ignore, "categorical": spec.categorical, **dict([divider_key(spec)])}
    for key, value in given.items():
        if value:
            raise DataProblem(f"{spec.source}: data.{key} names columns of a file, and {spec.source} is built in")
    return read_builtin(spec.source)


def _complete(raw: Raw) -> tuple[Raw, int]:
    """The rows without missing values, and how many are left out."""
    whole = complete_rows(raw)
    if not len(whole):
        raise DataProblem(f"{raw.source}: every row has a missing value; give `prepare: {{missing: median}}`")
    return raw.take(whole), len(raw.y) - len(whole)


def _part(raw: Raw, values: np.ndarray, index: np.ndarray, preparation: Preparation) -> Split:
    words = None if raw.words is None else raw.words[index]
    inputs = _inputs(raw, index, preparation)
    return Split(inputs, preparation.targets(values[index]), preparation.codes(words))


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
