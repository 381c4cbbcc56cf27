"""Running text as data: who goes where, what windows hold, what is refused, what the report tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.trainers.data import data_report, load, load_test
from goodfit.trainers.data.kinds.corpus import PACKAGES, _by_files, _library_files, read_corpus, stream, windows
from goodfit.trainers.data.preparing.tokens import PADDING, UNKNOWN, Tokenizer
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import AugmentSpec, DataSpec, TokenSpec

TEXT = "".join(f"Line {number} says: {number * number} of them,  naïvely;\n" for number in range(200))


def book(folder: Path, content: str | bytes = TEXT, **changes: Any) -> DataSpec:
    path = folder / "book.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DataSpec(str(path), **{"tokens": TokenSpec(length=16), **changes})


def test_a_text_is_cut_by_its_course(tmp_path: Path) -> None:
    texts = read_corpus(book(tmp_path, validation=0.25, test=0.1))
    assert texts.train + texts.validation + texts.test == TEXT
    assert len(texts.validation) == round(len(TEXT) * 0.25)
    assert len(texts.test) == round(len(TEXT) * 0.1)


def test_no_test_text_is_kept_where_none_is_asked_for(tmp_path: Path) -> None:
    spec = book(tmp_path, test=0.0)
    assert load(spec).facts.rows["test"] == 0
    with pytest.raises(DataProblem, match="no rows were kept for testing"):
        load_test(spec)


@pytest.mark.parametrize("by", ["character", "bpe"])
def test_a_window_foretells_the_same_window_one_token_on(tmp_path: Path, by: str) -> None:
    spec = book(tmp_path, tokens=TokenSpec(by, 200, 16))
    data, texts = load(spec), read_corpus(spec)
    tokens = data.preparation.tokens
    assert tokens is not None
    assert data.kind == "corpus"
    assert data.task == "language-modelling"
    assert data.facts.outputs == tokens.size
    for split, text in ((data.train, texts.train), (data.validation, texts.validation), (load_test(spec), texts.test)):
        ids = tokens.ids(text)
        assert np.array_equal(stream(split), ids)
        assert np.array_equal(split.x[:, 1:][split.y[:, 1:] != PADDING], split.y[:, :-1][split.y[:, 1:] != PADDING])
        assert int((split.y != PADDING).sum()) == len(ids) - 1  # every token but the first, once


def test_the_last_window_is_filled_up() -> None:
    cut = windows(np.arange(2, 8), 3)
    assert cut.x[:].tolist() == [[2, 3, 4], [5, 6, 7]]
    assert cut.y.tolist() == [[3, 4, 5], [6, 7, PADDING]]
    assert stream(cut).tolist() == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("by", ["character", "bpe"])
def test_what_is_encoded_is_decoded_to_the_letter(by: str) -> None:
    text = "def f(x_1):\n\treturn  'naïve — 猫😀'  \n\n\n# ____ Ünder_score 1.5e-3\r\n"
    tokens = Tokenizer.fit([text * 3], by, 300, 8)
    assert tokens.decode(tokens.ids(text)) == text
    assert tokens.characters()[tokens.ids(text)].sum() == len(text)


@pytest.mark.parametrize("by", ["character", "bpe"])
def test_what_training_never_saw_is_unknown_and_one_character(by: str) -> None:
    tokens = Tokenizer.fit(["abab ab"], by, 300, 8)
    ids = tokens.ids("ab€ab\ud83d")
    assert tokens.decode(ids) == "ab\ufffdab\ufffd"
    assert (ids == UNKNOWN).sum() == 2
    assert tokens.characters()[ids].sum() == 6


def test_the_vocabulary_comes_from_the_training_text_alone(tmp_path: Path) -> None:
    data = load(book(tmp_path, "ab" * 80 + "cd" * 40, validation=0.25, test=0.25))
    tokens = data.preparation.tokens
    assert tokens is not None
    assert set(tokens.vocabulary) <= {"a", "b", "c", "d"}
    assert load(book(tmp_path, "ab" * 80 + "cd" * 80, validation=0.25, test=0.25)).preparation.tokens == replace(
        tokens, vocabulary=("a", "b")
    )


def test_running_text_goes_by_characters_where_nothing_is_said(tmp_path: Path) -> None:
    tokens = load(book(tmp_path)).preparation.tokens
    assert tokens is not None
    assert tokens.by == "character"
    assert "L" in tokens.vocabulary


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_text(tmp_path: Path) -> None:
    spec = book(tmp_path, b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert "".join(read_corpus(spec)) == TEXT


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"abc \xff def" * 50, r"is not UTF-8 text \(byte 4\); save it as UTF-8"),
        (b"\xef\xbb\xbfabc \xff", r"is not UTF-8 text \(byte 7\)"),
        (b"", "is empty"),
        (b" \n\t\n", "has no text in it"),
        ("text".encode("utf-16-le") * 50, r"has a zero byte in it \(character 1\)"),
        (b"too short for its window", r"the train text has 14 tokens \(character\), and a window takes 16"),
        (b"x" * 100, r"the validation text has 16 tokens|the validation text has 10 tokens"),
    ],
)
def test_a_text_that_cannot_be_learned_from_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        load(book(tmp_path, content, validation=0.1 if content == b"x" * 100 else 0.2))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": "label"}, "data.target does not go with it"),
        ({"text": "words"}, "data.text does not go with it"),
        ({"folds": 5}, "split.folds does not go with it"),
        ({"split_group": "author"}, "split.group does not go with it"),
        ({"reshuffle": True}, "split.reshuffle does not go with it"),
        ({"scale": "robust"}, "prepare.scale does not go with it"),
        ({"missing": "drop"}, "prepare.missing does not go with it"),
        ({"balance": "weights"}, "prepare.balance does not go with it"),
        ({"augment": AugmentSpec(delete=0.1)}, "data.augment does not go with it"),
        ({"tokens": TokenSpec("word")}, "word drops the spaces and the case"),
        ({"tokens": TokenSpec("character", 2)}, "leave nothing to read"),
        ({"tokens": TokenSpec("sentence")}, "sentence"),
        ({"validation": 0.5, "test": 0.5}, "leave text to train on"),
        ({"kind": "series", "window": 4, "tokens": TokenSpec()}, "has no columns"),
        ({"kind": "series", "window": 4}, "data.tokens does not go with a time series"),
    ],
)
def test_what_does_not_go_with_running_text_is_refused_by_name(tmp_path: Path, changes: Any, said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        load(book(tmp_path, **changes))


def test_a_missing_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    spec = book(tmp_path)
    with pytest.raises(DataProblem, match=r"no data file .*bok\.txt.*did you mean book\.txt"):
        load(replace(spec, source=str(tmp_path / "bok.txt")))


FILES = tuple((f"{letter}.py", letter * 10) for letter in "abcdefghijklmnopqrstuvwxyz")


def test_whole_files_go_to_one_split() -> None:
    texts = _by_files(FILES, DataSpec("stdlib_source"))
    assert [len(set(text)) * 10 for text in texts] == [len(text) for text in texts]
    assert sorted("".join(texts)) == sorted("".join(text for _, text in FILES))
    assert not set(texts.validation) & set(texts.train) | set(texts.test) & set(texts.train + texts.validation)
    assert [len(text) for text in texts] == [160, 50, 50]  # 20% of 260 are 52, and a file has 10


def test_the_split_of_files_knows_no_seed_and_no_order_of_a_folder() -> None:
    spec = DataSpec("stdlib_source")
    assert _by_files(FILES, spec) == _by_files(FILES, replace(spec, seed=7))
    assert set(_by_files(FILES[::-1], spec).test) == set(_by_files(FILES, spec).test)
    assert set(_by_files(FILES, replace(spec, validation=0.1)).test) == set(_by_files(FILES, spec).test)


def library(folder: Path, packages: tuple[str, ...] = PACKAGES) -> Path:
    for package in packages:
        (folder / package / "test").mkdir(parents=True)
        (folder / package / "a.py").write_text(f"import nothing_of_the_kind  # {package}, never run\n")
        (folder / package / "test" / "b.py").write_text("left out")
    return folder


def test_sources_are_read_and_never_run(tmp_path: Path) -> None:
    files = _library_files(library(tmp_path))
    assert [name for name, _ in files] == [f"{package}/a.py" for package in PACKAGES]


def test_a_python_without_its_sources_has_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match="has no folder urllib; this data set needs a Python with its sources"):
        _library_files(library(tmp_path, PACKAGES[:-1]))


def test_the_library_of_this_python_is_enough_to_learn_from() -> None:
    spec = DataSpec("stdlib_source", validation=0.1, test=0.1)
    texts = read_corpus(spec)
    assert 1_000_000 < sum(map(len, texts)) < 2_000_000
    assert 0.09 < len(texts.validation) / sum(map(len, texts)) <= 0.1
    tokens = load(spec).preparation.tokens
    assert tokens is not None
    assert set(tokens.vocabulary) == set(texts.train)


def test_the_report_counts_characters_tokens_and_unknown_ones(tmp_path: Path) -> None:
    report = data_report(book(tmp_path, "ab" * 60 + "ac" * 20 + "ab" * 20, validation=0.2, test=0.2))
    assert report["problem"] is None
    assert report["kind"] == "corpus"
    assert report["splits"] == {"train": 8, "validation": 3, "test": 3}
    assert report["notes"] == [
        "2 tokens are known (character), from the training text alone",
        "the train text has 120 characters in 120 tokens",
        "the validation text has 40 characters in 40 tokens, 20 of them unknown",
        "the test text has 40 characters in 40 tokens",
    ]


def test_the_report_says_what_is_wrong_with_a_text(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match="a window takes"):
        data_report(book(tmp_path, "short"))
