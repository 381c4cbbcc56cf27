"""Columns that are labels by several annotators: their consensus as the target, the report on them, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from goodfit.trainers.data import data_report, load, look_closely
from goodfit.trainers.data.reading.annotations import consensus_target, read_annotations
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec

NAMES = ("ann", "bo", "cy")


def table(folder: Path, **changes: Any) -> DataSpec:
    """Sixty rows with three annotators, the last of whom guesses."""
    random = np.random.default_rng(0)
    truth = np.tile(["cat", "dog"], 30)
    frame = pd.DataFrame({"x": random.normal(0, 1, 60), "ann": truth, "bo": truth, "cy": random.permutation(truth)})
    frame.loc[4, "bo"] = "cat" if truth[4] == "dog" else "dog"
    frame.loc[::7, "ann"] = None
    for name, values in changes.items():
        frame[name] = values(frame) if callable(values) else values
    frame.to_csv(folder / "rows.csv", index=False)
    return DataSpec(str(folder / "rows.csv"), annotators=NAMES)


def test_the_consensus_is_the_target_and_annotators_are_no_features(tmp_path: Path) -> None:
    spec = table(tmp_path)
    data = load(spec)
    assert data.features == ("x",)
    assert data.classes == ("cat", "dog")
    report = data_report(spec)
    counts = report["target"]["classes"]
    assert abs(counts["cat"]["all"] - 30) <= 1
    found = report["annotators"]
    assert found["rows"] == 60
    assert found["annotators"]["bo"]["agreement"] > 0.9 > found["annotators"]["cy"]["agreement"]
    assert found["annotators"]["ann"]["labels"] == 51
    assert "annotator cy is with the consensus least often" in " ".join(report["notes"])
    assert f"Krippendorff's alpha is {found['alpha']:.2f}" in " ".join(report["notes"])
    numbers = table(tmp_path, ann=np.tile([0, 1], 30), bo=np.tile([0.0, 1.0], 30), cy=np.tile([0, 1], 30))
    assert load(numbers).classes == ("0", "1")


@pytest.mark.parametrize(
    ("changes", "target", "said"),
    [
        ({"cy": lambda f: f["cy"].str.title()}, None, r"annotator cy has the class Cat and 1 more class \(row \d+\)"),
        ({"cy": np.tile(["1", "2"], 30)}, None, "annotator cy has the class 1 and 1 more class "),
        ({"y": np.tile(["cat", "dog"], 30), "cy": lambda f: f["cy"].where(f["cy"] == "cat", "dgo")}, "y", "mean dog"),
        ({"cy": np.linspace(0, 1, 60)}, None, "annotators give classes"),
        ({"cy": np.tile([0.0, np.inf], 30)}, None, "annotator cy has numbers such as inf"),
        ({"cy": None}, None, "annotator cy has given no label"),
        (dict.fromkeys(NAMES, lambda f: f["bo"].where(f.index != 9)), None, "no annotator has labelled row 9"),
    ],
)  # fmt: skip
def test_what_annotators_may_not_be_is_said(
    changes: dict[str, Any], target: str | None, said: str, tmp_path: Path
) -> None:
    spec = table(tmp_path, **changes)
    with pytest.raises(DataProblem, match=said):
        load(DataSpec(spec.source, target, annotators=NAMES))


def test_columns_that_are_not_there_or_are_one_alone_are_refused(tmp_path: Path) -> None:
    source = table(tmp_path).source
    for annotators, target, said in (
        (("ann", "boo"), None, "did you mean bo"),
        (("ann",), None, "names one column"),
        (("ann", "bo"), "bo", "which is the target"),
    ):
        with pytest.raises(DataProblem, match=said):
            load(DataSpec(source, target, annotators=annotators))
    np.savez(tmp_path / "a.npz", x=np.ones((9, 2)), y=np.arange(9) % 2)
    with pytest.raises(DataProblem, match="these are arrays"):
        load(DataSpec(str(tmp_path / "a.npz"), annotators=NAMES))
    with pytest.raises(DataProblem, match="annotators is for files"):
        load(DataSpec("iris", annotators=NAMES))


@pytest.mark.parametrize("odd", ["--5", "1" * 5000, str(2**63), str(2**70), "²", " 7"])
def test_classes_that_look_like_numbers_stay_as_they_are_written(odd: str) -> None:
    values = pd.Series([odd, "1"] * 20, dtype=object)
    found = read_annotations({"ann": values.rename("ann"), "bo": values.rename("bo")}, None, "rows")
    assert consensus_target(found).tolist() == [odd, "1"] * 20


def test_classes_of_annotators_that_differ_by_case_alone_are_noted(tmp_path: Path) -> None:
    same = np.tile(["cat", "Cat"], 30)
    _, notes = look_closely(table(tmp_path, ann=same, bo=same, cy=same))
    assert any(note.startswith("classes of the annotators that differ by case alone") for note in notes)
