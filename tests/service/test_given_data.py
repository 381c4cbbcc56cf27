"""Data that a study is given in Python, as files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.service.client.given import content_of, file_of, is_in_memory, name_of_file
from goodfit.service.errors import DataError

FRAME = pd.DataFrame({"size": [1.0, 2.0, 4.0], "kind": ["a", "b", None], 7: [0, 1, 1]}, index=[5, 6, 7])


def test_a_data_frame_becomes_a_parquet_file_without_its_index(tmp_path: Path) -> None:
    file = file_of(*content_of(FRAME, "kind"), tmp_path / "given")
    assert file.suffix == ".parquet"
    found = pd.read_parquet(file)
    assert list(found.columns) == ["size", "kind", "7"]
    assert found["size"].tolist() == [1.0, 2.0, 4.0]
    assert list(found.index) == [0, 1, 2]


@pytest.mark.parametrize("as_pair", [True, False])
def test_arrays_become_an_npz_file(as_pair: bool) -> None:
    x, y = np.arange(6.0).reshape(3, 2), [0, 1, 0]
    kind, content = content_of((x, y) if as_pair else {"x": x, "y": y}, None)
    assert kind == "npz"
    found = np.load(io.BytesIO(content))
    assert (found["x"] == x).all()
    assert found["y"].tolist() == y


def test_a_file_is_named_by_its_content(tmp_path: Path) -> None:
    one, other = content_of(FRAME, None), content_of(FRAME.assign(size=0.0), None)
    assert name_of_file(*one) == name_of_file(*content_of(FRAME.copy(), None))
    assert name_of_file(*one) != name_of_file(*other)
    assert file_of(*one, tmp_path) != file_of(*other, tmp_path)


@pytest.mark.parametrize(
    ("source", "known"), [("digits", False), (Path("a.csv"), False), (FRAME, True), ((1, 2), True)]
)
def test_values_are_told_from_names(source: Any, known: bool) -> None:
    assert is_in_memory(source) is known


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        (FRAME, "sise", "no column 'sise' to be the target; did you mean size?"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), None, "two columns 'a'"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", {}]}), None, "in the column 'b'"),
        ([1, 2], None, "data is list"),
        ({}, None, "data is dict"),
        (pd.DataFrame(index=[1, 2]), "y", "a frame without columns"),
        (([[1], [1, 2]], [0, 1]), None, "data\\['x'\\] is no array: setting an array element"),
        (({"a"}, [1]), None, "data\\['x'\\] is an array of objects"),
    ],
)
def test_what_is_wrong_with_data_is_said(source: Any, target: str | None, says: str) -> None:
    with pytest.raises(DataError, match=says):
        content_of(source, target)


def test_a_target_that_is_the_index_is_said() -> None:
    with pytest.raises(DataError, match=r"the target 'size' is the index of data, and not a column: give frame\.reset"):
        content_of(FRAME.set_index("size"), "size")
