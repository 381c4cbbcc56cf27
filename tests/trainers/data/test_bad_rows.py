"""What can be wrong with all kinds of data alike: a lone member of a class, no test split, another encoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from goodfit.trainers.data import load, load_test
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from tests.trainers.pictures import folder_of, pixels

Make = Callable[[Path, bool], DataSpec]


def frame(lone: bool) -> pd.DataFrame:
    """Forty rows of two classes, and where asked one row of a third."""
    rows = pd.DataFrame({"a": np.arange(40.0), "words": ["so it goes", "and so on"] * 20, "y": ["ham", "spam"] * 20})
    return pd.concat([rows, pd.DataFrame({"a": [1.0], "words": ["alone"], "y": ["fish"]})]) if lone else rows


def a_table(folder: Path, lone: bool) -> DataSpec:
    frame(lone).to_csv(folder / "rows.csv", index=False)
    return DataSpec(str(folder / "rows.csv"), "y", ignore=("words",))


def texts(folder: Path, lone: bool) -> DataSpec:
    frame(lone).to_parquet(folder / "rows.parquet")
    return DataSpec(str(folder / "rows.parquet"), "y", text="words")


def arrays(folder: Path, lone: bool) -> DataSpec:
    y = frame(lone)["y"].to_numpy(dtype=str)
    np.savez(folder / "rows.npz", x=np.random.default_rng(0).normal(size=(len(y), 5, 5)), y=y)
    return DataSpec(str(folder / "rows.npz"))


def sequences(folder: Path, lone: bool) -> DataSpec:
    arrays(folder, lone)
    return DataSpec(str(folder / "rows.npz"), kind="series")


def photos(folder: Path, lone: bool) -> DataSpec:
    folder_of(folder / "photos")
    if lone:
        (folder / "photos" / "fish").mkdir()
        Image.fromarray(pixels("left", 0)).save(folder / "photos" / "fish" / "0.png")
    return DataSpec(str(folder / "photos"))


KINDS = pytest.mark.parametrize("make", [a_table, texts, arrays, sequences, photos])


@KINDS
@pytest.mark.parametrize(("test", "needed"), [(0.2, "training, validation and test, which need 3"), (0.0, "need 2")])
def test_a_class_with_one_member_is_named(tmp_path: Path, make: Make, test: float, needed: str) -> None:
    spec = make(tmp_path, True)
    with pytest.raises(
        DataProblem, match=rf"class fish has 1 row, too few for .*{needed}; add rows, or take the class"
    ):
        load(DataSpec(spec.source, spec.target, ignore=spec.ignore, text=spec.text, kind=spec.kind, test=test))


@KINDS
def test_without_a_test_split_all_other_rows_train_and_validate(tmp_path: Path, make: Make) -> None:
    spec = make(tmp_path, False)
    spec = DataSpec(spec.source, spec.target, ignore=spec.ignore, text=spec.text, kind=spec.kind, test=0.0)
    assert load(spec).facts.rows == {"train": 32, "validation": 8, "test": 0}
    with pytest.raises(DataProblem, match=r"no rows were kept for testing; give `split: \{test: 0\.2\}`"):
        load_test(spec)


def test_a_series_without_a_test_split_is_validated_on_its_end(tmp_path: Path) -> None:
    frame(False)[["a"]].to_csv(tmp_path / "steps.csv", index=False)
    spec = DataSpec(str(tmp_path / "steps.csv"), "a", kind="series", window=5, horizon=1, test=0.0)
    data = load(spec)
    assert data.facts.rows == {"train": 27, "validation": 8, "test": 0}
    assert data.preparation.original(data.validation.y)[-1] == pytest.approx([39.0])
    with pytest.raises(DataProblem, match="no rows were kept for testing"):
        load_test(spec)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_a_text_file_of_another_encoding_is_refused(tmp_path: Path, suffix: str, encoding: str) -> None:
    rows = frame(False).assign(words="déjà vu")
    text = (
        rows.to_json(orient="records", lines=True, force_ascii=False)
        if suffix == "jsonl"
        else rows.to_csv(index=False, sep="," if suffix == "csv" else "\t")
    )
    path = tmp_path / f"rows.{suffix}"
    path.write_bytes(text.encode(encoding))
    for spec in (DataSpec(str(path), "y"), DataSpec(str(path), "y", text="words")):
        with pytest.raises(DataProblem, match=r"is not UTF-8 text \(byte \d+\); save it as UTF-8"):
            load(spec)
