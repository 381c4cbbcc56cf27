"""What is read from a table is what is written in it, or it is said: codes, look-alikes, tasks, dates, money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import load, look_closely
from goodfit.trainers.data.reading.amounts import disguise_of, read_amount
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from tests.trainers.data.test_table_text import as_csv, frame, read, said

CODES = {"city": ["00007", "00008", "00009"] * 20, "bought": ["01", "02"] * 30}


def notes(path: Path, **spec: Any) -> str:
    return "\n".join(look_closely(DataSpec(str(path), **{"target": "bought", "missing": "median", **spec}))[1])


def test_codes_that_the_study_names_are_the_text_as_it_is_written(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(**CODES))
    data = read(path, categorical=("city", "bought"))
    assert data.classes == ("01", "02")
    assert data.facts.preparation.categories["city"] == ("00007", "00008", "00009")
    assert notes(path, categorical=("city", "bought")) == ""


def test_codes_that_are_read_as_numbers_are_pointed_out(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(**CODES, plus=["+1", "+2"] * 30, power=["1e5", "7"] * 30, v=["1.5", "2"] * 30))
    told = notes(path)
    assert "column bought: 60 values are written with leading zeros, such as '01', and are read as numbers (1)" in told
    assert "column city: 60 values are written with leading zeros, such as '00007'" in told
    assert "`data: {categorical: [city]}`" in told
    assert "column plus: 60 values are written with a plus sign, such as '+1'" in told
    assert (
        "column power: 30 values are written with an exponent, such as '1e5', and are read as numbers (100000)" in told
    )
    assert len(told.splitlines()) == 4


def test_whole_numbers_that_no_float_holds_are_pointed_out(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(account=np.arange(60) + 2**53 + 1))
    assert "column account has whole numbers past 2^53, which are rounded as numbers" in notes(path)


def test_zeros_are_counted_in_every_part_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_csv(tmp_path, table=frame(**CODES))
    monkeypatch.setattr("goodfit.trainers.data.reading.tables.ROWS_AT_ONCE", 7)
    assert "column city: 60 values are written with leading zeros" in notes(path)


def test_names_and_values_that_differ_by_spaces_or_case_alone_are_shown_in_quotes(tmp_path: Path) -> None:
    table = frame(bought=["yes", " yes", "yes ", "no", "NO"] * 12, city=["caf\u00e9", "cafe\u0301"] * 30)
    path = as_csv(tmp_path, table=table.rename(columns={"age": " Income"}))
    told = notes(path)
    assert "classes of bought that differ by spaces or case alone: ' yes', 'yes', 'yes '; 'NO', 'no'" in told
    assert "values of column city that differ by the encoding of a letter alone: 'cafe\\u0301', 'caf\\xe9'" in told
    assert "columns that differ by spaces or case alone: ' Income', 'income'" in told
    spaced = as_csv(tmp_path, table=frame(bought=[" >50K", " <=50K"] * 30))
    assert notes(spaced) == "classes of bought with spaces around them: ' <=50K', ' >50K'"
    renamed = as_csv(tmp_path, table=frame().rename(columns={"bought": " bought"}))
    assert "has no column 'bought' to predict; did you mean ' bought'?" in said(renamed)


@pytest.mark.parametrize(
    ("target", "task", "reason"),
    [
        ([0.0, 1.0], "regression", r"numbers with decimals (0.0, 1.0); if they are classes: `data: {task: classif"),
        (
            list(range(30)),
            "regression",
            "30 distinct whole numbers, more than 20; if they are classes: `data: {task: c",
        ),
        (
            [1, 2, 3],
            "classification",
            "3 distinct whole numbers, no more than 20; if they are quantities: `data: {task",
        ),
        (["a", "b"], "classification", "the target has text"),
        ([True, False], "classification", "the target has booleans"),
        (np.linspace(0, 1, 60).tolist(), "regression", "the target has numbers with decimals"),
    ],
)
def test_the_task_is_said_with_its_reason(tmp_path: Path, target: list[Any], task: str, reason: str) -> None:
    facts = read(as_csv(tmp_path, table=frame(bought=target * (60 // len(target))))).facts
    assert facts.task == task
    assert reason in facts.reason


def test_the_study_can_say_the_task(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(bought=[0.0, 1.0] * 30))
    data = read(path, task="classification")
    assert (data.task, data.classes, data.preparation.labels) == ("classification", ("0", "1"), "integer")
    halves = read(as_csv(tmp_path, table=frame(bought=[0.5, 1.5] * 30)), task="classification")
    assert (halves.classes, halves.preparation.labels) == (("0.5", "1.5"), "float")
    twenty = as_csv(tmp_path, table=frame(bought=list(range(20)) * 3))
    assert read(twenty, task="regression").task == "regression"
    assert "data.task is regression, and the target holds text" in said(as_csv(tmp_path), task="regression")
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 2 / 1.0)
    assert load(DataSpec(str(tmp_path / "a.npz"), task="classification")).classes == ("0", "1")


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("$77,200.00", ".", 77200),
        ("12%", ".", 0.12),
        ("1,234", ".", 1234),
        ("1,23,456", ".", 123456),
        ("-$5", ".", -5),
        ("$-5.50", ".", -5.5),
        ("(500)", ".", -500),
        ("5 \u20ac", ".", 5),
        ("USD 1 234", ".", 1234),
        ("1'234.5", ".", 1234.5),
        ("\u22123", ".", -3),
        ("7", ".", 7),
        ("1.234,56 \u20ac", ",", 1234.56),
        ("85,83", ",", 85.83),
        ("85,83", ".", None),
        ("1,2345", ".", None),
        ("12,34,56", ".", None),
        ("2026-01-31", ".", None),
        ("cheap", ".", None),
        ("$", ".", None),
        ("", ".", None),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, decimal: str, number: float | None) -> None:
    found = read_amount(text, decimal)
    assert (None if found is None else found[0]) == pytest.approx(number)


def test_plain_numbers_and_words_are_no_numbers_in_disguise() -> None:
    assert disguise_of(["1", "2.5", "-3"]) is None
    assert disguise_of(["1e5", "2"]) is None
    assert disguise_of(["$1", "two"]) is None
    assert disguise_of([]) is None


def money() -> pd.DataFrame:
    salary = np.arange(60) * 1001.0 + 500
    return frame(salary=[f"${value:,.2f}" for value in salary], share=[f"{row % 40}%" for row in range(60)])


def test_money_and_percentages_are_named_as_such_and_read_where_the_study_says(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=money())
    told = said(path)
    assert "numbers written with $ , % (such as '$" in told
    assert "`data: {numbers: [salary, share]}`" in told
    data = read(path, numbers=("salary", "share"))
    assert data.features == ("age", "income", "city", "salary", "share")
    columns = {name: data.train.x[:, data.facts.columns.index(name)] for name in ("salary", "share")}
    assert (columns["salary"] - 500) % 1001 == pytest.approx(np.zeros(len(data.train)), abs=0.01)
    assert 0 <= columns["share"].min() < columns["share"].max() < 0.4
    few = as_csv(tmp_path, table=frame(share=["10%", "20%"] * 30))
    assert "column share is taken for categories, with numbers written with %" in notes(few)


def test_money_can_be_the_target(tmp_path: Path) -> None:
    data = read(as_csv(tmp_path, table=money()), target="salary", numbers=("salary", "share"))
    assert data.task == "regression"


def test_several_currencies_and_words_among_them_are_refused(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(salary=["$5", "5 \u20ac"] * 30))
    assert "column salary has several currencies, such as '$5' and '5 \u20ac'" in said(path, numbers=("salary",))
    path = as_csv(tmp_path, table=frame(salary=["$5", "cheap"] * 30))
    assert "column salary has 'cheap', which is no number" in said(path, numbers=("salary",))
    assert read(path, numbers=("salary",), gaps=("cheap",), missing="median").features[-1] == "salary"


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ("%Y-%m-%d", ("year", "month", "day", "weekday")),
        ("%m/%d/%Y", ("year", "month", "day", "weekday")),
        ("%d.%m.%Y %H:%M", ("year", "month", "day", "weekday", "hour")),
    ],
)
def test_dates_become_their_parts_where_the_study_says(tmp_path: Path, how: str, parts: tuple[str, ...]) -> None:
    days = pd.date_range("2026-01-25", periods=60, freq="31h")
    path = as_csv(tmp_path, table=frame(since=days.strftime(how)))
    assert "column since holds dates; take their year, month, day and weekday: `data: {dates: [since]}`" in said(path)
    data = read(path, dates=("since",))
    names = [f"since {part}" for part in parts]
    assert data.features == ("age", "income", "city", *names)
    first = data.facts.columns.index("since year")
    rows = {tuple(row) for row in data.train.x[:, first : first + len(parts)].astype(int).tolist()}
    fields = ["day_of_week" if part == "weekday" else part for part in parts]
    assert rows <= {tuple(int(getattr(day, field)) for field in fields) for day in days}


def test_typed_dates_with_gaps_become_their_parts_too(tmp_path: Path) -> None:
    days = pd.Series(pd.date_range("2026-01-25", periods=60, freq="31h")).where(np.arange(60) % 7 > 0)
    frame(since=days).to_parquet(tmp_path / "rows.parquet")
    data = read(tmp_path / "rows.parquet", dates=("since",), missing="median")
    assert data.features[-1] == "since hour"


def test_dates_whose_day_may_be_the_month_are_asked_about(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(since=["01/02/2026", "03/04/2026"] * 30))
    assert "column since is taken for categories and has dates" in notes(path)
    assert "say which: `data: {day_first: true}` or `false`" in said(path, dates=("since",))
    for first, months in ((True, {2, 4}), (False, {1, 3})):
        data = read(path, dates=("since",), day_first=first)
        assert set(data.train.x[:, data.facts.columns.index("since month")]) == months
    path = as_csv(tmp_path, table=frame(since=["01/02/2026", "soon"] * 30))
    assert "such as 'soon'" in said(path, dates=("since",))


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"dates": ("bought",)}, "data.dates names bought, which is no feature"),
        ({"dates": ("ctiy",)}, "has no column 'ctiy', which data.dates names; did you mean city?"),
        (
            {"numbers": ("age",), "categorical": ("age",)},
            "column age is named as two of categorical, numbers and dates",
        ),
    ],
)
def test_columns_are_named_once_and_are_there(tmp_path: Path, spec: dict[str, Any], wrong: str) -> None:
    assert wrong in said(as_csv(tmp_path), **spec)


def test_booleans_with_gaps_are_numbers_as_booleans_are(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(member=["True", "", "False"] * 20))
    data = read(path, missing="constant")
    assert "member" in data.facts.columns
    rows = [
        {**row, "member": flag} for row, flag in zip(frame().to_dict("records"), [True, None, False] * 20, strict=True)
    ]
    pd.DataFrame(rows).to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    assert np.array_equal(read(tmp_path / "rows.jsonl", missing="constant").train.x, data.train.x)


def test_a_target_of_long_texts_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = as_csv(tmp_path, table=frame(bought=["x" * 5000, "y"] * 30))
    assert "has texts of up to 5000 characters, which are no class names" in said(path)


def test_an_unsigned_target_past_the_largest_signed_number_keeps_its_value(tmp_path: Path) -> None:
    frame(bought=np.array([2**63 + 5, 7] * 30, dtype=np.uint64)).to_parquet(tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet").classes == ("7", str(2**63 + 5))


def test_a_list_in_a_cell_keeps_the_data_from_training_and_not_from_a_report(tmp_path: Path) -> None:
    from goodfit.trainers.data import data_report

    frame(tags=[["a"], ["b"]] * 30).to_parquet(tmp_path / "rows.parquet")
    report = data_report(DataSpec(str(tmp_path / "rows.parquet"), "bought"))
    assert "column tags holds a" in report["problem"]
    assert len(report["columns"]) == 4
    with pytest.raises(DataProblem):
        read(tmp_path / "rows.parquet")


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f"])
def test_numbers_grouped_by_spaces_alone_are_recognized(space: str) -> None:
    found = disguise_of([f"364{space}692", f"1{space}179{space}463", "825"])
    assert found is not None
    assert found.marks == ("spaces",)
    assert disguise_of([f"Oslo{space}1", f"12{space}3"]) is None
