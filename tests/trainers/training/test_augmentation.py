"""Training images and series, varied anew in each epoch: pixel by pixel, and in a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from goodfit.testing.attempts import Line, attempt, handle
from goodfit.trainers.builtin.cnn import CNNConfig, cnn
from goodfit.trainers.data import Facts, load
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.messages import AugmentSpec, DataSpec, Outcome
from goodfit.trainers.nets.forecasting import past
from goodfit.trainers.training.augmentation import (
    Augmentation,
    Blend,
    blanked,
    coloured,
    flipped,
    lit,
    moved,
    turned,
    warped,
)
from goodfit.trainers.training.loop import Tensors, Training, default_loss
from tests.training import DIABETES, DIGITS, IRIS

CPU = torch.device("cpu")
SMALL = {"width": 4, "depth": 1}
EVERYTHING = AugmentSpec(rotate=10, flip=True, crop=1, jitter=0.2, cutout=3, mixup=0.3)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(rows: int = 200, channels: int = 2, height: int = 6, width: int = 8) -> torch.Tensor:
    """Images in which no two pixels are the same."""
    numbers = torch.arange(rows * channels * height * width, dtype=torch.float32)
    return numbers[torch.randperm(len(numbers), generator=draws(9))].reshape(rows, channels, height, width)


def shifted(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """The image moved by whole pixels, its edge going on; by hand."""
    height, width = image.shape[1:]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return image[:, rows][:, :, columns]


def digits_with(**augment: Any) -> DataSpec:
    return replace(DIGITS, augment=AugmentSpec(**augment))


def test_a_flip_turns_about_half_of_the_images_exactly_left_to_right() -> None:
    before = images()
    after = flipped(before, draws())
    mirrored = [torch.equal(new, old.flip(2)) for old, new in zip(before, after, strict=True)]
    same = [torch.equal(new, old) for old, new in zip(before, after, strict=True)]
    assert all(one != other for one, other in zip(mirrored, same, strict=True))
    assert 70 < sum(mirrored) < 130


def test_a_crop_moves_each_image_by_whole_pixels_and_goes_on_at_the_edge() -> None:
    before = images()
    found = set()
    for old, new in zip(before, moved(before, 2, draws()), strict=True):
        ways = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
        (way,) = [way for way in ways if torch.equal(new, shifted(old, *way))]
        found.add(way)
    assert len(found) == 25


def test_a_rotation_by_nothing_leaves_the_image_as_it_is() -> None:
    before = images(rows=50) / 4800
    assert torch.allclose(turned(before, 1e-9, 0, draws()), before, atol=1e-4)


def test_a_rotation_by_nothing_and_a_move_is_the_move() -> None:
    before = images(rows=50) / 4800
    for old, new in zip(before, turned(before, 1e-9, 1, draws()), strict=True):
        ways = [(down, right) for down in range(-1, 2) for right in range(-1, 2)]
        assert sum(torch.allclose(new, shifted(old, *way), atol=1e-4) for way in ways) == 1


@pytest.mark.parametrize(("height", "width"), [(33, 33), (21, 41)])
def test_a_rotation_turns_about_the_middle_by_at_most_its_degrees_either_way(height: int, width: int) -> None:
    radius = 8
    dot = torch.zeros(1, 1, height, width)
    middle = (height // 2, width // 2)
    dot[0, 0, middle[0], middle[1] + radius] = 1
    y, x = torch.meshgrid(torch.arange(height) - middle[0], torch.arange(width) - middle[1], indexing="ij")
    angles = []
    for seed in range(60):
        spot = turned(dot, 30, 0, draws(seed))[0, 0]
        at_y, at_x = float((spot * y).sum() / spot.sum()), float((spot * x).sum() / spot.sum())
        assert (at_x**2 + at_y**2) ** 0.5 == pytest.approx(radius, abs=0.25)  # also where an image is not square
        angles.append(np.degrees(np.arctan2(at_y, at_x)))
    assert -31 < min(angles) < -20
    assert 20 < max(angles) < 31


def test_brightness_multiplies_raw_values_and_contrast_keeps_each_channels_mean() -> None:
    raw = images(rows=20).double() + 1
    shift, divide = torch.tensor([[[300.0]], [[500.0]]]).double(), torch.tensor([[[20.0]], [[50.0]]]).double()
    after = lit((raw - shift) / divide, 0.3, shift / divide, draws()) * divide + shift
    bright = after.mean(dim=(2, 3)) / raw.mean(dim=(2, 3))
    assert torch.allclose(bright[:, 0], bright[:, 1])  # one factor an image
    assert 0.7 < float(bright.min()) < 0.85 < 1.15 < float(bright.max()) < 1.3
    contrast = after.std(dim=(2, 3)) / (bright * raw.std(dim=(2, 3)))
    assert torch.allclose(contrast[:, 0], contrast[:, 1])
    assert 0.7 < float(contrast.min()) < 0.85 < 1.15 < float(contrast.max()) < 1.3


def test_saturation_keeps_the_gray_of_each_pixel_and_moves_its_colours() -> None:
    raw = torch.rand(20, 3, 4, 5, dtype=torch.float64)
    shift, divide = (torch.tensor(values).double().reshape(3, 1, 1) for values in ([0.5, 0.4, 0.1], [0.2, 0.3, 0.9]))
    after = coloured((raw - shift) / divide, 0.3, shift, divide, draws()) * divide + shift
    gray = [0.299 * red + 0.587 * green + 0.114 * blue for red, green, blue in (raw.unbind(1), after.unbind(1))]
    assert torch.allclose(gray[0], gray[1])
    factors = ((after - gray[0][:, None]) / (raw - gray[0][:, None])).flatten(1)
    assert torch.allclose(factors, factors[:, :1])  # one factor an image
    assert 0.7 < float(factors.min()) < 0.85 < 1.15 < float(factors.max()) < 1.3


@pytest.mark.parametrize(("channels", "moved"), [(1, False), (3, True), (4, False)])
def test_jitter_changes_the_colours_of_images_that_have_them(tmp_path: Path, channels: int, moved: bool) -> None:
    x = np.random.default_rng(0).random((30, channels, 5, 5))
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(30) % 2)
    data = load(DataSpec(str(tmp_path / "images.npz"), scale="none", augment=AugmentSpec(jitter=0.2)))
    augmentation = Augmentation(data.augment, data.facts, 5, CPU)
    augmentation.start(1)
    before = torch.from_numpy(data.train.x)
    after, _, _ = augmentation(before, torch.from_numpy(data.train.y))
    inside = [part - part.mean(dim=(2, 3), keepdim=True) for part in (before, after)]
    scaled = (inside[1] / inside[0]).flatten(1)  # by brightness and contrast alone: one factor an image
    assert torch.allclose(scaled, scaled[:, :1], rtol=0.02) != moved


def test_cutout_blanks_one_square_to_the_mean_and_nothing_else() -> None:
    before = images(rows=300)
    after = blanked(before, 3, draws())
    changed = after != before
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert torch.equal(after[changed], before.mean(dim=(0, 2, 3), keepdim=True).expand_as(before)[changed])
    sizes = set()
    for mask in changed[:, 0]:
        rows, columns = torch.where(mask.any(dim=1))[0], torch.where(mask.any(dim=0))[0]
        size = (int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1)
        assert int(mask.sum()) == size[0] * size[1]
        sizes.add(size)
    assert sizes == {(3, 3), (2, 3), (3, 2), (2, 2)}  # whole, or partly outside


def test_mixup_blends_the_rows_and_the_losses_by_one_share() -> None:
    data = load(digits_with(mixup=0.4))
    augmentation = Augmentation(data.augment, data.facts, 5, CPU)
    augmentation.start(1)
    x, y = torch.from_numpy(data.train.x[:40]), torch.from_numpy(data.train.y[:40])
    mixed, targets, blend = augmentation(x, y)
    assert isinstance(blend, Blend)
    assert 0 < blend.share < 1
    assert sorted(blend.partners.tolist()) == list(range(40))
    assert torch.equal(targets, y)
    assert torch.allclose(mixed, blend.share * x + (1 - blend.share) * x[blend.partners])
    outputs = torch.randn(40, 10, generator=draws())
    told = blend.loss(lambda targets: functional.cross_entropy(outputs, targets), y)
    log = outputs.log_softmax(dim=1)
    by_hand = -sum(
        blend.share * log[row, y[row]] + (1 - blend.share) * log[row, y[partner]]
        for row, partner in enumerate(blend.partners.tolist())
    )
    assert float(told) == pytest.approx(float(by_hand) / 40, rel=1e-5)


def training_of(folder: Path, data: Any, **config: Any) -> Training:
    trial = handle(folder, Line(), data)
    trial.config = CNNConfig(**{**SMALL, **config})
    torch.manual_seed(0)
    training = Training(cnn.build(trial.config, data.facts), trial, data.facts, default_loss(data.task))  # type: ignore[misc]
    training.augmentation = Augmentation(data.augment, data.facts, trial.seed, CPU)
    return training


def test_a_mixed_step_calls_the_fitted_loss_with_both_rows_targets(tmp_path: Path) -> None:
    data = load(digits_with(mixup=0.4))
    training = training_of(tmp_path, data, batch_size=2000)
    seen: list[torch.Tensor] = []

    def loss(outputs: torch.Tensor, y: torch.Tensor, _smoothing: float) -> torch.Tensor:
        seen.append(y)
        return functional.cross_entropy(outputs, y)

    training.fitted_loss = loss
    training.epoch(1, Tensors.of(data.train, CPU))
    assert len(seen) == 2
    assert not torch.equal(*seen)
    assert torch.equal(seen[0].sort().values, seen[1].sort().values)


@pytest.mark.parametrize("spec", [{"balance": "weights"}, {"balance": "sampling"}, {}])
def test_mixup_goes_with_weighted_and_sampled_classes(tmp_path: Path, spec: Mapping[str, Any]) -> None:
    data = replace(digits_with(mixup=0.2), **spec)
    line = attempt(tmp_path, trainer="cnn", data=data, params={"width": 8, "depth": 2, "learning_rate": 1e-2}, epochs=5)
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert line.reports[-1].metrics["val/accuracy"] > 0.6


def regression_of_images(folder: Path) -> DataSpec:
    """How much ink an image has."""
    random = np.random.default_rng(0)
    x = random.random((300, 8, 8)).astype(np.float32) * random.random((300, 1, 1)).astype(np.float32)
    np.savez(folder / "ink.npz", x=x, y=x.mean(axis=(1, 2)).astype(np.float64))
    return DataSpec(str(folder / "ink.npz"), "y")


def test_mixup_trains_a_regression(tmp_path: Path) -> None:
    spec = replace(regression_of_images(tmp_path), augment=AugmentSpec(mixup=0.4, flip=True))
    settings = {"params": {"width": 8, "depth": 2}, "metric": "val/r2", "epochs": 15}
    line = attempt(tmp_path / "trial", trainer="cnn", data=spec, **settings)  # type: ignore[arg-type]
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert line.reports[-1].metrics["val/r2"] > 0.8


def test_a_batch_depends_on_the_trials_seed_and_the_epoch_alone() -> None:
    data = load(replace(DIGITS, augment=EVERYTHING))
    x, y = torch.from_numpy(data.train.x[:64]), torch.from_numpy(data.train.y[:64])

    def varied(seed: int, epoch: int) -> torch.Tensor:
        augmentation = Augmentation(data.augment, data.facts, seed, CPU)
        torch.rand(epoch + 3)  # whatever else draws
        augmentation.start(epoch)
        augmentation(x, y)
        return augmentation(x, y)[0]

    before = x.clone()
    assert torch.equal(varied(1, 2), varied(1, 2))
    assert not torch.equal(varied(1, 2), varied(1, 3))
    assert not torch.equal(varied(1, 2), varied(2, 2))
    assert torch.equal(x, before)


def test_a_resumed_trial_goes_on_with_the_same_curve(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "trainer": "cnn",
        "data": replace(DIGITS, augment=EVERYTHING),
        "params": SMALL,
        "epochs": 4,
        "checkpoint_epochs": 1,
    }
    whole = attempt(tmp_path / "whole", **settings)
    first = attempt(tmp_path / "halves", stop_after=2, **settings)
    second = attempt(tmp_path / "halves", attempt=2, reported=2, **settings)
    assert [*first.curve, *second.curve] == whole.curve
    assert len(whole.curve) == 4


def test_validation_and_the_measured_training_rows_are_never_varied(tmp_path: Path) -> None:
    """With a learning rate of next to nothing the metrics are those of a trial without augmentation.

    But for rounding: that one is trained and measured as a pack of one.
    """
    settings: dict[str, Any] = {
        "trainer": "cnn",
        "params": {**SMALL, "learning_rate": 1e-30, "normalization": "group", "dropout": 0.0},
        "epochs": 1,
    }
    plain = attempt(tmp_path / "plain", data=DIGITS, **settings)
    varied = attempt(tmp_path / "varied", data=replace(DIGITS, augment=EVERYTHING), **settings)
    assert varied.curve == [(epoch, pytest.approx(metrics, rel=1e-6)) for epoch, metrics in plain.curve]
    assert len(plain.curve) == 1
    data = load(replace(DIGITS, augment=EVERYTHING))
    assert np.array_equal(data.validation.x, load(DIGITS).validation.x)
    assert np.array_equal(data.train.x, load(DIGITS).train.x)


def test_augmentation_changes_what_is_learned(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"trainer": "cnn", "params": SMALL, "epochs": 2}
    plain = attempt(tmp_path / "plain", data=DIGITS, **settings)
    varied = attempt(tmp_path / "varied", data=digits_with(rotate=20), **settings)
    assert varied.curve != plain.curve
    assert len(varied.curve) == len(plain.curve) == 2


@pytest.mark.parametrize(
    ("spec", "augment", "said"),
    [
        (IRIS, {"rotate": 5.0}, r"iris: augment\.rotate varies image data, and these are of kind table; table data"),
        (DIABETES, {"mixup": 0.2}, r"diabetes: augment\.mixup varies image data"),
        (DIGITS, {"warp": 0.2}, r"augment\.warp varies series data, and these are of kind image; image data take rot"),
        (DIGITS, {"crop": 8}, r"augment\.crop: 8 moves .* the images are 8x8 pixels; give 7 or less"),
        (DIGITS, {"cutout": 9}, r"augment\.cutout: 9 blanks all of it: the images are 8x8 pixels; give 7 or less"),
        (DataSpec("docstrings"), {"jitter": 0.1}, r"augment\.jitter varies image and series data, .* of kind text"),
        (DataSpec("load_curve"), {"warp": 0.2}, r"augment\.warp bends a window's time and not that of the values"),
    ],
)
def test_what_does_not_go_with_the_data_is_refused(spec: DataSpec, augment: dict[str, Any], said: str) -> None:
    with pytest.raises(DataProblem, match=said):
        load(replace(spec, augment=AugmentSpec(**augment)))


# Series


def windows(rows: int = 100, steps: int = 21, channels: int = 2) -> torch.Tensor:
    """Each channel a straight line in time: a value tells the time it is from."""
    time = torch.arange(steps, dtype=torch.float32)
    return torch.stack([time * (channel + 1) for channel in range(channels)], dim=1).expand(rows, -1, -1)


def test_a_warp_keeps_the_ends_and_goes_forward_at_three_paces() -> None:
    after = warped(windows(), 0.4, draws())
    assert torch.allclose(after[:, 0], windows()[:, 0])
    assert torch.allclose(after[:, -1], windows()[:, -1], atol=1e-4)
    assert torch.allclose(after[:, :, 1], 2 * after[:, :, 0], atol=1e-4)  # all channels alike
    paces = after[:, :, 0].diff(dim=1)
    assert float(paces.min()) > 0
    # 8 of 20 intervals take 16 or 4 in place of 8, and the whole is brought back to 20.
    longer, shorter = 28 / 20, 16 / 20
    for row in paces:
        low, high = float(row.min()), float(row.max())
        stretched = low == pytest.approx(longer / 2, abs=1e-3) and high == pytest.approx(longer, abs=1e-3)
        squeezed = low == pytest.approx(shorter, abs=1e-3) and high == pytest.approx(shorter * 2, abs=1e-3)
        assert stretched != squeezed


def sequences(folder: Path, steps: int = 12, rows: int = 80) -> DataSpec:
    """Two kinds of waves."""
    random = np.random.default_rng(0)
    y = np.arange(rows) % 2
    time = np.arange(steps) / steps
    x = np.sin(2 * np.pi * (1 + y[:, None]) * time + random.random((rows, 1))) + random.normal(0, 0.1, (rows, steps))
    np.savez(folder / "waves.npz", x=x, y=y)
    return DataSpec(str(folder / "waves.npz"), "y", kind="series")


@pytest.mark.parametrize(("warp", "said"), [(0.1, "is 1 of a window's 12 steps, fewer than the 2"), (0.99, "is 12 of")])
def test_a_warp_that_suits_no_window_is_refused(tmp_path: Path, warp: float, said: str) -> None:
    spec = replace(sequences(tmp_path), augment=AugmentSpec(warp=warp))
    with pytest.raises(DataProblem, match=said):
        load(spec)


def test_noise_is_in_standard_deviations_whatever_the_scale(tmp_path: Path) -> None:
    for scale in ("standard", "minmax", "none"):
        data = load(replace(sequences(tmp_path), scale=scale, augment=AugmentSpec(jitter=0.5)))
        augmentation = Augmentation(data.augment, data.facts, 1, CPU)
        augmentation.start(1)
        x = torch.from_numpy(data.train.x)
        after, _, blend = augmentation(x, torch.from_numpy(data.train.y))
        assert float((after - x).std() / x.std()) == pytest.approx(0.5, rel=0.1)
        assert blend is None


@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
def test_a_scaled_window_and_its_forecast_are_one_series(scale: str) -> None:
    """What goes straight on behind the window does so when both are scaled: the last value and the first target."""
    data = load(DataSpec("load_curve", scale=scale, augment=AugmentSpec(scaling=0.3)))
    facts = data.facts
    augmentation = Augmentation(data.augment, facts, 1, CPU)
    augmentation.start(1)
    x, y = torch.from_numpy(data.train.x[:50].copy()), torch.from_numpy(data.train.y[:50].copy())
    after, targets, _ = augmentation(x, y)
    old, new = torch.cat([past(x, facts), y], dim=1).double(), torch.cat([past(after, facts), targets], dim=1).double()
    factors = (after[:, 0, 0] / x[:, 0, 0]).double()
    assert float(factors.std()) == pytest.approx(0.3, rel=0.4)
    assert torch.allclose(new.diff(dim=1), factors[:, None] * old.diff(dim=1), atol=1e-3)


def test_each_window_and_channel_has_a_factor_of_its_own_and_classes_stay(tmp_path: Path) -> None:
    data = load(replace(sequences(tmp_path), augment=AugmentSpec(scaling=0.2)))
    augmentation = Augmentation(data.augment, data.facts, 1, CPU)
    augmentation.start(1)
    x, y = torch.from_numpy(data.train.x), torch.from_numpy(data.train.y)
    after, targets, _ = augmentation(x, y)
    factors = after / x
    assert torch.allclose(factors, factors[:, :1].expand_as(factors), rtol=1e-3)
    assert len(factors[:, 0].unique()) > 40
    assert torch.equal(targets, y)


def test_varied_series_are_learned(tmp_path: Path) -> None:
    augment = AugmentSpec(jitter=0.1, scaling=0.1, warp=0.3)
    line = attempt(
        tmp_path / "trial", trainer="rnn", data=replace(sequences(tmp_path), augment=augment), epochs=15, params={}
    )
    assert line.ended.outcome is Outcome.COMPLETE, line.ended.message
    assert line.reports[-1].metrics["val/accuracy"] > 0.9


def test_facts_say_nothing_of_augmentation(tmp_path: Path) -> None:
    data = load(replace(DIGITS, augment=EVERYTHING))
    data.facts.write(tmp_path / "facts.json")
    assert Facts.read(tmp_path / "facts.json") == load(DIGITS).facts
