"""How a batch of training images or series is varied: anew in each epoch, and alike for the same seed.

Imports torch, so it is imported when a trial starts and not before. Texts are varied before they are
tokenized, in data/varied.py, which also says what goes with which kind of data.

What an image or a series shows outside of its edge is not known, so the edge goes on: zeros would be
the mean of the data under one scaling and an extreme of them under another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from goodfit.trainers.data import Facts
from goodfit.trainers.data.augmenting.variations import warped_steps
from goodfit.trainers.messages import AugmentSpec
from goodfit.trainers.seeding import variation_seed

GRAY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R 601), as images are read in gray
COLOURS = len(GRAY)
STRETCH = 2.0  # a warped part takes twice its time or half of it; as in Le Guennec and others (2016)


@dataclass(frozen=True, slots=True)
class Blend:
    """What mixup made of a batch: each row has `share` of itself, and the rest of the row in its `partners`' place."""

    partners: Tensor
    share: float

    def loss(self, loss: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
        """The losses against both rows' targets, blended as the rows were."""
        return self.share * loss(y) + (1 - self.share) * loss(y[self.partners])


class Augmentation:
    """The variations of one trial.

    Args:
        spec: what is asked for.
        facts: of the data.
        seed: the trial's. Each epoch draws from generators of its own, seeded from this and its number.
        device: of the batches; draws on different kinds of devices differ.
    """

    def __init__(self, spec: AugmentSpec, facts: Facts, seed: int, device: torch.device) -> None:
        self._spec = spec
        self._facts = facts
        self._seed = seed
        self._generator = torch.Generator(device)
        self._shares = np.random.default_rng()  # torch draws no Beta from a generator

    def start(self, epoch: int) -> None:
        """From here on draw what this epoch draws."""
        seed = variation_seed(self._seed, epoch)
        self._generator.manual_seed(seed)
        self._shares = np.random.default_rng(seed)

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Blend | None]:
        """A varied batch, its targets, and how its rows are blended, if they are."""
        if self._facts.kind == "image":
            return self._images(x, y)
        if self._facts.kind == "series":
            return *self._series(x, y), None
        return x, y, None

    def _images(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Blend | None]:
        spec, draw = self._spec, self._generator
        if spec.flip:
            x = flipped(x, draw)
        if spec.rotate:
            x = turned(x, spec.rotate, spec.crop, draw)
        elif spec.crop:
            x = moved(x, spec.crop, draw)
        if spec.jitter:
            fitted = self._facts.preparation
            shift, divide = _by_channel(fitted.shift, x), _by_channel(fitted.divide, x)
            x = lit(x, spec.jitter, shift / divide, draw)
            if x.shape[1] == COLOURS:
                x = coloured(x, spec.jitter, shift, divide, draw)
        if spec.cutout:
            x = blanked(x, spec.cutout, draw)
        if not spec.mixup:
            return x, y, None
        share = float(self._shares.beta(spec.mixup, spec.mixup))
        partners = torch.randperm(len(x), generator=draw, device=x.device)
        return share * x + (1 - share) * x[partners], y, Blend(partners, share)

    def _series(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        spec, draw = self._spec, self._generator
        if spec.warp:
            x = warped(x, spec.warp, draw)
        if spec.scaling:
            factors = 1 + spec.scaling * torch.randn(len(x), 1, x.shape[2], generator=draw, device=x.device)
            x = x * factors
            if self._facts.horizon:
                y = self._scaled_targets(y, factors[:, 0, :1])
        if spec.jitter:
            spread = x.std(dim=(0, 1), correction=0)
            x = x + spec.jitter * spread * torch.randn(x.shape, generator=draw, device=x.device)
        return x, y

    def _scaled_targets(self, y: Tensor, factors: Tensor) -> Tensor:
        """What follows a window, as far from the middle as the window's first column is, which is the same series."""
        fitted = self._facts.preparation
        middle = (fitted.shift[0] - fitted.target_mean) / fitted.target_std  # of the inputs' scale, in the targets'
        return middle + factors * (y - middle)


def flipped(x: Tensor, draw: torch.Generator) -> Tensor:
    """About half of the images, left to right."""
    chosen = torch.rand(len(x), generator=draw, device=x.device) < 0.5
    return torch.where(chosen[:, None, None, None], x.flip(3), x)


def moved(x: Tensor, most: int, draw: torch.Generator) -> Tensor:
    """Each image moved by up to `most` whole pixels in both directions."""
    height, width = x.shape[2:]
    down, right = torch.randint(-most, most + 1, (2, len(x), 1), generator=draw, device=x.device)
    rows = (torch.arange(height, device=x.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) - right).clamp(0, width - 1)
    x = x.gather(2, rows[:, None, :, None].expand_as(x))
    return x.gather(3, columns[:, None, None, :].expand_as(x))


def turned(x: Tensor, degrees: float, move: int, draw: torch.Generator) -> Tensor:
    """Each image turned about its middle by up to `degrees` either way and moved by up to `move` whole pixels.

    Both in one resampling, which is bilinear.
    """
    rows, (height, width) = len(x), x.shape[2:]
    angle = (2 * torch.rand(rows, generator=draw, device=x.device) - 1) * math.radians(degrees)
    down, right = torch.randint(-move, move + 1, (2, rows), generator=draw, device=x.device)
    cos, sin = angle.cos(), angle.sin()
    # affine_grid takes a pixel of the result to its source, in units of half an image a side.
    source_x = torch.stack([cos, -sin * height / width, -2 * right / width], dim=1)
    source_y = torch.stack([sin * width / height, cos, -2 * down / height], dim=1)
    grid = functional.affine_grid(torch.stack([source_x, source_y], dim=1), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def lit(x: Tensor, share: float, zero: Tensor, draw: torch.Generator) -> Tensor:
    """Brightness and contrast, each multiplied by 1 - share to 1 + share, drawn for each image.

    Args:
        x: prepared images.
        share: of the raw values.
        zero: how far below 0 a raw 0 lies once it is prepared, by channel.
        draw: where the factors come from.
    """
    factors = 1 + share * (2 * torch.rand(2, len(x), 1, 1, 1, generator=draw, device=x.device) - 1)
    bright, contrast = factors.unbind()
    x = bright * (x + zero) - zero
    middle = x.mean(dim=(2, 3), keepdim=True)  # of each channel; the contrast is about it
    return middle + contrast * (x - middle)


def coloured(x: Tensor, share: float, shift: Tensor, divide: Tensor, draw: torch.Generator) -> Tensor:
    """Saturation: how far each colour is from its gray multiplied by 1 - share to 1 + share, drawn for each image.

    Args:
        x: prepared images with red, green and blue.
        share: of the raw values.
        shift: what was taken from the raw values, by channel.
        divide: what they were divided by then.
        draw: where the factors come from.
    """
    factors = 1 + share * (2 * torch.rand(len(x), 1, 1, 1, generator=draw, device=x.device) - 1)
    raw = x * divide + shift
    gray = (raw * _by_channel(GRAY, x)).sum(dim=1, keepdim=True)
    return (gray + factors * (raw - gray) - shift) / divide


def blanked(x: Tensor, side: int, draw: torch.Generator) -> Tensor:
    """A square of each image set to the batch's mean, by channel (cutout: DeVries and Taylor, 2017).

    Its middle is anywhere in the image, so part of the square may lie outside.
    """
    middle = x.mean(dim=(0, 2, 3), keepdim=True)
    down, right = (_within(length, len(x), side, draw, x.device) for length in x.shape[2:])
    return torch.where((down[:, :, None] & right[:, None, :])[:, None], middle, x)


def _within(length: int, rows: int, side: int, draw: torch.Generator, device: torch.device) -> Tensor:
    """For each row the places along an axis that a piece of `side` around a random place covers, (rows, length)."""
    start = torch.randint(0, length, (rows, 1), generator=draw, device=device) - side // 2
    places = torch.arange(length, device=device)
    return torch.logical_and(places >= start, places < start + side)


def warped(x: Tensor, share: float, draw: torch.Generator) -> Tensor:
    """A part of each window at twice or half its pace, and the whole resampled to its steps (window warping).

    The part begins anywhere. The first and the last step stay what they are.
    """
    rows, steps, _ = x.shape
    part = warped_steps(share, steps)
    start = torch.randint(0, steps - part, (rows, 1), generator=draw, device=x.device).to(x.dtype)
    slower = torch.rand(rows, 1, generator=draw, device=x.device) < 0.5
    pace = torch.where(slower, STRETCH, 1 / STRETCH)  # what the part's time is multiplied by
    last = steps - 1 + part * (pace - 1)
    time = torch.linspace(0, 1, steps, device=x.device) * last
    inside = start + (time - start) / pace
    behind = time - part * (pace - 1)
    source = torch.where(time < start, time, torch.where(time < start + part * pace, inside, behind))
    source = source.clamp(0, steps - 1)
    before = source.floor().long().clamp(max=steps - 2)
    weight = (source - before)[:, :, None]
    place = before[:, :, None].expand_as(x)
    return x.gather(1, place) * (1 - weight) + x.gather(1, place + 1) * weight


def _by_channel(values: tuple[float, ...], x: Tensor) -> Tensor:
    return torch.tensor(values, dtype=x.dtype, device=x.device).reshape(-1, 1, 1)
