"""Tables with text and gaps: what becomes of them, fitted on the training split alone."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import Facts, load, load_test
from goodfit.trainers.data.datasets.tables import read_builtin
from goodfit.trainers.data.reading.raw import has_target
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from tests.trainers.tables import customers, spec_of


def said(spec: DataSpec) -> str:
    with pytest.raises(DataProblem) as caught:
        load(spec)
    return str(caught.value)


def test_text_columns_become_one_column_a_category_after_the_numbers(tmp_path: Path) -> None:
    data = load(spec_of(tmp_path, customers(), scale="none", indicator=True))
    assert data.features == ("age", "city", "plan", "spend")
    assert data.facts.columns == (
        "age", "spend", "age is missing", "city = Lima", "city = Oslo", "city = Rome", "city is missing",
        "plan = free", "plan = paid",
    )  # fmt: skip
    assert data.train.x.dtype == np.float32
    assert data.facts.input_shape == (9,)
    assert (data.train.x[:, 3:7].sum(axis=1) == 1).all()
    assert (data.train.x[:, 7:].sum(axis=1) == 1).all()


def test_each_row_keeps_its_own_category(tmp_path: Path) -> None:
    frame = customers()
    frame["spend"] = np.arange(len(frame), dtype=float)
    data = load(spec_of(tmp_path, frame, scale="none", missing="constant"))
    at = data.facts.columns.index("city = Oslo")
    rows = data.validation.x[:, data.facts.columns.index("spend")].astype(int)
    assert (data.validation.x[:, at] == (frame["city"].to_numpy()[rows] == "Oslo")).all()


def unseen(folder: Path, **spec: Any) -> DataSpec:
    """A split column that puts the one row of Quito into validation, where it comes first."""
    frame = customers(60, split=["validation"] * 20 + ["train"] * 30 + ["test"] * 10)
    frame.loc[0, "city"] = "Quito"
    return spec_of(folder, frame, split_column="split", **spec)


def test_a_category_unseen_in_training_is_all_zeros_one_hot(tmp_path: Path) -> None:
    data = load(unseen(tmp_path))
    cities = [place for place, name in enumerate(data.facts.columns) if name.startswith("city")]
    assert "city = Quito" not in data.facts.columns
    assert (data.validation.x[0, cities] == 0).all()
    assert (data.validation.x[1:, cities].sum(axis=1) == 1).all()


def test_a_category_unseen_in_training_is_code_zero_as_an_embedding(tmp_path: Path) -> None:
    data = load(unseen(tmp_path, encode="embedding"))
    assert data.facts.cardinalities == (5, 3)  # three cities, a gap and the unknown; two plans and the unknown
    codes = data.validation.codes
    assert codes is not None
    assert codes.dtype == np.int64
    assert codes[0, 0] == 0
    assert codes[1:].min() >= 1
    assert data.train.codes is not None
    assert sorted(set(data.train.codes[:, 0])) == [1, 2, 3, 4]
    assert data.train.x.shape[1] == 2


def test_missing_text_is_an_error_unless_it_may_be_filled(tmp_path: Path) -> None:
    told = said(spec_of(tmp_path, customers(), missing="error"))
    assert f"column age: {int(customers()['age'].isna().sum())} values, column city: " in told


def test_drop_leaves_incomplete_rows_out_and_says_how_many(tmp_path: Path) -> None:
    frame = customers()
    whole = len(frame.dropna())
    data = load(spec_of(tmp_path, frame, missing="drop"))
    assert data.facts.rows["dropped"] == 400 - whole > 0
    assert sum(count for part, count in data.facts.rows.items() if part != "dropped") == whole
    assert "city is missing" not in data.facts.columns


def test_drop_with_a_gap_in_every_row_is_refused(tmp_path: Path) -> None:
    assert "every row has a missing value" in said(spec_of(tmp_path, customers(empty=np.nan), missing="drop"))


@pytest.mark.parametrize(
    ("missing", "filled"), [("most_frequent", 2.0), ("constant", 0.0), ("median", 2.0), ("mean", 24 / 11)]
)
def test_gaps_are_filled_with_what_the_training_rows_say(tmp_path: Path, missing: str, filled: float) -> None:
    column = [1.0, 2.0, 2.0, 2.0, 2.0, 5.0, 2.0, 1.0, 1.0, 1.0, 5.0, np.nan] + [np.nan] * 4 + [100.0] * 4
    split = ["train"] * 12 + ["validation"] * 4 + ["test"] * 4
    frame = pd.DataFrame({"a": column, "split": split, "y": ["p", "q"] * 10})
    spec = spec_of(tmp_path, frame, "y", missing=missing, scale="none", split_column="split")
    data = load(spec)
    assert data.train.x[11, 0] == pytest.approx(filled)
    assert data.validation.x[:, 0] == pytest.approx([filled] * 4)
    assert load_test(spec).x[:, 0] == pytest.approx([100.0] * 4)


def test_indicators_mark_what_was_filled_in(tmp_path: Path) -> None:
    frame = customers()
    data = load(spec_of(tmp_path, frame, indicator=True, scale="none", missing="constant"))
    at = data.facts.columns.index("age is missing")
    assert ((data.train.x[:, at] == 1) == (data.train.x[:, 0] == 0)).all()
    assert 0 < data.train.x[:, at].sum() < len(data.train)


def test_an_indicator_without_filling_is_refused(tmp_path: Path) -> None:
    assert "prepare.indicator" in said(spec_of(tmp_path, customers().dropna(), missing="error", indicator=True))


def test_robust_scaling_is_not_moved_by_an_outlier(tmp_path: Path) -> None:
    values = np.concatenate([np.arange(1.0, 40), [1e6]])
    frame = pd.DataFrame({"a": values, "mostly": [0.0] * 36 + [1, 2, 3, 4], "y": ["p", "q"] * 20})
    frame["split"] = ["train", "train", "validation", "test"] * 10
    data = load(spec_of(tmp_path, frame, "y", scale="robust", split_column="split"))
    train = values[np.arange(40) % 4 < 2]
    low, middle, high = np.quantile(train, (0.25, 0.5, 0.75))
    assert data.train.x[:, 0] == pytest.approx((train - middle) / (high - low), rel=1e-5)
    assert 1 < data.train.x[:, 1].max() < 10  # its quartiles are both 0: its standard deviation is the unit


def test_an_id_is_refused_by_name_and_ignored_when_told_so(tmp_path: Path) -> None:
    frame = customers(id=[f"c{row:04d}" for row in range(400)])
    spec = spec_of(tmp_path, frame)
    told = said(spec)
    assert "column id has 400 distinct values in 400 rows, an id or free text" in told
    assert "`data: {ignore: [id]}`" in told
    assert "embedding" not in told
    assert "id" not in load(replace(spec, ignore=("id",))).features


def test_many_categories_may_be_embedded_but_not_one_hot(tmp_path: Path) -> None:
    frame = customers(zip=[f"z{row % 120}" for row in range(400)])
    spec = spec_of(tmp_path, frame)
    assert "learn an embedding of it: `prepare: {encode: embedding}`" in said(spec)
    assert max(load(replace(spec, encode="embedding")).facts.cardinalities) > 100


def test_numbers_with_texts_among_them_are_refused_unless_they_are_names(tmp_path: Path) -> None:
    frame = customers(children=["0", "1", "2", "3+"] * 100)
    spec = spec_of(tmp_path, frame)
    assert "column children holds numbers, and texts such as '3+'" in said(spec)
    columns = load(replace(spec, categorical=("children",))).facts.columns
    assert {"children = 0", "children = 3+"} <= set(columns)


def test_whole_numbers_that_are_names_keep_their_digits_when_some_are_missing(tmp_path: Path) -> None:
    frame = customers(branch=[1.0, 2.0, np.nan, 3.0] * 100)
    columns = load(spec_of(tmp_path, frame, categorical=("branch",))).facts.columns
    assert [name for name in columns if name.startswith("branch")] == [
        "branch = 1", "branch = 2", "branch = 3", "branch is missing",
    ]  # fmt: skip


def test_a_column_of_dates_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    customers(since=pd.date_range("2026-01-01", periods=400)).to_parquet(path)
    told = said(DataSpec(str(path), "left", missing="median"))
    assert "column since holds dates" in told
    assert "`data: {ignore: [since]}`" in told
    assert "since" not in load(DataSpec(str(path), "left", missing="median", ignore=("since",))).features


@pytest.mark.parametrize(
    "day",
    [
        dt.date(2026, 1, 31),
        dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC),
        dt.time(12, 30),
        "2026-01-31",
        "2026-01-31T12:30:00Z",
    ],
)
def test_dates_of_any_kind_are_refused_and_never_taken_for_categories(tmp_path: Path, day: Any) -> None:
    path = tmp_path / "customers.parquet"
    customers(since=pd.Series([day, None, day, day] * 100, dtype=object)).to_parquet(path)
    assert "column since holds dates" in said(DataSpec(str(path), "left", missing="median"))


def test_dates_as_text_are_categories_where_the_study_says_so(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, customers(cohort=["2026-01-01", "2026-02-01"] * 200))
    assert "or say that they are names: `data: {categorical: [cohort]}`" in said(spec)
    assert "cohort = 2026-02-01" in load(replace(spec, categorical=("cohort",))).facts.columns
    texts = spec_of(tmp_path, customers(cohort=["2026-01-01", "before"] * 200))
    assert "cohort = before" in load(texts).facts.columns


@pytest.mark.parametrize("indexed", [False, True])
def test_decimals_are_numbers(tmp_path: Path, indexed: bool) -> None:
    path, frame = tmp_path / "customers.parquet", customers()
    spend = [None if row == 7 else Decimal(row) / 4 for row in range(400)]
    frame = frame.assign(spend=spend, **{"mean spend": spend[::-1]})
    (frame.set_index("age") if indexed else frame).to_parquet(path)
    data = load(DataSpec(str(path), "left", missing="median", scale="none"))
    assert {"spend", "mean spend"} <= set(data.facts.columns)
    frame.drop(index=7).to_parquet(path)
    assert load(DataSpec(str(path), "spend", missing="median")).task == "regression"


def test_a_column_of_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    customers(key=[b"ab", b"cd"] * 200).to_parquet(path)
    assert "column key holds a bytes a row" in said(DataSpec(str(path), "left", missing="median"))


@pytest.mark.parametrize(("numbers", "last"), [(range(400), "24"), (np.arange(400) / 1.0, "24")])
def test_a_target_of_numbers_that_are_names_has_classes(tmp_path: Path, numbers: Any, last: str) -> None:
    spec = spec_of(tmp_path, customers().assign(left=np.asarray(numbers) % 25))
    assert load(spec).task == "regression"
    data = load(replace(spec, categorical=("left", "plan")))
    assert (data.task, len(data.classes)) == ("classification", 25)
    assert last in data.classes


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "customers.jsonl"
    customers(tags=[["a", "b"]] * 400).to_json(path, orient="records", lines=True)
    assert "column tags holds a list a row" in said(DataSpec(str(path), "left", missing="median"))


@pytest.mark.parametrize("key", ["ignore", "categorical"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_column_that_is_named_and_not_there_gets_the_nearest_suggested(tmp_path: Path, key: str, suffix: str) -> None:
    path, frame = tmp_path / f"customers.{suffix}", customers()
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        getattr(frame, f"to_{suffix}")(path, index=False)
    told = said(DataSpec(str(path), "left", missing="median", **{key: ("ctiy",)}))
    assert f"has no column 'ctiy', which data.{key} names; did you mean city?" in told


def test_columns_named_for_a_built_in_data_set_are_refused() -> None:
    assert "data.ignore names columns of a file, and iris is built in" in said(DataSpec("iris", ignore=("a",)))
    assert "data.split.group names columns of a file" in said(DataSpec("iris", split_group="a"))


@pytest.mark.parametrize(("key", "value"), [("encode", "one-hot"), ("balance", "weight"), ("scale", "robuts")])
def test_an_unknown_word_of_prepare_gets_the_nearest_suggested(key: str, value: str) -> None:
    assert f"prepare.{key}: {value!r} is unknown; did you mean" in said(DataSpec("iris", **{key: value}))


def test_balance_is_refused_for_a_target_of_numbers() -> None:
    assert "prepare.balance is for classes" in said(DataSpec("diabetes", balance="weights"))


@pytest.mark.parametrize("encode", ["onehot", "embedding"])
def test_the_facts_of_a_table_with_text_survive_json(tmp_path: Path, encode: str) -> None:
    facts = load(spec_of(tmp_path, customers(), encode=encode, indicator=True, balance="sampling")).facts
    assert Facts.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts


def test_facts_of_an_earlier_version_are_still_read() -> None:
    facts = load(DataSpec("iris")).facts.to_dict()
    for name in ("categories", "encode", "indicators", "balance"):
        del facts["preparation"][name]
    assert Facts.from_dict(facts).preparation.categories == {}


def test_the_digits_are_those_that_scikit_learn_loads() -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    raw = read_builtin("digits")
    assert np.array_equal(raw.x.reshape(len(labels), -1), images)
    assert np.array_equal(raw.y, labels)
    assert raw.y.dtype == labels.dtype


def test_no_whole_number_is_a_gap_and_every_other_missing_value_is() -> None:
    assert has_target(np.array([0, -1, 2])).tolist() == [True, True, True]
    assert has_target(np.array([True, False])).tolist() == [True, True]
    assert has_target(np.array([0.0, np.nan])).tolist() == [True, False]
    assert has_target(np.array(["a", None, float("nan")], dtype=object)).tolist() == [True, False, False]
