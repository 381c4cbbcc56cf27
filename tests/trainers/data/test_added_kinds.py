"""Kinds of data that installed packages add."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from goodfit.trainers.data import ArrayKind, data_report, load, load_sealed, load_test, look_closely
from goodfit.trainers.data.fingerprint import fingerprint
from goodfit.trainers.data.kinds import registry
from goodfit.trainers.data_specs import ArraySpec
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import AugmentSpec, DataSpec
from goodfit.trainers.prediction.predictor import Predictor


class Clouds(ArrayKind):
    """Generated clouds of points, near by or far away."""

    def read(self, source: str, *, points: int = 3, gap: bool = False) -> tuple[np.ndarray, np.ndarray]:
        if source == "broken":
            raise OSError("no such cloud")
        x = np.random.default_rng(0).normal(size=(100, points, 2))
        x[50:] += 4
        if gap:
            x[7, 0, 1] = np.nan
        y = np.repeat(["near", "far"], 50)
        return {"ragged": (x, y[:9]), "words": (y[:, None], y)}.get(source, (x, y))


@dataclass(frozen=True)
class Point:
    name: str
    loaded: Any
    value: str = "clouds:Clouds"

    def load(self) -> Any:
        return self.loaded


class Faulty(Clouds):
    def report(self, spec: ArraySpec, loaded: Any) -> dict[str, Any]:
        raise KeyError("colour")

    def notes(self, spec: ArraySpec, data: Any) -> list[str]:
        raise KeyError("shape")


@dataclass(frozen=True)
class ColourSpec(ArraySpec):
    colour: str = "red"


class Coloured(Clouds):
    spec_type = ColourSpec


def fails() -> None:
    raise ImportError("no module clouds")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    points = [
        Point("clouds", Clouds),
        Point("faulty", Faulty),
        Point("coloured", Coloured),
        Point("fails", fails),
        Point("other", dict),
        Point("series", fails),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "goodfit.data_kinds" else [])
    registry._added.cache_clear()
    yield
    registry._added.cache_clear()


def clouds(source: str = "sky", **given: Any) -> DataSpec:
    return DataSpec(source, kind="clouds", **given)


def test_arrays_of_an_added_kind_are_split_and_scaled_as_all_data_are() -> None:
    data, test = load(clouds(options={"points": 5})), load_test(clouds(options={"points": 5}))
    assert (data.kind, data.task, data.classes) == ("clouds", "classification", ("far", "near"))
    assert data.facts.input_shape == (5, 2)
    assert (len(data.train), len(data.validation), len(test)) == (60, 20, 20)
    x = np.asarray(data.train.x)
    assert x.mean(axis=(0, 1)) == pytest.approx([0, 0], abs=1e-6)
    assert x.std(axis=(0, 1)) == pytest.approx([1, 1], abs=1e-6)
    assert np.array_equal(load_sealed(clouds(options={"points": 5})).validation.y, test.y)


def test_it_is_reported_on_as_all_data_are() -> None:
    report = data_report(clouds())
    assert (report["kind"], report["rows"], report["problem"]) == ("clouds", 100, None)
    assert report["splits"] == {"train": 60, "validation": 20, "test": 20}
    assert report["target"]["classes"]["near"]["all"] == 50
    assert look_closely(clouds())[1] == []


def test_missing_values_are_filled_or_dropped_as_the_study_says() -> None:
    with pytest.raises(DataProblem, match="1 value missing"):
        load(clouds(options={"gap": True}))
    assert np.isfinite(np.asarray(load(clouds(options={"gap": True}, missing="median")).train.x)).all()
    assert load(clouds(options={"gap": True}, missing="drop")).facts.rows["dropped"] == 1


def test_a_model_of_it_takes_raw_rows() -> None:
    facts = load(clouds()).facts
    predictor = Predictor(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2)), facts, "net", {})
    assert predictor.predict(predictor.example()).shape == (1,)
    assert predictor.predict(np.zeros((4, 3, 2))).shape == (4,)
    assert predictor.predict([]).shape == (0,)
    with pytest.raises(DataProblem, match=r"are \(rows, 3, 2\), not \(4, 2\)"):
        predictor.predict(np.zeros((4, 2)))
    with pytest.raises(DataProblem, match="1 value missing"):
        predictor.predict([[[0, 0], [0, np.nan], [0, 0]]])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (clouds(options={"colour": 1}), "TypeError: .*unexpected keyword argument 'colour'"),
        (clouds("broken"), "broken cannot be loaded as clouds data: OSError: no such cloud"),
        (clouds("ragged"), r"100 rows need as many targets, and the targets are \(9,\)"),
        (clouds("words"), "inputs are numbers of 2 to 4 axes"),
        (clouds(target="y"), "sky: data.target does not go with clouds data; leave it out"),
        (clouds(split_group="y"), "sky: split.group does not go with clouds data; leave it out"),
        (clouds(size=8), "sky: prepare.size does not go with clouds data; leave it out"),
        (clouds(augment=AugmentSpec(flip=True)), "clouds data are not varied"),
        (DataSpec("sky", kind="cloud"), "no installed package adds the kind of data 'cloud'; did you mean clouds?"),
        (DataSpec("sky", kind="fails"), "fails .* cannot be made: ImportError: no module clouds"),
        (DataSpec("sky", kind="coloured"), "coloured .* takes colour, which is no key of a study's data; read it from"),
        (DataSpec("sky", kind="other"), "other .* is no subclass of goodfit.trainers.data.Kind"),
        (DataSpec("iris", options={"points": 3}), "iris: data.options are for kinds of data that a package adds"),
    ],
)
def test_what_is_wrong_with_it_is_said(spec: DataSpec, said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        load(spec)


def test_a_fault_of_the_package_in_a_report_is_told_with_its_type() -> None:
    with pytest.raises(DataProblem, match="sky: the report of kind faulty cannot be made: KeyError: 'colour'"):
        data_report(DataSpec("sky", kind="faulty"))
    with pytest.raises(DataProblem, match="sky: the notes of kind faulty cannot be made: KeyError: 'shape'"):
        look_closely(DataSpec("sky", kind="faulty"))


def test_a_built_in_kind_is_not_replaced() -> None:
    assert load(DataSpec("eeg", kind="series")).kind == "series"


def test_data_that_are_no_file_are_the_same_as_long_as_their_source_is(tmp_path: Path) -> None:
    assert fingerprint(clouds()) == fingerprint(clouds()) != fingerprint(clouds("sea"))
    assert fingerprint(clouds("iris")) != fingerprint(DataSpec("iris"))
    (tmp_path / "a.json").write_text("1")
    before = fingerprint(clouds(str(tmp_path)))
    (tmp_path / "a.json").write_text("22")  # of another size: two writes may have one time
    assert fingerprint(clouds(str(tmp_path))) != before
