"""Blocks of attention of several trials: of unequal depth, width, heads and activation.

What goes through the blocks is (members, rows * positions, width), so that norms, linear layers, activations and
dropout are those of any other net. Attention is computed for itself for each number and width of heads: its products
are a row's and head's own in any pack, and padding them would cost more than it saves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.nets.attention import Attention, Block, Decoder, Encoder, Rotary
from goodfit.trainers.nets.dropout import Dropout
from goodfit.trainers.training.packing.activations import ACTIVATIONS
from goodfit.trainers.training.packing.composed import Around, Back, Chain, Layer, Same, SideBySide
from goodfit.trainers.training.packing.functional import HOOKS
from goodfit.trainers.training.packing.layout import fitted
from goodfit.trainers.training.packing.leaf import Leaf
from goodfit.trainers.training.packing.stack import Stack

Stacked = Callable[[Sequence[nn.Module], Stack, int], Layer]
NUMBERS_AT_ONCE = 2**17  # of the scores: they stay in cache
UNIT = 4  # numbers by which heads are padded: products of others round by where they begin in memory
PARTS = {Rotary, Block, Attention, Dropout, nn.ModuleList, nn.Sequential, nn.Linear, nn.LayerNorm, *ACTIVATIONS}
BIASED = (nn.LayerNorm, nn.Linear)
FEED = [nn.LayerNorm, nn.Linear, nn.Linear, Dropout]  # with the activation in the middle


def is_as_built(model: Encoder | Decoder, own: set[type[nn.Module]], *, causal: bool) -> bool:
    """Whether its parts are of these kinds and those of blocks, and nobody has changed how they work.

    Args:
        model: a net of blocks.
        own: the kinds of its parts outside of the blocks.
        causal: whether a position sees none behind it.
    """
    parts = list(model.modules())
    return (
        all(parameter.requires_grad for parameter in model.parameters())
        and all(type(part) in PARTS | own and not any(vars(part)[hooks] for hooks in HOOKS) for part in parts)
        and all(part.bias is not None for part in parts if isinstance(part, BIASED) and part is not model.head)
        and all(part.causal == causal for part in parts if isinstance(part, Attention))
        and len(model.blocks) > 0
        and all(type(block) is Block and _feeds_as_built(block.feed) for block in model.blocks)
    )


def _feeds_as_built(feed: nn.Sequential) -> bool:
    kinds = [type(part) for part in feed]
    return len(kinds) > len(FEED) and kinds[:2] + kinds[3:] == FEED


def blocks_of(model: Encoder | Decoder) -> Sequence[Block]:
    """In their order."""
    return model.blocks  # type: ignore[return-value]


def place(model: Encoder | Decoder) -> tuple[object, ...]:
    """What the members of a pack are sorted by: as many heads and the same activation side by side."""
    block = blocks_of(model)[0]
    return -depth(model), block.attention.heads, model.norm.normalized_shape[0], type(block.feed[2]).__name__


def depth(model: Encoder | Decoder) -> int:
    """How many blocks it has."""
    return len(model.blocks)


def towers(members: Sequence[Encoder | Decoder], stack: Stack, first: int, stacked: Stacked) -> list[tuple[int, Layer]]:
    """The blocks of each depth, and how many members go through them."""
    depths = [depth(member) for member in members]
    found = []
    for at in range(max(depths)):
        going = [blocks_of(member)[at] for member in members if depth(member) > at]
        found.append((len(going), _block(going, stack, first, stacked)))
    return found


def placed(length: int, places: Sequence[Tensor], firsts: Sequence[Tensor], stack: Stack, first: int) -> Layer:
    """What the members have learned of the places, and their first vectors; of none: nothing."""
    if not places and not firsts:
        return Same()
    return _Placed(
        length,
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
        runs.append((len(alike), _Heads(heads, width // heads, stack.positions, alike[0])))
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
        alike: any member's.
    """

    def __init__(self, heads: int, share: int, positions: int, alike: Attention) -> None:
        self._sizes = positions, 3, heads, share
        self._padded = -(-share // UNIT) * UNIT
        self._at_once = max(1, NUMBERS_AT_ONCE // positions**2)
        self._scale = 1 / math.sqrt(share)
        rotary, device = alike.rotary, alike.inward.weight.device
        self._turn = None if rotary is None else (rotary.cosine[:positions], rotary.sine[:positions])
        self._behind: Tensor | None = None  # -inf where a key stands behind a query, (keys, queries)
        if alike.causal:
            self._behind = torch.full((positions, positions), -torch.inf, device=device).tril(-1)

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        positions, _, heads, share = self._sizes
        members, width = len(x), 3 * heads * share
        split = x[..., :width].reshape(members, -1, *self._sizes)
        parts = split.permute(3, 0, 1, 4, 2, 5).reshape(3, -1, positions, share)  # of each row and head
        taken = self._turned(parts[0], 1) * self._scale, self._turned(parts[1], 1), parts[2]
        query, key, value = (fitted(part, self._padded) for part in taken)
        scores: list[Tensor] = []
        out: list[Tensor] = []
        for asked, known, told in zip(*self._cut(query, key, value), strict=True):
            scores.append(self._scored(known, asked.transpose(1, 2)).softmax(1))
            out.append(torch.bmm(scores[-1].transpose(1, 2), told))

        def through(gradient: Tensor) -> Tensor:
            own = gradient[..., : width // 3].reshape(members, -1, positions, heads, share)
            own = fitted(own.transpose(2, 3).reshape(-1, positions, share), self._padded)
            found = query.new_empty(3, *query.shape)
            cut = zip(scores, *self._cut(query, key, value, own, *found), strict=True)
            for shares, asked, known, told, pulled, of_asked, of_known, of_told in cut:
                torch.bmm(shares, pulled, out=of_told)
                of_scores = torch._softmax_backward_data(  # noqa: SLF001 - torch has no public name for it
                    torch.bmm(told, pulled.transpose(1, 2)), shares, 1, shares.dtype
                )
                torch.bmm(of_scores.transpose(1, 2), known, out=of_asked)
                torch.bmm(of_scores, asked, out=of_known)
            of_query, of_key, of_value = (fitted(part, share) for part in found)
            turned = torch.stack([self._turned(of_query.mul_(self._scale), -1), self._turned(of_key, -1), of_value])
            back = turned.view(3, members, -1, heads, positions, share).permute(1, 2, 4, 0, 3, 5)
            return fitted(back.reshape(members, -1, width), x.shape[2])

        made = fitted(torch.cat(out), share).reshape(members, -1, heads, positions, share).transpose(2, 3)
        return made.reshape(members, -1, width // 3), through

    def _scored(self, known: Tensor, asked: Tensor) -> Tensor:
        if self._behind is None:
            return torch.bmm(known, asked)
        return torch.baddbmm(self._behind, known, asked)

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
