"""Transformer encoders of several trials, on images and on series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn

from goodfit.trainers.nets.attention import Encoder, ImageRows, Numbers
from goodfit.trainers.training.packing.attention import Stacked, is_as_built, placed, towers
from goodfit.trainers.training.packing.composed import Back, Chain, Layer, Tower, unknown
from goodfit.trainers.training.packing.stack import Stack

OWN = {Encoder, Numbers, ImageRows}
ENDS = [nn.Linear, nn.LayerNorm, nn.Linear]  # of the embedding, the last norm, the head
MEASURED_AT_ONCE = 2**10  # positions of a member, when measuring: they stay in cache
ROWS = 64  # of which whole numbers come to be measured: parts of 1 to 3 rows, which round otherwise, come in no pack


def is_known(model: nn.Module) -> TypeGuard[Encoder]:
    """Whether it is as `transformer` builds it, for rows of one length: those of texts have not."""
    return (
        type(model) is Encoder
        and is_as_built(model, OWN, causal=False)
        and type(model.embedding) in (Numbers, ImageRows)
        and [type(part) for part in (model.embedding.linear, model.norm, model.head)] == ENDS
        and model.head.bias is not None
    )


def family(model: Encoder) -> tuple[object, ...]:
    """Encoders of one family can be stacked."""
    return Encoder, type(model.embedding), model.length, model.first is None, model.place is None


def encoder(stacked: Stacked) -> Callable[[Sequence[Encoder], Stack, int], Layer]:
    """The encoders of several members, given what stacks their layers."""

    def make(members: Sequence[Encoder], stack: Stack, first: int) -> Layer:
        alike = members[0]
        embedding = stacked([member.embedding.linear for member in members], stack, first)  # type: ignore[misc]
        places = [member.place for member in members if member.place is not None]
        firsts = [member.first for member in members if member.first is not None]
        at = placed(alike.length, places, firsts, stack, first)
        stack.positions = alike.length + (alike.first is not None)
        begin = Chain([_Sequences(), embedding, at, stacked([member.dropout for member in members], stack, first)])
        body = towers(members, stack, first, stacked)
        pools = (_Mean if alike.first is None else _First)(stack.positions)
        seen, stack.positions = stack.positions, 1
        vectors = Chain(
            stacked(place, stack, first)
            for place in ([member.norm for member in members], [member.head for member in members])
        )
        return _Encoders([begin, Tower(len(members), body, pools, vectors)], stack, seen)

    return make


class _Encoders(Chain):
    """Measures a few rows at a time.

    Args:
        places: that the blocks see of each row.
    """

    def __init__(self, parts: Iterable[Layer], stack: Stack, places: int) -> None:
        super().__init__(parts)
        self._stack, self._places = stack, places

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        if self._stack.training:
            return super().trace(x)
        axis = 1 if x.ndim == 5 else 0
        rows = 1 << min(max(1, MEASURED_AT_ONCE // self._places).bit_length() - 1, ROWS.bit_length() - 1)
        parts = [super(_Encoders, self).trace(part) for part in torch.split(x, rows, 1 - axis)]
        return torch.cat([out for out, _ in parts], 1), parts[0][1]


class _Sequences(Layer):
    """Series, (members, rows, steps, channels), or images, whose rows of pixels are steps, one after the other."""

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        series = x.permute(1, 0, 3, 2, 4).flatten(3) if x.ndim == 5 else x
        return series.flatten(1, 2), unknown  # they are the data


class _Mean(Layer):
    """Of all positions."""

    def __init__(self, positions: int) -> None:
        self._positions = positions

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        of_rows = len(x), -1, self._positions, x.shape[2]

        def through(gradient: Tensor) -> Tensor:
            return (gradient / self._positions).unsqueeze(2).expand(-1, -1, self._positions, -1).flatten(1, 2)

        return x.view(of_rows).sum(2) / self._positions, through


class _First(Layer):
    """The first position."""

    def __init__(self, positions: int) -> None:
        self._positions = positions

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        rows = x.view(len(x), -1, self._positions, x.shape[2])

        def through(gradient: Tensor) -> Tensor:
            found = gradient.new_zeros(rows.shape)
            found[:, :, 0] = gradient
            return found.flatten(1, 2)

        return rows[:, :, 0], through
