"""Running text to learn a language from: a .txt file, or the built-in sources of the standard library.

A text is cut by its course: its first part trains, the next validates, the last tests, so that no
shuffling puts a sentence's beginning into one split and its end into another. The built-in corpus
has whole files in one split. The tokenizer is fitted on the training text alone. A row is a window
of `tokens.length` tokens, and its target the same window one token on: every token of a split but
its first is predicted once. What fills up the last window is no target. Tokenizing is in tokens.py.
"""

from __future__ import annotations

import functools
import hashlib
import sysconfig
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from goodfit.trainers.data.facts import Data, Facts, Split
from goodfit.trainers.data.kinds.kind import Kind, Loaded
from goodfit.trainers.data.kinds.text import text_example, texts_to_predict
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.preparing.tokens import PADDING, SPECIAL, UNKNOWN, Tokenizer
from goodfit.trainers.data.reading.files import opened
from goodfit.trainers.data.reading.raw import one_of
from goodfit.trainers.data.reporting.parts import part_splits
from goodfit.trainers.data_specs import CorpusSpec, DataSpec
from goodfit.trainers.errors import DataProblem

TASK = "language-modelling"
COLUMN = "text"  # what a frame of texts names them, when they are given to a model
SUFFIX = ".txt"
# In every Python from 3.11 on, in every distribution of it; 1.5 million characters in 100 files.
PACKAGES = ("asyncio", "email", "importlib", "json", "logging", "urllib")


class Texts(NamedTuple):
    """The text of each split."""

    train: str
    validation: str
    test: str


class Corpus(Kind[CorpusSpec]):
    """Running text."""

    name = "corpus"
    spec_type = CorpusSpec
    refusal = (
        " is running text, with no columns and no rows of its own, so {key} does not go with it; leave it out, or give "
        "a .csv or .jsonl file with a column for each"
    )

    def detects(self, spec: DataSpec) -> bool:
        """Whether the data are running text: the built-in corpus, or a .txt file of no other kind."""
        return spec.source == "stdlib_source" or (spec.kind is None and Path(spec.source).suffix.lower() == SUFFIX)

    def load(self, spec: CorpusSpec) -> Loaded:
        """Training and validation, and the test split, of a corpus."""
        by = spec.tokens.by or "character"
        _check_spec(spec, by)
        texts = read_corpus(spec)
        length, name = spec.tokens.length, spec.source
        tokens = replace(Tokenizer.fit([texts.train], by, spec.tokens.vocabulary, length), truncated=0.0)
        splits = []
        for part, text in texts._asdict().items():
            ids = tokens.ids(text)
            if len(ids) <= length and (part != "test" or spec.test):
                raise DataProblem(
                    f"{name}: the {part} text has {len(ids)} tokens ({by}), and a window takes {length} and the one "
                    f"behind it; give `tokens: {{length: {max(1, len(ids) // 4)}}}`, more text, or a larger share"
                )
            splits.append(windows(ids, length))
        train, validation, test = splits
        facts = Facts(
            name=name if spec.source == "stdlib_source" else Path(name).stem,
            task=TASK,
            kind="corpus",
            input_shape=(length,),
            classes=(),
            features=(COLUMN,),
            rows={"train": len(train), "validation": len(validation), "test": len(test)},
            preparation=Preparation(None, (), (), tokens=tokens),
        )
        return Data(train, validation, facts), test

    def report(self, spec: CorpusSpec, loaded: Loaded | DataProblem) -> dict[str, Any]:
        """As of every kind, of windows, end to end: the tokens and characters of the splits."""
        if isinstance(loaded, DataProblem):
            raise loaded
        data, _ = loaded
        parts, tokens = part_splits(spec, *loaded), data.preparation.tokens
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

    def inputs(self, x: Any, facts: Facts) -> np.ndarray:
        return facts.preparation.inputs(texts_to_predict(x, facts.features[0]))

    def example(self, facts: Facts) -> Any:
        return text_example(facts)


def read_corpus(spec: CorpusSpec) -> Texts:
    """The text of each split, before it is tokenized.

    Raises:
        DataProblem: the file is missing, empty or no UTF-8 text.
    """
    if spec.source == "stdlib_source":
        return _by_files(_library_files(), spec)
    path = Path(spec.source)
    text = opened(path, lambda _suffix: _decoded(path.read_bytes()))
    if not text.strip():
        raise DataProblem(f"{path} has no text in it")
    if "\0" in text:
        raise DataProblem(
            f"{path} has a zero byte in it (character {text.index(chr(0))}), which text has not; save it as UTF-8"
        )
    start = len(text) - round(len(text) * spec.test)
    end = start - round(len(text) * spec.validation)
    return Texts(text[:end], text[end:start], text[start:])


