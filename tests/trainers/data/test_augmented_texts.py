"""Training texts, varied anew in each epoch before they are tokenized."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.testing.attempts import attempt
from goodfit.trainers.data import load, load_test
from goodfit.trainers.data.augmenting.paraphrases import read_synonyms
from goodfit.trainers.data.augmenting.variations import VariedTexts
from goodfit.trainers.data.preparing.tokens import Tokenizer
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import AugmentSpec, DataSpec, Outcome, TokenSpec

TEXTS = ["The quick brown fox jumps.", "A lazy dog\tsleeps  all day", "one"]
WORDS = TokenSpec("word", 200, 12)


def varied(texts: list[str] | None = None, **augment: Any) -> VariedTexts:
    texts = TEXTS if texts is None else texts
    return VariedTexts.of(texts, Tokenizer.fit(texts, "word", 200, 12), AugmentSpec(**augment))


def thesaurus(folder: Path, text: str | bytes) -> str:
    path = folder / "thesaurus.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def reviews(folder: Path, **augment: Any) -> DataSpec:
    """Praise and blame, told apart by one word in a few."""
    random = np.random.default_rng(0)
    filler = ["the", "film", "was", "seen", "by", "us", "today", "and", "then"]
    rows = []
    for label, words in (("good", ["great", "lovely", "superb"]), ("bad", ["awful", "dull", "poor"])):
        for _ in range(60):
            words_of = [*random.choice(filler, 6), *random.choice(words, 2)]
            rows.append((" ".join(random.permutation(words_of)), label))
    path = folder / "reviews.csv"
    pd.DataFrame(rows, columns=["review", "label"]).to_csv(path, index=False)
    return DataSpec(str(path), "label", text="review", tokens=WORDS, augment=AugmentSpec(**augment))


def test_each_epoch_has_texts_of_its_own_and_always_the_same() -> None:
    texts = varied(delete=0.3, swap=0.3)
    assert texts.vary(1, 1) == texts.vary(1, 1)
    assert texts.vary(1, 1) != texts.vary(1, 2)
    assert texts.vary(1, 1) != texts.vary(2, 1)
    assert texts.texts == TEXTS


def test_deletion_leaves_words_out_and_never_the_last_one() -> None:
    left = [varied(delete=0.9).vary(1, epoch) for epoch in range(100)]
    for texts in left:
        for before, after in zip(TEXTS, texts, strict=True):
            words = after.split()
            assert words
            assert [word for word in before.split() if word in words] == words
    assert {texts[2] for texts in left} == {"one"}


def test_deletion_leaves_out_about_its_share() -> None:
    text = " ".join(f"w{number}" for number in range(5000))
    assert len(varied([text], delete=0.2).vary(1, 1)[0].split()) == pytest.approx(4000, rel=0.03)


def test_a_swap_exchanges_neighbours_and_loses_no_word_and_no_gap() -> None:
    text = "a b\tc  d\ne"
    found = {varied([text], swap=0.5).vary(1, epoch)[0] for epoch in range(60)}
    assert text in found
    assert "b a\tc  d\ne" in found
    assert "a b\tc  e\nd" in found
    assert all(sorted(other) == sorted(text) for other in found)
    gaps = {tuple(character for character in other if character.isspace()) for other in found}
    assert gaps == {(" ", "\t", " ", " ", "\n")}
    assert len(found) == 8  # the ways in which no word moves twice


def test_synonyms_keep_capitals_and_marks_and_come_at_their_share(tmp_path: Path) -> None:
    file = thesaurus(tmp_path, "quick, fast\n# a comment\n\nfox\tvixen\thill fox\n")
    found = {varied(["The QUICK fox. Quick, (fox)!"], synonyms=file, replace=0.5).vary(1, e)[0] for e in range(200)}
    assert {text.split()[1] for text in found} == {"QUICK", "FAST"}
    assert {text.split(". ")[1].split(", ")[0] for text in found} == {"Quick", "Fast"}
    assert {text.split(", ")[1] for text in found} == {"(fox)!", "(vixen)!", "(hill fox)!"}
    text = " ".join(["quick other"] * 2000)
    replaced = varied([text], synonyms=file, replace=0.3).vary(1, 1)[0].split()
    assert replaced.count("fast") == pytest.approx(600, rel=0.1)
    assert replaced.count("other") == 2000


def test_a_word_of_several_lines_has_the_synonyms_of_all(tmp_path: Path) -> None:
    file = thesaurus(tmp_path, b"\xef\xbb\xbfBig, large\r\nbig, huge, very big\r\n")
    assert read_synonyms(Path(file)) == {
        "big": ("large", "huge", "very big"),
        "large": ("Big",),
        "huge": ("big", "very big"),
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("quick, fast\nalone\n", r"thesaurus\.txt, line 2: 'alone' stands alone; write what may stand for it"),
        ("quick,, fast\n", r"line 1: there is nothing between two separators"),
        ("a, b\nquick, fast, Quick\n", r"line 2: 'Quick' is there twice"),
        (b"a, b\ncaf\xe9, bar\n", r"line 2: is not UTF-8 text \(byte 3\); save the thesaurus as UTF-8"),
        ("# nothing\n", r"the thesaurus has no words"),
        ("never, seen\n", r"none of its words occurs in a training text"),
    ],
)
def test_a_wrong_thesaurus_is_named_with_its_line(tmp_path: Path, written: str | bytes, said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        varied(synonyms=thesaurus(tmp_path, written), replace=0.5)


def test_a_thesaurus_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match=r"there is no file .*gone\.txt"):
        varied(synonyms=str(tmp_path / "gone.txt"), replace=0.5)


def test_replacing_without_a_thesaurus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match=r"augment\.replace puts words of a thesaurus in; give its file"):
        load(reviews(tmp_path, replace=0.2))


def translator(folder: Path, body: str, name: str = "reword") -> str:
    path = folder / f"{folder.name.replace('-', '_')}_translator.py"
    path.write_text(f"calls = []\n\n\ndef reword(text):\n    calls.append(text)\n    {body}\n")
    return f"{path}:{name}"


def test_half_of_the_texts_are_paraphrases_and_each_is_asked_for_once(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(300)]
    reference = translator(tmp_path, "return text.upper()")
    many = varied(texts, translate=reference)
    epochs = [many.vary(1, epoch) for epoch in (1, 2, 3)]
    for epoch in epochs:
        assert 110 < sum(text.isupper() for text in epoch) < 190
        assert all(after.lower() == before for before, after in zip(texts, epoch, strict=True))
    assert epochs[0] != epochs[1]
    again = varied(texts, translate=reference)  # the next trial of the worker
    assert again.vary(1, 1) == epochs[0]
    from goodfit.trainers.importing import import_function

    calls = import_function(Path(reference.rpartition(":")[0]), "reword").__globals__["calls"]
    assert sorted(calls) == sorted(texts)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", r"given training text 1 \('The quick.*\), returned NoneType; it must return a text"),
        ("return '  '", r"returned an empty text; return the text itself"),
        ("return chr(0xd800)", r"returned half a character"),
        ("raise OSError('no model')", r"failed: OSError: no model"),
    ],
)
def test_a_paraphraser_that_fails_is_named_before_training(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        varied(translate=translator(tmp_path, body))


def test_a_paraphraser_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match=r"has no 'rewordd'; did you mean reword\?"):
        varied(translate=translator(tmp_path, "return text", "rewordd"))
    with pytest.raises(DataProblem, match=r"there is no file .*gone\.py"):
        varied(translate=f"{tmp_path / 'gone.py'}:reword")
    with pytest.raises(DataProblem, match=r"is no function of a file; write path\.py:function"):
        varied(translate="reword")


def test_only_training_texts_are_varied_and_kept_only_where_that_is_asked_for(tmp_path: Path) -> None:
    plain, spec = load(reviews(tmp_path)), reviews(tmp_path, delete=0.4)
    data = load(spec)
    assert plain.texts is None
    assert data.texts is not None
    assert len(data.texts.texts) == len(data.train)
    assert np.array_equal(data.texts.tokens.encode(data.texts.texts), data.train.x)
    assert np.array_equal(data.train.x, plain.train.x)
    assert np.array_equal(data.validation.x, plain.validation.x)
    assert np.array_equal(load_test(spec).x, load_test(reviews(tmp_path)).x)
    assert data.facts == plain.facts
    assert not np.array_equal(data.texts.ids(1, 1), data.train.x)
    assert data.texts.ids(1, 1).shape == data.train.x.shape


def test_a_resumed_trial_reads_the_same_texts(tmp_path: Path) -> None:
    file = thesaurus(tmp_path, "great, lovely, superb\nawful, dull, poor")
    spec = reviews(tmp_path, delete=0.2, swap=0.2, replace=0.3, synonyms=file)
    small = {"width": 8, "depth": 1, "heads": 1}
    settings: dict[str, Any] = {"trainer": "transformer", "data": spec, "params": small, "checkpoint_epochs": 1}
    whole = attempt(tmp_path / "whole", epochs=4, **settings)
    assert whole.ended.outcome is Outcome.COMPLETE, whole.ended.message
    first = attempt(tmp_path / "halves", epochs=4, stop_after=2, **settings)
    second = attempt(tmp_path / "halves", epochs=4, attempt=2, reported=2, **settings)
    assert [*first.curve, *second.curve] == whole.curve
    assert len(whole.curve) == 4
    settings["data"] = replace(spec, augment=AugmentSpec())
    assert attempt(tmp_path / "plain", epochs=4, **settings).curve != whole.curve
