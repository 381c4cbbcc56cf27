"""Which texts a tokenizer can read, and what is said of those that it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from goodfit.trainers.errors import DataProblem


def is_blank(text: object) -> bool:
    """Whether it is missing, or has no mark in it."""
    return text is None or (isinstance(text, float) and np.isnan(text)) or (isinstance(text, str) and not text.strip())


def check_texts(texts: Sequence[Any] | np.ndarray, what: str, remedy: str = "") -> None:
    """DataProblem for what no tokenizer can read, with the first row of it, counted from 1."""
    blank = [row for row, text in enumerate(texts, start=1) if is_blank(text)]
    if blank:
        # Tables write a missing value as nothing, NA, null or None.
        raise DataProblem(
            f"{what}: {len(blank)} of {len(texts)} texts are empty or missing (row {blank[0]} is the first); "
            f"take these rows out{remedy}"
        )
    for row, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise DataProblem(f"{what}: row {row} is {text!r:.40}, {type(text).__name__} and not text; give it as text")
        if not text.isascii() and not _whole(text):
            raise DataProblem(f"{what}: row {row} has half a character in it ({text!r:.40}); save it as UTF-8")


def _whole(text: str) -> bool:
    """Whether it has no surrogate without its other half, which no encoding can write."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
