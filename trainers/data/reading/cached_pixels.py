"""The pixels of a folder of images in the node's cache: decoded once a node, mapped into memory by all its workers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from goodfit.trainers.ahead import ahead, usable_cpus
from goodfit.trainers.data.reading import node
from goodfit.trainers.data.reading.pixels import Reading
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.node_cache import META, CacheProblem, Entry, NodeCache, Reserve, sealed

PIXELS, SUMS = "pixels", "sums"
SUM = np.dtype(np.uint32)  # of each image's pixels, CRC 32
BLOCK = 4 * 2**20  # bytes of pixels that a thread decodes in one go
VERSION = 1  # of the files, and of how images are read

Decode = Callable[[int], np.ndarray]
Shape = tuple[int, int, int]


class CachedPixels:
    """The pixels of all images of a folder, in the node's cache.

    Args:
        cache: of the node.
        key: of the entry.
        entry: the entry.
        dtype: of the pixels.
        shape: of one image.
        count: how many images there are.

    Raises:
        ValueError: the entry is damaged.
    """

    def __init__(self, cache: NodeCache, key: str, entry: Entry, dtype: np.dtype, shape: Shape, count: int) -> None:
        self.key = key
        self._cache = cache
        self._pixels = entry.mapped(PIXELS, dtype, (count, *shape))
        self._sums = entry.mapped(SUMS, SUM, (count,))
        if entry.meta() != zlib.crc32(self._sums.data):
            raise ValueError(f"{entry.folder} is damaged")
        self._checked = np.zeros(count, dtype=bool)
        self._is_damaged = False

    def read(self, rows: np.ndarray, decode: Decode) -> np.ndarray:
        """The pixels of some images. Each is checked when it is read first; one that is damaged is decoded."""
        found: np.ndarray = self._pixels.take(rows, axis=0)
        for place in np.flatnonzero(~self._checked[rows]):
            row = rows[place]
            if zlib.crc32(found[place]) == self._sums[row]:
                self._checked[row] = True
            else:
                found[place] = decode(row)
                self._drop()
        return found

    def _drop(self) -> None:
        """Have the entry made anew by who needs it next; once, for another may stand there then."""
        if not self._is_damaged:
            self._is_damaged = True
            self._cache.drop(self.key)
            node.note(f"{self._cache.folder / self.key} was damaged; it is made anew when it is needed next")


def cached_pixels(
    cache: NodeCache, files: Sequence[Path], reading: Reading, shape: Shape, decode: Decode
) -> CachedPixels | None:
    """The pixels of all files, which are decoded now where no process has done so; None where they cannot be kept.

    Raises:
        DataProblem: a file is broken.
    """
    try:
        before = node.state_of(files)
        content = node.content_of(cache, files)
        key = node.name_of("pixels", str(VERSION), _decoder(), repr(reading), repr(shape), content)
        found = _opened(cache, key, files, np.dtype(reading.dtype), shape, decode)
        if node.state_of(files) != before:
            cache.drop(key)
            raise DataProblem(f"images in {files[0].parent.parent} changed while they were read; start again")
    except CacheProblem as problem:
        node.not_kept(f"the images of {files[0].parent.parent} are", problem, "they are decoded anew in each epoch")
        return None
    except OSError as error:
        raise DataProblem(f"{error.filename} cannot be read: {error.strerror or error}") from error
    return found


def _opened(
    cache: NodeCache, key: str, files: Sequence[Path], dtype: np.dtype, shape: Shape, decode: Decode
) -> CachedPixels:
    """The entry of a key, made where it is not there or damaged."""
    each = int(np.prod(shape)) * dtype.itemsize
    make = partial(_make, files, decode, each)
    for _ in range(2):
        entry = cache.entry(key, make)
        try:
            return CachedPixels(cache, key, entry, dtype, shape, len(files))
        except (OSError, ValueError):
            cache.drop(key)
    raise CacheProblem(f"{cache.folder / key} is damaged as soon as it is written")


def _make(files: Sequence[Path], decode: Decode, each: int, folder: Path, reserve: Reserve) -> None:
    """Decode all files, to so many bytes each; everybody who needs them waits, so all CPUs do."""
    reserve(len(files) * (each + SUM.itemsize))
    step = max(1, BLOCK // max(1, each))
    sums = np.empty(len(files), SUM)

    def block(start: int) -> list[np.ndarray]:
        pixels = [np.ascontiguousarray(decode(row)) for row in range(start, min(len(files), start + step))]
        sums[start : start + len(pixels)] = [zlib.crc32(one.data) for one in pixels]
        return pixels

    threads = usable_cpus()
    with (folder / PIXELS).open("wb") as file:
        for pixels in ahead(block, range(0, len(files), step), threads, 2 * threads):
            file.writelines(one.data.cast("B") for one in pixels)
    (folder / SUMS).write_bytes(sums.tobytes())
    (folder / META).write_text(sealed(zlib.crc32(sums.data)), encoding="utf-8")


def _decoder() -> str:
    """What decodes images here: other versions may give other pixels."""
    from PIL import __version__, features

    return f"{__version__} {features.version('jpg')} {features.version('webp')}"
