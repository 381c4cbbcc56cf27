"""The report on a study's data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import data_report
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec, TokenSpec
from tests.trainers.tables import customers, spec_of


def test_columns_classes_and_gaps_are_counted(tmp_path: Path) -> None:
    frame = customers()
    report = data_report(spec_of(tmp_path, frame))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["kind"], report["task"], report["rows"]) == ("table", "classification", 400)
    columns = {column["name"]: column for column in report["columns"]}
    assert list(columns) == ["age", "city", "plan", "spend"]
    assert columns["age"]["missing"] == int(frame["age"].isna().sum())
    assert columns["age"]["max"] == frame["age"].max()
    assert columns["city"] == {
        "name": "city",
        "type": "text",
        "missing": int(frame["city"].isna().sum()),
        "distinct": 3,
        "most_frequent": frame["city"].value_counts().to_dict(),
    }
    assert report["target"]["classes"]["yes"] == {"all": 60, "train": 36, "validation": 12, "test": 12}
    assert report["problem"] is None
    assert report["giveaways"] == []


def test_what_keeps_the_data_from_training_is_told_beside_the_report(tmp_path: Path) -> None:
    report = data_report(spec_of(tmp_path, customers(id=[f"c{row}" for row in range(400)]), missing="error"))
    assert "missing" in report["problem"]
    assert {column["name"]: column["distinct"] for column in report["columns"]}["id"] == 400


@pytest.mark.parametrize("kind", ["text", "number", "gap"])
def test_a_column_that_gives_a_class_away_is_named(tmp_path: Path, kind: str) -> None:
    frame = customers()
    left = frame["left"] == "yes"
    known = {"text": np.where(left, "closed", "open"), "number": left * 7.5, "gap": np.where(left, 3.0, np.nan)}[kind]
    report = data_report(spec_of(tmp_path, frame.assign(closed_on=known)))
    assert [found["column"] for found in report["giveaways"]] == ["closed_on"]
    assert "column closed_on alone predicts the target (balanced accuracy 1.000)" in report["notes"][0]


def test_a_column_that_gives_a_number_away_is_named(tmp_path: Path) -> None:
    frame = customers(price=np.linspace(1, 9, 400)).assign(price_with_tax=np.linspace(1, 9, 400) * 1.2)
    report = data_report(spec_of(tmp_path, frame, "price"))
    assert [(found["column"], found["measure"]) for found in report["giveaways"]] == [("price_with_tax", "R2")]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_real_features_give_nothing_away(name: str) -> None:
    report = data_report(DataSpec(name))
    assert (report["giveaways"], report["problem"]) == ([], None)


def test_copies_of_training_rows_are_counted_in_each_split(tmp_path: Path) -> None:
    frame = customers(60).dropna().head(30).assign(split="train")
    copies = [frame.head(4).assign(split="validation"), frame.tail(3).assign(split="test")]
    others = [customers(60, seed=1).dropna().head(9).assign(split=split) for split in ("validation",)]
    report = data_report(spec_of(tmp_path, pd.concat([frame, *copies, *others]), split_column="split"))
    assert report["duplicates"] == {"validation_in_train": 4, "test_in_train": 3, "test_in_validation": 0}
    assert any(
        note.startswith("4 of 13 validation rows have the same inputs as rows of train") for note in report["notes"]
    )


def test_equal_rows_of_different_classes_are_counted(tmp_path: Path) -> None:
    frame = customers(60).dropna().head(40)
    target = frame.columns[-1]
    others = frame.head(3).assign(**{target: ["yes" if label == "no" else "no" for label in frame[target].head(3)]})
    report = data_report(spec_of(tmp_path, pd.concat([frame, frame.tail(5), others])))
    assert report["conflicts"] == 6
    said = "6 of 48 rows have the same inputs as rows of another class"
    assert any(note.startswith(said) for note in report["notes"])
    assert data_report(spec_of(tmp_path, frame))["conflicts"] == 0


def test_numbers_to_predict_are_in_no_conflict(tmp_path: Path) -> None:
    frame = customers(40, price=np.linspace(1, 9, 40)).dropna()
    twice = pd.concat([frame, frame.assign(price=frame["price"] + 1)])
    assert data_report(spec_of(tmp_path, twice, "price"))["conflicts"] == 0


def test_a_rare_class_a_constant_and_gaps_are_pointed_out(tmp_path: Path) -> None:
    notes = " ".join(data_report(spec_of(tmp_path, customers(unit="EUR")))["notes"])
    assert "class yes is 15.0% of the rows: search for val/balanced_accuracy" in notes
    assert "column unit never changes" in notes
    assert "2 columns have missing values, age the most" in notes


def test_rows_that_are_dropped_are_in_no_split(tmp_path: Path) -> None:
    frame = customers()
    report = data_report(spec_of(tmp_path, frame, missing="drop"))
    assert (report["rows"], sum(report["splits"].values())) == (400, len(frame.dropna()))


def test_data_that_cannot_be_read_have_no_report(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, customers())
    with pytest.raises(DataProblem, match="no data file"):
        data_report(replace(spec, source=spec.source + ".csv"))


def series(folder: Path, frame: pd.DataFrame, **changes: object) -> DataSpec:
    frame.to_csv(folder / "series.csv", index=False)
    spec = DataSpec(str(folder / "series.csv"), "load", kind="series", window=6, horizon=2)
    return replace(spec, **changes)  # type: ignore[arg-type]


def waves() -> pd.DataFrame:
    return pd.DataFrame({"wind": np.arange(60.0), "load": np.sin(np.arange(60)), "unit": 1})


def test_of_a_series_rows_and_columns_are_told_as_they_are_in_the_file(tmp_path: Path) -> None:
    report = data_report(series(tmp_path, waves()))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["kind"], report["task"], report["rows"]) == ("series", "forecasting", 60)
    assert [column["name"] for column in report["columns"]] == ["load", "wind", "unit"]
    assert report["columns"][1] | {"mean": 29.5} == {
        "name": "wind",
        "type": "number",
        "missing": 0,
        "distinct": 60,
        "min": 0.0,
        "mean": 29.5,
        "max": 59.0,
    }
    assert report["target"]["name"] == "load"
    assert report["splits"] == {"train": 29, "validation": 11, "test": 11}
    assert report["notes"] == [
        "column unit never changes and predicts nothing; leave it out: `data: {ignore: [unit]}`",
        "the splits count windows of 6 rows each",
    ]


def test_what_keeps_a_series_from_training_is_told_beside_its_columns(tmp_path: Path) -> None:
    frame = waves()
    frame.loc[[4, 9], "wind"] = np.nan
    report = data_report(series(tmp_path, frame))
    assert "column wind: 2 values missing" in report["problem"]
    assert {column["name"]: column["missing"] for column in report["columns"]}["wind"] == 2
    assert report["splits"] == report["duplicates"] == {}


def test_the_classes_of_a_series_and_of_sequences_are_counted(tmp_path: Path) -> None:
    report = data_report(series(tmp_path, waves().assign(load=["up", "down"] * 30), horizon=None))
    assert (report["task"], report["rows"]) == ("classification", 60)
    assert report["target"]["classes"]["up"] == {"all": 27, "train": 15, "validation": 6, "test": 6}
    np.savez(tmp_path / "sequences.npz", x=np.random.default_rng(0).normal(size=(30, 5, 2)), y=np.arange(30) % 3)
    report = data_report(DataSpec(str(tmp_path / "sequences.npz"), kind="series"))
    assert (report["rows"], [column["name"] for column in report["columns"]]) == (30, ["x0", "x1"])
    assert report["target"]["classes"]["2"]["all"] == 10


def reviews(folder: Path, frame: pd.DataFrame, **changes: object) -> DataSpec:
    frame.to_csv(folder / "reviews.csv", index=False)
    spec = DataSpec(str(folder / "reviews.csv"), "stars", text="review", tokens=TokenSpec("word", 50, 3))
    return replace(spec, **changes)  # type: ignore[arg-type]


def words(rows: int) -> pd.DataFrame:
    """Texts that all differ, most of them in words that a tokenizer of 50 tokens does not know."""
    texts = [f"film number {row} " + "good" * (row % 2) for row in range(rows)]
    return pd.DataFrame({"review": texts, "stars": ["many" if row % 2 else "few" for row in range(rows)]})


def test_texts_are_told_as_they_are_in_the_file_and_not_as_a_model_reads_them(tmp_path: Path) -> None:
    report = data_report(reviews(tmp_path, words(300)))
    assert (report["kind"], report["task"], report["rows"]) == ("text", "classification", 300)
    (column,) = report["columns"]
    assert (column["name"], column["type"], column["missing"], column["distinct"]) == ("review", "text", 0, 300)
    assert column["characters"]["max"] == len("film number 299 good")
    assert report["target"]["classes"]["few"] == {"all": 150, "train": 90, "validation": 30, "test": 30}
    assert set(report["duplicates"].values()) == {0}
    assert report["notes"] == [
        "50.0% of the training texts have more than 3 tokens and keep their beginning; raise data.tokens.length"
    ]


def test_copies_and_gaps_of_texts_are_counted(tmp_path: Path) -> None:
    frame = words(30)
    frame.loc[:, "part"] = ["train"] * 20 + ["validation"] * 5 + ["test"] * 5
    frame.loc[20:21, "review"] = frame["review"][:2].to_numpy()
    frame.loc[[3, 4], "review"] = [None, "  "]
    report = data_report(reviews(tmp_path, frame, split_column="part"))
    assert report["columns"][0]["missing"] == 2
    assert report["duplicates"] == {"validation_in_train": 2, "test_in_train": 0, "test_in_validation": 0}
    assert "2 of 30 texts are empty or missing" in report["problem"]
    report = data_report(reviews(tmp_path, frame, split_column="part", missing="drop"))
    assert (report["problem"], report["rows"], report["splits"]["train"]) == (None, 30, 18)
