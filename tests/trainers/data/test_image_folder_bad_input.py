"""Folders of images that cannot be used, and what is said of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from goodfit.trainers.data import load, look
from goodfit.trainers.data.reading import images
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec, TokenSpec
from tests.trainers.pictures import folder_of, paths_of, pixels, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "photos")


def problem(folder: Path, **spec: Any) -> str:
    """What is said of this folder."""
    with pytest.raises(DataProblem) as caught:
        load(DataSpec(str(folder), **spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_of_mixed_sizes_are_refused_until_a_size_is_given(folder: Path) -> None:
    saved(Image.fromarray(np.zeros((9, 12), dtype=np.uint8)), folder / "left" / "000.png")
    said = problem(folder)
    assert "the images have 2 sizes: 39 are 12x12 (such as left/001.png), 1 is 12x9 (such as left/000.png)" in said
    assert "`prepare: {size: 12}`" in said
    assert load(DataSpec(str(folder), size=6)).facts.input_shape == (1, 6, 6)


def test_folders_of_mixed_modes_are_refused_until_a_mode_is_given(folder: Path) -> None:
    color = Image.fromarray(pixels("left", 0, channels=3))
    saved(color, folder / "left" / "000.png")
    saved(color.convert("P"), folder / "left" / "001.png")
    saved(color.convert("RGBA"), folder / "left" / "002.png")
    saved(Image.fromarray(np.full((12, 12), 300, dtype=np.uint16)), folder / "right" / "003.png")
    said = problem(folder)
    for part in ("5 modes", "36 are gray", "1 is rgb", "1 is palette", "1 is rgba", "`prepare: {mode: rgb}` or gray"):
        assert part in said
    assert load(DataSpec(str(folder), mode="rgb")).facts.input_shape == (3, 12, 12)
    assert load(DataSpec(str(folder), mode="gray")).facts.input_shape == (1, 12, 12)


def test_what_does_not_belong_is_named(folder: Path) -> None:
    beside = saved(Image.fromarray(pixels("left", 0)), folder / "1.png")
    assert f"{beside} lies beside the classes" in problem(folder)
    beside.unlink()
    other = folder / "right" / "movie.mp4"
    other.write_bytes(b"RIFF")
    assert f"{other} is none of .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff" in problem(folder)
    other.unlink()
    deeper = folder / "right" / "more"
    deeper.mkdir()
    assert f"{deeper} is a folder within the class right" in problem(folder)


def test_a_folder_of_other_files_is_told_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "set" / "tables").mkdir(parents=True)
    (tmp_path / "set" / "tables" / "a.csv").write_text("a,b")
    (tmp_path / "set" / "README.txt").write_text("two files")
    assert f"{tmp_path / 'set'} has no images, but README.txt and tables; a folder of images has" in problem(
        tmp_path / "set"
    )


def test_folders_of_splits_that_do_not_fit_are_told_how_to_lie(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("train", "val", "test"):
        folder_of(folder / name, count=4)
    assert load(DataSpec(str(folder))).facts.rows == {"train": 8, "validation": 8, "test": 8}

    for changes, key in (
        ({"folds": 3}, "folds"),
        ({"reshuffle": True}, "reshuffle"),
        ({"validation": 0.3}, "validation"),
        ({"test": 0.1}, "test"),
    ):
        assert f"say which images are whose; leave split.{key} out" in problem(folder, **changes)

    unlabelled = saved(Image.fromarray(pixels("left", 0)), folder / "test" / "1.png")
    assert f"{unlabelled} lies beside the classes of the split test" in problem(folder)
    unlabelled.unlink()

    (folder / "val" / "up").mkdir()
    assert f"{folder / 'val' / 'up'} is a class without images in any split" in problem(folder)
    saved(Image.fromarray(pixels("left", 0)), folder / "val" / "up" / "1.png")
    assert "leaves no row of class up to train on" in problem(folder)

    extra = folder_of(folder / "extra", count=2)
    assert "folders that give the splits are named train, validation and test" in problem(folder)
    shutil.rmtree(extra)
    shutil.rmtree(folder / "val" / "up")
    (folder / "valid").mkdir()
    assert f"{folder / 'valid'} is a split without images" in problem(folder)


def test_a_class_without_images_one_class_and_no_class_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "up").mkdir()
    assert f"{folder / 'up'} is a class without images" in problem(folder)
    folder_of(tmp_path / "one", count=2)
    for file in (tmp_path / "one" / "left").iterdir():
        file.unlink()
    (tmp_path / "one" / "left").rmdir()
    assert "the target has one class, right" in problem(tmp_path / "one")
    (tmp_path / "none").mkdir()
    assert f"{tmp_path / 'none'} is empty; a folder of images has a sub-folder for each class" in problem(
        tmp_path / "none"
    )


def test_a_class_with_too_few_images_is_named(folder: Path) -> None:
    saved(Image.fromarray(pixels("left", 0)), folder / "up" / "only.png")
    assert "class up has 1 row, too few for training, validation and test" in problem(folder)


def test_a_folder_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    assert f"no data file {tmp_path / 'photos'}" in problem(tmp_path / "photos")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"GIF89a not an image", "is no PNG, JPEG, WebP, BMP or TIFF image"),
        (b"\x89PNG\r\n\x1a\n", "BMP or TIFF"),
        (b"II*\x00\x08\x00", "BMP or TIFF"),
    ],
)
def test_a_file_that_is_no_image_is_named_at_once(folder: Path, content: bytes, said: str) -> None:
    path = folder / "left" / "007.png"
    path.write_bytes(content)
    for read in (load, look):
        with pytest.raises(DataProblem, match=rf"{re.escape(str(path))} .*{said}"):
            read(DataSpec(str(folder)))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_image_is_named_when_it_is_decoded(tmp_path: Path, suffix: str) -> None:
    folder = folder_of(tmp_path / "photos", suffix=suffix, side=40)
    path = paths_of(load(DataSpec(str(folder))).train.x)[5]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert look(DataSpec(str(folder))).facts.rows["train"] == 24, "its header is whole"
    assert f"{path} is a broken image: " in problem(folder)


def test_an_image_that_is_replaced_by_one_of_another_size_is_told_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MOST_KEPT", 0)
    x = load(DataSpec(str(folder))).train.x
    saved(Image.fromarray(np.zeros((5, 5), dtype=np.uint8)), paths_of(x)[0])
    with pytest.raises(DataProblem, match=r"has changed since it was first looked at: .* \(1, 5, 5\) and was"):
        x[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split_group": "person"}, "split.group names a column, and a folder of images has none"),
        ({"split_column": "split"}, "split.column names a column"),
        ({"split_time": "taken"}, "split.time names a column"),
        ({"target": "label"}, "the names of its folders are the classes to predict; leave data.target out"),
        ({"ignore": ("a",)}, "data.ignore does not go with a folder of images"),
        ({"categorical": ("a",)}, "data.categorical does not go"),
        ({"kind": "series"}, "data.kind does not go"),
        ({"text": "a"}, "data.text does not go"),
        ({"tokens": TokenSpec(length=9)}, "data.tokens does not go"),
        ({"window": 9}, "data.window does not go"),
        ({"missing": "median"}, "prepare.missing does not go"),
        ({"encode": "embedding"}, "prepare.encode does not go"),
        ({"scale": "standart"}, "prepare.scale: 'standart' is unknown; did you mean standard?"),
        ({"mode": "grey"}, "prepare.mode: 'grey' is unknown; did you mean gray?"),
        ({"size": 0}, "prepare.size: 0 is too small"),
        ({"validation": 0.9, "test": 0.2}, "validation 0.9 and test 0.2 are no shares"),
    ],
)
def test_what_does_not_go_with_a_folder_is_refused_by_its_name(
    folder: Path, changes: dict[str, Any], said: str
) -> None:
    assert said in problem(folder, **changes)


@pytest.mark.parametrize("change", [{"size": 32}, {"mode": "rgb"}])
def test_sizes_and_modes_of_other_data_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((20, 8, 8)), y=np.arange(20) % 2)
    for source in ("digits", "eeg", str(tmp_path / "a.npz")):
        with pytest.raises(DataProblem, match=rf"prepare.{next(iter(change))} is for a folder of images"):
            load(DataSpec(source, **change))


def splits(folder: Path, *names: str) -> None:
    for name in names:
        for label in ("left", "right"):
            for number in range(4):
                path = folder / name / label / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")


def test_splits_beside_something_else_or_further_down_are_explained(tmp_path: Path) -> None:
    splits(tmp_path / "beside", "train", "val", "unlabelled")
    assert "has unlabelled beside the splits train and val; folders that give the splits" in problem(
        tmp_path / "beside"
    )
    splits(tmp_path / "deep" / "data" / "images", "train", "val", "test")
    place = tmp_path / "deep" / "data" / "images"
    assert f"the splits lie in its folder data/images; give `source: {place}`" in problem(tmp_path / "deep")
    splits(tmp_path / "yolo" / "images", "train", "val")
    (tmp_path / "yolo" / "labels" / "train").mkdir(parents=True)
    assert "the splits lie in its folder images" in problem(tmp_path / "yolo")
    splits(tmp_path / "lone", "photos")
    assert f"the classes lie in its folder photos; give `source: {tmp_path / 'lone' / 'photos'}`" in problem(
        tmp_path / "lone"
    )


def test_folders_named_like_splits_are_no_classes(tmp_path: Path) -> None:
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"")
    assert f"train and val in {tmp_path} are named like splits and have no classes in them" in problem(tmp_path)
