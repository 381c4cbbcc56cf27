"""Texts as data: columns of files, the built-in docstrings, and what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import Facts, load, load_test
from goodfit.trainers.data.datasets.docstrings import PACKAGES, read_docstrings
from goodfit.trainers.data.kinds.text import texts_to_predict
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec, TokenSpec

GOOD, BAD = "a fine film, number {}", "a dull film, number {}"


def reviews(rows: int = 40) -> pd.DataFrame:
    texts = [(GOOD if row % 2 else BAD).format(row) for row in range(rows)]
    return pd.DataFrame({"review": texts, "stars": np.arange(rows) % 7, "label": np.arange(rows) % 2 == 1})


def spec_of(path: Path, **changes: Any) -> DataSpec:
    return replace(DataSpec(str(path), "label", text="review", tokens=TokenSpec(length=8)), **changes)


def saved(folder: Path, suffix: str, frame: pd.DataFrame | None = None) -> Path:
    frame, path = reviews() if frame is None else frame, folder / f"reviews{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_column_of_a_table_file_is_read_as_texts(tmp_path: Path, suffix: str) -> None:
    data = load(spec_of(saved(tmp_path, suffix)))
    assert (data.kind, data.task, data.classes, data.features) == (
        "text",
        "classification",
        ("False", "True"),
        ("review",),
    )
    assert data.train.x.dtype == np.int64
    assert data.train.x.shape == (24, 8)
    assert data.facts.input_shape == (8,)
    assert data.facts.rows == {"train": 24, "validation": 8, "test": 8}


def test_the_tokenizer_sees_the_training_texts_alone(tmp_path: Path) -> None:
    frame = reviews().assign(part=["train"] * 20 + ["validation"] * 10 + ["test"] * 10)
    frame["review"] = [f"word{row} again" for row in range(40)]
    data = load(spec_of(saved(tmp_path, ".csv", frame), split_column="part"))
    tokens = data.preparation.tokens
    assert tokens is not None
    assert set(tokens.vocabulary) == {"again", *(f"word{row}" for row in range(20))}
    assert data.validation.x[:, 0].tolist() == [1] * 10


def test_numbers_are_predicted_from_texts_in_their_own_units(tmp_path: Path) -> None:
    frame = reviews().assign(label=np.arange(40) * 2.5)
    data = load(spec_of(saved(tmp_path, ".csv", frame)))
    assert data.task == "regression"
    assert data.train.y.mean() == pytest.approx(0, abs=1e-6)
    steps = data.preparation.original(data.train.y) / 2.5
    assert steps == pytest.approx(steps.round(), abs=1e-5)
    assert steps.max() > 30


def test_the_tokenizer_is_kept_with_the_facts(tmp_path: Path) -> None:
    facts = load(spec_of(saved(tmp_path, ".csv"), tokens=TokenSpec("bpe", 60, 8))).facts
    facts.write(tmp_path / "facts.json")
    kept = Facts.read(tmp_path / "facts.json")
    assert kept == facts
    texts = np.array(["a fine film"], dtype=object)
    assert np.array_equal(kept.preparation.inputs(texts), facts.preparation.inputs(texts))


def test_texts_without_a_word_are_an_error_or_dropped(tmp_path: Path) -> None:
    frame = reviews()
    frame.loc[[3, 8], "review"] = ["   ", None]
    path = saved(tmp_path, ".jsonl", frame)
    with pytest.raises(DataProblem, match=r"column review: 2 of 40 texts are empty or missing \(row 4 is the first\)"):
        load(spec_of(path))
    assert load(spec_of(path, missing="drop")).facts.rows["dropped"] == 2


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, suffix)
    path.write_bytes(path.read_bytes().replace(b"fine", "fêté".encode("latin-1")))
    with pytest.raises(DataProblem, match="is not UTF-8 text"):
        load(spec_of(path))


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, ".jsonl")
    path.write_text(path.read_text().replace("a fine film, number 5", "a \\ud83d film", 1))
    with pytest.raises(DataProblem, match="has half a character in it"):
        load(spec_of(path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": "reveiw"}, "has no column 'reveiw', which data.text names; did you mean review?"),
        ({"target": "lable"}, "has no column 'lable', which data.target names; did you mean label?"),
        ({"target": None}, "which column is to be predicted?"),
        ({"target": "review"}, "data.text and data.target both name review"),
        ({"text": "stars"}, "column stars holds int64 and not text"),
        ({"tokens": TokenSpec("words")}, "tokens.by: 'words' is unknown; did you mean word?"),
        ({"tokens": TokenSpec(vocabulary=2)}, "vocabulary 2 and length 128 leave nothing to read"),
        ({"scale": "robust"}, "prepare.scale, for texts: 'robust' is unknown"),
        ({"missing": "median"}, "prepare.missing, for texts: 'median' is unknown"),
        ({"categorical": ("stars",)}, "categorical is for the columns of a table"),
        ({"text": None}, r"data.tokens goes with texts; give `text: COLUMN`"),
        ({"source": "docstrings"}, "data.text names a column of a file, and docstrings is built in"),
    ],
)
def test_what_does_not_go_with_texts_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    spec = spec_of(saved(tmp_path, ".csv"), **changes)
    with pytest.raises(DataProblem, match=said):
        load(spec)


@pytest.mark.parametrize(
    "texts",
    [
        ["one", "two"],
        pd.Series(["one", "two"]),
        np.array(["one", "two"]),
        np.array(["one", "two"], dtype=object),
        pd.DataFrame({"other": [1, 2], "review": ["one", "two"]}),
    ],
)
def test_texts_to_predict_come_in_any_usual_container(texts: Any) -> None:
    assert texts_to_predict(texts, "review").tolist() == ["one", "two"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("one", "are a list of them"),
        (["one", ""], r"1 of 2 texts are empty or missing \(row 2 is the first\)"),
        (["one", None], "1 of 2 texts are empty or missing"),
        (["one", "t\ud83do"], "row 2 has half a character in it"),
        (["one", 2], "row 2 is 2, int and not text"),
        (pd.DataFrame({"reviews": ["one"]}), "in the column review, which is not there; did you mean reviews?"),
    ],
)
def test_texts_that_cannot_be_predicted_are_refused(texts: Any, said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        texts_to_predict(texts, "review")


def library(folder: Path, packages: Sequence[str] = PACKAGES) -> Path:
    for package in packages:
        (folder / package / "tests").mkdir(parents=True)
        (folder / package / "tests" / "a.py").write_text('"""A test says nothing of its package."""')
        (folder / package / "a.py").write_text(
            f'"""The {package.title()} package has something of {package} alone: {len(package)}{package[::-1]}."""\n'
            "def shared():\n    '''All of the packages share this text.'''\n"
            "def short():\n    '''Too few words.'''\n"
        )
    return folder


def test_docstrings_name_no_package_and_come_once(tmp_path: Path) -> None:
    raw = read_docstrings(library(tmp_path))
    assert raw.y.tolist() == list(PACKAGES)
    assert raw.x[0] == "The  package has something of  alone: 7oicnysa."


def test_a_python_without_its_sources_has_no_docstrings(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match="has no folder xml; this data set needs a Python with its sources"):
        read_docstrings(library(tmp_path, PACKAGES[:-1]))


def test_the_docstrings_of_this_python_are_enough_to_learn_from() -> None:
    spec = DataSpec("docstrings")
    data, test = load(spec), load_test(spec)
    assert data.classes == PACKAGES
    assert data.facts.rows["train"] > 800
    assert len(np.bincount(test.y)) == len(PACKAGES)
    tokens = data.preparation.tokens
    assert tokens is not None
    assert set(tokens.vocabulary).isdisjoint(PACKAGES)
    assert tokens.truncated < 0.15
