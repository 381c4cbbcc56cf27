"""Which rows of the source are in which split: the numbers say what load gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import load, load_test
from goodfit.trainers.data.row_numbers import split_frame
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

PARTS = ("train", "validation", "test")


def frames(spec: DataSpec) -> list[pd.DataFrame]:
    found = [split_frame(spec, part) for part in PARTS]
    numbers = np.concatenate([frame.index for frame in found])
    assert len(set(numbers.tolist())) == len(numbers), "no row in two splits"
    return found


@pytest.mark.parametrize(
    "given",
    [{}, {"missing": "drop"}, {"folds": 4, "fold": 2}, {"reshuffle": True, "validation_seed": 7}, {"group": "g"}],
    ids=str,
)
def test_the_rows_of_a_table_are_those_that_are_trained_on(tmp_path: Path, given: dict[str, Any]) -> None:
    table = pd.DataFrame({"id": range(80), "x": np.arange(80.0), "g": np.arange(80) // 4, "y": ["a", "b"] * 40})
    if "missing" in given:
        table.loc[::7, "x"] = np.nan
    table.to_csv(tmp_path / "t.csv", index=False)
    columns = {key: value for key, value in given.items() if key == "group"}
    rest = {key: value for key, value in given.items() if key != "group"}
    split = {f"split_{key}": value for key, value in columns.items()}
    ignore = ("id",) if columns else ("id", "g")
    spec = DataSpec(str(tmp_path / "t.csv"), target="y", ignore=ignore, scale="none", test=0.2, **split, **rest)
    data = load(spec)
    for frame, part in zip(frames(spec), (data.train, data.validation, load_test(spec)), strict=True):
        assert list(frame.columns) == ["id", "x", "g", "y"]
        assert (frame.index == frame["id"]).all()
        assert part.x[:, 0].tolist() == frame["x"].tolist()
        assert [data.classes[label] for label in part.y] == frame["y"].tolist()


def test_texts_arrays_and_built_in_data_have_their_rows(tmp_path: Path) -> None:
    texts = pd.DataFrame({"text": [f"word {row}" for row in range(40)], "y": ["a", "b"] * 20})
    texts.loc[3, "text"] = None
    texts.to_csv(tmp_path / "t.csv", index=False)
    spec = DataSpec(str(tmp_path / "t.csv"), target="y", text="text", missing="drop")
    assert sum(map(len, frames(spec))) == 39
    assert all(frame["text"].tolist() == [f"word {row}" for row in frame.index] for frame in frames(spec))
    np.savez(tmp_path / "a.npz", x=np.arange(80.0).reshape(40, 2), y=[0, 1] * 20)
    for frame in frames(DataSpec(str(tmp_path / "a.npz"))):
        assert (frame["x1"] == 2 * frame.index + 1).all()
        assert (frame["target"] == frame.index % 2).all()
    assert set(split_frame(DataSpec("wine"), "validation")["target"]) == {"class_0", "class_1", "class_2"}
    assert list(split_frame(DataSpec("digits"), "train").columns) == ["target"]


def test_data_without_rows_of_a_source_say_so() -> None:
    with pytest.raises(DataProblem, match="these are series data"):
        split_frame(DataSpec("load_curve", window=8), "train")
