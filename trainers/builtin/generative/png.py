"""Images into one PNG file: a grid of 8-bit grey or RGB tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from goodfit.trainers.files import replacing

TILE = 32  # pixels a side that a tile has at least: smaller images are enlarged by a whole factor
GAP = 2  # pixels between tiles
BACKGROUND = 96  # a grey that stands apart from both black and white images


def write_grid(path: Path, images: np.ndarray, columns: int) -> None:
    """Write images in rows of `columns`; the file is there whole or not at all.

    Args:
        path: of the file; its folder is there.
        images: (rows, channels, height, width) in [-1, 1]; what is outside is cut off. Three
            channels are RGB; of any other number the first is shown in grey.
        columns: tiles side by side.
    """
    with replacing(path) as file:
        picture = grid(images, columns)
        Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(file, "png")


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Images as one picture of bytes, (height, width, 1 or 3)."""
    shown = images if images.shape[1] == 3 else images[:, :1]
    pixels = np.rint((np.clip(shown, -1, 1) + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    factor = max(1, -(-TILE // max(pixels.shape[1:3])))
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    size = (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels)
    picture = np.full(size, BACKGROUND, dtype=np.uint8)
    for index, tile in enumerate(pixels):
        top = GAP + (index // columns) * (height + GAP)
        left = GAP + (index % columns) * (width + GAP)
        picture[top : top + height, left : left + width] = tile
    return picture
