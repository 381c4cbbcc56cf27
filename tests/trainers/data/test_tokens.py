"""The tokenizers: what becomes a token, which id it gets, what is cut off."""

from __future__ import annotations

import dataclasses
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.trainers.data.preparing.tokens import PADDING, UNKNOWN, Tokenizer

TEXTS = ["the cat sat on the mat", "the dog sat", "a cat"]
KINDS = ["word", "character", "bpe"]


def test_words_are_lower_case_runs_of_letters_and_digits_and_single_marks() -> None:
    tokens = Tokenizer.fit(["x"], "word", 10, 4).tokens("Don't parse_args(ÉTÉ, 42)!")
    assert tokens == ["don", "'", "t", "parse", "_", "args", "(", "été", ",", "42", ")", "!"]


def test_ids_go_by_frequency_then_by_spelling_from_two_on() -> None:
    tokenizer = Tokenizer.fit(TEXTS, "word", 100, 6)
    assert tokenizer.vocabulary == ("the", "cat", "sat", "a", "dog", "mat", "on")
    assert tokenizer.encode(["sat the bird"]).tolist() == [[4, 2, UNKNOWN, PADDING, PADDING, PADDING]]
    assert tokenizer.size == 9


def test_the_vocabulary_is_cut_to_the_most_frequent() -> None:
    tokenizer = Tokenizer.fit(TEXTS, "word", 4, 3)
    assert tokenizer.vocabulary == ("the", "cat")
    assert tokenizer.encode(["the mat"]).tolist() == [[2, UNKNOWN, PADDING]]


def test_a_long_text_keeps_its_beginning_and_the_share_of_them_is_known() -> None:
    tokenizer = Tokenizer.fit(TEXTS, "word", 100, 3)
    assert tokenizer.encode(["the cat sat on the mat"]).tolist() == tokenizer.encode(["the cat sat"]).tolist()
    assert tokenizer.truncated == pytest.approx(1 / 3)


def test_characters_are_taken_as_they_are() -> None:
    tokenizer = Tokenizer.fit(["Aa b"], "character", 100, 5)
    assert tokenizer.tokens("a A") == ["a", " ", "A"]
    assert set(tokenizer.vocabulary) == {"A", "a", " ", "b"}


def test_byte_pairs_join_what_stands_together_most_often() -> None:
    tokenizer = Tokenizer.fit(["low low low lower lowest newest"], "bpe", 100, 8)
    assert tokenizer.merges[:2] == (("l", "o"), ("lo", "w"))
    assert tokenizer.tokens("low slow") == ["low", " ", "s", "low"]


def test_byte_pairs_stop_at_the_size_asked_for() -> None:
    text = "abcabcabcabd xyxyxy" * 3
    characters = len(set(text))
    assert Tokenizer.fit([text], "bpe", 2 + characters, 4).merges == ()
    assert Tokenizer.fit([text], "bpe", 5 + characters, 4).size == 5 + characters


@pytest.mark.parametrize("by", KINDS)
def test_a_tokenizer_survives_json_and_pickle(by: str) -> None:
    tokenizer = Tokenizer.fit(TEXTS, by, 30, 5)
    rows = tokenizer.encode(TEXTS).tolist()
    for copy in (
        Tokenizer.from_dict(json.loads(json.dumps(dataclasses.asdict(tokenizer)))),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert copy == tokenizer
        assert copy.encode(TEXTS).tolist() == rows


@pytest.mark.parametrize("by", KINDS)
def test_the_order_of_equally_frequent_texts_changes_no_id(by: str) -> None:
    one, other = Tokenizer.fit(TEXTS, by, 25, 5), Tokenizer.fit(TEXTS[::-1], by, 25, 5)
    assert one.vocabulary == other.vocabulary
    assert one.merges == other.merges


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="ab_ .\n", min_size=1, max_size=30), min_size=1, max_size=5))
def test_byte_pairs_and_characters_lose_nothing_of_a_text(texts: list[str]) -> None:
    for by in ("character", "bpe"):
        tokenizer = Tokenizer.fit(texts, by, 40, 4)
        assert ["".join(tokenizer.tokens(text)) for text in texts] == texts
        assert UNKNOWN not in tokenizer.encode(texts)
