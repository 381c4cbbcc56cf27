"""Texts to learn from: a column of a table file, or the built-in docstrings, as rows of token ids.

A text is refused if it is missing, blank, or holds halves of characters (what a broken encoding
leaves behind); `prepare: {missing: drop}` takes missing and blank ones out instead. The tokenizer is
fitted on the training texts alone and kept with the model, in the Preparation. A text of more
tokens than `tokens.length` keeps its beginning, in training and in use; the tokenizer knows what
share of the training texts that cuts. Reading files is in files.py, tokenizing in tokens.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from goodfit.trainers.data.augmenting.variations import VariedTexts, check_kind, given_keys
from goodfit.trainers.data.datasets.docstrings import read_docstrings
from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.kind import Kind, Loaded
from goodfit.trainers.data.preparing.preparation import BALANCES, Preparation
from goodfit.trainers.data.preparing.tokens import SPECIAL, Tokenizer
from goodfit.trainers.data.reading.alterations import check_target
from goodfit.trainers.data.reading.cache import read_cached
from goodfit.trainers.data.reading.content import data_name
from goodfit.trainers.data.reading.files import check_column, read_frame, split_column_values, target_column
from goodfit.trainers.data.reading.raw import Raw, Target, encode_target, nearest, one_of
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.data.reading.texts import check_texts, is_blank
from goodfit.trainers.data.reporting.parts import text_column, text_notes
from goodfit.trainers.data.reporting.rows import rows_report
from goodfit.trainers.data.split import Rows, numbered, split_rows
from goodfit.trainers.data_specs import DataSpec, TextSpec
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

BUILT_IN = {"docstrings": read_docstrings}
TOKENIZERS = ("word", "character", "bpe")
_TO_PREDICT = "the texts to predict"


class Text(Kind[TextSpec]):
    """Texts with a class or a number each."""

    name = "text"
    spec_type = TextSpec
    refusal = ": {key} is for the columns of a table, and data.text is all that is read here; leave it out"
    passed_over: ClassVar[Mapping[str, str]] = {
        "tokens": ": {key} goes with texts; give `text: COLUMN` as well, or leave it out"
    }
    searched = ("balance",)

    def detects(self, spec: DataSpec) -> bool:
        """Whether the data are texts."""
        if spec.source in BUILT_IN:
            if spec.text is not None:
                raise DataProblem(f"{spec.source}: data.text names a column of a file, and {spec.source} is built in")
            return True
        return spec.text is not None

    def load(self, spec: TextSpec) -> Loaded:
        """Training and validation, and the test split, of texts."""
        _check_spec(spec)
        raw = read_texts(spec)
        raw, dropped = _usable(raw, spec.missing)
        check_target(raw, spec)
        target, values = encode_target(raw, spec.task)
        rows = split_rows(values, target.classes, spec, raw.source, raw.split_by)
        tokens = Tokenizer.fit(raw.x[rows.train], spec.tokens.by or "word", spec.tokens.vocabulary, spec.tokens.length)
        preparation = _preparation(tokens, target, values[rows.train], spec, raw.source)
        splits = [Split(preparation.inputs(raw.x[index]), preparation.targets(values[index])) for index in rows]
        counts = {name: len(index) for name, index in zip(("train", "validation", "test"), rows, strict=True)}
        facts = Facts(
            name=raw.name,
            task=target.task,
            kind="text",
            input_shape=(tokens.length,),
            classes=target.classes,
            features=raw.features,
            rows={**counts, "dropped": dropped} if dropped else counts,
            preparation=preparation,
            reason=target.reason,
        )
        train, validation, test = splits
        texts = VariedTexts.of(raw.x[rows.train], tokens, spec.augment) if given_keys(spec.augment) else None
        return Data(train, validation, facts, texts=texts), test

    def split_raw(self, spec: TextSpec) -> tuple[Raw, Rows]:
        """The source as read, and the numbers of its rows in each split."""
        source = read_texts(spec)
        whole = rows_with_text(source) if spec.missing == "drop" else None
        raw, _ = _usable(source, spec.missing)
        target, values = encode_target(raw, spec.task)
        return source, numbered(split_rows(values, target.classes, spec, raw.source, raw.split_by), whole)

    def row_numbers(self, spec: TextSpec) -> Rows:
        return self.split_raw(spec)[1]

    def report(self, spec: TextSpec, loaded: Loaded | DataProblem) -> dict[str, Any]:
        """As of every kind, of the texts as they are read; and what the tokenizer cuts off."""
        raw = read_texts(spec)
        columns, count = [text_column(raw)], len(raw.y)
        if spec.missing == "drop" and len(whole := rows_with_text(raw)):
            raw = raw.take(whole)
        if isinstance(loaded, DataProblem):
            return rows_report(spec, raw, count, columns, str(loaded))
        report = rows_report(spec, raw, count, columns, None)
        return {**report, "notes": [*report["notes"], *text_notes(loaded[0])]}

    def inputs(self, x: Any, facts: Facts) -> np.ndarray:
        return facts.preparation.inputs(texts_to_predict(x, facts.features[0]))

    def example(self, facts: Facts) -> Any:
        return text_example(facts)


def text_example(facts: Facts) -> Any:
    """A frame with one text."""
    import pandas as pd

    return pd.DataFrame({facts.features[0]: ["an example of a text"]})


def texts_to_predict(x: Any, column: str) -> np.ndarray:
    """Raw texts as given to a Predictor: a frame, dicts or a dict with the column, or a list, Series, array of str."""
    if hasattr(x, "columns"):
        if column not in x.columns:
            raise DataProblem(f"{_TO_PREDICT} are in the column {column}, which is not there; {nearest(column, x)}")
        x = x[column]
    if isinstance(x, str):
        raise DataProblem(f"{_TO_PREDICT} are a list of them; put the one text into brackets")
    if isinstance(x, Mapping):
        x = [x]
    x = [text[column] if isinstance(text, Mapping) and column in text else text for text in x]
    texts = np.empty(len(x), dtype=object)
    texts[:] = [str(text) if isinstance(text, str) else text for text in x]  # numpy's str_ becomes a plain one
    check_texts(texts, f"{_TO_PREDICT}: column {column}")
    return texts


def _check_spec(spec: TextSpec) -> None:
    tokens = spec.tokens
    check_kind(spec.augment, "text", "", spec.source)
    one_of("tokens.by", tokens.by or "word", TOKENIZERS)
    one_of("prepare.balance", spec.balance, BALANCES)
    one_of("prepare.missing, for texts", spec.missing, ("error", "drop"))
    one_of("prepare.scale, for texts", spec.scale, ("standard", "none"))  # the default, which has nothing to scale
    if tokens.vocabulary <= SPECIAL or tokens.length < 1:
        raise DataProblem(
            f"tokens: vocabulary {tokens.vocabulary} and length {tokens.length} leave nothing to read; "
            "give for example {vocabulary: 8000, length: 128}"
        )


def read_texts(spec: TextSpec) -> Raw:
    """The texts and their targets as read, before any check of the texts."""
    return read_cached(_read_source, spec)


def rows_with_text(raw: Raw) -> np.ndarray:
    """The rows whose text is neither missing nor blank."""
    return np.flatnonzero([not is_blank(text) for text in raw.x])


def _read_source(spec: TextSpec) -> Raw:
    return BUILT_IN[spec.source]() if spec.source in BUILT_IN else _read(Path(spec.source), spec)


def _read(path: Path, spec: TextSpec) -> Raw:
    """The text column and the target of a table file, and what the split goes by."""
    frame = read_frame(path, spec.ignore, TableFormat.of(spec))
    columns = [str(column) for column in frame.columns]
    frame.columns = frame.columns.astype(str)
    column, target = str(spec.text), spec.target
    if not len(frame):
        raise DataProblem(f"{path} has no rows")
    check_column(path, column, columns, "data.text")
    if target is None:
        raise DataProblem(
            f"{path}: which column is to be predicted? give `data: {{target: COLUMN}}`; {nearest('', columns)}"
        )
    check_column(path, target, columns, "data.target")
    if target == column:
        raise DataProblem(f"{path}: data.text and data.target both name {target}; give two columns")
    y, split_by = target_column(path, frame[target]), split_column_values(path, frame, spec)
    return Raw(str(path), data_name(path), "text", _texts(frame[column], str(path)), y, (column,), split_by=split_by)


def _texts(column: pd.Series, source: str) -> np.ndarray:
    """A column's texts; None where there is none."""
    import pandas as pd

    if not (pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)) and column.notna().any():
        raise DataProblem(f"{source}: column {column.name} holds {column.dtype} and not text; correct data.text")
    return column.astype(object).where(column.notna(), None).to_numpy(dtype=object)


def _usable(raw: Raw, missing: str) -> tuple[Raw, int]:
    """The rows that have a text, and how many have none; DataProblem where that is not asked for."""
    dropped = 0
    if missing == "drop":
        there = rows_with_text(raw)
        dropped = len(raw.x) - len(there)
        if not len(there):
            raise DataProblem(f"{raw.source}: column {raw.features[0]} has no text in any row")
        raw = raw.take(there)
    check_texts(raw.x, f"{raw.source}: column {raw.features[0]}", "; or give `prepare: {missing: drop}`")
    return raw, dropped


def _preparation(tokens: Tokenizer, target: Target, y: np.ndarray, spec: TextSpec, source: str) -> Preparation:
    """The tokenizer as a Preparation, with the units of a regression's target."""
    fitted = Preparation(None, (), (), target.labels, balance=spec.balance, tokens=tokens)
    if target.task == "classification":
        return fitted
    if spec.balance != "none":
        raise DataProblem(f"{source}: prepare.balance is for classes, and the target is a number; leave it out")
    mean, std = float(y.mean()), float(y.std())
    if std == 0:
        raise DataProblem(f"{source}: the target is {mean:g} in every training row; there is nothing to learn")
    return replace(fitted, target_mean=mean, target_std=std)
