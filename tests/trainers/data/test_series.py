"""Time series: how they are cut, what is fitted on which rows, and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.trainers.data import DATASETS, Data, load, load_test
from goodfit.trainers.data.datasets.series import SERIES, read_load_curve
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

STEPS = 100  # 60 train, 20 validate, 20 test


def write(path: Path, columns: dict[str, Any]) -> str:
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return str(path)


def counting(folder: Path, steps: int = STEPS, **more: Any) -> str:
    """A target that counts its rows, so that every value says where it comes from; wind goes the other way."""
    return write(folder / "count.csv", {"load": range(steps), "wind": range(0, -steps, -1), **more})


def spec(source: str, **changes: Any) -> DataSpec:
    plain = {"target": "load", "kind": "series", "window": 8, "horizon": 3, "scale": "none"}
    return DataSpec(source, **{**plain, **changes})


def rows_of(targets: np.ndarray, data: Data) -> np.ndarray:
    return data.preparation.original(targets).round().astype(int)


def problem(wrong: DataSpec) -> str:
    with pytest.raises(DataProblem) as caught:
        load(wrong)
    return str(caught.value)


def test_a_window_shows_all_columns_up_to_where_its_targets_begin(tmp_path: Path) -> None:
    data = load(spec(counting(tmp_path)))
    assert (data.task, data.kind, data.features) == ("forecasting", "series", ("load", "wind"))
    assert data.facts.input_shape == (8, 2)
    assert data.facts.outputs == 3
    for x, y in zip(data.train.x, rows_of(data.train.y, data), strict=True):
        assert x[:, 0].tolist() == list(range(y[0] - 8, y[0]))
        assert x[:, 1].tolist() == [-row for row in x[:, 0]]
        assert y.tolist() == [y[0], y[0] + 1, y[0] + 2]


def test_the_targets_of_a_split_are_its_own_and_come_later_than_all_of_the_split_before(tmp_path: Path) -> None:
    asked = spec(counting(tmp_path))
    data, test = load(asked), load_test(asked)
    train, validation, tested = (rows_of(split.y, data) for split in (data.train, data.validation, test))
    assert (train.min(), train.max()) == (8, 59)
    assert (validation.min(), validation.max()) == (60, 79)
    assert (tested.min(), tested.max()) == (80, 99)
    assert data.train.x[:, :, 0].max() < 60
    assert data.facts.rows == {"train": len(train), "validation": len(validation), "test": len(tested)}


def test_scaling_and_units_are_fitted_on_the_training_rows_alone(tmp_path: Path) -> None:
    plain = load(spec(counting(tmp_path), scale="standard")).preparation
    values = np.arange(60)
    assert plain.shift == pytest.approx((values.mean(), -values.mean()))
    assert plain.target_std == pytest.approx(values.std())
    (tmp_path / "b").mkdir()
    source = write(tmp_path / "b" / "count.csv", {"load": [*range(60), *[1e6] * 40], "wind": range(0, -STEPS, -1)})
    assert load(spec(source, scale="standard")).preparation == plain


def test_gaps_of_other_columns_are_filled_from_training_rows_where_asked(tmp_path: Path) -> None:
    wind = [1.0] * 60 + [9.0] * 40
    wind[70] = wind[20] = ""  # type: ignore[call-overload]
    source = write(tmp_path / "gaps.csv", {"load": range(STEPS), "wind": wind})
    assert "column wind: 2 values missing" in problem(spec(source))
    data = load(spec(source, missing="median"))
    assert data.validation.x[5:, :, 1].min() == 1.0
    assert set(np.unique(data.validation.x[10:13, :, 1])) == {1.0, 9.0}


def test_times_may_be_dates_or_numbers_and_are_no_input(tmp_path: Path) -> None:
    days = np.datetime_as_string(np.datetime64("2024-01-01") + np.arange(STEPS)).tolist()
    for name, times in (("days", days), ("numbers", [row * 0.5 for row in range(STEPS)])):
        data = load(spec(counting(tmp_path, **{name: times}), time=name))
        assert data.features == ("load", "wind")


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([*range(50), 48, *range(51, STEPS)], "row 51 of the data (48) does not come after the row before (49)"),
        ([*range(50), 49, *range(51, STEPS)], "row 51 of the data (49) does not come after the row before (49)"),
        (["2024-01-02", "2024-01-01", *["2024-02-01"] * (STEPS - 2)], "row 2 of the data (2024-01-01)"),
        (["noon"] * STEPS, "column when is no time"),
        (["2024-01-01", "noon"] * (STEPS // 2), "count.csv: column when is no time, with values such as 'noon'; write"),
        (["", *range(1, STEPS)], "1 of 100 rows have no time in column when"),
    ],
)
def test_time_that_does_not_increase_is_refused_with_its_row(tmp_path: Path, times: list[Any], said: str) -> None:
    assert said in problem(spec(counting(tmp_path, when=times), time="when"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": "lod"}, "has no column 'lod' (data.target); did you mean load?"),
        ({"time": "tim"}, "has no column 'tim' (data.time)"),
        ({"time": "load"}, "data.target and data.time are both load"),
        ({"target": None}, "which column is to be predicted?"),
        ({"window": None}, "how many rows does the model see?"),
        ({"horizon": 0}, "data.horizon: 0 is too small; give 1 or more"),
        ({"window": -1}, "data.window: -1 is too small"),
        ({"period": 9}, "data.period: 9 is longer than the window of 8"),
        ({"window": 58}, "60 of its 100 rows are for training, and a window of 58 and its horizon of 3 need 61"),
        ({"horizon": 21, "window": 2}, "20 of 100 rows are for validation, fewer than the horizon of 21"),
        ({"horizon": None}, "the target holds numbers, not classes; give `data: {horizon: 12}`"),
        ({"split_group": "wind"}, "split.group does not go with a time series"),
        ({"split_time": "wind"}, "split.time does not go with a time series"),
        ({"missing": "drop"}, "prepare.missing: drop does not go with a time series"),
        ({"kind": None}, "data.window goes with a time series; give `kind: series` as well"),
    ],
)
def test_a_cut_that_cannot_be_made_is_refused_by_its_name(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert said in problem(spec(counting(tmp_path), **changes))


def test_a_target_with_gaps_is_refused_whatever_is_done_about_other_columns(tmp_path: Path) -> None:
    source = write(tmp_path / "gap.csv", {"load": [*range(30), "", *range(69)], "wind": range(STEPS)})
    assert "the target load is missing in 1 of 100 rows, first in row 31" in problem(spec(source, missing="mean"))


def test_a_target_that_never_changes_and_a_column_of_text_are_refused(tmp_path: Path) -> None:
    assert "there is nothing to learn" in problem(spec(write(tmp_path / "flat.csv", {"load": [2.5] * STEPS})))
    said = problem(spec(counting(tmp_path, day=["mon"] * STEPS)))
    assert (
        "column day holds no numbers (such as 'mon'); if it is the time of the rows, give `data: {time: day}`" in said
    )


def test_without_a_horizon_the_class_of_the_last_row_is_the_target_and_no_input(tmp_path: Path) -> None:
    phase = ["up" if row % 10 < 5 else "down" for row in range(STEPS)]
    source = counting(tmp_path, phase=phase)
    asked = spec(source, target="phase", horizon=None)
    data, test = load(asked), load_test(asked)
    assert (data.task, data.classes, data.features) == ("classification", ("down", "up"), ("load", "wind"))
    for split, first, end in ((data.train, 7, 60), (data.validation, 60, 80), (test, 80, 100)):
        last = split.x[:, -1, 0].astype(int)
        assert last.tolist() == list(range(first, end))
        assert [data.classes[index] for index in split.y] == [phase[row] for row in last]


def test_a_class_that_training_never_saw_is_refused(tmp_path: Path) -> None:
    phase = ["a", "b"] * 40 + ["c"] * 20
    said = problem(spec(counting(tmp_path, phase=phase), target="phase", horizon=None))
    assert "class c does not occur in the training rows" in said


@pytest.mark.parametrize("features", [1, 3])
def test_arrays_of_whole_sequences_are_scaled_by_feature_and_not_cut(tmp_path: Path, features: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(5, 2, (50, 12, features))
    path = tmp_path / "gestures.npz"
    np.savez(path, x=x if features > 1 else x[:, :, 0], y=np.arange(50) % 2)
    data = load(DataSpec(str(path), kind="series"))
    assert (data.task, data.kind, data.facts.input_shape) == ("classification", "series", (12, features))
    assert data.train.x.mean(axis=(0, 1)) == pytest.approx([0] * features, abs=1e-5)
    assert "holds whole sequences, which are not cut; leave data.window out" in problem(
        DataSpec(str(path), kind="series", window=3)
    )


@pytest.mark.parametrize("name", ["eeg", "load_curve"])
def test_a_built_in_series_is_as_it_is_told(name: str) -> None:
    told, data = DATASETS[name], load(DataSpec(name))
    assert (data.task, data.kind, len(data.features)) == (told.task, told.kind, told.features)
    assert len(SERIES[name].read()) == told.rows
    assert told.about
    assert len(load_test(DataSpec(name))) == data.facts.rows["test"] > 0


def test_a_built_in_series_is_cut_as_the_study_says() -> None:
    data = load(DataSpec("eeg", target="electrode_1", window=10, horizon=2))
    assert data.features[0] == "electrode_1"
    assert (data.facts.input_shape, data.facts.horizon, data.facts.period) == ((10, 4), 2, None)
    assert "not of kind table" in problem(DataSpec("eeg", kind="table"))
    assert "data.horizon: 0 is too small" in problem(DataSpec("eeg", horizon=0))


def test_the_generated_series_is_the_same_each_time_and_has_its_rhythms() -> None:
    one, other = read_load_curve(), read_load_curve()
    assert one.equals(other)
    load_, day, week = one["load"], 8, 56
    half = load_.diff(day // 2).abs().mean()
    assert load_.diff(week).abs().mean() < load_.diff(day).abs().mean() < half
