"""Embeddings of a table's text columns, in front of a net that takes numbers. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

WIDEST = 50  # numbers a category


class Embedded(nn.Module):
    """The columns of numbers as they are, then an embedding of each column of codes.

    The code 0, a category that training had no row of, is all zeros and stays so.

    Args:
        numbers: how many columns of numbers come first.
        cardinalities: how many codes each column after them has.
    """

    def __init__(self, numbers: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        self._numbers = numbers
        self.embeddings = nn.ModuleList(
            nn.Embedding(codes, embedding_width(codes), padding_idx=0) for codes in cardinalities
        )

    def forward(self, x: Tensor) -> Tensor:
        codes = x[:, self._numbers :].long()
        parts = [embedding(codes[:, place]) for place, embedding in enumerate(self.embeddings)]
        return torch.cat([x[:, : self._numbers], *parts], dim=1)


def embedding_width(codes: int) -> int:
    """Numbers a category: 2 for 2 categories, 9 for 20, 21 for 100; fast.ai's rule of thumb for tables."""
    return min(WIDEST, round(1.6 * math.pow(codes, 0.56)))
