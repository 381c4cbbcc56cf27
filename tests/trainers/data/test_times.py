"""Times of rows: which dates are read, and what is said of times that do not follow each other evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import data_report, load, look_closely
from goodfit.trainers.data.reading.times import _FORMATS, Times, date_values, read_times, times_notes
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

HOURS = pd.date_range("2024-01-30", periods=200, freq="h")


def times_of(values: Sequence[object] | pd.DatetimeIndex) -> Times:
    times = read_times(pd.Series(values, name="when"), ordered=True)
    assert times is not None
    return times


def notes(values: Sequence[object] | pd.DatetimeIndex, window: int | None = None) -> list[str]:
    return times_notes(times_of(values), window)


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M:%S",
        "%d/%m/%Y %H:%M",
        "%m/%d/%Y %H:%M",
        "%d.%m.%Y %H:%M",
        "%d.%m.%y %H:%M",
        "%m/%d/%Y %I:%M %p",
        "%d-%b-%Y %H:%M:%S",
        "%b %d, %Y %H:%M",
    ],
)
def test_dates_are_read_in_the_order_in_which_they_are_written(form: str) -> None:
    times = times_of(HOURS.strftime(form))
    assert times.dates
    assert np.array_equal(times.values, HOURS.as_unit("ns").asi8)


def test_the_order_of_rows_tells_the_day_from_the_month() -> None:
    days = pd.DatetimeIndex(["2024-01-05", "2024-01-12", "2024-02-02", "2024-02-09"])  # no day that is no month
    column = pd.Series(days.strftime("%d/%m/%Y"), name="when")
    assert len(date_values(column)) == 2
    assert np.array_equal(times_of(column).values, days.as_unit("ns").asi8)
    with pytest.raises(DataProblem, match="column when has dates whose day might be the month, such as '05/01/2024'"):
        read_times(column)
    first_days = pd.Series([f"{day:02}/01/2024" for day in range(5, 12)], name="when")
    with pytest.raises(DataProblem, match="day might be the month"):  # days of January, or the first of months
        read_times(first_days, ordered=True)
    for first, days in ((True, "2024-01-05"), (False, "2024-05-01")):
        times = read_times(first_days, ordered=True, day_first=first)
        assert times is not None
        assert times.written(0) == days


@pytest.mark.parametrize("values", [["soon", "late"], ["2024-01-31", "soon"], ["31/01/2024", "01/31/2024"]])
def test_what_is_no_date_in_any_order_is_none(values: list[str]) -> None:
    assert read_times(pd.Series(values)) is None


@pytest.mark.parametrize(
    "even",
    [
        HOURS,
        pd.date_range("2023-01-31", periods=30, freq="ME"),
        pd.date_range("2023-01-01", periods=30, freq="MS"),
        pd.date_range("2010-01-01", periods=20, freq="QS"),
        pd.date_range("1990-12-31", periods=20, freq="YE"),
        pd.bdate_range("2024-01-01", periods=60),
        HOURS.as_unit("s").asi8,
        np.arange(50) * 0.1,
        [1, 2],
        [5],
    ],
)
def test_nothing_is_said_of_times_that_follow_each_other_evenly(even: pd.DatetimeIndex) -> None:
    assert notes(even) == []


def test_gaps_are_counted_with_the_largest_and_where_it_is() -> None:
    (said,) = notes(HOURS.delete([10, 50, 51, 52]), window=12)
    assert said.startswith(
        "2 gaps in when: 4 steps of 1 h missing, 3 of them between 2024-02-01T01:00 and 2024-02-01T05:00; windows go"
    )
    (said,) = notes(HOURS.delete(10))
    assert said.startswith("1 gap in when: 1 step of 1 h missing between 2024-01-30T09:00 and 2024-01-30T11:00;")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_numbers_since_1970_are_described_as_dates(unit: str) -> None:
    (said,) = notes(HOURS.delete(range(30, 60)).as_unit(unit).asi8)
    assert said.startswith("1 gap in when: 30 steps of 1 h missing between 2024-01-31T05:00 and 2024-02-01T12:00;")


def test_other_numbers_are_described_as_they_are() -> None:
    (said,) = notes(np.delete(np.arange(0, 100, 2), [20, 21]))
    assert said.startswith("1 gap in when: 2 steps of 2 missing between 38 and 44;")


def test_months_and_working_days_are_counted_as_such() -> None:
    (said,) = notes(pd.date_range("2020-01-31", periods=36, freq="ME").delete([5, 6]))
    assert said.startswith("1 gap in when: 2 steps of 1 month missing between 2020-05-31 and 2020-08-31;")
    (said,) = notes(pd.bdate_range("2024-01-01", periods=60).delete([9, 10]))
    assert said.startswith("1 gap in when: 2 steps of 1 working day missing between 2024-01-11 and 2024-01-16;")


def test_an_hour_that_clocks_leave_out_is_named_as_such() -> None:
    local = pd.date_range("2024-03-30", periods=72, freq="h")
    (said,) = notes(local.delete(26))  # 2024-03-31T02:00, a Sunday
    assert "between 2024-03-31T01:00 and 2024-03-31T03:00, as where clocks are put forward to summer time;" in said
    assert "summer time" not in notes(local.delete(50))[0]
    assert "summer time" not in notes(local.delete([26, 27]))[0]


def test_doubles_rows_that_go_back_and_uneven_steps_are_said() -> None:
    assert notes([1, 2, 2, 3, 4, 4, 5, 6])[0] == "2 rows have the time of the row before, first row 3 of the data (2)"
    assert notes([1, 2, 4, 3, 5, 6])[0] == "1 row goes back in time"
    assert notes(HOURS[::-1]) == ["the rows go from the newest to the oldest"]
    random = np.random.default_rng(0)
    (said,) = notes(np.cumsum(random.uniform(1, 9, 100)), window=12)
    assert said.startswith("the steps in when are uneven: ")
    assert "a window of 12 rows is as many rows, however long they take" in said
    (said,) = notes([0, 10, 20, 30, 40, 43, 50, 60, 70, 80, 90, 100])
    assert said == "2 rows follow the row before in less than the step of 10 in when"


def series_of(folder: Path, when: Sequence[object] | pd.DatetimeIndex, target: Sequence[object]) -> DataSpec:
    pd.DataFrame({"when": when, "load": target}).to_csv(folder / "load.csv", index=False)
    return DataSpec(str(folder / "load.csv"), target="load", kind="series", time="when", window=8, horizon=2)


def test_the_report_tells_of_times_also_where_they_cannot_be_trained_on(tmp_path: Path) -> None:
    load_curve = np.sin(np.arange(200))
    spec = series_of(tmp_path, HOURS, load_curve)
    assert not any("when" in note for note in data_report(spec)["notes"])
    spec = series_of(tmp_path, HOURS.delete(50).append(HOURS[-1:] + pd.Timedelta("1h")), load_curve)
    assert "1 step of 1 h missing between 2024-02-01T01:00 and 2024-02-01T03:00" in data_report(spec)["notes"][0]
    assert load(spec).facts.rows["train"] > 0

    report = data_report(series_of(tmp_path, HOURS[::-1], load_curve))
    assert report["notes"][0] == "the rows go from the newest to the oldest"
    assert "the rows go from the newest to the oldest: turn them round" in report["problem"]

    report = data_report(series_of(tmp_path, HOURS.insert(3, HOURS[3])[:-1], load_curve))
    assert "1 row has the time of the row before" in report["notes"][0]
    assert "(where clocks were put back an hour, write the times in UTC or with their offset" in report["problem"]


def test_a_study_says_what_is_day_and_what_month_where_its_dates_do_not(tmp_path: Path) -> None:
    days = pd.DatetimeIndex(
        [f"{year}-01-{day:02}" for year in range(2000, 2010) for day in range(1, 13)]  # or twelve months of ten years
    )
    spec = series_of(tmp_path, days.strftime("%d/%m/%Y"), np.sin(np.arange(120)))
    with pytest.raises(DataProblem, match=r"say which: `data: \{day_first: true\}` or `false`"):
        load(spec)
    assert "gap" in data_report(replace(spec, day_first=True))["notes"][0]
    assert not any("gap" in note for note in data_report(replace(spec, day_first=False))["notes"])


def test_the_report_tells_of_a_target_with_gaps(tmp_path: Path) -> None:
    report = data_report(series_of(tmp_path, HOURS, [None, *range(199)]))
    assert "the target load is missing in 1 of 200 rows" in report["problem"]
    assert (report["target"]["min"], report["target"]["max"]) == (0, 198)
    spec = replace(series_of(tmp_path, HOURS, [None, *["up", "down"] * 99, "up"]), horizon=None)
    (tmp_path / "load.csv").write_text(
        "\n".join(
            f"{line},{row}" if row else f"{line},wind"
            for row, line in enumerate((tmp_path / "load.csv").read_text().splitlines())
        )
    )
    report = data_report(spec)
    assert "the target load is missing in 1 of 200 rows" in report["problem"]
    assert set(report["target"]["classes"]) == {"up", "down"}


def test_text_that_is_no_date_is_known_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pd, "to_datetime")
    assert date_values(pd.Series(["Oslo", "Lima"])) == []


@pytest.mark.parametrize("form", _FORMATS)
def test_dates_in_each_format_are_still_read(form: str) -> None:
    days = pd.date_range("2024-05-13 21:05", periods=3, freq="D")
    assert date_values(pd.Series(days.strftime(form)))


def test_check_tells_of_a_gap_as_the_report_does(tmp_path: Path) -> None:
    hours = pd.date_range("2026-01-01", periods=80, freq="h").delete(range(40, 50))
    pd.DataFrame({"time": hours, "load": np.random.default_rng(0).normal(size=70)}).to_csv(
        tmp_path / "s.csv", index=False
    )
    spec = DataSpec(str(tmp_path / "s.csv"), "load", kind="series", time="time", window=5, horizon=1)
    assert "1 gap in time: 10 steps of 1 h missing" in look_closely(spec)[1][0]
