"""Training on a folder of images, and predicting from files and arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from goodfit.testing.attempts import attempt
from goodfit.trainers.data import Facts, load
from goodfit.trainers.data.reading import images
from goodfit.trainers.data.reading.pixels import Reading
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import DataSpec, Outcome
from goodfit.trainers.prediction.model_folder import load_model, read_facts, save_model
from goodfit.trainers.prediction.predictor import Predictor
from goodfit.trainers.training.loop import Tensors, predict
from tests.trainers.pictures import CLASSES, folder_of, paths_of, pixels, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "photos")


def test_an_image_that_breaks_in_the_middle_of_training_ends_the_study(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", side=40)
    path = paths_of(load(DataSpec(str(folder))).validation.x)[0]  # which the scale is not fitted on
    path.write_bytes(path.read_bytes()[:60])
    line = attempt(tmp_path / "trial", data=DataSpec(str(folder)), trainer="cnn", params={"width": 4, "depth": 1})
    assert line.ended.outcome is Outcome.UNUSABLE
    assert f"{path} is a broken image" in str(line.ended.message)
    assert line.curve == []


@pytest.mark.parametrize(
    ("trainer", "params", "metric"),
    [
        ("cnn", {"width": 4, "depth": 1}, "val/accuracy"),
        ("rnn", {"width": 8}, "val/accuracy"),
        ("transformer", {"width": 16, "depth": 1, "heads": 2}, "val/accuracy"),
        ("gan", {"width": 8}, "val/frechet"),
        ("diffusion", {"width": 8, "depth": 1, "noise_steps": 10, "sampling_steps": 2}, "val/frechet"),
    ],
)
def test_every_trainer_of_images_takes_a_folder(
    tmp_path: Path, trainer: str, params: dict[str, Any], metric: str
) -> None:
    folder = folder_of(tmp_path / "photos", count=15, side=8, channels=3)
    line = attempt(
        tmp_path / "trial", data=DataSpec(str(folder)), trainer=trainer, params=params, epochs=1, metric=metric
    )
    assert (line.ended.outcome, line.ended.message) == (Outcome.COMPLETE, None)
    assert np.isfinite(line.curve[0][1][metric])


def test_the_curve_is_that_of_the_same_images_as_arrays(folder: Path, tmp_path: Path) -> None:
    every = np.stack([pixels(label, number) for label in CLASSES for number in range(20)])
    np.savez(tmp_path / "same.npz", x=every, y=np.repeat(CLASSES, 20))
    lazy, whole = (
        attempt(tmp_path / f"{number}", data=DataSpec(str(path)), trainer="cnn", params={"width": 4, "depth": 1})
        for number, path in enumerate([folder, tmp_path / "same.npz"])
    )
    for (_, one), (_, other) in zip(lazy.curve, whole.curve, strict=True):
        assert one == pytest.approx(dict(other), rel=1e-4, abs=1e-5)


def test_training_never_holds_all_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "photos", count=30)
    monkeypatch.setattr(images, "MOST_KEPT", 0)
    monkeypatch.setattr(images, "CHUNK", 4 * 144)
    monkeypatch.setattr("goodfit.trainers.training.loop.NUMBERS_AT_ONCE", 4 * 144)
    monkeypatch.setattr("goodfit.trainers.training.loop.TRAIN_ROWS_MEASURED", 10)
    most = 0
    decode = images.ImageFiles.pixels

    def watching(self: images.ImageFiles, rows: np.ndarray) -> np.ndarray:
        nonlocal most
        most = max(most, len(rows))
        return decode(self, rows)

    monkeypatch.setattr(images.ImageFiles, "pixels", watching)
    params = {"width": 4, "depth": 1, "batch_size": 4}
    line = attempt(tmp_path / "trial", data=DataSpec(str(folder)), trainer="cnn", params=params, epochs=2)
    assert line.ended.outcome is Outcome.COMPLETE
    assert most == 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A cnn that tells left from right, trained on a folder of larger images of several sizes and modes."""
    home = tmp_path_factory.mktemp("trained")
    folder = folder_of(home / "photos", count=30, side=24)
    saved(Image.fromarray(pixels("left", 0, side=40, channels=3)), folder / "left" / "000.png")
    params = {"width": 8, "depth": 2, "learning_rate": 0.01, "batch_size": 8}
    data = DataSpec(str(folder), size=12, mode="gray")
    line = attempt(home / "trial", data=data, trainer="cnn", params=params, epochs=6)
    assert line.curve[-1][1]["val/accuracy"] > 0.9, "half is what guessing gives"
    save_model(home / "model", "cnn", params, read_facts(home / "trial"), home / "trial" / "best.pt")
    return load_model(home / "model")


