"""Folders of generated images by class: what distinguishes the classes is where the light is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("left", "right")


def pixels(label: str, seed: int, side: int = 12, channels: int = 1) -> np.ndarray:
    """An image (side, side[, channels]), uint8, noisy, whose left or right half is the lighter one."""
    random = np.random.default_rng([seed, CLASSES.index(label)])
    image = random.integers(0, 120, (side, side, channels))
    half = slice(0, side // 2) if label == "left" else slice(side // 2, side)
    image[:, half] += 90
    return image.astype(np.uint8)[..., 0] if channels == 1 else image.astype(np.uint8)


def folder_of(root: Path, count: int = 20, side: int = 12, channels: int = 1, suffix: str = ".png") -> Path:
    """A folder with `count` images of each class."""
    for label in CLASSES:
        (root / label).mkdir(parents=True)
        for number in range(count):
            image = Image.fromarray(pixels(label, number, side, channels))
            image.save(root / label / f"{number:03d}{suffix}")
    return root


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    """The path of an image that is now in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def paths_of(x: Any) -> list[Path]:
    """The files of a split's images, in the order of its rows."""
    return [x.files.files[row] for row in x.rows]
