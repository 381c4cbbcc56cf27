"""Data that stay on a device from one trial of a worker to the next. Imports torch.

On a CPU there is little to keep: most tensors are the arrays that the worker has. What a trial changes in place of what
is kept here is found by a checksum that the device computes, and copied anew for the next; see `forget_changed`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

ROW = 4096  # numbers of a tensor whose sums are told apart by their place

Key = tuple[Any, ...]
T = TypeVar("T", bound=tuple[Tensor | None, ...])


class _Kept(NamedTuple):
    tensors: Any
    checksums: tuple[int, ...]


_kept: dict[Key, _Kept] = {}


def resident(
    what: str, arrays: Sequence[Any], device: torch.device, make: Callable[[], T], *, copies: bool = False
) -> T:
    """Tensors on a device that are made of arrays: made once, and kept there as long as the arrays are.

    Args:
        what: is made of them; tells apart what is made of the same arrays.
        arrays: that they are made of.
        device: where they are.
        make: makes them.
        copies: whether it makes copies on a CPU, too: then they are kept there as well.
    """
    if not (copies or _stays(device)):
        return make()
    key: Key = (what, str(device), *(id(one) for one in arrays))
    if (found := _kept.get(key)) is not None:
        kept: T = found.tensors
        return kept
    tensors = make()
    _kept[key] = _Kept(tensors, _checksums(tensors))
    for one in arrays:
        weakref.finalize(one, _kept.pop, key, None)
    return tensors


def forget_changed() -> None:
    """Between two trials: keep nothing any longer that the trial before has changed in place."""
    for key, kept in list(_kept.items()):
        if _checksums(kept.tensors) != kept.checksums:
            _kept.pop(key, None)


def _stays(device: torch.device) -> bool:
    return device.type != "cpu"


def _checksums(tensors: Iterable[Tensor | None]) -> tuple[int, ...]:
    return tuple(_checksum(one) for one in tensors if one is not None and one.numel())


def _checksum(tensor: Tensor) -> int:
    """A number that changes with any value and with its place; one pass on the device."""
    bits = tensor.detach().contiguous().reshape(-1).view(torch.int32)
    whole = len(bits) // ROW * ROW
    grid, rest = bits[:whole].view(-1, ROW), bits[whole:]
    return sum(int(_by_place(one)) for one in (grid.sum(0), grid.sum(1), rest))


def _by_place(sums: Tensor) -> Tensor:
    return (sums.long() * torch.arange(1, len(sums) + 1, device=sums.device)).sum()
