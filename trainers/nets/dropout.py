"""Dropout whose masks are a trial's own: they come from its seed, the epoch and the layer, and from nothing else.

So a trial drops the same numbers alone and in a pack with others; torch's own dropout draws from the process's
generator. A mask compares 16 random bits a number with the rate: on a CPU that takes 1.2 ns a number, torch's draw 9.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.seeding import layer_seed

NUMBERS_AT_ONCE = {"cpu": 2**16}  # masks of several steps are drawn at once while they have no more: they stay in cache
ON_GPU = 2**18  # likewise: 512 KiB of random bits of a layer
IN_ORDER = ("cpu",)  # devices on which a step's numbers do not depend on how many steps are drawn at once
PARTS = 2**16  # into which the rate is rounded


class Dropout(nn.Dropout):
    """torch's `nn.Dropout`, whose masks are the trial's own where the shared base trains it.

    They come from the trial's seed, the epoch and the layer: the same alone and together with other trials.
    """

    masks: Masks | None = None

    def mask_shape(self, shape: torch.Size) -> tuple[int, ...]:
        """Of the mask of one row."""
        return tuple(shape[1:])

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        if self.masks is None:
            return self.drawn_by_torch(x)
        return x * self.masks.next(len(x), self.mask_shape(x.shape), x.dtype)

    def drawn_by_torch(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.p)


class ChannelDropout(Dropout):
    """Likewise of whole channels of images (rows, channels, height, width)."""

    def mask_shape(self, shape: torch.Size) -> tuple[int, ...]:
        return (shape[1], 1, 1)

    def drawn_by_torch(self, x: Tensor) -> Tensor:
        return functional.dropout2d(x, self.p)


class Masks:
    """The masks of one layer in one epoch, step after step.

    Args:
        p: the rate.
        seed: of the layer in this epoch.
        rows: of the largest batch; a smaller one takes the first rows of a mask.
        steps: of the epoch.
        device: of the masks. On a CPU a step's numbers do not depend on how many steps are drawn at once; on a GPU they
            do, so that it draws ahead as many as follow from this layer's numbers and steps, whoever takes how many.

    Attributes:
        kept: of PARTS, the share of the numbers that are kept.
        left: steps that have not been drawn.
    """

    def __init__(self, p: float, seed: int, rows: int, steps: int, device: torch.device) -> None:
        self.kept = min(max(round((1 - p) * PARTS), 1), PARTS - 1)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.device, self.rows = device, rows
        self.left = steps
        self._drawn = torch.empty(0)
        self._at = 0
        self._ahead = torch.empty(0)  # random bits of the next steps, where they are drawn ahead
        self._undrawn = steps  # likewise: of the epoch

    def next(self, rows: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """The mask of the next step: 0, or what the kept numbers are multiplied with; (rows, *shape)."""
        if self._at == len(self._drawn) or self._drawn.shape[2:] != shape:  # texts are as long as the batch's longest
            self.left += len(self._drawn) - self._at
            numbers = self.rows * torch.Size(shape).numel()
            steps = min(self._at_once(numbers), max(1, self.left))
            self._drawn = Masks.draw([self], steps, shape)[0].to(dtype).mul_(self.scale)
            self._at = 0
        self._at += 1
        return self._drawn[self._at - 1, :rows]

    @property
    def scale(self) -> float:
        """What the kept numbers are multiplied with."""
        return PARTS / self.kept

    @staticmethod
    def draw(masks: Sequence[Masks], steps: int, shape: tuple[int, ...]) -> Tensor:
        """Which numbers the next steps of layers with as many rows keep: (layers, steps, rows, *shape)."""
        device, rows = masks[0].device, masks[0].rows
        numbers = rows * torch.Size(shape).numel()
        if device.type in IN_ORDER:
            bits = torch.empty(len(masks), steps, -(-numbers // 4), dtype=torch.int64, device=device)
            for mask, own in zip(masks, bits, strict=True):
                mask.fill(own)
        else:
            bits = torch.stack([mask.bits_ahead(steps, -(-numbers // 4)) for mask in masks])
        for mask in masks:
            mask.left -= steps
        kept = numbers_on(device, torch.int16, *(mask.kept - PARTS // 2 for mask in masks))
        parts = bits.view(torch.int16)[:, :, :numbers]
        return (parts < kept.view(-1, 1, 1)).view(len(masks), steps, rows, *shape)

    def _at_once(self, numbers: int) -> int:
        """Steps, each of so many numbers, that are drawn at once."""
        return max(1, NUMBERS_AT_ONCE.get(self.device.type, ON_GPU) // max(1, numbers))

    def fill(self, bits: Tensor) -> None:
        """Draw random bits."""
        bits.random_(-(2**63), None, generator=self.generator)

    def bits_ahead(self, steps: int, words: int) -> Tensor:
        """Random bits of the next steps, (steps, words): drawn so many at once whoever takes how many."""
        if self._ahead.shape[1:] != (words,):
            self._ahead = torch.empty(0, words, dtype=torch.int64, device=self.device)
        parts: list[Tensor] = []
        while steps:
            if not len(self._ahead):
                at_once = min(self._at_once(4 * words), max(1, self._undrawn))
                self._undrawn -= at_once
                self._ahead = torch.empty(at_once, words, dtype=torch.int64, device=self.device)
                self.fill(self._ahead)
            part, self._ahead = self._ahead[:steps], self._ahead[steps:]
            parts.append(part)
            steps -= len(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts)


@functools.lru_cache(maxsize=256)
def numbers_on(device: torch.device, dtype: torch.dtype, *numbers: float) -> Tensor:
    """These numbers; kept, as a GPU that is given new ones is waited for."""
    with torch.inference_mode(False):  # so that any mode can take them
        return torch.tensor(numbers, dtype=dtype, device=device)


@contextlib.contextmanager
def own_masks(model: nn.Module, seed: int, epoch: int, rows: int, steps: int) -> Iterator[None]:
    """Have a model's dropout draw the masks of one epoch of one trial.

    Args:
        model: whose layers, in their order, have masks each of their own.
        seed: of the trial.
        epoch: from 1.
        rows: of the largest batch.
        steps: of the epoch.
    """
    layers = dropouts(model)
    device = next(model.parameters()).device
    for number, layer in enumerate(layers):
        layer.masks = Masks(layer.p, layer_seed(seed, epoch, number), rows, steps, device)
    try:
        yield
    finally:
        for layer in layers:
            layer.masks = None


def dropouts(model: nn.Module) -> list[Dropout]:
    """The layers of a model that drop, in their order."""
    return [layer for layer in model.modules() if isinstance(layer, Dropout)]
