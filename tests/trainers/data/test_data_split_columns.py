"""Splits that a column decides, and validation rows that each trial draws anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.testing.attempts import attempt
from goodfit.trainers.data import Split, load, load_test
from goodfit.trainers.data.split import split_rows
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from tests.training import DIABETES, IRIS

ROWS = 60


def spec_of(folder: Path, frame: pd.DataFrame, **spec: Any) -> DataSpec:
    frame.to_csv(folder / "rows.csv", index=False)
    return DataSpec(str(folder / "rows.csv"), "y", scale="none", **spec)


def table(**columns: Any) -> pd.DataFrame:
    """Rows numbered by their column a, with two classes in turn."""
    return pd.DataFrame({"a": np.arange(float(ROWS)), "y": ["p", "q"] * (ROWS // 2), **columns})


def numbers(split: Split) -> list[int]:
    return sorted(split.x[:, 0].astype(int).tolist())


def said(spec: DataSpec) -> str:
    with pytest.raises(DataProblem) as caught:
        load(spec)
    return str(caught.value)


def test_a_split_column_puts_each_row_where_it_says(tmp_path: Path) -> None:
    where = np.array(["train", "train", "Validation", "test"] * 15)
    spec = spec_of(tmp_path, table(part=where), split_column="part")
    data = load(spec)
    assert data.features == ("a",)
    assert numbers(data.train) == np.flatnonzero(where == "train").tolist()
    assert numbers(data.validation) == np.flatnonzero(where == "Validation").tolist()
    assert numbers(load_test(spec)) == np.flatnonzero(where == "test").tolist()


def test_a_split_column_need_not_name_test_rows(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, table(part=["train", "train", "dev", "dev"] * 15), split_column="part")
    assert load(spec).facts.rows == {"train": 30, "validation": 30, "test": 0}
    with pytest.raises(DataProblem, match="no rows were kept for testing"):
        load_test(spec)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["train", "holdout"] * 30, "split.column has 'holdout'; choose from: train, validation, test"),
        (["train", "tset"] * 30, "split.column has 'tset'; did you mean test?"),
        (["train"] * ROWS, "leaves 0 rows for validation"),
        (["train", "validation"] * 30, "leaves no row of class q to train on"),
        (["train", None] * 30, "30 of 60 rows have no value of part, which split.column names"),
    ],
)
def test_a_split_column_that_leaves_a_split_wanting_is_refused(tmp_path: Path, values: list[Any], told: str) -> None:
    assert told in said(spec_of(tmp_path, table(part=values), split_column="part"))


@pytest.mark.parametrize("key", ["split_column", "split_group", "split_time"])
def test_a_column_to_split_by_that_is_not_there_is_named(tmp_path: Path, key: str) -> None:
    told = said(spec_of(tmp_path, table(patient=1), **{key: "pateint"}))
    assert f"has no column 'pateint', which {key.replace('_', '.')} names; did you mean patient?" in told


def test_two_ways_to_split_are_refused(tmp_path: Path) -> None:
    told = said(spec_of(tmp_path, table(b=1), split_group="b", split_time="a"))
    assert "split.group and split.time are two ways to split" in told


@given(sizes=st.lists(st.integers(1, 12), min_size=12, max_size=40), seed=st.integers(0, 1000))
def test_no_group_is_on_both_sides(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    y = np.arange(len(groups)) % 2
    spec = DataSpec("made", split_group="g", seed=seed)
    rows = split_rows(y.astype(float), (), spec, "made", groups)
    parts = [set(groups[part]) for part in rows]
    assert sum(len(part) for part in parts) == len(sizes)
    assert sorted(np.concatenate(rows)) == list(range(len(groups)))
    assert all(parts)


def test_groups_keep_the_shares_and_the_classes_together(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.arange(2000.0), "patient": random.integers(0, 200, 2000)})
    frame["y"] = np.where(random.random(2000) < 0.1, "ill", "well")
    data = load(spec_of(tmp_path, frame, split_group="patient"))
    assert data.features == ("a",)
    for part, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert data.facts.rows[part] == pytest.approx(2000 * share, rel=0.1)
    assert data.validation.y.mean() == pytest.approx(data.train.y.mean(), abs=0.03)


def test_a_group_too_large_to_split_is_refused(tmp_path: Path) -> None:
    assert "split.group g leaves 0 rows for" in said(
        spec_of(tmp_path, table(g=["one"] * 30 + ["two"] * 30), split_group="g")
    )


@pytest.mark.parametrize("dates", [True, False])
def test_no_future_is_in_training(tmp_path: Path, dates: bool) -> None:
    order = np.random.default_rng(0).permutation(ROWS)
    when = pd.date_range("2025-12-20", periods=ROWS).to_numpy()[order] if dates else order * 1.5
    spec = spec_of(tmp_path, table(a=order.astype(float), when=when), split_time="when")
    data = load(spec)
    assert data.features == ("a",)
    assert numbers(data.train) == list(range(36))
    assert numbers(data.validation) == list(range(36, 48))
    assert numbers(load_test(spec)) == list(range(48, 60))


def test_rows_of_one_time_stay_together(tmp_path: Path) -> None:
    day = np.repeat(np.arange(6.0), 10)  # the shares would cut days 3 and 4 in two
    spec = spec_of(tmp_path, table(day=day), split_time="day", validation=0.25, test=0.25)
    assert load(spec).facts.rows == {"train": 30, "validation": 10, "test": 20}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([7] * ROWS, "split.time when leaves 0 rows for"),
        (["soon"] * ROWS, "split.time has a value that is no time, such as 'soon'"),
        (["2024-01-31", "soon"] * (ROWS // 2), "split.time has a value that is no time, such as 'soon'"),
        (["03/04/2026"] * ROWS, "column when has dates whose day might be the month, such as '03/04/2026'"),
        ([np.inf, *range(1, ROWS)], "an infinite value"),
        ([None, *range(1, ROWS)], "1 of 60 rows have no value of when"),
    ],
)
def test_times_that_do_not_split_are_refused(tmp_path: Path, values: list[Any], told: str) -> None:
    assert told in said(spec_of(tmp_path, table(when=values), split_time="when"))


def test_arrays_are_split_by_an_array_of_groups(tmp_path: Path) -> None:
    groups = np.repeat(np.arange(12), 5)
    np.savez(tmp_path / "pictures.npz", x=np.zeros((60, 4, 4)), y=np.arange(60) % 2, patient=groups)
    data = load(DataSpec(str(tmp_path / "pictures.npz"), split_group="patient"))
    assert all(count % 5 == 0 for count in data.facts.rows.values())


@pytest.mark.parametrize("spec", [IRIS, replace(DIABETES, scale="none")])
def test_reshuffling_draws_validation_anew_and_leaves_the_test_rows_alone(spec: DataSpec) -> None:
    spec = replace(spec, reshuffle=True, scale="none")
    one, other = replace(spec, validation_seed=1), replace(spec, validation_seed=2)
    assert np.array_equal(load_test(one).x, load_test(other).x)
    assert np.array_equal(load_test(one).x, load_test(spec).x)
    assert np.array_equal(load(one).validation.x, load(one).validation.x)
    assert not np.array_equal(load(one).validation.x, load(other).validation.x)
    assert load(one).facts.rows == load(other).facts.rows
    tested = {tuple(row) for row in load_test(one).x}
    if spec.source == "diabetes":  # iris has equal rows
        assert not tested & {tuple(row) for row in np.concatenate([load(one).train.x, load(one).validation.x])}


def test_groups_stay_whole_when_reshuffled(tmp_path: Path) -> None:
    frame = table(g=np.repeat(np.arange(20), 3))
    one, other = (spec_of(tmp_path, frame, split_group="g", reshuffle=True, validation_seed=seed) for seed in (1, 2))
    assert numbers(load_test(one)) == numbers(load_test(other))
    assert numbers(load(one).validation) != numbers(load(other).validation)
    held = {number // 3 for number in numbers(load(one).validation)}
    assert not held & {number // 3 for number in numbers(load(one).train)}


def test_a_file_that_changed_is_read_again_by_the_next_trial(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, table(), reshuffle=True, validation_seed=1)
    assert sum(load(spec).facts.rows.values()) == ROWS
    table().head(40).to_csv(spec.source, index=False)
    os.utime(spec.source, ns=(1, 1))
    assert sum(load(spec).facts.rows.values()) == 40


def test_a_worker_trains_each_trial_on_its_own_validation_split(tmp_path: Path) -> None:
    spec = replace(IRIS, reshuffle=True)
    curves = [
        attempt(tmp_path / str(trial), data=replace(spec, validation_seed=seed)).curve
        for trial, seed in enumerate((1, 1, 2))
    ]
    assert curves[0] == curves[1] != curves[2]
