"""The tables of the kinds of data and of the formats of files."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from goodfit.trainers.data import DATASETS
from goodfit.trainers.data.kinds.registry import KINDS, kind_of
from goodfit.trainers.data.reading.formats import FORMATS
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec, TokenSpec
from tests.trainers.pictures import folder_of


@pytest.mark.parametrize("name", DATASETS)
def test_each_built_in_data_set_is_of_the_kind_that_it_is_listed_with(name: str) -> None:
    arrays = name == "digits"  # images in arrays are read as tables are
    assert kind_of(DataSpec(name)).name == ("table" if arrays else DATASETS[name].kind)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (DataSpec("rows.csv", "y"), "table"),
        (DataSpec("rows.npz"), "table"),
        (DataSpec("rows.csv", "y", kind="series", window=3), "series"),
        (DataSpec("rows.csv", "y", text="x"), "text"),
        (DataSpec("rows.csv", "y", text="x", kind="pairs"), "pairs"),
        (DataSpec("rows.txt"), "corpus"),
        (DataSpec("rows.txt", "y", text="x", kind="pairs"), "pairs"),
    ],
)
def test_a_spec_has_one_kind(spec: DataSpec, kind: str) -> None:
    assert kind_of(spec).name == kind
    assert KINDS[kind] is kind_of(spec)


def test_a_folder_is_one_of_images(tmp_path: Path) -> None:
    assert kind_of(DataSpec(str(folder_of(tmp_path / "photos")))).name == "image"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (DataSpec("rows.csv", "y", window=3), "data.window goes with a time series"),
        (DataSpec("rows.csv", "y", size=8), "prepare.size is for a folder of images"),
        (DataSpec("rows.csv", "y", tokens=TokenSpec(length=8)), "data.tokens goes with texts"),
    ],
)
def test_a_key_of_one_kind_alone_is_refused_with_another(spec: DataSpec, said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        kind_of(spec)


@pytest.mark.parametrize("one", FORMATS.values(), ids=FORMATS)
def test_each_format_with_columns_has_a_reader(one: object) -> None:
    reader = getattr(one, "reader", None)
    if reader is not None:
        module, name = reader.split(":")
        assert callable(getattr(importlib.import_module(f"goodfit.trainers.data.reading.{module}"), name))
