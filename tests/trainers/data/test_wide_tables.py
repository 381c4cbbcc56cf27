"""Tables of thousands of columns, targets of thousands of classes: the work grows with them, not with their square."""

from __future__ import annotations

import cProfile
import functools
import pstats
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import data_report, load
from goodfit.trainers.data.reading.alterations import look_at
from goodfit.trainers.data.reading.table_format import TableFormat
from goodfit.trainers.data.reporting import leakage as giveaways
from goodfit.trainers.data.split import split_rows
from goodfit.trainers.messages import DataSpec

ROWS = 60


def wide(folder: Path, columns: int) -> DataSpec:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(ROWS, columns)), columns=[f"n{place}" for place in range(columns)])
    frame["y"] = np.where(random.random(ROWS) < 0.4, "a", "b")
    frame["known"] = (frame["y"] == "a") * 3.5 + random.random(ROWS)
    frame.to_csv(folder / f"wide{columns}.csv", index=False)
    return DataSpec(str(folder / f"wide{columns}.csv"), "y")


def calls(work: Callable[[], object]) -> int:
    """How many functions are called: a measure of work that does not depend on the machine."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("work", [load, data_report])
def test_the_work_grows_with_the_columns_and_not_with_their_square(
    tmp_path: Path, work: Callable[[DataSpec], object]
) -> None:
    work(wide(tmp_path, 20))  # imports what it needs
    few, many = (calls(functools.partial(work, wide(tmp_path, columns))) for columns in (150, 600))
    assert many < 5 * few


def test_the_columns_to_look_at_are_gone_through_once(tmp_path: Path) -> None:
    class Counted(list[str]):
        times = 0

        def __iter__(self) -> Iterator[str]:
            self.times += 1
            return super().__iter__()

    spec = wide(tmp_path, 50)
    columns = Counted(f"c{place}" for place in range(50))
    look_at(Path(spec.source), TableFormat(), columns)
    assert columns.times <= 2


def test_trees_are_fitted_to_few_columns_and_the_one_that_gives_the_target_away_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, score = [], giveaways._score
    monkeypatch.setattr(giveaways, "_score", lambda *given: fitted.append(1) or score(*given))  # type: ignore[func-returns-value]
    report = data_report(wide(tmp_path, 800))
    assert [found["column"] for found in report["giveaways"]] == ["known"]
    assert len(fitted) == 1  # of the one column; where there is none, trees are not even imported


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_column_that_a_tree_predicts_from_is_never_passed_over(share: float) -> None:
    random = np.random.default_rng(1)
    values = (random.random(200) < share).astype(np.int64)
    steps = values * 2.0 + random.random(200)
    gap = np.where(values == 1, np.nan, 1.0)
    for column in (steps, gap, values.astype(float), np.abs(steps - 1)):
        assert (
            giveaways._can_score(column, values, "classification")
            and giveaways._by_the_nearest(column, values, "classification")
        ) or giveaways._score(column, values, "classification") < giveaways.GIVEN_AWAY
    number = np.linspace(0, 1, 200)
    for column in (number**3, np.round(number, 1), -number):
        assert giveaways._can_score(column, number, "regression")
        assert giveaways._by_the_nearest(column, number, "regression")
    assert not giveaways._can_score(random.random(200), number, "regression")
    assert not giveaways._can_score(random.random(200), values, "classification")


def test_rows_of_very_many_classes_are_split_as_ever() -> None:
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(4000), 5))
    rows = split_rows(y, [str(label) for label in range(4000)], DataSpec("rows"), "rows")
    assert [len(part) for part in rows] == [12_000, 4000, 4000]
    assert all(len(np.unique(y[part])) == 4000 for part in rows)
