"""Files are read and prepared in parts; what comes out does not depend on how large these are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import goodfit.trainers.data.kinds.table as table_kind
from goodfit.trainers.data import load
from goodfit.trainers.data.preparing.preparation import Preparation
from goodfit.trainers.data.reading import raw
from goodfit.trainers.data.reading import tables as readers
from goodfit.trainers.data.reading.files import read_frame
from goodfit.trainers.data.reading.raw import Raw, Target, check_values
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

RANDOM = np.random.default_rng(0)
ROWS = 97


def table(columns: int = 11) -> pd.DataFrame:
    frame = pd.DataFrame({f"n{place}": RANDOM.normal(place, 1 + place, ROWS) for place in range(columns)})
    frame["whole"] = RANDOM.integers(0, 9, ROWS)
    frame["city"] = RANDOM.choice(["Rome", "Oslo", "Lima"], ROWS)
    frame["label"] = RANDOM.choice(["yes", "no"], ROWS)
    frame.loc[::7, "n3"] = np.nan
    frame.loc[5:60, "city"] = None
    return frame


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on everything is done in parts of a few rows or columns."""

    def set_sizes() -> None:
        monkeypatch.setattr(readers, "ROWS_AT_ONCE", 10)
        monkeypatch.setattr(readers, "GROUPS", 4)
        monkeypatch.setattr(raw, "NUMBERS_AT_ONCE", 50)
        monkeypatch.setattr(table_kind, "NUMBERS_AT_ONCE", 50)

    return set_sizes


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("encode", ["onehot", "embedding"])
def test_a_file_gives_the_same_in_parts(tmp_path: Path, in_parts: Callable[[], None], suffix: str, encode: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    table().to_csv(path, index=False) if suffix == "csv" else table().to_parquet(path)
    spec = DataSpec(str(path), "label", missing="median", indicator=True, encode=encode)
    whole = load(spec)
    in_parts()
    parts = load(spec)
    assert parts.facts == whole.facts
    for one, other in ((whole.train, parts.train), (whole.validation, parts.validation)):
        assert np.array_equal(one.x, other.x)
        assert np.array_equal(one.y, other.y)
        assert encode == "onehot" or np.array_equal(one.codes, other.codes)


def test_images_give_the_same_in_parts(tmp_path: Path, in_parts: Callable[[], None]) -> None:
    np.savez(tmp_path / "a.npz", x=RANDOM.normal(size=(40, 3, 5, 5)), y=np.arange(40) % 2)
    whole = load(DataSpec(str(tmp_path / "a.npz")))
    in_parts()
    parts = load(DataSpec(str(tmp_path / "a.npz")))
    assert parts.facts == whole.facts
    assert np.array_equal(parts.train.x, whole.train.x)


@pytest.mark.parametrize(
    ("early", "late"),
    [
        (["001", "002"], ["abc", "def"]),  # the zeros are part of the text
        (["1", "2"], ["x", "3"]),
        (["True", "False"], ["maybe", "no"]),
        (["", ""], ["a", "b"]),
        (["", ""], ["1", "2"]),
        (["1", "2"], ["1.5", "2.5"]),
        (["1", "2"], ["18446744073709551615", "3"]),
        (["True", "False"], ["", "True"]),
    ],
)
def test_the_type_of_a_column_is_that_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early: list[str], late: list[str]
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("n,v\n" + "\n".join(f"{row},{value}" for row, value in enumerate([*early * 10, *late * 10])))
    whole = read_frame(path, ())
    monkeypatch.setattr(readers, "ROWS_AT_ONCE", 10)
    pd.testing.assert_frame_equal(read_frame(path, ()), whole)
    pd.testing.assert_frame_equal(whole, pd.read_csv(path, low_memory=False))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"index": pd.date_range("2026-01-01", periods=ROWS, name="day")},
        {"category": True},
    ],
)
def test_parquet_in_groups_of_columns_is_as_pandas_reads_it(tmp_path: Path, changes: dict[str, Any]) -> None:
    frame = table()
    frame["maybe"] = pd.array([1, None] * 48 + [3], dtype="Int64")
    frame["flag"] = pd.array([True, None] * 48 + [False], dtype="boolean")
    if "index" in changes:
        frame = frame.set_index(changes["index"])
    if "category" in changes:
        frame["city"] = frame["city"].astype("category")
    frame.to_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(read_frame(tmp_path / "rows.parquet", ()), pd.read_parquet(tmp_path / "rows.parquet"))
    without = read_frame(tmp_path / "rows.parquet", ("city", "n4"))
    assert list(without.columns) == [name for name in frame.columns if name not in ("city", "n4")]


@pytest.mark.parametrize("columns", [0, 1, 2, 3, 4, 5, 7, 8, 29])
@pytest.mark.parametrize("scale", ["standard", "minmax", "robust"])
def test_what_is_fitted_to_a_column_is_as_if_all_were_fitted_at_once(columns: int, scale: str) -> None:
    x = RANDOM.normal(1e6, 1, (1001, columns))
    names = tuple(f"n{place}" for place in range(columns))
    source = Raw("rows", "rows", "table", x, np.zeros(1001), names)
    rows = np.flatnonzero(RANDOM.random(1001) < 0.6)
    fitted = [
        Preparation.fit(order, np.zeros(1), Target("classification"), DataSpec("rows", scale=scale), source, None, rows)
        for order in (x, np.asfortranarray(x))
    ]
    assert fitted[0] == fitted[1]
    assert len(fitted[0].shift) == columns
    if scale == "standard" and columns:
        assert fitted[0].shift == tuple(x[rows].mean(axis=0).tolist())
        assert fitted[0].divide == tuple(x[rows].std(axis=0).tolist())


def test_bad_values_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "NUMBERS_AT_ONCE", 50)
    x = np.zeros((30, 2, 4, 4), dtype=np.float32)
    x[3, 0, 0, 0] = x[29, 1, 3, 3] = np.nan
    with pytest.raises(DataProblem, match="photos: 2 values missing"):
        check_values(x, (), "error", "photos")


def test_a_table_is_not_in_memory_three_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_kind, "NUMBERS_AT_ONCE", 2**16)
    rows, columns = 200_000, 12
    frame = pd.DataFrame(RANDOM.normal(size=(rows, columns)), columns=[f"n{place}" for place in range(columns)])
    frame["label"] = np.arange(rows) % 2
    frame.to_parquet(tmp_path / "rows.parquet")
    values = rows * columns * 8
    del frame
    load(DataSpec(str(tmp_path / "rows.parquet"), "label", validation=0.3, test=0.3))  # imports what it needs
    tracemalloc.start()
    try:
        load(DataSpec(str(tmp_path / "rows.parquet"), "label"))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # All of it as float64, then its training, validation and test rows as float32, and some columns in work.
    assert most < 2.2 * values
