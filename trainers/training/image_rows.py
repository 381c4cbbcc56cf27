"""Images in files as a model takes them: decoded and moved to the device when a batch needs them. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from goodfit.trainers.data.reading.images import Images


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
        return torch.from_numpy(self._images[chosen]).to(self._device)

    def take(self, rows: Tensor) -> ImageRows:
        """These rows alone, still in their files."""
        return ImageRows(self._images.take(rows.cpu().numpy()), self._device)


def parts_of(x: Tensor | ImageRows, rows: int) -> Iterator[Tensor]:
    """All rows in their order, so many at once."""
    for start in range(0, len(x), rows):
        yield x[start : start + rows]
