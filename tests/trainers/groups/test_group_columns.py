"""Columns as groups: what is a group, what is none, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import Facts, load, load_sealed, look_closely
from goodfit.trainers.data.kinds.table_rows import group_codes, table_example
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.groups.columns import read_groups
from goodfit.trainers.messages import DataSpec, GroupSpec

ROWS = 120


def people(**columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "income": random.normal(size=ROWS),
            "sex": ["f", "m"] * (ROWS // 2),
            "age": random.integers(18, 80, ROWS),
            "paid": np.where(random.random(ROWS) < 0.5, "yes", "no"),
        }
    )
    return frame.assign(**columns)


def spec_of(
    folder: Path, frame: pd.DataFrame, *by: str, target: str = "paid", ignore: Any = (), **groups: Any
) -> DataSpec:
    path = folder / "people.csv"
    frame.to_csv(path, index=False)
    return DataSpec(str(path), target, ignore=tuple(ignore), fairness=GroupSpec(by=by, **groups))


def refused(spec: DataSpec) -> str:
    with pytest.raises(DataProblem) as caught:
        load(spec)
    return str(caught.value).partition("people.csv")[2]


def test_a_group_column_need_not_be_a_feature(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, people(), "sex", ignore=["sex"])
    data = load(spec)
    assert data.features == ("income", "age")
    assert data.facts.groups is not None
    assert data.facts.groups.names == ("sex:f", "sex:m")
    assert data.train.groups is not None
    assert len(data.train.groups) == len(data.train)
    assert np.bincount(
        np.concatenate([data.train.groups, data.validation.groups, load_sealed(spec).validation.groups])
    ).tolist() == [60, 60]
    same = load(spec_of(tmp_path, people(), "sex"))
    assert same.features == ("income", "sex", "age")
    assert (same.train.groups == data.train.groups).all()


def test_numbers_are_cut_where_the_study_says_and_groups_meet_in_intersections(tmp_path: Path) -> None:
    groups = load(spec_of(tmp_path, people(), "sex", "age", bins=(("age", (30.0, 50.0)),))).facts.groups
    assert groups is not None
    assert groups.labels == (("f", "m"), ("under 30", "30 to 50", "50 or more"))
    assert groups.names[:2] == ("sex:f/age:under 30", "sex:f/age:30 to 50")
    assert len(groups.names) == 6


def test_values_that_are_alike_for_long_are_groups_of_their_own(tmp_path: Path) -> None:
    groups = load(spec_of(tmp_path, people(sex=["x" * 300 + "1", "x" * 300 + "2"] * (ROWS // 2)), "sex")).facts.groups
    assert groups is not None
    assert len(set(groups.names)) == 2
    assert all(len(name) == 64 for name in groups.names)


def test_the_example_of_a_model_is_of_a_group_that_there_is(tmp_path: Path) -> None:
    frame = people(sex=[1, 2] * (ROWS // 2), town=["a", "b"] * (ROWS // 2))
    frame.loc[0, "town"] = None  # a row of its own group, sex:1/town:missing
    spec = spec_of(tmp_path, frame, "sex", "town", ignore=["town"], gaps="group", thresholds="equalized_odds")
    facts = load(spec).facts
    example = table_example(facts, 2)
    assert (group_codes(example, facts) >= 0).all()
    assert example["sex"].tolist() == [2, 2]
    with pytest.warns(UserWarning, match=r"1 of 2 are of groups .* 0\.5: sex:9/town:b$"):
        assert group_codes(example.assign(sex=[2, 9]), facts).tolist()[1] == -1


def test_facts_with_groups_are_kept_and_read(tmp_path: Path) -> None:
    facts = load(spec_of(tmp_path, people(), "sex", "age", bins=(("age", (30.0,)),), thresholds="equalized_odds")).facts
    facts.write(tmp_path / "facts.json")
    assert Facts.read(tmp_path / "facts.json") == facts


@pytest.mark.parametrize(
    ("columns", "by", "groups", "said"),
    [
        ({}, ["gender"], {}, " has no column 'gender', which fairness.by names; "),
        ({"sex": "f"}, ["sex"], {}, ": fairness.by names sex, which has one value, f: there is no other group"),
        (
            {},
            ["age"],
            {},
            "different numbers: these are no groups; say where to cut them, such as `fairness: {bins: {age: [",
        ),
        (
            {"sex": [None, "f", "m"] * 40},
            ["sex"],
            {},
            ": 40 of 120 rows have no value of sex, which fairness.by names; fill it in, or",
        ),
        (
            {"sex": [f"name {row}" for row in range(ROWS)]},
            ["sex"],
            {},
            "which has 120 different values, more than 20; give a column",
        ),
        ({}, ["sex"], {"bins": (("sex", (1.0,)),)}, ": fairness.bins cuts sex, which holds 'f' and not numbers alone"),
        ({}, ["paid"], {}, ": fairness.by names the target paid; give columns that say who"),
        (
            {},
            ["sex"],
            {"positive": "maybe"},
            ": fairness.positive is maybe, which is no class of the target; choose from: no",
        ),
        (
            {"paid": np.arange(ROWS) / 7},
            ["sex"],
            {},
            "the positive outcome, and the target is a number; predict a column of two classes",
        ),
        (
            {"paid": ["a", "b", "c"] * 40},
            ["sex"],
            {},
            "positive outcome; give `fairness: {positive: c}`, one of: a, b, c",
        ),
        (
            {"paid": ["a", "b", "c"] * 40},
            ["sex"],
            {"positive": "a", "thresholds": "equalized_odds"},
            "needs a target of two classes, and it has 3",
        ),
        (
            {"sex": ["f"] * 60 + ["m"] * 60, "paid": ["yes", "no"] * 30 + ["no"] * 60},
            ["sex"],
            {},
            "only the group sex:f has rows of the positive class yes, so",
        ),
    ],
)
def test_what_are_no_groups_is_refused_with_what_to_do(
    tmp_path: Path, columns: dict[str, Any], by: list[str], groups: dict[str, Any], said: str
) -> None:
    assert said in refused(spec_of(tmp_path, people(**columns), *by, **groups))


def test_too_many_intersections_are_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    many = {name: random.integers(0, 15, ROWS) for name in ("a", "b")}
    assert "make" in (said := refused(spec_of(tmp_path, people(**many), "a", "b", "sex")))
    assert "more than 100; name fewer columns, or columns of fewer groups" in said


def test_gaps_may_be_a_group_of_their_own(tmp_path: Path) -> None:
    frame = people(sex=[None, "f", "m"] * 40, flag=[1, 0, None] * 40)
    groups = load(spec_of(tmp_path, frame, "sex", "flag", gaps="group", ignore=["sex", "flag"])).facts.groups
    assert groups is not None
    assert groups.labels == (("f", "m", "missing"), ("0", "1", "missing"))


def test_one_of_several_classes_may_be_the_positive_outcome(tmp_path: Path) -> None:
    groups = load(spec_of(tmp_path, people(paid=["a", "b", "c"] * 40), "sex", positive="b")).facts.groups
    assert groups is not None
    assert (groups.positive, groups.classes) == (1, 3)


@pytest.mark.parametrize(("written", "place"), [("true", 1), ("False", 0)])
def test_truth_values_are_named_as_yaml_or_as_python_has_them(tmp_path: Path, written: str, place: int) -> None:
    groups = load(
        spec_of(tmp_path, people(paid=[True, False] * 60, sex=["f", "f", "m", "m"] * 30), "sex", positive=written)
    ).facts.groups
    assert groups is not None
    assert groups.positive == place


def test_small_groups_and_the_positive_outcome_are_in_the_notes(tmp_path: Path) -> None:
    _, notes = look_closely(spec_of(tmp_path, people(), "sex"))
    assert "fairness: the positive outcome is class yes" in notes
    assert any("sex:f has" in note and "its rates are uncertain" in note for note in notes)


def test_a_trainer_of_ones_own_reports_by_group(tmp_path: Path) -> None:
    data = load(spec_of(tmp_path, people(), "sex"))
    chosen = np.zeros(len(data.validation), dtype=int)
    found = data.group_metrics("validation", chosen)
    assert (found["selection_rate/sex:f"], found["equalized_odds_difference"]) == (0, 0)
    assert not [name for name in found if name.startswith("calibration")]
    assert "calibration_gap" in data.group_metrics("validation", chosen, np.full(len(chosen), 0.5))
    assert not [name for name in data.group_metrics("train", np.zeros(len(data.train))) if ":" in name]
    assert load(DataSpec("iris")).group_metrics("validation", np.zeros(30)) == {}


def test_other_data_than_tables_have_no_groups(tmp_path: Path) -> None:
    groups = GroupSpec(by=("sex",))
    with pytest.raises(DataProblem, match=r"digits: fairness\.by names columns of tables, and these are image data"):
        load(DataSpec("digits", fairness=groups))
    with pytest.raises(DataProblem, match=r"docstrings: fairness is for the columns of a table"):
        load(DataSpec("docstrings", fairness=groups))
    with pytest.raises(DataProblem, match=r"iris has no column 'sex', which fairness\.by names"):
        load(DataSpec("iris", fairness=groups))


def test_groups_of_arrays_lie_beside_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    path = tmp_path / "people.npz"
    np.savez(path, x=random.normal(size=(90, 3)), y=random.integers(0, 2, 90), sex=random.choice(["f", "m"], 90))
    groups = GroupSpec(by=("sex",))
    assert load(DataSpec(str(path), fairness=groups)).facts.groups is not None
    with pytest.raises(DataProblem, match=r"has no array age"):
        load(DataSpec(str(path), fairness=replace(groups, by=("age",))))


def test_columns_of_built_in_tables_can_be_cut() -> None:
    groups = GroupSpec(by=("mean radius",), bins=(("mean radius", (13.0,)),))
    found = load(DataSpec("breast_cancer", fairness=groups)).facts.groups
    assert found is not None
    assert found.names == ("mean radius:under 13", "mean radius:13 or more")


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (
            ["x\n", "x\\n"],
            {},
            r"values 'x\\\\n' and 'x\\n' would both be the group|values 'x\\n' and 'x\\\\n' would both",
        ),
        (["missing", None], {"gaps": "group"}, "rows of the value missing and rows without a value"),
        ([[1], [2]], {}, r"holds lists or the like, such as \[1\]"),
        ([{"a": 1}, {"a": 2}], {}, "holds lists or the like"),
        (list(pd.date_range("2020", periods=2)), {"bins": (("sex", (1.0,)),)}, "sex, which holds dates"),
        (["10", "1e1x"], {"bins": (("sex", (1.0,)),)}, "holds '1e1x' and not numbers alone"),
    ],
)
def test_values_that_are_no_groups_are_refused_in_memory_too(
    values: list[Any], options: dict[str, Any], said: str
) -> None:
    column = pd.Series(values * 10, name="sex", dtype=object if not options.get("bins") else None)
    with pytest.raises(DataProblem, match=said):
        read_groups({"sex": column}, GroupSpec(by=("sex",), **options), "people")


def test_true_and_one_are_two_groups_and_booleans_can_be_cut() -> None:
    mixed = pd.Series([1, True, 1.0, "1"], dtype=object, name="sex")
    found = read_groups({"sex": mixed}, GroupSpec(by=("sex",)), "people")
    assert found.labels == (("1", "True"),)
    assert found.codes[:, 0].tolist() == [0, 1, 0, 0]
    cut = read_groups(
        {"sex": pd.Series([True, False], name="sex")}, GroupSpec(by=("sex",), bins=(("sex", (0.5,)),)), "people"
    )
    assert cut.codes[:, 0].tolist() == [1, 0]


def test_close_bounds_make_groups_of_their_own() -> None:
    numbers = pd.Series([20260131.0, 20260201.0, 20260301.0, 20260401.0], name="day")
    spec = GroupSpec(by=("day",), bins=(("day", (20260201.0, 20260301.0, 20260401.0)),))
    found = read_groups({"day": numbers}, spec, "people")
    assert found.labels == (("under 20260201", "20260201 to 20260301", "20260301 to 20260401", "20260401 or more"),)
    assert found.codes[:, 0].tolist() == [0, 1, 2, 3]


def test_two_groups_of_one_name_are_refused(tmp_path: Path) -> None:
    frame = people(sex=["x/age:old", "x"] * 60, age=["young", "old/age:young"] * 60)
    assert "two groups would have the name sex:x" in refused(spec_of(tmp_path, frame, "sex", "age"))
    frame = people(sex=["x/age:a", "x", "x", "x/age:a"] * 30, age=["a", "b", "a", "b"] * 30)
    assert "two groups would have the name sex:x/age:a" in refused(spec_of(tmp_path, frame, "sex", "age"))
