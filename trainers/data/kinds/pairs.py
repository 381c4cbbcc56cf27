"""Pairs of texts to translate by: two columns of a table file, or the built-in dates, as rows of token ids.

A tokenizer for either side is fitted on the training rows alone and kept with the model, in the
Preparation. Words are no tokens here: they take spaces and case away, and a text that a model writes
must be spelled out again. A target ends with a token of its own, which has the id after the last of
its tokenizer. A source of more tokens than `tokens.length` keeps its beginning, in training and in
use, as other texts do; a target that long is refused, since a model would learn to stop in the
middle of it. What training never saw is read as one unknown token, and is never written.

Of a .csv or .tsv both columns are text whatever they hold: 007 stays 007, and None is a word. Empty
ones are refused, or dropped by `prepare: {missing: drop}`. Reading files is in files.py, the built-in
pairs in dates.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from goodfit.trainers.data.datasets.dates import read_dates
from goodfit.trainers.data.datasets.tables import DATASETS
from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.kind import Kind, Loaded
from goodfit.trainers.data.kinds.text import text_example, texts_to_predict
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.preparing.tokens import PADDING, SPECIAL, UNKNOWN, Tokenizer
from goodfit.trainers.data.reading.cache import read_cached
from goodfit.trainers.data.reading.content import data_name
from goodfit.trainers.data.reading.files import check_column, read_frame, split_column_values
from goodfit.trainers.data.reading.raw import Raw, nearest, one_of
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.data.reading.texts import check_texts, is_blank
from goodfit.trainers.data.reporting.parts import notes_of
from goodfit.trainers.data.split import Rows, split_rows
from goodfit.trainers.data_specs import DataSpec, PairsSpec, TokenSpec
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

TASK = "translation"
BUILT_IN = {"dates": read_dates}
TOKENIZERS = ("character", "bpe")


class Pairs(Kind[PairsSpec]):
    """Texts and their translations."""

    name = "pairs"
    spec_type = PairsSpec
    refusal = ": {key} does not go with pairs of texts; leave it out"

    def detects(self, spec: DataSpec) -> bool:
        """Whether the data are pairs of texts; DataProblem where their keys contradict each other."""
        if spec.kind == "pairs" and spec.source in DATASETS and spec.source not in BUILT_IN:
            raise DataProblem(f"{spec.source} is of kind {DATASETS[spec.source].kind}, not pairs; leave data.kind out")
        if spec.source not in BUILT_IN:
            return spec.kind == "pairs"
        if spec.kind not in (None, "pairs"):
            raise DataProblem(f"{spec.source} is of kind pairs, not {spec.kind}; leave data.kind out")
        for key in ("text", "target"):
            if getattr(spec, key) is not None:
                raise DataProblem(f"{spec.source}: data.{key} names a column of a file, and {spec.source} is built in")
        return True

    def load(self, spec: PairsSpec) -> Loaded:
        """Training and validation, and the test split, of pairs."""
        _check_spec(spec)
        raw = read_cached(_read_source, spec)
        raw, dropped = _usable(raw, spec)
        rows = split_rows(np.zeros(len(raw.x)), (), spec, raw.source, raw.split_by)
        sources, targets = (_fitted(texts[rows.train], spec.tokens) for texts in (raw.x, raw.y))
        _check_length(raw, rows, targets, spec)
        splits = [Split(sources.encode(raw.x[index].tolist()), _ended(targets, raw.y[index])) for index in rows]
        counts = {name: len(index) for name, index in rows._asdict().items()}
        facts = Facts(
            name=raw.name,
            task=TASK,
            kind="pairs",
            input_shape=(sources.length,),
            classes=(),
            features=raw.features,
            rows={**counts, "dropped": dropped} if dropped else counts,
            preparation=Preparation(None, (), (), tokens=sources, target_tokens=targets),
        )
        train, validation, test = splits
        return Data(train, validation, facts), test

    def report(self, spec: PairsSpec, loaded: Loaded | DataProblem) -> dict[str, Any]:
        """As of every kind, of the splits as prepared, and how long both sides are."""
        if isinstance(loaded, DataProblem):
            raise loaded
        data, test = loaded
        report = super().report(spec, loaded)
        columns = column_summaries(data, test if spec.test else None, spec.target)
        report |= {"columns": columns, "target": {"name": spec.target}}
        return {**report, "notes": [*notes_of(report), *pairs_notes(data)]}

    def inputs(self, x: Any, facts: Facts) -> np.ndarray:
        return facts.preparation.inputs(texts_to_predict(x, facts.features[0]))

    def example(self, facts: Facts) -> Any:
        return text_example(facts)


def end_of(tokens: Tokenizer) -> int:
    """The id that ends a target."""
    return tokens.size


def texts_of(tokens: Tokenizer, rows: np.ndarray) -> list[str]:
    """The texts of rows of target ids, each up to its end."""
    end = end_of(tokens)
    return [tokens.decode(row[: list(row).index(end)] if end in row else row) for row in rows.tolist()]


def column_summaries(data: Data, test: Split | None, target: str | None) -> list[dict[str, object]]:
    """What `goodfit data` tells of both columns: how many texts differ, and how long they are, in tokens."""
    summaries = []
    for name, side in ((data.features[0], "x"), (target or "target", "y")):
        parts = [getattr(part, side) for part in (data.train, data.validation, test) if part is not None]
        rows = np.concatenate(parts)
        lengths = (rows != PADDING).sum(axis=1) - (side == "y")  # without the end
        summaries.append(
            {
                "name": name,
                "type": "tokens",
                "missing": 0,
                "distinct": len(np.unique(rows, axis=0)),
                "min": int(lengths.min()),
                "mean": float(lengths.mean()),
                "max": int(lengths.max()),
            }
        )
    return summaries


def pairs_notes(data: Data) -> list[str]:
    """What to look at before pairs are trained on, each in a sentence."""
    notes = []
    sources, targets = data.preparation.tokens, data.preparation.target_tokens
    if sources is not None and sources.truncated:
        notes.append(
            f"{sources.truncated:.1%} of the training sources have more than {sources.length} tokens and keep their "
            "beginning; raise data.tokens.length"
        )
    if targets is not None and (strange := int((data.validation.y == UNKNOWN).any(axis=1).sum())):
        notes.append(
            f"{strange} of {len(data.validation)} validation targets have a token that no training target has: no "
            "model writes them"
        )
    return notes


def _check_spec(spec: PairsSpec) -> None:
    if spec.source not in BUILT_IN and spec.text is None:
        raise DataProblem(
            f"{spec.source}: which column is to be translated? give `data: {{text: COLUMN, target: COLUMN}}`"
        )
    if spec.tokens.by == "word":
        raise DataProblem(
            "tokens.by: word drops the spaces and the case of a text, so no target can be written back from it; "
            "give character or bpe"
        )
    one_of("tokens.by, for pairs", spec.tokens.by or "character", TOKENIZERS)
    if spec.tokens.vocabulary <= SPECIAL or spec.tokens.length < 1:
        raise DataProblem(
            f"tokens: vocabulary {spec.tokens.vocabulary} and length {spec.tokens.length} leave nothing to read; "
            "give for example {vocabulary: 8000, length: 128}"
        )
    one_of("prepare.missing, for pairs", spec.missing, ("error", "drop"))
    one_of("prepare.scale, for pairs", spec.scale, ("standard", "none"))  # the default, which has nothing to scale


def _read_source(spec: PairsSpec) -> Raw:
    return BUILT_IN[spec.source]() if spec.source in BUILT_IN else _read(Path(spec.source), spec)


def _read(path: Path, spec: PairsSpec) -> Raw:
    """The two columns of a table file, and what the split goes by."""
    frame = read_frame(path, spec.ignore, TableFormat.of(spec))
    frame.columns = frame.columns.astype(str)
    columns = list(frame.columns)
    source, target = str(spec.text), spec.target
    if not len(frame):
        raise DataProblem(f"{path} has no rows")
    check_column(path, source, columns, "data.text")
    if target is None:
        raise DataProblem(
            f"{path}: which column is the translation? give `data: {{target: COLUMN}}`; {nearest('', columns)}"
        )
    check_column(path, target, columns, "data.target")
    if target == source:
        raise DataProblem(f"{path}: data.text and data.target both name {target}; give two columns")
    split_by = split_column_values(path, frame, spec)
    x, y = _texts(path, frame, (source, target))
    return Raw(str(path), data_name(path), "pairs", x, y, (source,), split_by=split_by)


def _texts(path: Path, frame: pd.DataFrame, names: Sequence[str]) -> list[np.ndarray]:
    """Columns as texts, None where there is none."""
    import pandas as pd

    for name in names:
        column = frame[name]
        if not (pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)) and column.notna().any():
            raise DataProblem(f"{path}: column {name} holds {column.dtype} and not text; save it as text")
    return [frame[name].astype(object).where(frame[name].notna(), None).to_numpy(dtype=object) for name in names]


def _usable(raw: Raw, spec: PairsSpec) -> tuple[Raw, int]:
    """The rows with both texts, and how many lack one; DataProblem where that is not asked for."""
    dropped = 0
    if spec.missing == "drop":
        there = np.flatnonzero([not (is_blank(x) or is_blank(y)) for x, y in zip(raw.x, raw.y, strict=True)])
        dropped = len(raw.x) - len(there)
        if not len(there):
            raise DataProblem(f"{raw.source}: no row has both a source and a target")
        raw = raw.take(there)
    for texts, name in ((raw.x, raw.features[0]), (raw.y, spec.target)):
        check_texts(texts, f"{raw.source}: column {name}", "; or give `prepare: {missing: drop}`")
    return raw, dropped


def _fitted(texts: np.ndarray, spec: TokenSpec) -> Tokenizer:
    return Tokenizer.fit(texts, spec.by or "character", spec.vocabulary, spec.length)


def _check_length(raw: Raw, rows: Rows, tokens: Tokenizer, spec: PairsSpec) -> None:
    """DataProblem for a target of more tokens than a row has, in any split: cut, it would teach to stop early."""
    used = np.sort(np.concatenate(rows))
    lengths = np.array([len(tokens.tokens(text)) for text in raw.y[used]])
    if lengths.max() > tokens.length:
        raise DataProblem(
            f"{raw.source}: {int((lengths > tokens.length).sum())} of {len(used)} targets have more than "
            f"{tokens.length} tokens (row {used[lengths.argmax()] + 1} has {lengths.max()}); give "
            f"`tokens: {{length: {lengths.max()}}}`, {'' if spec.tokens.by == 'bpe' else '`by: bpe`, '}or take them out"
        )


def _ended(tokens: Tokenizer, texts: np.ndarray) -> np.ndarray:
    """Targets as int64 (rows, length + 1): their ids, their end, and nothing behind it."""
    ids = np.pad(tokens.encode(texts.tolist()), ((0, 0), (0, 1)), constant_values=PADDING)
    ids[np.arange(len(ids)), (ids != PADDING).sum(axis=1)] = end_of(tokens)
    return ids
