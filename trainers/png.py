"""Images into one PNG file: a grid of 8-bit grey or RGB tiles. Reading PNG is not done here."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from trainers.files import replacing

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
        file.write(encode(grid(images, columns)))


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


def encode(picture: np.ndarray) -> bytes:
    """A picture of bytes, (height, width, 1 or 3), as PNG (https://www.w3.org/TR/png-3/)."""
    height, width, channels = picture.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    lines = np.zeros((height, 1 + width * channels), dtype=np.uint8)  # each line starts with its filter: 0, none
    lines[:, 1:] = picture.reshape(height, -1)
    body = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
