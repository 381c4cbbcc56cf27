"""Rows to predict are read as training read them, whatever they come as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.trainers.data import Facts, load
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.registry import resolve
from tests.trainers.data.test_table_text import as_csv, frame


def model(path: Path, **spec: Any) -> Predictor:
    """A model as it is loaded from its folder, untrained: which class it predicts does not matter."""
    facts = load(DataSpec(str(path), **{"target": "bought", **spec})).facts
    facts = Facts.from_dict(json.loads(json.dumps(facts.to_dict())))
    trainer = resolve("mlp")
    assert trainer.build is not None
    torch.manual_seed(0)
    return Predictor(trainer.build(trainer.configure({"width": 8, "depth": 1}), facts), facts, "mlp", {})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return model(as_csv(tmp_path_factory.mktemp("plain")))


def test_a_number_and_the_text_of_a_code_are_predicted_alike(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(city=["00007", "00008", "00009"] * 20, bought=["01", "02"] * 30))
    coded = model(path, categorical=("city", "bought"))
    expected = coded.predict_proba(pd.read_csv(path, dtype={"city": str}))
    assert len(np.unique(expected[:3].round(6), axis=0)) == 3
    for rows in (pd.read_csv(path), pd.read_csv(path, dtype=str), pd.read_csv(path).convert_dtypes()):
        assert np.array_equal(coded.predict_proba(rows), expected)
    assert set(coded.predict(pd.read_csv(path))) <= {"01", "02"}
    numeric = model(path)
    assert np.array_equal(numeric.predict_proba(pd.read_csv(path, dtype=str)), numeric.predict_proba(pd.read_csv(path)))
    assert set(numeric.predict(pd.read_csv(path))) <= {1, 2}


def test_a_number_that_may_be_two_codes_is_refused(tmp_path: Path) -> None:
    coded = model(as_csv(tmp_path, table=frame(city=["7", "07", "8"] * 20)), categorical=("city",))
    row = frame().iloc[0].to_dict()
    coded.predict([{**row, "city": "07"}, {**row, "city": 8}, {**row, "city": 9}])
    with pytest.raises(DataProblem, match=r"column city has the number 7, which may be '0?7' or '0?7'"):
        coded.predict({**row, "city": 7})


def test_booleans_of_every_type_are_predicted_alike(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(member=["True", "", "False"] * 20))
    flagged = model(path, missing="most_frequent")
    rows = pd.read_csv(path)
    flagged.predict(rows)
    known = rows.dropna()
    expected = flagged.predict_proba(known.assign(member=known["member"].astype(bool)))
    for kind in (object, str, float, "boolean", "category"):
        assert np.array_equal(flagged.predict_proba(known.assign(member=known["member"].astype(kind))), expected)


def test_text_is_a_gap_where_it_was_in_training(tmp_path: Path) -> None:
    gappy = model(as_csv(tmp_path, table=frame(city=["NA", "Oslo", "Lima"] * 20)), missing="median")
    row = frame().iloc[0].to_dict()
    assert np.array_equal(gappy.predict_proba({**row, "city": "NA"}), gappy.predict_proba({**row, "city": None}))
    assert np.array_equal(gappy.predict_proba({**row, "age": "NA"}), gappy.predict_proba({**row, "age": None}))
    kept = model(as_csv(tmp_path, table=frame(city=["NA", "Oslo", "Lima"] * 20)), gaps=())
    with pytest.raises(DataProblem, match="column city: 1 value missing"):
        kept.predict({**row, "city": None})
    assert kept.predict({**row, "city": "NA"}).shape == (1,)


def test_one_row_a_dict_a_list_of_dicts_and_columns_in_any_order_are_predicted_alike(plain: Predictor) -> None:
    rows = frame()
    expected = plain.predict_proba(rows)
    shuffled = rows[rows.columns[::-1]].assign(extra="text")
    for given in (shuffled, rows.to_dict("records"), rows.to_dict("list"), [row for _, row in rows.iterrows()]):
        assert np.array_equal(plain.predict_proba(given), expected)
    assert np.array_equal(plain.predict_proba(rows.drop(columns="bought").to_numpy()), expected)
    for one in (rows.iloc[0], rows.iloc[0].to_dict(), rows.iloc[:1], [rows.iloc[0].to_dict()]):
        assert plain.predict_proba(one) == pytest.approx(expected[:1], abs=1e-6)
    assert plain.predict(plain.example()).shape == (1,)


def test_a_series_is_a_column_where_the_model_has_one_alone(tmp_path: Path) -> None:
    alone = model(as_csv(tmp_path, table=frame()[["age", "bought"]]))
    assert alone.predict(frame()["age"]).shape == (60,)
    assert alone.predict(pd.Series({"age": 40})).shape == (1,)


@pytest.mark.parametrize("rows", [frame().iloc[:0], pd.DataFrame(), [], np.empty((0, 3))])
def test_no_rows_have_an_empty_answer(plain: Predictor, rows: Any) -> None:
    assert plain.predict(rows).shape == (0,)
    assert plain.predict_proba(rows).shape == (0, 2)


def test_no_rows_have_an_empty_answer_of_any_kind(tmp_path: Path) -> None:
    number = model(as_csv(tmp_path), target="income")
    assert number.predict(frame().iloc[:0]).shape == (0,)
    steps = pd.DataFrame({"load": np.sin(np.arange(80.0))})
    ahead = model(as_csv(tmp_path, table=steps), target="load", kind="series", window=6, horizon=2)
    assert ahead.predict(np.empty((0, 6, 1))).shape == (0, 2)
    with pytest.raises(DataProblem, match="has 0 rows, fewer than the window of 6"):
        ahead.predict(steps.iloc[:0])


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        (
            {"age": 4, "incone": 1.5, "city": "Rome"},
            r"lack the columns income \(incone is unknown\).*did you mean incone",
        ),
        (pd.concat([frame(), frame()], axis=1), "two columns named age"),
        (frame(age="old"), r"these columns are not numbers: age \(such as 'old'\)"),
        ([[1, 2]], r"are \(rows, 3\), not \(1, 2\)"),
        ([1, 2, 3], r"are \(rows, 3\), not \(3,\); put the one row into brackets"),
        ("a.csv", r"are a DataFrame, a dict, a list of dicts or an array of \(rows, 3\), not 'a.csv'"),
        (None, "a list of dicts or an array of .*, not None"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(plain: Predictor, rows: Any, wrong: str) -> None:
    with pytest.raises(DataProblem, match=wrong):
        plain.predict(rows)


def test_money_and_dates_are_read_as_in_training(tmp_path: Path) -> None:
    days = pd.date_range("2026-01-25", periods=60).strftime("%m/%d/%Y")
    path = as_csv(tmp_path, table=frame(pay=[f"${row * 1001:,}" for row in range(60)], since=days))
    rich = model(path, numbers=("pay",), dates=("since",))
    rows = pd.read_csv(path)
    expected = rich.predict_proba(rows)
    typed = rows.assign(pay=np.arange(60) * 1001, since=pd.to_datetime(rows["since"], format="%m/%d/%Y"))
    assert np.array_equal(rich.predict_proba(typed), expected)
    early = rows.iloc[[9]].assign(since="02/03/2026")  # the third of February, as in training
    assert rich.predict_proba(early) == pytest.approx(expected[[9]], abs=1e-6)
    assert rich.predict(rich.example()).shape == (1,)
    for change, wrong in (({"pay": "cheap"}, "has 'cheap', which is no number"), ({"since": "soon"}, "no date")):
        with pytest.raises(DataProblem, match=wrong):
            rich.predict({**rows.iloc[0].to_dict(), **change})


def test_decimal_commas_are_read_as_in_training(tmp_path: Path) -> None:
    path = as_csv(tmp_path, "semi.csv", sep=";", decimal=",")
    comma = model(path, separator=";", decimal=",")
    assert np.array_equal(comma.predict_proba(pd.read_csv(path, sep=";")), comma.predict_proba(frame()))


def test_classes_that_were_floats_are_predicted_as_floats(tmp_path: Path) -> None:
    halves = model(as_csv(tmp_path, table=frame(bought=[0.5, 1.5] * 30)), task="classification")
    assert set(halves.predict(frame())) <= {0.5, 1.5}


def test_facts_of_an_earlier_version_predict_as_ever(plain: Predictor) -> None:
    facts = plain.facts.to_dict()
    del facts["cells"], facts["reason"]
    old = Predictor(plain.module, Facts.from_dict(facts), "mlp", {})
    assert np.array_equal(old.predict_proba(frame()), plain.predict_proba(frame()))


def test_texts_come_as_dicts_too(tmp_path: Path) -> None:
    from goodfit.trainers.data.kinds.text import texts_to_predict

    expected = ["good", "bad"]
    for given in (expected, [{"review": text} for text in expected], pd.DataFrame({"review": expected})):
        assert texts_to_predict(given, "review").tolist() == expected
    assert texts_to_predict({"review": "good"}, "review").tolist() == ["good"]
