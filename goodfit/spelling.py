"""The known words that an unknown one is most like, for messages. All rooms use it; it knows none of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

LONGEST_WORD, MOST_COMPARED = 200, 2000  # a comparison takes time with the square of the length


def close(word: object, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known word that is the most alike; None where none is. Of a long list the first words are compared.

    Args:
        word: what was written.
        known: what it may stand for.
        cutoff: how much alike, from 0 to 1, counts.
    """
    return next(iter(closest(word, islice(known, MOST_COMPARED), 1, cutoff)), None)


def closest(word: object, known: Iterable[str], count: int, cutoff: float = 0.0) -> list[str]:
    """So many of the known words, the most alike first. Of a long word the beginning is compared."""
    return difflib.get_close_matches(str(word)[:LONGEST_WORD], list(known), count, cutoff)
