"""Images that stay in their files until a batch needs them.

`ImageFiles` decodes files, and keeps the pixels of a small folder. `Images` are rows of it, prepared:
what `Split.x` is for a folder of images. How one file is decoded is in pixels.py, which files there
are in image_folder.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data.reading.pixels import Reading, read_pixels
from goodfit.trainers.errors import DataProblem

MOST_KEPT = 256 * 2**20  # bytes of decoded pixels; what has more is decoded each time it is needed
CHUNK = 64 * 2**20  # bytes of decoded pixels at once, when all of them are passed through


class ImageFiles:
    """Image files that are read alike.

    Args:
        files: in the order of the rows.
        reading: how they become arrays.
        shape: of one image: channels, height, width.
    """

    def __init__(self, files: Sequence[Path], reading: Reading, shape: tuple[int, int, int]) -> None:
        self.files = tuple(files)
        self.reading = reading
        self.shape = shape
        self.bytes_each = int(np.prod(shape)) * np.dtype(reading.dtype).itemsize
        self._kept: np.ndarray | None = None
        self._is_kept = np.zeros(len(self.files), dtype=bool)

    def __len__(self) -> int:
        return len(self.files)

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """Decoded images, (rows, channels, height, width), uint8 or uint16; DataProblem names a broken file."""
        if self.bytes_each * len(self.files) > MOST_KEPT:
            return self._decoded(rows)
        if self._kept is None:
            self._kept = np.empty((len(self.files), *self.shape), dtype=self.reading.dtype)
        absent = np.unique(rows[~self._is_kept[rows]])
        for row in absent:
            self._kept[row] = self._decode(row)
            self._is_kept[row] = True
        found: np.ndarray = self._kept[rows]
        return found

    def chunks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """All of these rows' pixels, as many at once as bounded memory takes."""
        step = max(1, CHUNK // self.bytes_each)
        for start in range(0, len(rows), step):
            yield self.pixels(rows[start : start + step])

    def _decoded(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), *self.shape), dtype=self.reading.dtype)
        for place, row in enumerate(rows):
            found[place] = self._decode(row)
        return found

    def _decode(self, row: int) -> np.ndarray:
        pixels = read_pixels(self.files[row], self.reading)
        if pixels.shape != self.shape:
            raise DataProblem(
                f"{self.files[row]} has changed since it was first looked at: (channels, height, width) is "
                f"{pixels.shape} and was {self.shape}; start again"
            )
        return pixels


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Rows of image files, prepared: read when they are asked for, by row numbers, a slice or a mask.

        images[3]             one image, (channels, height, width)
        images[[3, 5]]        float32 (2, channels, height, width)
        images.take([3, 5])   the same two, still in their files
        np.asarray(images)    all of them at once

    Attributes:
        files: where the pixels come from.
        rows: of the files.
        shift, divide: one number a channel; a prepared pixel is (pixel - shift) / divide.
    """

    files: ImageFiles
    rows: np.ndarray
    shift: tuple[float, ...]
    divide: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.rows), *self.files.shape)

    @property
    def ndim(self) -> int:
        return 4

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return np.dtype(np.float32)

    def __getitem__(self, rows: Any) -> np.ndarray:
        chosen = self.rows[rows]
        prepared = self._prepared(np.atleast_1d(chosen))
        return prepared if np.ndim(chosen) else np.asarray(prepared[0])

    def take(self, rows: Any) -> Images:
        """These rows alone; reads nothing."""
        return replace(self, rows=self.rows[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("images are decoded anew, which makes a copy")
        everything = self._prepared(self.rows)
        return everything if dtype is None else everything.astype(dtype)

    def _prepared(self, rows: np.ndarray) -> np.ndarray:
        prepared: np.ndarray = self.files.pixels(rows).astype(np.float32)
        prepared -= np.asarray(self.shift, dtype=np.float32).reshape(-1, 1, 1)
        prepared /= np.asarray(self.divide, dtype=np.float32).reshape(-1, 1, 1)
        return prepared


def image_scaling(files: ImageFiles, rows: np.ndarray, scale: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What a channel's pixels are shifted and divided by, fitted on these rows, a few of them in memory at once.

    A pixel has few values, so counting each of them says all that scaling asks for, exactly.
    """
    channels = files.shape[0]
    if scale == "none":
        return (0.0,) * channels, (1.0,) * channels
    values = np.arange(np.iinfo(files.reading.dtype).max + 1)
    counts = np.zeros((channels, len(values)), dtype=np.int64)
    for pixels in files.chunks(rows):
        for channel in range(channels):
            counts[channel] += np.bincount(pixels[:, channel].reshape(-1), minlength=len(values))
    fitted = [_scaling_of_counts(values, count, scale) for count in counts]
    return tuple(shift for shift, _ in fitted), tuple(divide for _, divide in fitted)


def _scaling_of_counts(values: np.ndarray, counts: np.ndarray, scale: str) -> tuple[float, float]:
    """The shift and the divisor of one channel; as `Preparation` has them of arrays."""
    total = int(counts.sum())
    mean = float(values @ counts) / total
    std = float(np.sqrt(((values - mean) ** 2 @ counts) / total))
    low, high = int(values[counts > 0][0]), int(values[counts > 0][-1])
    if scale == "standard":
        shift, divide = mean, std
    elif scale == "robust":
        first, shift, third = (_quantile(values, counts, share) for share in (0.25, 0.5, 0.75))
        divide = third - first or std
    else:
        shift, divide = float(low), float(high - low)
    return shift, divide if high > low else 1.0  # a channel that never changes in training is left at 0


def _quantile(values: np.ndarray, counts: np.ndarray, share: float) -> float:
    """As numpy has it: between two neighbours in the order of all pixels, by where the share falls."""
    ends = counts.cumsum()
    last = int(ends[-1]) - 1
    place = share * last
    neighbours = (min(int(place) + step, last) for step in (0, 1))
    below, above = (float(values[np.searchsorted(ends, neighbour, side="right")]) for neighbour in neighbours)
    return below + (above - below) * (place - int(place))
