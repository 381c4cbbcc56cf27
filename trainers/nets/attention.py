"""The transformer's layers: embeddings, blocks of attention, positions, pooling. Imports torch.

Shapes are (rows, positions, width); a mask is (rows, positions), True where there is something to
read. Nothing that the mask hides reaches any output.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.data.preparing.tokens import PADDING, UNKNOWN
from goodfit.trainers.errors import DataProblem
from goodfit.trainers.nets.dropout import Dropout
from goodfit.trainers.nets.layers import activation

WIDER = 4  # the feed-forward net's inner width, as in the first transformer (Vaswani and others, 2017)
ROTARY_BASE = 10_000.0  # the slowest rotation's wavelength in positions, by 2 pi (Su and others, 2021)
ROWS_AT_ONCE = 256  # when measuring; bounds the memory, changes no result


class Tokens(nn.Module):
    """Token ids (rows, positions) as vectors; cut to the longest text of the batch, which changes no result."""

    def __init__(self, size: int, width: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(size, width)
        nn.init.normal_(self.table.weight, std=width**-0.5)  # rows of length one
        self.dropout = dropout

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        mask = ids != PADDING
        longest = max(1, int(mask.sum(dim=1).max()))
        ids, mask = ids[:, :longest], mask[:, :longest]
        if self.training and self.dropout:
            hidden = torch.rand(ids.shape, device=ids.device) < self.dropout
            ids = ids.masked_fill(hidden & mask, UNKNOWN)
        return self.table(ids), mask


class Numbers(nn.Module):
    """Vectors (rows, positions, channels) through a linear layer; every position counts."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.linear(x), torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)


class ImageRows(Numbers):
    """Images (rows, channels, height, width) read from the top, a row of pixels a position."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(x.transpose(1, 2).flatten(2))


class Rotary(nn.Module):
    """Turns queries and keys by their positions, so that their product depends on how far apart they are."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        speed = ROTARY_BASE ** (-torch.arange(0, width, 2) / width)
        angle = torch.outer(torch.arange(positions), speed)  # (positions, width / 2)
        self.register_buffer("cosine", angle.cos(), persistent=False)
        self.register_buffer("sine", angle.sin(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`x` is (..., positions, width); its first half holds the first numbers of the pairs."""
        cosine, sine = self.cosine[: x.shape[-2]].to(x.dtype), self.sine[: x.shape[-2]].to(x.dtype)
        left, right = x.chunk(2, dim=-1)
        return torch.cat([left * cosine - right * sine, right * cosine + left * sine], dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int, rotary: Rotary | None, causal: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal  # a position sees none behind it; what fills up a row stands behind it, and needs no mask
        self.rotary = rotary
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = self._parts(x)
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        # Without dropout of its own: with it torch leaves its fast kernel.
        seen = None if self.causal or mask is None else mask[:, None, None, :]
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, is_causal=self.causal)
        out: Tensor = self.outward(attended.transpose(1, 2).flatten(2))
        return out

    def after(self, x: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One position more, (rows, 1, width), and the keys and values with its own at their end; knows no rotary."""
        query, key, value = self._parts(x)
        keys, values = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
        attended = functional.scaled_dot_product_attention(query, keys, values)
        return self.outward(attended.transpose(1, 2).flatten(2)), keys, values

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        """Query, key and value, (rows, heads, positions, share) each."""
        split: Tensor = self.inward(x).unflatten(2, (3, self.heads, -1)).transpose(1, 3)
        return split.unbind(dim=2)


class CrossAttention(nn.Module):
    """Multi-head attention to another sequence, whose keys and values are made once."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.memory = nn.Linear(width, 2 * width)
        self.outward = nn.Linear(width, width)

    def keys_and_values(self, memory: Tensor) -> tuple[Tensor, ...]:
        """Of the other sequence, (rows, positions, width): (rows, heads, positions, share) each."""
        split: Tensor = self.memory(memory).unflatten(2, (2, self.heads, -1)).transpose(1, 3)
        return split.unbind(dim=2)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        query = self.query(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        attended = functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask[:, None, None, :])
        out: Tensor = self.outward(attended.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention and a feed-forward net, each behind a norm and around which its input is led."""

    def __init__(self, config: Any, rotary: Rotary | None, causal: bool = False) -> None:
        super().__init__()
        width = config.width
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, config.heads, rotary, causal)
        self.feed = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, WIDER * width),
            activation(config.activation),
            nn.Linear(WIDER * width, width),
            Dropout(config.dropout),
        )
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.dropout(self.attention(self.norm(x), mask))
        out: Tensor = x + self.feed(x)
        return out


class Encoder(nn.Module):
    """Embedding, positions, blocks, pooling, and a linear layer for the outputs.

    Args:
        config: a TransformerConfig.
        embedding: rows -> vectors and mask.
        length: positions in a row at most.
        outputs: numbers a row.
    """

    def __init__(self, config: Any, embedding: nn.Module, length: int, outputs: int) -> None:
        super().__init__()
        self.length = length
        self.embedding = embedding
        self.first = nn.Parameter(torch.zeros(1, 1, config.width)) if config.pooling == "first" else None
        places = length + (self.first is not None)
        learned = config.positions == "learned"
        self.place = nn.Parameter(torch.randn(places, config.width) * 0.02) if learned else None
        rotary = None if learned else Rotary(places, config.width // config.heads)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, rotary) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        if not self.training and len(rows) > ROWS_AT_ONCE:
            return torch.cat([self._outputs(part) for part in torch.split(rows, ROWS_AT_ONCE)])
        return self._outputs(rows)

    def _outputs(self, rows: Tensor) -> Tensor:
        x, mask = self.embedding(rows)
        if x.shape[1] > self.length:
            raise DataProblem(f"the rows are {x.shape[1]} long, and the model has {self.length} positions; cut them")
        if self.first is not None:
            x = torch.cat([self.first.expand(len(x), -1, -1), x], dim=1)
            mask = functional.pad(mask, (1, 0), value=True)
        if self.place is not None:
            x = x + self.place[: x.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, mask)
        out: Tensor = self.head(self.norm(self._pooled(x, mask)))
        return out

    def _pooled(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.first is not None:
            return x[:, 0]
        there = mask.unsqueeze(2).to(x.dtype)
        return (x * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)


class Decoder(nn.Module):
    """Embedding, positions, blocks of causal attention, and a linear layer for the next token's logits.

    Args:
        config: a LanguageModelConfig.
        size: how many token ids there are.
        length: positions at most.
    """

    def __init__(self, config: Any, size: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.table = nn.Embedding(size, config.width)
        nn.init.normal_(self.table.weight, std=config.width**-0.5)  # rows of length one: logits of size one when tied
        learned = config.positions == "learned"
        self.place = nn.Parameter(torch.randn(length, config.width) * 0.02) if learned else None
        rotary = None if learned else Rotary(length, config.width // config.heads)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, rotary, causal=True) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = None if config.tied else nn.Linear(config.width, size, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        if ids.shape[1] > self.length:
            raise DataProblem(f"the rows are {ids.shape[1]} long, and the model has {self.length} positions; cut them")
        x = self.table(ids)
        if self.place is not None:
            x = x + self.place[: x.shape[1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        weight = self.table.weight if self.head is None else self.head.weight
        return functional.linear(self.norm(x), weight)