def test_a_model_predicts_from_files_of_any_size(trained: Predictor, tmp_path: Path) -> None:
    files = [
        saved(Image.fromarray(pixels(label, 100 + number, side=30, channels=3)), tmp_path / f"{label}{number}.png")
        for label in CLASSES
        for number in range(5)
    ]
    told = trained.predict([str(file) for file in files])
    assert (told == np.repeat(CLASSES, 5)).mean() >= 0.9
    assert np.array_equal(trained.predict(np.array([str(file) for file in files])), told)
    assert trained.predict_proba(files).sum(axis=1) == pytest.approx(np.ones(10))


def test_files_and_their_pixels_are_predicted_alike(trained: Predictor, tmp_path: Path) -> None:
    small = [pixels(label, 200, side=12) for label in CLASSES]
    files = [saved(Image.fromarray(image), tmp_path / f"{number}.png") for number, image in enumerate(small)]
    chances = trained.predict_proba(files)
    for shape in ((2, 12, 12), (2, 12, 12, 1), (2, 1, 12, 12)):
        assert np.allclose(trained.predict_proba(np.stack(small).reshape(shape)), chances, atol=1e-5)


def test_images_that_do_not_suit_the_model_are_named(trained: Predictor, tmp_path: Path) -> None:
    with pytest.raises(DataProblem, match="put the one path into brackets"):
        trained.predict("a.png")
    with pytest.raises(DataProblem, match=r"there is no image nowhere\.png"):
        trained.predict(["nowhere.png"])
    with pytest.raises(DataProblem, match=r"the images to predict are \(rows, 1, 12, 12\)"):
        trained.predict(np.zeros((2, 9, 9)))
    plain = Predictor(trained.module, replace_images(trained.facts, None), "cnn", {})
    file = saved(Image.fromarray(pixels("left", 0, channels=3)), tmp_path / "color.png")
    with pytest.raises(DataProblem, match="the model learned from arrays of images"):
        plain.predict([file])
    strict = Predictor(trained.module, replace_images(trained.facts, Reading(None, None, "gray")), "cnn", {})
    with pytest.raises(DataProblem, match=r"color\.png is rgb, and the model was trained on gray"):
        strict.predict([file])
    file = saved(Image.fromarray(pixels("left", 0, side=9)), tmp_path / "small.png")
    with pytest.raises(DataProblem, match=r"small\.png is 9x9, and the model was trained on 12x12"):
        strict.predict([file])


def replace_images(facts: Facts, reading: Reading | None) -> Facts:
    return replace(facts, preparation=replace(facts.preparation, images=reading))


def test_how_images_are_read_is_kept_with_the_model(trained: Predictor) -> None:
    assert trained.facts.preparation.images == Reading(12, "gray", "gray")
    assert Facts.from_dict(trained.facts.to_dict()) == trained.facts
    assert trained.predict(trained.example())[0] in CLASSES


def test_measuring_reads_no_more_at_once_than_memory_bounds(folder: Path, trained: Predictor) -> None:
    data = load(DataSpec(str(folder)))
    whole = torch.from_numpy(np.asarray(data.train.x))
    lazy = Tensors.of(data.train, torch.device("cpu"))
    assert torch.equal(predict(trained.module, lazy.x, trained.facts), predict(trained.module, whole, trained.facts))
