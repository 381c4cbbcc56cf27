"""The Frechet distance, the classifier it is measured with, and the pictures of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from goodfit.trainers.builtin.generative import frechet
from goodfit.trainers.builtin.generative.frechet import Judge, frechet_distance, judge_of, spread_rows
from goodfit.trainers.builtin.generative.png import grid, write_grid
from goodfit.trainers.data import Data, load
from goodfit.trainers.errors import DataProblem
from tests.training import DIGITS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frechet, "STEPS", 3)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DIGITS)


def images(data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(data.train.x), torch.from_numpy(data.validation.x)


def test_the_distance_of_gaussians_with_diagonal_covariances_is_known() -> None:
    signs = np.array([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)]) * np.sqrt(3 / 4)  # covariance: unity
    a, b = signs * [1.0, 2.0], signs * [3.0, 0.5] + [1.0, -2.0]
    assert frechet_distance(a, b) == pytest.approx(1 + 4 + (1 - 3) ** 2 + (2 - 0.5) ** 2)


def test_the_distance_is_symmetric_and_nothing_to_oneself() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(50, 7)), random.normal(1.0, 2.0, size=(80, 7))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_fewer_rows_than_features_give_a_distance_all_the_same() -> None:
    random = np.random.default_rng(0)
    assert 0 < frechet_distance(random.normal(size=(3, 10)), random.normal(size=(3, 10))) < np.inf


def test_the_distance_of_what_is_not_finite_is_not_a_number() -> None:
    broken = np.array([[0.0], [np.nan]])
    assert np.isnan(frechet_distance(broken, np.zeros((2, 1))))


def test_the_classifier_is_the_same_whatever_was_drawn_before_and_draws_nothing(digits: Data) -> None:
    train, validation = images(digits)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = frechet.learn_features(digits, train)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    other = frechet.learn_features(digits, train)
    assert np.array_equal(one(validation), other(validation))
    assert one(validation).shape == (len(validation), 64)


def test_a_worker_trains_the_classifier_once_for_its_data(digits: Data) -> None:
    train, validation = images(digits)
    judge = judge_of(digits, train, validation)
    assert judge_of(digits, train, validation) is judge
    assert judge_of(load(DIGITS), train, validation) is not judge


def test_real_images_are_nearer_than_noise(digits: Data) -> None:
    train, validation = images(digits)
    judge = Judge(digits, train, validation)
    noise = torch.randn(judge.count, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    real = judge.distances(train[spread_rows(torch.from_numpy(digits.train.y), judge.count)])
    assert real["train"] == pytest.approx(0, abs=1e-9)
    assert 0 < real["val"] < judge.distances(noise)["val"] / 10


def test_the_classifier_of_regression_data_learns_the_target(digits: Data) -> None:
    y = (digits.train.y / 3 - 1).astype(np.float32)
    facts = replace(digits.facts, task="regression", classes=())
    data = Data(replace(digits.train, y=y), replace(digits.validation, y=y[: len(digits.validation)]), facts)
    assert Judge(data, *images(data)).features(images(data)[0][:5]).shape == (5, 64)


def test_a_single_validation_image_is_too_few(digits: Data) -> None:
    train, validation = images(digits)
    with pytest.raises(DataProblem, match="digits: the Frechet distance needs 2 validation images"):
        Judge(digits, train, validation[:1])


def test_chosen_rows_have_every_class_by_its_share() -> None:
    targets = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    rows = spread_rows(targets, 20)
    assert len(set(rows.tolist())) == 20
    assert torch.bincount(targets[rows]).tolist() == [12, 6, 2]
    assert sorted(spread_rows(targets, 500).tolist()) == list(range(100))


def test_a_picture_of_samples_is_a_whole_png(tmp_path: Path) -> None:
    tiles = np.stack([np.full((1, 8, 8), value) for value in (-1.0, 0.0, 1.0, 9.0)])
    write_grid(tmp_path / "a.png", tiles, columns=2)
    side = 2 * 32 + 3 * 2
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape == (side, side)
    assert [int(picture[row, column]) for row in (10, 50) for column in (10, 50)] == [0, 128, 255, 255]
    assert [item.name for item in tmp_path.rglob("*") if item.is_file()] == ["a.png"]


def test_a_picture_of_colours_is_written_as_it_is(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).uniform(-1, 1, size=(3, 3, 40, 50))
    write_grid(tmp_path / "a.png", colours, columns=2)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), grid(colours, columns=2))


def test_images_of_two_channels_are_shown_by_their_first() -> None:
    assert grid(np.zeros((1, 2, 40, 40)), columns=1).shape == (44, 44, 1)
