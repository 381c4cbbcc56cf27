"""Images that stay in their files until a batch needs them.

`ImageFiles` decodes files. The pixels of a small folder stay in memory, those of a larger one in the node's cache
(cached_pixels.py), where there is one. `Images` are rows of it, prepared: what `Split.x` is for a folder of images.
How one file is decoded is in pixels.py, which files there are in image_folder.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.trainers.data.reading import node
from goodfit.trainers.data.reading.cached_pixels import CachedPixels, cached_pixels
from goodfit.trainers.data.reading.pixels import Reading, read_pixels
from goodfit.trainers.errors import DataProblem

MOST_KEPT = 256 * 2**20  # bytes of decoded pixels; without a cache what has more is decoded each time it is needed
SMALL = 32 * 2**20  # bytes, of the files and of their pixels: what has less is decoded anew by each worker
CHUNK = 64 * 2**20  # bytes of decoded pixels at once, when all of them are passed through
NUMBERS_AT_ONCE = 2**16  # that are prepared in one go: they stay in the processor's cache


class ImageFiles:
    """Image files that are read alike; by several threads at once, too.

    Args:
        files: in the order of the rows.
        reading: how they become arrays.
        shape: of one image: channels, height, width.
        stored: bytes of the files, where their pixels may be kept in the node's cache; 0: they are not.
    """

    def __init__(self, files: Sequence[Path], reading: Reading, shape: tuple[int, int, int], stored: int = 0) -> None:
        self.files = tuple(files)
        self.reading = reading
        self.shape = shape
        self.bytes_each = int(np.prod(shape)) * np.dtype(reading.dtype).itemsize
        self._bytes = self.bytes_each * len(self.files)
        self._is_large = stored > 0 and max(stored, self._bytes) >= SMALL
        self._looking = threading.Lock()
        self._looked = False
        self._cached: CachedPixels | None = None
        self._kept: np.ndarray | None = None
        self._is_kept = np.zeros(len(self.files), dtype=bool)

    def __len__(self) -> int:
        return len(self.files)

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """Decoded images, (rows, channels, height, width), uint8 or uint16; DataProblem names a broken file."""
        self._look()
        if self._cached is not None:
            return self._cached.read(rows, self.decoded)
        if self._kept is None:
            return self._decoded(rows)
        for row in np.unique(rows[~self._is_kept[rows]]):
            self._kept[row] = self.decoded(row)
            self._is_kept[row] = True
        found: np.ndarray = self._kept[rows]
        return found

    def chunks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """All of these rows' pixels, as many at once as bounded memory takes."""
        step = max(1, CHUNK // self.bytes_each)
        for start in range(0, len(rows), step):
            yield self.pixels(rows[start : start + step])

    def decoded(self, row: int) -> np.ndarray:
        """An image as its file has it."""
        pixels = read_pixels(self.files[row], self.reading)
        if pixels.shape != self.shape:
            raise DataProblem(
                f"{self.files[row]} has changed since it was first looked at: (channels, height, width) is "
                f"{pixels.shape} and was {self.shape}; start again"
            )
        return pixels

    @property
    def key(self) -> str | None:
        """What the pixels are kept by in the node's cache; None where they are not."""
        self._look()
        return None if self._cached is None else self._cached.key

    def _look(self) -> None:
        """Find out where pixels are kept, at the first reading: until then nothing is decoded."""
        with self._looking:
            if self._looked:
                return
            if self._is_large and (cache := node.cache()) is not None:
                self._cached = cached_pixels(cache, self.files, self.reading, self.shape, self.decoded)
            if self._cached is None and self._bytes <= MOST_KEPT:
                self._kept = np.empty((len(self.files), *self.shape), dtype=self.reading.dtype)
            self._looked = True

    def _decoded(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), *self.shape), dtype=self.reading.dtype)
        for place, row in enumerate(rows):
            found[place] = self.decoded(row)
        return found


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

    def pixels(self, rows: Any) -> np.ndarray:
        """These rows as they are in their files, (rows, channels, height, width), uint8 or uint16."""
        return self.files.pixels(np.atleast_1d(self.rows[rows]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("images are decoded anew, which makes a copy")
        everything = self._prepared(self.rows)
        return everything if dtype is None else everything.astype(dtype)

    def _prepared(self, rows: np.ndarray) -> np.ndarray:
        pixels = self.files.pixels(rows)
        prepared = np.empty(pixels.shape, dtype=np.float32)
        shift, divide = (np.asarray(each, dtype=np.float32).reshape(-1, 1, 1) for each in (self.shift, self.divide))
        step = max(1, NUMBERS_AT_ONCE // int(np.prod(self.files.shape)))
        for start in range(0, len(rows), step):
            part = prepared[start : start + step]
            part[...] = pixels[start : start + step]
            part -= shift
            part /= divide
        return prepared


def image_scaling(files: ImageFiles, rows: np.ndarray, scale: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What a channel's pixels are shifted and divided by, fitted on these rows, a few of them in memory at once.

    A pixel has few values, so counting each of them says all that scaling asks for, exactly.
    """
    channels = files.shape[0]
    if scale == "none":
        return (0.0,) * channels, (1.0,) * channels
    cache = node.cache()
    if cache is None or files.key is None:
        return _fitted(files, rows, scale)
    name = node.name_of("scale", files.key, scale, rows.tobytes())
    shift, divide = cache.remembered(name, lambda: _fitted(files, rows, scale))
    return tuple(shift), tuple(divide)


def _fitted(files: ImageFiles, rows: np.ndarray, scale: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    channels = files.shape[0]
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