def windows(ids: np.ndarray, length: int) -> Split:
    """Tokens one after the other as rows that meet end to end, the last one filled up; y is one token on."""
    rows = max(0, -(-(len(ids) - 1) // length))
    filled = np.full(rows * length + 1, PADDING, dtype=np.int64)
    filled[: len(ids)] = ids[: len(filled)]
    return Split(filled[:-1].reshape(rows, length), filled[1:].reshape(rows, length))


def stream(split: Split) -> np.ndarray:
    """The tokens of a split one after the other: the inverse of `windows`."""
    filled: np.ndarray = np.concatenate([np.ravel(split.x), split.y.ravel()[-1:]])
    there: np.ndarray = filled[filled != PADDING]
    return there


def corpus_notes(tokens: Tokenizer, splits: Mapping[str, Split]) -> list[str]:
    """What can be told of a corpus, by split, each in a sentence."""
    lengths = tokens.characters()
    notes = [f"{len(tokens.vocabulary)} tokens are known ({tokens.by}), from the training text alone"]
    for name, split in splits.items():
        ids = stream(split)
        characters, unknown = int(lengths[ids].sum()), int((ids == UNKNOWN).sum())
        if not len(ids):
            continue
        sentence = f"the {name} text has {characters} characters in {len(ids)} tokens"
        notes.append(sentence + (f", {unknown} of them unknown" if unknown else ""))
    return notes


def _decoded(content: bytes) -> str:
    return content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")


@functools.lru_cache(maxsize=1)
def _library_files(library: Path | None = None) -> tuple[tuple[str, str], ...]:
    """The sources of some packages of the standard library: name and text, in the order of their names."""
    folder = library or Path(sysconfig.get_path("stdlib"))
    found = []
    for package in PACKAGES:
        if not (folder / package).is_dir():
            raise DataProblem(
                f"stdlib_source: {folder} has no folder {package}; this data set needs a Python with its sources"
            )
        for file in (folder / package).rglob("*.py"):
            parts = file.relative_to(folder).parts
            if {"test", "tests", "_test"}.isdisjoint(parts):
                found.append(("/".join(parts), _decoded(file.read_bytes())))
    return tuple(sorted(found))


def _by_files(files: tuple[tuple[str, str], ...], spec: CorpusSpec) -> Texts:
    """Whole files to one split: in the order of their names' digests, to the test text while it has room for them.

    So to the validation text of those that are left. No seed: a corpus has one test text, whatever
    validates. The digest is as good as chance, and the same everywhere.
    """
    total = sum(len(text) for _, text in files)
    part_of = {name: "train" for name, _ in files}
    for part, share in (("test", spec.test), ("validation", spec.validation)):
        room = share * total
        for name, text in sorted(files, key=lambda file: hashlib.blake2b(file[0].encode()).digest()):
            if part_of[name] == "train" and len(text) <= room:
                part_of[name], room = part, room - len(text)
    return Texts(*("".join(text for name, text in files if part_of[name] == part) for part in Texts._fields))


def _check_spec(spec: CorpusSpec, by: str) -> None:
    """DataProblem for tokens and shares that leave no text to train on."""
    if by == "word":
        raise DataProblem(
            "tokens.by: word drops the spaces and the case of a text, so no text can be written back from it; "
            "give character or bpe"
        )
    one_of("tokens.by, for running text", by, ("character", "bpe"))
    if spec.tokens.vocabulary <= SPECIAL or spec.tokens.length < 1:
        raise DataProblem(
            f"tokens: vocabulary {spec.tokens.vocabulary} and length {spec.tokens.length} leave nothing to read; "
            "give for example {vocabulary: 8000, length: 128}"
        )
    if not (0 < spec.validation < 1 and 0 <= spec.test < 1 and spec.validation + spec.test < 1):
        raise DataProblem(
            f"split: validation {spec.validation:g} and test {spec.test:g} are no shares that leave text to train on; "
            "give for example {validation: 0.1, test: 0.1}"
        )
