"""Language models of several trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.nets.attention import Decoder
from goodfit.trainers.training.packing.attention import Stacked, is_as_built, placed, towers
from goodfit.trainers.training.packing.composed import Back, Chain, Layer, Same, Tower
from goodfit.trainers.training.packing.layout import fitted
from goodfit.trainers.training.packing.leaf import Leaf
from goodfit.trainers.training.packing.stack import Stack

PLAIN = (None, None, False, False)  # of a table of tokens: no padding, no limit, nothing that depends on how often


def is_known(model: nn.Module) -> TypeGuard[Decoder]:
    """Whether it is as `language-model` builds it."""
    if type(model) is not Decoder or type(model.table) is not nn.Embedding or type(model.norm) is not nn.LayerNorm:
        return False
    head, table = model.head, model.table
    return (
        is_as_built(model, {Decoder, nn.Embedding}, causal=True)
        and (head is None or head.bias is None)
        and (table.padding_idx, table.max_norm, table.scale_grad_by_freq, table.sparse) == PLAIN
    )


def family(model: Decoder) -> tuple[object, ...]:
    """Language models of one family can be stacked."""
    return Decoder, model.length, model.place is None, model.head is None


def decoder(stacked: Stacked) -> Callable[[Sequence[Decoder], Stack, int], Layer]:
    """The language models of several members, given what stacks their layers."""

    def make(members: Sequence[Decoder], stack: Stack, first: int) -> Layer:
        table = stack.leaf(first, [member.table.weight for member in members])
        stack.widen(first, [member.table.embedding_dim for member in members])
        places = [member.place for member in members if member.place is not None]
        at = placed(members[0].length, places, [], stack, first)
        stack.positions = members[0].length
        dropout = stacked([member.dropout for member in members], stack, first)
        body = towers(members, stack, first, stacked)
        norm = stacked([member.norm for member in members], stack, first)
        heads = [member.head for member in members if member.head is not None]
        head = stacked(heads, stack, first) if heads else _Told(table)
        begin = Chain([_Table(table, told=not heads), at, dropout])
        return Chain([begin, Tower(len(members), body, Same(), Chain([norm, head]))])

    return make


class _Table(Layer):
    """Ids (members, rows, length) as the vectors of a table (members, ids, width).

    Args:
        told: whether it tells the next tokens, too: then it has a gradient of that already.
    """

    def __init__(self, table: Leaf, *, told: bool) -> None:
        self._table, self._told = table, told

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        members, ids, width = self._table.value.shape
        begins = torch.arange(0, members * ids, ids, device=x.device).view(-1, 1, 1)
        places = (x + begins).view(members, -1)

        def through(gradient: Tensor) -> None:
            flat = gradient.reshape(-1, width)
            found = torch.ops.aten.embedding_dense_backward(flat, places.flatten(), members * ids, -1, False)
            found = found.view(members, ids, width)
            self._table.gradient = self._table.gradient + found if self._told else found

        return functional.embedding(places, self._table.value.flatten(0, 1)), through


class _Told(Layer):
    """The logits of the next tokens by the table that reads them."""

    def __init__(self, table: Leaf) -> None:
        self._table = table

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        table = self._table.value
        taken = fitted(x, table.shape[2])

        def through(gradient: Tensor) -> Tensor:
            self._table.gradient = torch.bmm(gradient.transpose(1, 2), taken)
            return fitted(torch.bmm(gradient, table), x.shape[2])

        return torch.bmm(taken, table.transpose(1, 2)), through
