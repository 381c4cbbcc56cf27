"""Images in files as a model takes them: read ahead of their use, and moved to the device. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from goodfit.trainers.ahead import ahead
from goodfit.trainers.data.reading.images import Images

AHEAD = 256 * 2**20  # bytes of batches that are ready or in the making; two batches there always are


class ImageRows:
    """Stands where a tensor of all images would, and never is one.

    Args:
        images: prepared when they are read.
        device: where batches go.
    """

    def __init__(self, images: Images, device: torch.device) -> None:
        self._images = images
        self._device = device

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        chosen = rows if isinstance(rows, slice) else rows.cpu().numpy()
        if self._device.type == "cpu":
            return torch.from_numpy(self._images[chosen])
        return self._there(self._images.pixels(chosen))

    def take(self, rows: Tensor) -> ImageRows:
        """These rows alone, still in their files."""
        return ImageRows(self._images.take(rows.cpu().numpy()), self._device)

    def ahead(self, parts: Sequence[Tensor | slice]) -> Iterator[Tensor]:
        """Some of the rows after the other; the next ones are read in as many threads as a model may use."""
        if not parts:
            return iter(())
        first = parts[0]
        rows = len(first) if isinstance(first, Tensor) else len(range(*first.indices(len(self))))
        each = 4 * rows * int(np.prod(self._images.shape[1:]))
        threads = torch.get_num_threads()
        return ahead(self.__getitem__, parts, threads, min(threads + 1, AHEAD // max(1, each)))

    def _there(self, pixels: np.ndarray) -> Tensor:
        """Pixels on the device, prepared there: bytes are copied and not numbers, from memory that needs no waiting."""
        raw = torch.from_numpy(pixels if pixels.dtype == np.uint8 else pixels.astype(np.int32))
        if self._device.type == "cuda":
            raw = raw.pin_memory()
        x = raw.to(self._device, non_blocking=True).float()
        return x.sub_(self._by_channel(self._images.shift)).div_(self._by_channel(self._images.divide))

    def _by_channel(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device).reshape(-1, 1, 1)


def parts_of(x: Tensor | ImageRows, rows: int) -> Iterator[Tensor]:
    """All rows in their order, so many at once."""
    parts = [slice(start, start + rows) for start in range(0, len(x), rows)]
    yield from (x.ahead(parts) if isinstance(x, ImageRows) else (x[part] for part in parts))
