"""The generator and the discriminator, for images of any size down to a few pixels. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from goodfit.trainers.nets.layers import normalization

SMALLEST = 4  # pixels a side that generation starts from, and discrimination ends with, at most


class Generator(nn.Module):
    """Noise, and a class where there are classes, to an image in (-1, 1).

    A small image is made from the noise at once; each block doubles it and halves its channels.
    Doubling by copies and a convolution leaves no checkerboard (Odena and others, 2016).

    Args:
        shape: of an image: channels, height, width.
        latent: numbers of noise.
        width: channels at full size.
        norm: batch, group, layer or none.
        classes: 0 where it is not told any.
    """

    def __init__(self, shape: tuple[int, ...], latent: int, width: int, norm: str, classes: int) -> None:
        super().__init__()
        channels, self._height, self._width = shape
        doublings = halvings(shape)
        start = width * 2**doublings
        self._start = (start, *(-(-side // 2**doublings) for side in shape[1:]))
        self.embedding = nn.Embedding(classes, latent) if classes else None
        self.first = nn.Linear(latent * 2 if classes else latent, start * self._start[1] * self._start[2])
        blocks: list[nn.Module] = [normalization(norm, start, dimensions=2), nn.ReLU()]
        for _ in range(doublings):
            blocks += [nn.Upsample(scale_factor=2), _convolution(start, start // 2, norm)]
            blocks += [normalization(norm, start // 2, dimensions=2), nn.ReLU()]
            start //= 2
        blocks += [_convolution(start, start, norm), normalization(norm, start, dimensions=2), nn.ReLU()]
        self.blocks = nn.Sequential(*blocks, nn.Conv2d(start, channels, 3, padding=1), nn.Tanh())

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        if self.embedding is not None:
            noise = torch.cat([noise, self.embedding(labels)], dim=1)
        images: Tensor = self.blocks(self.first(noise).unflatten(1, self._start))
        return images[:, :, : self._height, : self._width]


class Discriminator(nn.Module):
    """An image, and its class where there are classes, to a score: high for real ones.

    The class comes in by a projection (Miyato and Koyama, 2018). No normalization over the batch: it
    would let images help each other, and break the gradient penalty, which is of each image alone.

    Args:
        shape: of an image: channels, height, width.
        width: channels at full size.
        dropout: of the features that are scored.
        spectral: bound each layer's gain to 1 (Miyato and others, 2018).
        classes: 0 where it is not told any.
    """

    def __init__(self, shape: tuple[int, ...], width: int, dropout: float, *, spectral: bool, classes: int) -> None:
        super().__init__()
        bounded = spectral_norm if spectral else nn.Identity()
        channels, *sides = shape
        layers: list[nn.Module] = [bounded(nn.Conv2d(channels, width, 3, padding=1)), nn.LeakyReLU(0.2)]
        for _ in range(halvings(shape)):
            layers += [bounded(nn.Conv2d(width, width * 2, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
            width, sides = width * 2, [side // 2 for side in sides]
        layers += [bounded(nn.Conv2d(width, width, 3, padding=1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout))
        features = width * sides[0] * sides[1]
        self.score = bounded(nn.Linear(features, 1))
        self.embedding = bounded(nn.Embedding(classes, features)) if classes else None

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = self.layers(images)
        score: Tensor = self.score(features).squeeze(1)
        return score if self.embedding is None else score + (self.embedding(labels) * features).sum(dim=1)


def halvings(shape: tuple[int, ...]) -> int:
    """How often an image's smaller side is halved until it has SMALLEST pixels or fewer."""
    side, count = min(shape[1:]), 0
    while side > SMALLEST:
        side, count = -(-side // 2), count + 1
    return count


def _convolution(channels_in: int, channels_out: int, norm: str) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=norm == "none")
