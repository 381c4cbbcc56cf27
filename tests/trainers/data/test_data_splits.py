"""Built-in data, the splits and what is fitted on the training split."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.trainers.data import DATASETS, Data, Facts, load, load_test
from goodfit.trainers.data.split import split_rows
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from tests.training import DIABETES, DIGITS, IRIS


def npz(folder: Path, x: np.ndarray, y: np.ndarray) -> str:
    np.savez(folder / "made.npz", x=x, y=y)
    return str(folder / "made.npz")


@pytest.mark.parametrize("name", [name for name, told in DATASETS.items() if told.kind != "series"])
def test_the_list_of_data_sets_tells_the_truth(name: str) -> None:
    told, data = DATASETS[name], load(DataSpec(name))
    assert (told.name, told.task, told.kind) == (data.name, data.task, data.kind)
    if told.kind == "corpus":  # the standard library's, likewise
        assert sum(data.facts.rows.values()) == pytest.approx(told.rows, rel=0.3)
        assert told.features == data.facts.inputs
        assert data.facts.outputs > 90
        return
    if told.kind == "pairs":
        assert told.rows == sum(data.facts.rows.values())
        assert told.features == len(data.facts.features)
        return
    if told.kind == "text":  # the standard library's, which differs from one Python to the next
        assert sum(data.facts.rows.values()) == pytest.approx(told.rows, rel=0.3)
        assert told.features == 1
    else:
        assert told.rows == sum(data.facts.rows.values())
        assert told.features == data.facts.inputs
    assert data.facts.outputs == (len(data.classes) if told.task == "classification" else 1)
    assert told.about


def test_the_list_of_data_sets_needs_no_scikit_learn() -> None:
    code = (
        "import sys; from goodfit.trainers.data import DATASETS; "
        "print({'sklearn', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("spec", [IRIS, DIGITS, DIABETES])
def test_the_same_spec_gives_the_same_splits_and_another_seed_others(spec: DataSpec) -> None:
    one, again, other = load(spec), load(spec), load(replace(spec, seed=1))
    assert np.array_equal(one.train.x, again.train.x)
    assert np.array_equal(one.validation.y, again.validation.y)
    assert not np.array_equal(one.train.x, other.train.x)


def test_every_row_is_in_exactly_one_split() -> None:
    spec = replace(DIABETES, scale="none")
    data, test = load(spec), load_test(spec)
    rows = np.concatenate([data.train.x, data.validation.x, test.x])
    assert len(rows) == 442 == len(np.unique(rows, axis=0))


def test_the_test_split_cannot_be_reached_from_the_data() -> None:
    data = load(IRIS)
    assert not [name for name in dir(data) if "test" in name]
    assert set(Data.__slots__) == {"train", "validation", "facts", "augment", "texts"}


def test_without_test_rows_the_test_split_is_refused() -> None:
    spec = replace(IRIS, test=0.0)
    assert load(spec).facts.rows == {"train": 120, "validation": 30, "test": 0}
    with pytest.raises(DataProblem, match=r"no rows were kept for testing"):
        load_test(spec)


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.2), (0.5, 0.5), (-0.1, 0.2), (0.2, 1.0), (float("nan"), 0.2)])
def test_shares_that_leave_no_rows_are_refused(validation: float, test: float) -> None:
    with pytest.raises(DataProblem, match="split: validation"):
        load(replace(IRIS, validation=validation, test=test))


@given(
    counts=st.lists(st.integers(3, 60), min_size=2, max_size=6),
    validation=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 2**31),
)
def test_every_class_is_split_by_the_shares(counts: list[int], validation: float, test: float, seed: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    spec = DataSpec("made", validation=validation, test=test, seed=seed)
    rows = split_rows(y, [str(name) for name in range(len(counts))], spec, "made")
    assert sorted(np.concatenate(rows)) == list(range(len(y)))
    for name, count in enumerate(counts):
        train, held, tested = (int((y[part] == name).sum()) for part in rows)
        assert min(train, held, tested) >= 1
        assert abs(tested - count * test) <= 1
        assert held == 1 or held <= count * validation + 0.5


def test_scaling_is_fitted_on_the_training_rows_alone() -> None:
    raw, scaled = load(replace(DIABETES, scale="none")), load(DIABETES)
    mean, std = raw.train.x.mean(axis=0), raw.train.x.std(axis=0)
    assert np.allclose(scaled.train.x.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(scaled.validation.x, (raw.validation.x - mean) / std, atol=1e-4)
    assert abs(scaled.validation.x.mean(axis=0)).max() > 1e-3


def test_minmax_maps_the_training_rows_to_zero_and_one() -> None:
    data = load(replace(DIABETES, scale="minmax"))
    assert data.train.x.min(axis=0) == pytest.approx(np.zeros(10), abs=1e-6)
    assert data.train.x.max(axis=0) == pytest.approx(np.ones(10))


def test_a_column_that_never_changes_becomes_zero(tmp_path: Path) -> None:
    x = np.column_stack([np.full(20, 1e6 + 0.1), np.arange(20.0)])
    data = load(DataSpec(npz(tmp_path, x, np.arange(20) % 2)))
    assert abs(data.train.x[:, 0]).max() < 1e-6


def test_images_are_scaled_by_channel_over_all_pixels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 2, 5, 5)) * np.array([3.0, 50.0]).reshape(2, 1, 1) + 7
    data = load(DataSpec(npz(tmp_path, x, np.arange(40) % 2)))
    assert len(data.preparation.shift) == 2
    assert data.train.x.mean(axis=(0, 2, 3)) == pytest.approx([0, 0], abs=1e-5)
    assert data.train.x.std(axis=(0, 2, 3)) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize(("missing", "fill"), [("mean", np.nanmean), ("median", np.nanmedian)])
def test_missing_values_are_filled_from_the_training_rows(tmp_path: Path, missing: str, fill: object) -> None:
    x = np.random.default_rng(0).exponential(size=(60, 1))
    x[::4] = np.nan
    source = npz(tmp_path, x, np.linspace(0, 1, 60))
    spec = DataSpec(source, missing=missing, scale="none")
    data, test = load(spec), load_test(spec)
    (filled,) = data.preparation.fill or ()
    train = data.train.x
    assert np.isfinite(np.concatenate([train, data.validation.x, test.x])).all()
    known = train[~np.isclose(train, filled)]
    assert filled == pytest.approx(float(fill(known)), rel=0.02)  # type: ignore[operator]
    assert np.isclose(np.concatenate([train, data.validation.x, test.x]), filled).sum() >= 15


def test_regression_targets_are_standardised_and_can_be_taken_back() -> None:
    data = load(DIABETES)
    assert data.train.y.dtype == np.float32
    assert (data.train.y.mean(), data.train.y.std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    back = data.preparation.original(data.train.y)
    assert (back.min(), back.max()) == (pytest.approx(25, abs=0.01), pytest.approx(346, abs=15))


@pytest.mark.parametrize(("key", "value", "near"), [("scale", "standart", "standard"), ("missing", "meen", "mean")])
def test_an_unknown_preparation_gets_the_nearest_suggested(key: str, value: Any, near: str) -> None:
    with pytest.raises(DataProblem, match=rf"prepare\.{key}: '{value}' is unknown; did you mean {near}\?"):
        load(replace(IRIS, **{key: value}))


@pytest.mark.parametrize("spec", [replace(IRIS, missing="median"), DIGITS, DIABETES])
def test_the_facts_survive_json_and_a_file(tmp_path: Path, spec: DataSpec) -> None:
    facts = load(spec).facts
    assert Facts.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts
    facts.write(tmp_path / "facts.json")
    assert Facts.read(tmp_path / "facts.json") == facts
