"""Pairs of texts as data: the built-in dates, columns of files, both tokenizers, and what cannot be read."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import DATASETS, Facts, data_report, load, load_test
from goodfit.trainers.data.datasets.dates import FORMS, SHORT_FORMS, ordinal, ordinal_words, read_dates, year_words
from goodfit.trainers.data.kinds.pairs import end_of, texts_of
from goodfit.trainers.data.preparing.tokens import UNKNOWN, Tokenizer
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import AugmentSpec, DataSpec, TokenSpec

WRITTEN = {  # form -> a date and how it is written, by hand
    "3 March 1987": (dt.date(1987, 3, 3), "3 March 1987"),
    "March 3, 1987": (dt.date(2001, 12, 31), "December 31, 2001"),
    "3rd of March 1987": (dt.date(1912, 4, 22), "22nd of April 1912"),
    "March 3rd, 1987": (dt.date(2013, 11, 12), "November 12th, 2013"),
    "Tuesday 3 March 1987": (dt.date(1969, 7, 20), "Sunday 20 July 1969"),
    "Tue, 3 Mar 1987": (dt.date(1989, 11, 9), "Thu, 9 Nov 1989"),
    "Mar 3, 87": (dt.date(2004, 2, 29), "Feb 29, 04"),
    "3-Mar-87": (dt.date(2068, 1, 1), "1-Jan-68"),
    "03/03/1987": (dt.date(1999, 2, 1), "02/01/1999"),
    "03.03.1987": (dt.date(1999, 2, 1), "01.02.1999"),
    "3.3.87": (dt.date(1969, 10, 5), "5.10.69"),
    "1987 March 3": (dt.date(2099, 8, 15), "2099 August 15"),
    "the third of March 1987": (dt.date(1900, 5, 21), "the twenty-first of May 1900"),
    "March the third, nineteen eighty-seven": (dt.date(2042, 6, 30), "June the thirtieth, twenty forty-two"),
}
PARSED = {  # what strptime reads of the forms without ordinals
    "3 March 1987": "%d %B %Y",
    "March 3, 1987": "%B %d, %Y",
    "Tuesday 3 March 1987": "%A %d %B %Y",
    "Tue, 3 Mar 1987": "%a, %d %b %Y",
    "Mar 3, 87": "%b %d, %y",
    "3-Mar-87": "%d-%b-%y",
    "03/03/1987": "%m/%d/%Y",
    "03.03.1987": "%d.%m.%Y",
    "3.3.87": "%d.%m.%y",
    "1987 March 3": "%Y %B %d",
}


def days(forms: str) -> list[dt.date]:
    """Each 17th day of the years that such a form can be written of."""
    first, last = (1969, 2068) if forms in SHORT_FORMS else (1900, 2099)
    start = dt.date(first, 1, 1)
    return [start + dt.timedelta(days=gone) for gone in range(0, (dt.date(last, 12, 31) - start).days, 17)]


@pytest.mark.parametrize("form", FORMS)
def test_a_date_is_written_as_by_hand(form: str) -> None:
    date, text = WRITTEN[form]
    assert FORMS[form](date) == text
    if not form.startswith(("1987", "Tue")):
        assert FORMS[form](dt.date(1987, 3, 3)) == form


@pytest.mark.parametrize("form", PARSED)
def test_datetime_reads_the_same_date_back(form: str) -> None:
    for date in days(form):
        assert dt.datetime.strptime(FORMS[form](date), PARSED[form]).date() == date  # noqa: DTZ007 - a date has no zone


@pytest.mark.parametrize(
    ("year", "words"),
    [
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (1914, "nineteen fourteen"),
        (1940, "nineteen forty"),
        (1987, "nineteen eighty-seven"),
        (2000, "two thousand"),
        (2009, "two thousand and nine"),
        (2013, "twenty thirteen"),
        (2099, "twenty ninety-nine"),
    ],
)
def test_years_are_said_as_people_say_them(year: int, words: str) -> None:
    assert year_words(year) == words


def test_no_two_years_or_days_are_said_alike() -> None:
    assert len({year_words(year) for year in range(1900, 2100)}) == 200
    assert len({ordinal_words(day) for day in range(1, 32)}) == 31
    told = [ordinal(day) for day in (1, 2, 3, 4, 11, 12, 13, 20, 21, 22, 23, 30, 31)]
    assert " ".join(told) == "1st 2nd 3rd 4th 11th 12th 13th 20th 21st 22nd 23rd 30th 31st"


def test_no_text_stands_for_two_dates() -> None:
    meant: dict[str, dt.date] = {}
    for form in FORMS:
        for date in days(form):
            assert meant.setdefault(FORMS[form](date).lower(), date) == date


def test_the_dates_are_all_different_texts_of_all_forms_and_cases() -> None:
    raw = read_dates()
    assert len(raw.x) == DATASETS["dates"].rows == len({text.casefold() for text in raw.x})
    shapes = [re.sub(r"\d", "9", text) for text in raw.x]
    assert sum(shape == "99/99/9999" for shape in shapes) > 300
    assert all(sum(check(text) for text in raw.x) > 1000 for check in (str.islower, str.isupper, str.istitle))
    years = [dt.date.fromisoformat(text).year for text in raw.y]
    assert (min(years), max(years)) == (1900, 2099)


def test_the_dates_are_the_same_in_every_process() -> None:
    raw = read_dates()
    assert [*zip(raw.x[:3], raw.y[:3], strict=True)] == [
        ("19.11.68", "2068-11-19"),
        ("wednesday 4 october 2056", "2056-10-04"),
        ("the fourth of september 2016", "2016-09-04"),
    ]


def test_no_source_is_on_both_sides_of_a_split() -> None:
    data, test = load(DataSpec("dates")), load_test(DataSpec("dates"))
    tokens = data.preparation.tokens
    assert tokens is not None
    parts = [{tokens.decode(row).casefold() for row in part.x} for part in (data.train, data.validation, test)]
    assert [len(part) for part in parts] == [4800, 1600, 1600]
    assert not any(one & other for one, other in itertools.combinations(parts, 2))


def sayings(rows: int = 40) -> pd.DataFrame:
    numbers = np.arange(rows)
    english, german = [f"I have {n} Apples." for n in numbers], [f"Ich habe {n} Äpfel!  😀" for n in numbers]
    return pd.DataFrame({"english": english, "german": german, "book": numbers // 4, "written": numbers})


def saved(folder: Path, suffix: str = ".tsv", frame: pd.DataFrame | None = None) -> Path:
    frame, path = sayings() if frame is None else frame, folder / f"sayings{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


def spec_of(path: Path, **changes: Any) -> DataSpec:
    return replace(DataSpec(str(path), "german", kind="pairs", text="english", tokens=TokenSpec(length=40)), **changes)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_two_columns_of_a_table_file_are_read_as_pairs(tmp_path: Path, suffix: str) -> None:
    spec = spec_of(saved(tmp_path, suffix))
    data = load(spec)
    assert (data.kind, data.task, data.classes, data.features) == ("pairs", "translation", (), ("english",))
    assert (data.train.x.shape, data.train.y.shape, data.train.y.dtype) == ((24, 40), (24, 41), np.int64)
    assert data.facts.rows == {"train": 24, "validation": 8, "test": 8}
    sources, targets = data.preparation.tokens, data.preparation.target_tokens
    assert sources is not None
    assert targets is not None
    frame = sayings().set_index("english")["german"]
    for x, text in zip(data.train.x, texts_of(targets, data.train.y), strict=True):
        assert frame[sources.decode(x)] == text  # the pairs are still together, to the last character
    assert len(load_test(spec)) == 8


@pytest.mark.parametrize("by", ["character", "bpe"])
def test_a_target_is_spelled_out_again_exactly(tmp_path: Path, by: str) -> None:
    data = load(spec_of(saved(tmp_path), tokens=TokenSpec(by, 200, 40)))
    targets = data.preparation.target_tokens
    assert targets is not None
    assert targets.by == by
    assert set(texts_of(targets, data.train.y)) <= set(sayings()["german"])
    last = (data.train.y != 0).sum(axis=1) - 1
    assert (data.train.y[np.arange(24), last] == end_of(targets)).all()
    assert (data.train.y == end_of(targets)).sum() == 24


def test_both_tokenizers_see_the_training_rows_alone(tmp_path: Path) -> None:
    frame = sayings().assign(part=["train"] * 20 + ["validation"] * 10 + ["test"] * 10)
    frame.loc[25, ["english", "german"]] = ["ŋ", "ß"]
    data = load(spec_of(saved(tmp_path, frame=frame), split_column="part"))
    for tokens, side in (
        (data.preparation.tokens, data.validation.x),
        (data.preparation.target_tokens, data.validation.y),
    ):
        assert tokens is not None
        assert not {"ŋ", "ß"} & set(tokens.vocabulary)
        assert side[5, 0] == UNKNOWN
    assert any("1 of 10 validation targets have a token that no training target has" in note for note in notes(data))


def notes(data: Any) -> list[str]:
    from goodfit.trainers.data.kinds.pairs import pairs_notes

    return pairs_notes(data)


def test_a_number_or_the_word_none_is_a_text_here(tmp_path: Path) -> None:
    frame = pd.DataFrame({"english": ["seven", "none", "NA", "eight"] * 6, "german": ["007", "None", "nan", "8"] * 6})
    data = load(spec_of(saved(tmp_path, ".csv", frame)))
    assert data.preparation.target_tokens is not None
    assert set(texts_of(data.preparation.target_tokens, data.train.y)) == {"007", "None", "nan", "8"}


def test_both_tokenizers_are_kept_with_the_facts(tmp_path: Path) -> None:
    facts = load(spec_of(saved(tmp_path), tokens=TokenSpec("bpe", 60, 60))).facts
    facts.write(tmp_path / "facts.json")
    assert Facts.read(tmp_path / "facts.json") == facts


def test_groups_and_times_split_pairs_too(tmp_path: Path) -> None:
    path = saved(tmp_path)
    numbers = [
        numbers_of(load(spec_of(path, split_group="book"))),
        numbers_of(load(spec_of(path, split_time="written"))),
    ]
    train, validation = numbers[0]
    assert not {number // 4 for number in train} & {number // 4 for number in validation}
    train, validation = numbers[1]
    assert (max(train), min(validation), max(validation)) == (23, 24, 31)


def numbers_of(data: Any) -> list[list[int]]:
    texts = [texts_of(data.preparation.target_tokens, part.y) for part in (data.train, data.validation)]
    return [[int(re.sub(r"\D", "", text)) for text in part] for part in texts]


def test_each_fold_validates_other_rows(tmp_path: Path) -> None:
    path = saved(tmp_path, frame=sayings(80))
    validated = [numbers_of(load(spec_of(path, folds=4, fold=fold)))[1] for fold in range(4)]
    assert len(set(itertools.chain(*validated))) == sum(map(len, validated)) == 64


def test_a_row_without_a_text_is_an_error_or_dropped(tmp_path: Path) -> None:
    frame = sayings()
    frame.loc[[3, 8], "german"] = ["   ", None]
    frame.loc[5, "english"] = ""
    path = saved(tmp_path, frame=frame)
    with pytest.raises(DataProblem, match=r"column english: 1 of 40 texts are empty or missing \(row 6 is the first\)"):
        load(spec_of(path))
    assert load(spec_of(path, missing="drop")).facts.rows == {"train": 23, "validation": 7, "test": 7, "dropped": 3}


def test_a_target_that_is_too_long_is_refused_and_a_source_keeps_its_beginning(tmp_path: Path) -> None:
    frame = sayings()
    frame.loc[7, "german"] = "x" * 50
    with pytest.raises(DataProblem, match=r"1 of 40 targets have more than 40 tokens \(row 8 has 50\); give `tokens: "):
        load(spec_of(saved(tmp_path, frame=frame)))
    frame = sayings()
    frame.loc[:, "english"] = frame["english"] + "y" * 50
    data = load(spec_of(saved(tmp_path, frame=frame)))
    assert data.preparation.tokens is not None
    assert all(len(data.preparation.tokens.decode(row)) == 40 for row in data.train.x)
    assert "100.0% of the training sources have more than 40 tokens" in notes(data)[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": "englisch"}, "has no column 'englisch', which data.text names; did you mean english?"),
        ({"target": "germann"}, "has no column 'germann', which data.target names; did you mean german?"),
        ({"text": None}, r"which column is to be translated\?"),
        ({"target": None}, r"which column is the translation\?"),
        ({"target": "english"}, "data.text and data.target both name english"),
        ({"tokens": TokenSpec("word")}, "tokens.by: word drops the spaces and the case"),
        ({"tokens": TokenSpec("chars")}, "tokens.by, for pairs: 'chars' is unknown"),
        ({"tokens": TokenSpec(vocabulary=2)}, "vocabulary 2 and length 128 leave nothing to read"),
        ({"missing": "median"}, "prepare.missing, for pairs: 'median' is unknown"),
        ({"scale": "robust"}, "prepare.scale, for pairs: 'robust' is unknown"),
        ({"balance": "weights"}, "prepare.balance does not go with pairs"),
        ({"categorical": ("book",)}, "data.categorical does not go with pairs"),
        ({"augment": AugmentSpec(delete=0.1)}, "augment.delete varies text data, and these are of kind pairs"),
        ({"window": 4}, "data.window does not go with pairs"),
        ({"source": "iris"}, "iris is of kind table, not pairs; leave data.kind out"),
        ({"source": "eeg"}, "eeg is of kind series, not pairs; leave data.kind out"),
        ({"source": "dates"}, "data.text names a column of a file, and dates is built in"),
        ({"source": "dates", "kind": "series"}, "dates is of kind pairs, not series; leave data.kind out"),
    ],
)
def test_what_does_not_go_with_pairs_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        load(spec_of(saved(tmp_path), **changes))


def test_a_column_of_numbers_in_a_typed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match="column book holds int64 and not text"):
        load(spec_of(saved(tmp_path, ".parquet"), target="book"))


def test_the_report_counts_rows_splits_copies_and_lengths(tmp_path: Path) -> None:
    frame = sayings(20).assign(part=["train"] * 10 + ["validation"] * 5 + ["test"] * 5)
    frame.loc[12, "english"] = frame.loc[2, "english"]
    report = data_report(spec_of(saved(tmp_path, frame=frame), split_column="part"))
    assert (report["kind"], report["task"], report["rows"]) == ("pairs", "translation", 20)
    assert report["splits"] == {"train": 10, "validation": 5, "test": 5}
    assert report["duplicates"] == {"validation_in_train": 1, "test_in_train": 0, "test_in_validation": 0}
    english, german = report["columns"]
    assert (english["name"], english["distinct"], english["min"], english["max"]) == ("english", 19, 16, 17)
    assert (german["name"], german["distinct"], german["min"], german["max"]) == ("german", 20, 20, 21)
    assert data_report(DataSpec("dates"))["duplicates"]["test_in_train"] == 0


def test_a_decoded_text_ends_at_its_first_end() -> None:
    tokens = Tokenizer.fit(["ab"], "character", 10, 5)
    end = end_of(tokens)
    assert texts_of(tokens, np.array([[2, 3, end, 2, end], [3, 3, 3, 3, 3], [end, 0, 0, 0, 0]])) == ["ab", "bbbbb", ""]
