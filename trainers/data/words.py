"""Columns of text in tables: which columns they are, their values as read, and which are refused.

What a category becomes for a model is in preparation.py: that is fitted on the training split alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainers.data.raw import Raw, no_words, one_of
from trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

_DATE = r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?"  # as ISO 8601 writes it
# Distinct values of a text column. One-hot, each makes a column; as an embedding, a row of weights.
MOST_CATEGORIES = {"onehot": 100, "embedding": 10_000}


def text_columns(
    frame: Mapping[str, pd.Series], features: Sequence[str], categorical: Sequence[str], source: str
) -> list[str]:
    """The features that hold text, or that the study names as categories.

    Raises:
        DataProblem: a column holds dates, lists, or numbers with a few texts between them.
    """
    import pandas as pd

    types = pd.api.types
    text, names = [], set(categorical)
    for name in features:
        column = frame[name]
        if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
            raise DataProblem(_dates(name, source))
        if name in names:
            text.append(name)
        elif not types.is_numeric_dtype(column):
            _check_text(column, name, source)
            text.append(name)
    return text


def _dates(name: str, source: str) -> str:
    return (
        f"{source}: column {name} holds dates; give what matters of them as numbers (the month, the days since), or "
        f"leave it out: `data: {{ignore: [{name}]}}`"
    )


def _check_text(column: pd.Series, name: str, source: str) -> None:
    """DataProblem for what is no text, or means something else than its letters.

    Dates would each be a category of its own. So would numbers with texts among them, such as "?".
    """
    import pandas as pd

    known = column.dropna()
    try:
        values = pd.Series(known.unique())
    except TypeError:
        values = known.head(1)
    kind = pd.api.types.infer_dtype(values)
    if kind in ("date", "datetime", "time"):
        raise DataProblem(_dates(name, source))
    if kind == "bytes" or not pd.api.types.is_hashable(next(iter(values), None)):
        held = type(values.iloc[0]).__name__
        raise DataProblem(f"{source}: column {name} holds a {held} a row; leave it out: `data: {{ignore: [{name}]}}`")
    values = values.astype(str)
    or_names = f", or say that they are names: `data: {{categorical: [{name}]}}`"
    if len(values) and values.str.fullmatch(_DATE).all():
        raise DataProblem(_dates(name, source) + or_names)
    odd = values[pd.to_numeric(values, errors="coerce").isna()]
    if 0 < len(odd) <= len(values) / 2:
        raise DataProblem(
            f"{source}: column {name} holds numbers, and texts such as {str(odd.iloc[0])[:40]!r}; empty these cells "
            f"(prepare.missing fills them){or_names}"
        )


def table_words(frame: Mapping[str, pd.Series] | pd.DataFrame, text: Sequence[str]) -> np.ndarray:
    """Columns of text as objects, (rows, columns): a str a value, None where it is missing."""
    import pandas as pd

    words = np.empty((len(frame[text[0]]), len(text)), dtype=object)
    for place, name in enumerate(text):
        codes, values = pd.factorize(frame[name])
        names = np.empty(len(values) + 1, dtype=object)  # the last, None, is where the code is -1
        names[:-1] = [_word(value) for value in values]
        words[:, place] = names[codes]
    return words


def named(values: np.ndarray) -> np.ndarray:
    """Numbers that are names, as text; text and booleans are names already."""
    if values.dtype.kind not in "iuf":
        return values
    distinct, places = np.unique(values, return_inverse=True)
    return np.array([_word(value) for value in distinct.tolist()])[places]


def _word(value: Any) -> str:
    """A value as text; 3.0 is "3", because a gap anywhere in a column of integers makes floats of them all."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def check_words(raw: Raw, encode: str, categorical: Sequence[str]) -> None:
    """DataProblem names a column with too many distinct values for categories: an id, or free text.

    Too many are more than 100 (10,000 as an embedding), or more than half as many as there are
    values; the second does not hold for columns that the study itself names as categories.
    """
    one_of("prepare.encode", encode, tuple(MOST_CATEGORIES))
    most = MOST_CATEGORIES[encode]
    for place, name in enumerate(raw.text):
        column = raw.words[:, place] if raw.words is not None else np.empty(0, dtype=object)
        known = column[~no_words(column)]
        distinct = len(set(known))
        if distinct <= most and (distinct * 2 <= len(known) or name in categorical):
            continue
        embed = encode == "onehot" and distinct <= MOST_CATEGORIES["embedding"] and distinct * 2 <= len(known)
        or_embed = ", or learn an embedding of it: `prepare: {encode: embedding}`" if embed else ""
        raise DataProblem(
            f"{raw.source}: column {name} has {distinct} distinct values in {len(known)} rows, an id or free text; "
            f"leave it out: `data: {{ignore: [{name}]}}`{or_embed}"
        )
