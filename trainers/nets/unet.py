"""A small U-Net that is told the time, and the class where there are classes. Imports torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.nets.layers import normalization

FREQUENCIES = 32  # of the sines that tell the time
SMALLEST = 4  # pixels a side below which an image is not halved again


class UNet(nn.Module):
    """Images (rows, channels, height, width) and times to what is to be predicted, of the images' shape.

    Going down, each level halves the image and doubles its channels, twice at most (what is wider
    costs more than it gives on small images); going up, each level is joined with what was there on the way down.

    Args:
        shape: of an image: channels, height, width.
        width: channels at full size.
        depth: levels, fewer where the image is too small.
        dropout: within each block.
        classes: 0 where it is not told any.
    """

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, dropout: float, classes: int) -> None:
        super().__init__()
        widths = [width * 2 ** min(level, 2) for level in range(_levels(shape, depth))]
        condition = width * 4
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.label = nn.Embedding(classes, condition) if classes else None
        self.first = nn.Conv2d(shape[0], width, 3, padding=1)
        before = [width, *widths[:-1]]
        self.down = nn.ModuleList(Block(a, b, condition, dropout) for a, b in zip(before, widths, strict=True))
        self.middle = Block(widths[-1], widths[-1], condition, dropout)
        self.up = nn.ModuleList(
            Block(2 * b, a, condition, dropout) for a, b in reversed(list(zip(before, widths, strict=True)))
        )
        self.last = nn.Sequential(normalization("group", width, dimensions=2), nn.SiLU(), _zero(width, shape[0]))

    def forward(self, x: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        condition = self.time(sines(time))
        if self.label is not None:
            condition = condition + self.label(labels)
        x = self.first(x)
        passed = []
        for level, block in enumerate(self.down):
            x = block(functional.avg_pool2d(x, 2) if level else x, condition)
            passed.append(x)
        x = self.middle(x, condition)
        for block in self.up:
            skipped = passed.pop()
            if x.shape[2:] != skipped.shape[2:]:  # an odd side was rounded down on the way
                x = functional.interpolate(x, size=skipped.shape[2:], mode="nearest")
            x = block(torch.cat([x, skipped], dim=1), condition)
        images: Tensor = self.last(x)
        return images


class Block(nn.Module):
    """Two convolutions with a way around them; the time scales and shifts the channels in between."""

    def __init__(self, channels_in: int, channels_out: int, condition: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(
            normalization("group", channels_in, dimensions=2),
            nn.SiLU(),
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
        )
        self.told = nn.Linear(condition, 2 * channels_out)  # saved models have it by this name
        self.norm = normalization("group", channels_out, dimensions=2)
        self.second = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), _zero(channels_out, channels_out))
        same = channels_in == channels_out
        self.around = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.told(functional.silu(condition))[:, :, None, None].chunk(2, dim=1)
        out: Tensor = self.around(x) + self.second(self.norm(self.first(x)) * (1 + scale) + shift)
        return out


def sines(time: Tensor) -> Tensor:
    """Times in [0, 1] as sines and cosines of frequencies from 1 to 1000: (rows, 2 FREQUENCIES)."""
    steps = torch.linspace(0, math.log(1000), FREQUENCIES, device=time.device)
    angles = time[:, None] * steps.exp()[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _levels(shape: tuple[int, ...], depth: int) -> int:
    side, levels = min(shape[1:]), 1
    while levels < depth and side >= SMALLEST:
        side, levels = side // 2, levels + 1
    return levels


def _zero(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A convolution that gives 0 at the start, so that each block begins as its way around (Ho and others, 2020)."""
    layer = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
    return layer
