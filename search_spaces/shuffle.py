"""A random order of very many things, without listing them.

Black and Rogaway (2002), "Ciphers with Arbitrary Finite Domains": a Feistel network permutes the next power of four,
and what falls outside of the size is permuted again.
"""

from __future__ import annotations

import hashlib

_ROUNDS = 4  # Luby and Rackoff (1988): as many as a permutation needs that looks random


class Shuffle:
    """A permutation of 0 to size - 1, chosen by a seed."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._half = max(1, ((size - 1).bit_length() + 1) // 2)  # bits
        self._key = f"{seed}:{size}:".encode()

    def __getitem__(self, index: int) -> int:
        """What stands at `index`; of at most four tries, on average, one is within the size."""
        place = self._permuted(index)
        while place >= self._size:
            place = self._permuted(place)
        return place

    def _permuted(self, index: int) -> int:
        mask = (1 << self._half) - 1
        left, right = index >> self._half, index & mask
        for turn in range(_ROUNDS):
            left, right = right, left ^ (self._noise(turn, right) & mask)
        return left << self._half | right

    def _noise(self, turn: int, value: int) -> int:
        length = (self._half + 7) // 8
        text = self._key + bytes([turn]) + value.to_bytes(length, "big")
        return int.from_bytes(hashlib.shake_256(text).digest(length), "big")
