"""The numbers that go through the layers of a pack: (members, rows, width), or images.

Images are (rows, members, channels, height, width). On a CPU the channels of a pixel lie side by side in memory: torch
pools 10 to 30 times as fast then, and normalizes 2.6 times. Gradients have to lie as what they are of, or the functions
of torch that take both are slow: cutting, joining and padding are done in the order of the memory for that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

AT_ONCE = 32  # numbers that torch's loops take at once: two vectors


def dimension(x: Tensor) -> int:
    """The axis of the members."""
    return 1 if x.ndim == 5 else 0


def fitted(x: Tensor, width: int) -> Tensor:
    """With so many numbers or channels: what is cut off or added is padding."""
    if x.shape[2] == width:
        return x
    if _is_laid_out(x):
        return _widened(_as_in_memory(x), 4, width).permute(0, 3, 4, 1, 2)
    return _widened(x, 2, width)


def _widened(x: Tensor, axis: int, width: int) -> Tensor:
    if x.shape[axis] > width:
        return x.narrow(axis, 0, width)
    return functional.pad(x, (0, 0) * (x.ndim - 1 - axis) + (0, width - x.shape[axis]))


def apart(x: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """So many members each; of images as copies, laid in memory as such."""
    if not _is_laid_out(x):
        return list(x.split_with_sizes(list(sizes), dimension(x)))
    parts = torch.split(_as_in_memory(x), list(sizes), 3)
    return [channels_last(part.permute(0, 3, 4, 1, 2)) for part in parts]


def compact(part: Tensor) -> Tensor:
    """Some of the members; of images a copy where their channels of a pixel are no whole number of AT_ONCE.

    Those that are left over torch takes one by one, for each pixel: gelu of 16 out of 128 takes nine times as long.
    """
    numbers = part.shape[1] * part.shape[2]
    return channels_last(part) if _is_laid_out(part) and numbers % AT_ONCE and part.stride(4) > numbers else part


def joined(parts: Sequence[Tensor]) -> Tensor:
    """The members of all parts side by side, padded to the widest."""
    if len(parts) == 1:
        return parts[0]
    widest = max(part.shape[2] for part in parts)
    wide = [fitted(part, widest) for part in parts]
    if not _is_laid_out(wide[0]):
        return torch.cat(wide, dimension(wide[0]))
    return torch.cat([_as_in_memory(laid(part)) for part in wide], 3).permute(0, 3, 4, 1, 2)


def _is_laid_out(x: Tensor) -> bool:
    """Whether these are images on a CPU."""
    return x.ndim == 5 and x.device.type == "cpu"


def _as_in_memory(x: Tensor) -> Tensor:
    """Images as (rows, height, width, members, channels)."""
    return x.permute(0, 3, 4, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    """Images, laid in memory so; on a GPU as they come."""
    if not _is_laid_out(x):
        return x
    return _as_in_memory(x).contiguous().permute(0, 3, 4, 1, 2)


def as_channels(x: Tensor) -> Tensor:
    """Images of all members as one of many channels: (rows, members * channels, height, width)."""
    return channels_last(x).flatten(1, 2)


def as_images(x: Tensor, members: int) -> Tensor:
    """The other way round."""
    return x.view(len(x), members, -1, *x.shape[2:])


class _Laid(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: FunctionCtx, x: Tensor) -> Tensor:
        return x

    @staticmethod
    def backward(_ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        return channels_last(gradient)


def laid(x: Tensor) -> Tensor:
    """Images whose gradient is laid in memory, too: that of a mean, or of a part of other images, is not by itself."""
    if not (x.requires_grad and _is_laid_out(x)):
        return x
    out: Tensor = _Laid.apply(x)  # type: ignore[no-untyped-call]
    return out
