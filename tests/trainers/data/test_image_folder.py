"""Folders of images by class: what is read, when it is read, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit.trainers.data import data_report, load, load_test, look, look_closely
from goodfit.trainers.data.kinds.image_folder import image_files
from goodfit.trainers.data.reading import images
from goodfit.trainers.data.reading.image_folders import list_folder
from goodfit.trainers.data.reading.images import Images
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec
from tests.trainers.pictures import CLASSES, folder_of, paths_of, pixels, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "photos")


def test_classes_are_sub_folders_and_every_image_is_in_one_split(folder: Path) -> None:
    data, test = load(DataSpec(str(folder))), load_test(DataSpec(str(folder)))
    facts = data.facts
    assert (facts.name, facts.task, facts.kind, facts.classes) == ("photos", "classification", "image", CLASSES)
    assert facts.input_shape == (1, 12, 12)
    assert facts.rows == {"train": 24, "validation": 8, "test": 8}
    for split in (data.train, data.validation, test):
        assert split.x.shape == (len(split), 1, 12, 12)
        assert np.bincount(split.y).tolist() == [len(split) // 2] * 2
    seen = {file for split in (data.train, data.validation, test) for file in paths_of(split.x)}
    assert len(seen) == 40


def test_the_same_images_as_arrays_give_the_same_data(folder: Path, tmp_path: Path) -> None:
    every = np.stack([pixels(label, number) for label in CLASSES for number in range(20)])
    np.savez(tmp_path / "same.npz", x=every, y=np.repeat(CLASSES, 20))
    for scale in ("standard", "minmax", "robust", "none"):
        lazy, whole = (load(DataSpec(str(path), scale=scale)) for path in (folder, tmp_path / "same.npz"))
        assert lazy.preparation.shift == pytest.approx(whole.preparation.shift)
        assert lazy.preparation.divide == pytest.approx(whole.preparation.divide)
        assert np.array_equal(lazy.train.y, whole.train.y)
        assert np.allclose(np.asarray(lazy.train.x), whole.train.x, atol=1e-5)
        assert np.allclose(np.asarray(lazy.validation.x), whole.validation.x, atol=1e-5)


@pytest.mark.parametrize("values", [[0, 0, 0, 0, 0, 200], [3, 3, 3, 3, 3, 3], [0, 10, 20, 40, 80, 255]])
def test_counted_pixels_are_scaled_as_arrays_are(tmp_path: Path, values: list[int]) -> None:
    image = np.array(values, dtype=np.uint8).reshape(2, 3)
    for label in CLASSES:
        for number in range(4):
            saved(Image.fromarray(image), tmp_path / "photos" / label / f"{number}.png")
    np.savez(tmp_path / "same.npz", x=np.stack([image] * 8), y=np.repeat(CLASSES, 4))
    for scale in ("standard", "minmax", "robust"):
        lazy, whole = (load(DataSpec(str(tmp_path / path), scale=scale)) for path in ("photos", "same.npz"))
        assert lazy.preparation.shift == pytest.approx(whole.preparation.shift)
        assert lazy.preparation.divide == pytest.approx(whole.preparation.divide)


def test_rows_are_read_by_number_slice_and_mask(folder: Path) -> None:
    x = load(DataSpec(str(folder))).train.x
    assert isinstance(x, Images)
    everything = np.asarray(x)
    assert everything.dtype == x.dtype == np.float32
    assert x[3].shape == x.shape[1:]
    assert np.array_equal(x[3], everything[3])
    assert np.array_equal(x[[5, 1, 5]], everything[[5, 1, 5]])
    assert np.array_equal(x[2:4], everything[2:4])
    assert np.array_equal(x[np.arange(len(x)) > 20], everything[21:])
    assert np.array_equal(np.asarray(x.take([7, 2])), everything[[7, 2]])


def test_pixels_of_a_small_folder_are_decoded_once(folder: Path, decoded: list[Path]) -> None:
    data = load(DataSpec(str(folder)))
    assert len(decoded) == 24, "the scale is fitted on the training images alone"
    for _ in range(3):
        np.asarray(data.train.x), np.asarray(data.validation.x)
    assert len(decoded) == len(set(decoded)) == 32


def test_pixels_of_a_large_folder_are_never_kept(
    folder: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MOST_KEPT", 40 * 144 - 1)  # a byte less than all of them
    monkeypatch.setattr(images, "CHUNK", 5 * 144)
    whole = load(DataSpec(str(folder)))
    assert len(decoded) == 24
    assert whole.train.x.files._kept is None
    whole.train.x[:3], whole.train.x[:3]
    assert len(decoded) == 30, "a batch decodes its own images and no others"
    monkeypatch.undo()
    assert load(DataSpec(str(folder))).preparation == whole.preparation


def test_a_look_at_a_folder_decodes_nothing(folder: Path, decoded: list[Path]) -> None:
    assert look(DataSpec(str(folder))).facts.rows == {"train": 24, "validation": 8, "test": 8}
    assert decoded == []


def test_trials_of_a_study_share_what_is_decoded_and_a_changed_folder_is_read_anew(
    folder: Path, decoded: list[Path]
) -> None:
    spec = DataSpec(str(folder), reshuffle=True)
    for seed in range(4):
        data = load(replace(spec, validation_seed=seed))
        np.asarray(data.validation.x)
    assert len(decoded) == len(set(decoded)) == 32
    saved(Image.fromarray(np.full((12, 12), 255, dtype=np.uint8)), paths_of(data.train.x)[0])
    assert load(replace(spec, validation_seed=3)).preparation != data.preparation


def test_hidden_files_are_left_out_and_told_of(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"finder")
    (folder / "left" / "._000.png").write_bytes(b"finder")
    (folder / ".cache").mkdir()
    (folder / "Thumbs.db").write_bytes(b"explorer")
    (folder / "left" / "desktop.ini").write_bytes(b"explorer")
    assert load(DataSpec(str(folder))).facts.rows["train"] == 24
    report = data_report(DataSpec(str(folder)))
    left_out = [".DS_Store", ".cache", "Thumbs.db", "left/._000.png", "left/desktop.ini"]
    assert report["images"]["left_out"] == left_out
    assert any("5 hidden files are left out, such as .DS_Store" in note for note in report["notes"])


def texts(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("no image")


@pytest.mark.parametrize("part", ["", "train"])
def test_what_is_no_image_beside_classes_and_splits_is_left_out_and_named(tmp_path: Path, part: str) -> None:
    folder = tmp_path / "set"
    for name in ("train", "val", "test") if part else ("",):
        folder_of(folder / name)
    before = look(DataSpec(str(folder))).facts
    names = ["README", "annotations/1.xml", "data.yaml", "labels.csv", "masks/train/left.json", "raw.zip"]
    texts(folder, *names, ".git/config", "masks/.cache/1.png", f"{part or '.'}/left/captions.txt")
    if part:
        texts(folder, "train/index.txt", "train/boxes/left/1.xml")
    spec = DataSpec(str(folder))
    data, notes = look_closely(spec)
    assert (data.facts.rows, data.facts.classes, data.facts.name) == (before.rows, before.classes, before.name)
    assert f"and {len(names) + 1 + 2 * bool(part) - 4} more in {folder} are no images: left out" in notes[0]
    assert {"README", "annotations", "masks", "raw.zip"} < set(data_report(spec)["images"]["left_out"])
    assert notes[0] in data_report(spec)["notes"]


def test_a_file_that_is_no_image_is_named_in_a_sentence(folder: Path) -> None:
    texts(folder, "LICENSE.txt")
    assert look_closely(DataSpec(str(folder)))[1] == [f"LICENSE.txt in {folder} is no image: left out"]


def test_the_report_counts_sizes_modes_classes_and_copies(folder: Path) -> None:
    data = load(DataSpec(str(folder)))
    train, validation = paths_of(data.train.x), paths_of(data.validation.x)
    saved(Image.open(train[0]), validation[0], compress_level=0)  # the same pixels in another file
    report = data_report(DataSpec(str(folder)))
    assert (report["kind"], report["task"], report["rows"], report["problem"]) == ("image", "classification", 40, None)
    assert report["images"]["sizes"] == {"12x12": 40}
    assert report["images"]["modes"] == {"gray": 40}
    assert report["target"]["classes"]["left"] == {"all": 20, "train": 12, "validation": 4, "test": 4}
    assert report["duplicates"] == {"validation_in_train": 1, "test_in_train": 0, "test_in_validation": 0}


def test_the_report_tells_of_a_folder_that_cannot_be_trained_on(folder: Path) -> None:
    saved(Image.fromarray(pixels("left", 0, side=9, channels=3)), folder / "left" / "000.png")
    (folder / "left" / "001.png").write_bytes(b"no image")
    (folder / "left" / "002.png").write_bytes(b"")
    report = data_report(DataSpec(str(folder)))
    assert report["images"]["sizes"] == {"12x12": 37, "9x9": 1}
    assert report["images"]["modes"] == {"gray": 37, "rgb": 1}
    assert [said.split(" is ")[0] for said in report["images"]["broken"]] == [
        str(folder / "left" / name) for name in ("001.png", "002.png")
    ]
    assert "001.png is no PNG, JPEG, WebP, BMP or TIFF image" in report["problem"]
    (folder / "left" / "001.png").unlink()
    (folder / "left" / "002.png").unlink()
    assert "the images have 2 modes" in data_report(DataSpec(str(folder)))["problem"]


def splits_of(tmp_path: Path, *names: str) -> Path:
    """A folder with these splits, of four images a class."""
    for place, name in enumerate(names):
        for label in CLASSES:
            for number in range(4):
                image = Image.fromarray(pixels(label, 10 * place + number))
                saved(image, tmp_path / "photos" / name / label / f"{number}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "validation", "testing")])
def test_folders_named_like_splits_are_the_splits(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = splits_of(tmp_path, *names)
    spec = DataSpec(str(folder))
    data, test = load(spec), load_test(spec)
    assert data.facts.classes == CLASSES
    for split, name in zip((data.train, data.validation, test), names, strict=True):
        assert {path.parent.parent.name for path in paths_of(split.x)} == {name}
        assert len(split) == 8
    report = data_report(spec)
    assert report["splits"] == {"train": 8, "validation": 8, "test": 8}
    assert report["target"]["classes"]["left"] == {"all": 12, "train": 4, "validation": 4, "test": 4}
    assert report["problem"] is None


def test_what_validates_is_drawn_from_training_where_no_folder_gives_it(tmp_path: Path) -> None:
    spec = DataSpec(str(splits_of(tmp_path, "train", "test")), validation=0.25)
    data = load(spec)
    assert data.facts.rows == {"train": 6, "validation": 2, "test": 8}
    assert {path.parent.parent.name for path in paths_of(data.validation.x)} == {"train"}
    assert {path.parent.parent.name for path in paths_of(load_test(spec).x)} == {"test"}
    fold = load(replace(spec, validation=0.2, folds=4, fold=1))
    assert fold.facts.rows == {"train": 6, "validation": 2, "test": 8}
    assert load(replace(spec, test=0.0)).facts.rows["test"] == 0


def test_without_a_test_folder_nothing_tests(tmp_path: Path) -> None:
    spec = DataSpec(str(splits_of(tmp_path, "train", "val")))
    assert load(spec).facts.rows == {"train": 8, "validation": 8, "test": 0}
    with pytest.raises(DataProblem, match="no rows were kept for testing"):
        load_test(spec)


def test_a_class_may_be_named_like_a_split(tmp_path: Path) -> None:
    for label in ("train", "bus"):
        for number in range(6):
            saved(Image.fromarray(pixels("left", number)), tmp_path / "vehicles" / label / f"{number}.png")
    assert load(DataSpec(str(tmp_path / "vehicles"))).facts.classes == ("bus", "train")


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".tif", ".TIFF"])
def test_other_formats_give_the_same_pixels(tmp_path: Path, suffix: str) -> None:
    for kind in (".png", suffix):
        for label in CLASSES:
            for number in range(6):
                path = tmp_path / kind / label / f"{number}{kind}"
                saved(Image.fromarray(pixels(label, number, channels=3)), path, lossless=True)
    first, second = (load(DataSpec(str(tmp_path / kind))) for kind in (".png", suffix))
    assert first.preparation == second.preparation
    assert np.array_equal(np.asarray(first.train.x), np.asarray(second.train.x))


def test_the_report_tells_of_files_with_several_pictures(folder: Path) -> None:
    pages = [Image.fromarray(pixels("left", number)) for number in range(3)]
    (folder / "left" / "000.png").unlink()
    saved(pages[0], folder / "left" / "000.tif", save_all=True, append_images=pages[1:])
    notes = data_report(DataSpec(str(folder)))["notes"]
    assert any("1 image holds more than one picture, such as" in note and "000.tif" in note for note in notes)


def test_one_folder_has_one_set_of_files(folder: Path) -> None:
    listing = list_folder(folder)
    assert image_files(listing, None, None) is image_files(list_folder(folder), None, None)
