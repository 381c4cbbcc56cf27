"""Arrays in .npy files: tables by the numbers or the names of their columns, and series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.trainers.data import load
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

RANDOM = np.random.default_rng(0)


def file_of(folder: Path, values: np.ndarray, name: str = "rows.npy") -> str:
    np.save(folder / name, values)
    return str(folder / name)


def problem(source: str, target: str | None = "x2", **spec: Any) -> str:
    with pytest.raises(DataProblem) as caught:
        load(DataSpec(source, target, **spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_columns_of_two_dimensions_are_named_by_their_number(tmp_path: Path) -> None:
    data = load(DataSpec(file_of(tmp_path, RANDOM.normal(size=(40, 4))), "x3"))
    assert (data.name, data.kind, data.task) == ("rows", "table", "regression")
    assert data.features == ("x0", "x1", "x2")


def test_the_values_of_a_column_stay_in_their_rows(tmp_path: Path) -> None:
    values = np.arange(60.0).reshape(20, 3)
    data = load(DataSpec(file_of(tmp_path, values), "x2", scale="none"))
    told = data.preparation.original(data.train.y)
    assert np.allclose(data.train.x[:, 0] + 2, told, atol=1e-4)
    assert np.allclose(data.train.x[:, 1] + 1, told, atol=1e-4)


def test_whole_numbers_of_few_values_are_classes_as_in_any_table(tmp_path: Path) -> None:
    values = np.stack([np.arange(30), np.arange(30) % 3], axis=1)
    assert load(DataSpec(file_of(tmp_path, values), "x1")).classes == ("0", "1", "2")


def test_the_fields_of_a_structured_array_are_columns(tmp_path: Path) -> None:
    rows = np.zeros(40, dtype=[("age", ">f8"), ("city", "U8"), ("left", "S3"), ("id", "i4")])
    rows["age"], rows["id"] = RANDOM.normal(size=40), np.arange(40)
    rows["city"], rows["left"] = np.resize(["Rome", "Oslo"], 40), np.resize([b"yes", b"no"], 40)
    data = load(DataSpec(file_of(tmp_path, rows), "left", ignore=("id",)))
    assert (data.features, data.classes) == (("age", "city"), ("no", "yes"))
    assert data.facts.columns == ("age", "city = Oslo", "city = Rome")


def test_a_split_can_go_by_a_column(tmp_path: Path) -> None:
    values = np.stack([RANDOM.normal(size=40), np.arange(40) // 4, np.arange(40) % 2], axis=1).astype(int)
    values[:, 0] = np.arange(40)
    data = load(DataSpec(file_of(tmp_path, values), "x2", split_group="x1", scale="none"))
    assert data.features == ("x0",)
    assert not set(data.train.x[:, 0] // 4) & set(data.validation.x[:, 0] // 4)


def test_a_series_is_read_from_an_array(tmp_path: Path) -> None:
    steps = np.stack([np.arange(200.0), np.sin(np.arange(200) / 5)], axis=1)
    spec = DataSpec(file_of(tmp_path, steps), "x1", kind="series", time="x0", window=12, horizon=3)
    data = load(spec)
    assert (data.kind, data.task, data.features) == ("series", "forecasting", ("x1",))
    assert data.train.x.shape[1:] == (12, 1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros(20), "a table has two dimensions, (rows, columns), not (20,)"),
        (
            np.zeros((20, 8, 8)),
            "an array of 3 dimensions (20, 8, 8) has no target; save an .npz file with the arrays x",
        ),
        (np.zeros((20, 3, 8, 8)), "an array of 4 dimensions"),
        (np.array([[{}, 1, 2]] * 20), "is not an .npy file of plain values: Object arrays cannot be loaded"),
        (np.zeros((20, 3), dtype=complex), "x0 holds complex128, which no column can"),
        (np.zeros((4, 5), dtype=[("a", "f8")]), "a structured array has one dimension, a row an element, not (4, 5)"),
        (np.zeros(20, dtype=[("a", "f8", (3,)), ("x2", "i4")]), "field a holds (3,) values a row"),
        (np.zeros(20, dtype=[("a", "V4"), ("x2", "i4")]), "a holds |V4, which no column can"),
        (np.array([(b"\xff\xfe", 1)] * 20, dtype=[("a", "S2"), ("x2", "i4")]), "field a is not UTF-8 text"),
        (np.zeros((0, 3)), "has no rows"),
        (np.full((20, 3), np.inf), "infinite or past float32's range"),
        (np.full((20, 3), np.nan), "20 of 20 rows have no value of the target x2"),
    ],
)
def test_arrays_that_are_no_table_are_refused(tmp_path: Path, values: np.ndarray, said: str) -> None:
    if "infinite" in said:
        values[:, 2] = np.arange(20)
    np.save(tmp_path / "rows.npy", values, allow_pickle=True)
    assert said in problem(str(tmp_path / "rows.npy"))


def test_a_column_that_is_not_there_gets_the_nearest_suggested(tmp_path: Path) -> None:
    source = file_of(tmp_path, np.zeros((20, 3)))
    assert "has no column 'x3' to predict; did you mean x" in problem(source, "x3")
    assert "has no column 'y0', which data.ignore names; did you mean x0?" in problem(source, ignore=("y0",))
    assert "which column is to be predicted?" in problem(source, None)


@pytest.mark.parametrize("content", [b"\x93NUMPY\x01\x00", b"not an array", b"PK\x03\x04"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.npy").write_bytes(content)
    assert "is not an .npy file of plain values" in problem(str(tmp_path / "rows.npy"))


def test_several_arrays_by_the_name_of_one_are_told_their_suffix(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.zeros((20, 2)))
    (tmp_path / "rows.npz").rename(tmp_path / "rows.npy")
    assert "holds several arrays; name it .npz" in problem(str(tmp_path / "rows.npy"))
