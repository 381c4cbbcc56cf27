"""Transformer encoders of several trials: of unequal depth, width, heads and activation.

What goes through the blocks is (members, rows * positions, width), so that norms, linear layers, activations and
dropout are those of any other net. Attention is computed for itself for each number and width of heads: its products
are a row's and head's own in any pack, and padding them would cost more than it saves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.nets.attention import Attention, Block, Encoder, ImageRows, Numbers, Rotary
from goodfit.trainers.nets.dropout import Dropout
from goodfit.trainers.training.packing.activations import ACTIVATIONS
from goodfit.trainers.training.packing.composed import Around, Back, Chain, Layer, Same, SideBySide, Tower, unknown
from goodfit.trainers.training.packing.functional import HOOKS
from goodfit.trainers.training.packing.layout import fitted
from goodfit.trainers.training.packing.leaf import Leaf
from goodfit.trainers.training.packing.stack import Stack

Stacked = Callable[[Sequence[nn.Module], Stack, int], Layer]
NUMBERS_AT_ONCE = 2**17  # of the scores: they stay in cache
PARTS = {Encoder, Numbers, ImageRows, Rotary, Block, Attention, Dropout, nn.ModuleList, nn.Sequential, nn.Linear}
PARTS |= {nn.LayerNorm, *ACTIVATIONS}
ENDS = [nn.Linear, nn.LayerNorm, nn.Linear]  # of the embedding, the last norm, the head
FEED = [nn.LayerNorm, nn.Linear, nn.Linear, Dropout]  # with the activation in the middle
MEASURED_AT_ONCE = 2**10  # positions of a member, when measuring; likewise
ROWS = 64  # of which whole numbers come to be measured: parts of 1 to 3 rows, which round otherwise, come in no pack


def is_known(model: nn.Module) -> TypeGuard[Encoder]:
    """Whether it is as `transformer` builds it, for rows of one length: those of texts have not."""
    if type(model) is not Encoder or not all(parameter.requires_grad for parameter in model.parameters()):
        return False
    parts = list(model.modules())
    return (
        all(type(part) in PARTS and not any(vars(part)[hooks] for hooks in HOOKS) for part in parts)
        and all(part.bias is not None for part in parts if isinstance(part, (nn.LayerNorm, nn.Linear)))
        and not any(part.causal for part in parts if isinstance(part, Attention))
        and type(model.embedding) in (Numbers, ImageRows)
        and [type(part) for part in (model.embedding.linear, model.norm, model.head)] == ENDS
        and len(model.blocks) > 0
        and all(type(block) is Block and _is_as_built(block.feed) for block in model.blocks)
    )


def _is_as_built(feed: nn.Sequential) -> bool:
    kinds = [type(part) for part in feed]
    return len(kinds) > len(FEED) and kinds[:2] + kinds[3:] == FEED


def _blocks(model: Encoder) -> Sequence[Block]:
    return model.blocks  # type: ignore[return-value]


def family(model: Encoder) -> tuple[object, ...]:
    """Encoders of one family can be stacked."""
    return Encoder, type(model.embedding), model.length, model.first is None, model.place is None


def place(model: Encoder) -> tuple[object, ...]:
    """What the members of a pack are sorted by: as many heads and the same activation side by side."""
    block = _blocks(model)[0]
    return -depth(model), block.attention.heads, model.head.in_features, type(block.feed[2]).__name__


def depth(model: Encoder) -> int:
    """How many blocks it has."""
    return len(model.blocks)


def encoder(stacked: Stacked) -> Callable[[Sequence[Encoder], Stack, int], Layer]:
    """The encoders of several members, given what stacks their layers."""

    def make(members: Sequence[Encoder], stack: Stack, first: int) -> Layer:
        alike, depths = members[0], [depth(member) for member in members]
        embedding = stacked([member.embedding.linear for member in members], stack, first)  # type: ignore[misc]
        placed = _placed(members, stack, first)
        stack.positions = alike.length + (alike.first is not None)
        begin = Chain([_Sequences(), embedding, placed, stacked([member.dropout for member in members], stack, first)])
        body = []
        for at in range(max(depths)):
            going = [_blocks(member)[at] for member in members if depth(member) > at]
            body.append((len(going), _block(going, stack, first, stacked)))
        pools = (_Mean if alike.first is None else _First)(stack.positions)
        places, stack.positions = stack.positions, 1
        vectors = Chain(
            stacked(place, stack, first)
            for place in ([member.norm for member in members], [member.head for member in members])
        )
        return _Encoders([begin, Tower(len(members), body, pools, vectors)], stack, places)

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


def _placed(members: Sequence[Encoder], stack: Stack, first: int) -> Layer:
    places = [member.place for member in members if member.place is not None]
    firsts = [member.first for member in members if member.first is not None]
    if not places and not firsts:
        return Same()
    return _Placed(
        members[0].length,
        stack.leaf(first, places) if places else None,
        stack.leaf(first, firsts, unit=1) if firsts else None,
    )


class _Placed(Layer):
    """What is learned of each place is added, and a vector that is learned comes first.

    Args:
        length: positions that are given.
        place: (members, places, width).
        first: (members, 1, 1, width).
    """

    def __init__(self, length: int, place: Leaf | None, first: Leaf | None) -> None:
        self._length, self._place, self._first = length, place, first
        self._places = length + (first is not None)

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        members, _, width = x.shape
        out = x.view(members, -1, self._length, width)
        if self._first is not None:
            before = functional.pad(self._first.value, (0, width - self._first.shape[2]))
            out = torch.cat([before.expand(-1, out.shape[1], -1, -1), out], 2)
        if self._place is not None:
            out = out + self._place.value[:, : self._places].unsqueeze(1)

        def through(gradient: Tensor) -> Tensor:
            found = gradient.view(members, -1, self._places, width)
            if self._place is not None:
                padding = self._place.shape[0] - self._places
                self._place.gradient = functional.pad(found.sum(1), (0, 0, 0, padding))
            if self._first is not None:
                own = found[:, :, 0].contiguous().sum(1)[:, : self._first.shape[2]]
                self._first.gradient = own.reshape(self._first.value.shape)
                found = found[:, :, 1:]
            return found.flatten(1, 2)

        return out.flatten(1, 2), through


def _block(members: Sequence[Block], stack: Stack, first: int, stacked: Stacked) -> Layer:
    around = Chain(
        [
            stacked([member.norm for member in members], stack, first),
            _attention([member.attention for member in members], stack, first, stacked),
            stacked([member.dropout for member in members], stack, first),
        ]
    )
    return Chain([Around(around, Same()), Around(stacked([member.feed for member in members], stack, first), Same())])


def _attention(members: Sequence[Attention], stack: Stack, first: int, stacked: Stacked) -> Layer:
    widths = [member.outward.in_features for member in members]
    inward = stacked([member.inward for member in members], stack, first)
    runs: list[tuple[int, Layer]] = []
    for (heads, width), group in itertools.groupby(
        zip(members, widths, strict=True), lambda pair: (pair[0].heads, pair[1])
    ):
        alike = [member for member, _ in group]
        runs.append((len(alike), _Heads(heads, width // heads, stack.positions, alike[0].rotary)))
    stack.widen(first, widths)
    heads = runs[0][1] if len(runs) == 1 else SideBySide(runs)
    return Chain([inward, heads, stacked([member.outward for member in members], stack, first)])


class _Heads(Layer):
    """Attention of members with as many heads of one width, given queries, keys and values side by side.

    The scores are kept as (..., keys, queries): over neighbouring numbers, of which there are few, softmax takes three
    times as long.

    Args:
        heads: of each member.
        share: numbers of each head.
        positions: of each row.
        rotary: turns queries and keys.
    """

    def __init__(self, heads: int, share: int, positions: int, rotary: Rotary | None) -> None:
        self._sizes = positions, 3, heads, share
        self._at_once = max(1, NUMBERS_AT_ONCE // positions**2)
        self._scale = 1 / math.sqrt(share)
        self._turn = None if rotary is None else (rotary.cosine[:positions], rotary.sine[:positions])

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        positions, _, heads, share = self._sizes
        members, width = len(x), 3 * heads * share
        split = x[..., :width].reshape(members, -1, *self._sizes)
        parts = split.permute(3, 0, 1, 4, 2, 5).reshape(3, -1, positions, share)  # of each row and head
        query, key, value = self._turned(parts[0], 1) * self._scale, self._turned(parts[1], 1), parts[2]
        scores: list[Tensor] = []
        out: list[Tensor] = []
        for asked, known, told in zip(*self._cut(query, key, value), strict=True):
            scores.append(torch.bmm(known, asked.transpose(1, 2)).softmax(1))
            out.append(torch.bmm(scores[-1].transpose(1, 2), told))

        def through(gradient: Tensor) -> Tensor:
            own = gradient[..., : width // 3].reshape(members, -1, positions, heads, share)
            own = own.transpose(2, 3).reshape(-1, positions, share)
            found = parts.new_empty(parts.shape)
            cut = zip(scores, *self._cut(query, key, value, own, *found), strict=True)
            for shares, asked, known, told, pulled, of_asked, of_known, of_told in cut:
                torch.bmm(shares, pulled, out=of_told)
                of_scores = torch._softmax_backward_data(  # noqa: SLF001 - torch has no public name for it
                    torch.bmm(told, pulled.transpose(1, 2)), shares, 1, shares.dtype
                )
                torch.bmm(of_scores.transpose(1, 2), known, out=of_asked)
                torch.bmm(of_scores, asked, out=of_known)
            turned = torch.stack([self._turned(found[0].mul_(self._scale), -1), self._turned(found[1], -1), found[2]])
            back = turned.view(3, members, -1, heads, positions, share).permute(1, 2, 4, 0, 3, 5)
            return fitted(back.reshape(members, -1, width), x.shape[2])

        made = torch.cat(out).view(members, -1, heads, positions, share).transpose(2, 3)
        return made.reshape(members, -1, width // 3), through

    def _cut(self, *parts: Tensor) -> Iterable[Sequence[Tensor]]:
        """Each cut into parts of which the scores stay in cache."""
        return [torch.split(part, self._at_once) for part in parts]

    def _turned(self, x: Tensor, way: int) -> Tensor:
        """Turned by the positions, as Rotary does; with -1 back again."""
        if self._turn is None:
            return x
        cosine, sine = self._turn
        left, right = x.chunk(2, 2)
        return torch.cat([left * cosine - right * sine * way, right * cosine + left * sine * way], 2)


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
