"""Columns of text in tables: which columns they are, their values as read, and which are refused.

What a category becomes for a model is in preparation.py: that is fitted on the training split alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.data.reading.amounts import (
    Disguise,
    disguise_of,
    numbers_hint,
    numbers_in_text,
    two_marks,
    unit_hint,
)
from goodfit.trainers.data.reading.cells import BOOLEANS, as_word, whole_words
from goodfit.trainers.data.reading.hints import data_key
from goodfit.trainers.data.reading.raw import Raw, is_numbers, no_words, one_of
from goodfit.trainers.data.reading.times import date_values
from goodfit.trainers.errors import DataProblem

if TYPE_CHECKING:
    import pandas as pd

_DATE = r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?"  # as ISO 8601 writes it
# Distinct values of a text column. One-hot, each makes a column; as an embedding, a row of weights.
MOST_CATEGORIES = {"onehot": 100, "embedding": 10_000}


def text_columns(
    frame: Mapping[str, pd.Series], features: Sequence[str], categorical: Sequence[str], source: str
) -> tuple[list[str], list[str]]:
    """The features that hold text, or that the study names as categories; and what keeps some from being either.

    Dates, lists, and numbers with a few texts between them cannot be trained on.
    """
    import pandas as pd

    types = pd.api.types
    text, problems, names = [], [], set(categorical)
    for name in features:
        column = frame[name]
        if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
            problems.append(_dates(name, source))
        elif name in names:
            pass
        elif is_numbers(column):
            continue
        elif problem := _text_problem(column, name, source):
            problems.append(problem)
        text.append(name)
    return text, problems


def _dates(name: str, source: str) -> str:
    return (
        f"{source}: column {name} holds dates; take their year, month, day and weekday: {data_key('dates', [name])}, "
        f"give what matters of them as numbers (the days since), or leave it out: {data_key('ignore', [name])}"
    )


def _text_problem(column: pd.Series, name: str, source: str) -> str | None:
    """What is wrong with a column that is no text, or means something else than its letters.

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
        return _dates(name, source)
    if kind == "bytes" or not pd.api.types.is_hashable(next(iter(values), None)):
        held = type(values.iloc[0]).__name__
        return f"{source}: column {name} holds a {held} a row; leave it out: {data_key('ignore', [name])}"
    if not any(letter.isdigit() for value in values for letter in str(value)):
        return None  # neither dates nor numbers, found without pandas: a table may have thousands of such columns
    values = values.astype(str)
    or_names = f", or say that they are names: {data_key('categorical', [name])}"
    if len(values) and values.str.fullmatch(_DATE).all() and date_values(values):
        return _dates(name, source) + or_names
    odd = values[pd.to_numeric(values, errors="coerce").isna()]
    if not 0 < len(odd) <= len(values) / 2:
        return None
    if found := disguise_of(values.tolist()):
        return f"{source}: column {name} holds {numbers_hint({name: found})}{or_names}"
    example = str(odd.iloc[0])[:40]
    if mixed := two_marks(values.tolist()):
        return f"{source}: column {name} {mixed}{or_names}"
    if odd.str.strip().str.casefold().isin(BOOLEANS).all():
        return f"{source}: column {name} holds numbers, and booleans such as {example!r}; write them alike{or_names}"
    return (
        f"{source}: column {name} holds numbers, and texts such as {example!r}; empty these cells (prepare.missing "
        f"fills them), say that they are gaps: {data_key('gaps', [example])} "
        f"(in the place of the usual words, NA and so on){or_names}"
    )


def table_words(frame: Mapping[str, pd.Series] | pd.DataFrame, text: Sequence[str]) -> np.ndarray:
    """Columns of text as objects, (rows, columns): a str a value, None where it is missing."""
    import pandas as pd

    words = np.empty((len(frame[text[0]]), len(text)), dtype=object)
    for place, name in enumerate(text):
        column = frame[name]
        try:
            codes, values = pd.factorize(column)
        except TypeError:  # lists, say, which text_columns finds fault with
            codes, values = pd.factorize(column.astype(str))
        names = np.empty(len(values) + 1, dtype=object)  # the last, None, is where the code is -1
        names[:-1] = [as_word(value) for value in values]
        words[:, place] = names[codes]
    return words


def named(column: pd.Series) -> pd.Series:
    """A column that the study names as categories, as text; booleans are names already."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column):
        return column
    codes, values = pd.factorize(column)
    texts = all(isinstance(value, str) for value in values)
    words = whole_words(list(values)) if texts else [as_word(value) for value in values]
    return pd.Series(np.array([*words, None], dtype=object)[codes], index=column.index, name=column.name)


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
        raise DataProblem(_too_many(raw, name, known, distinct, encode))


def _too_many(raw: Raw, name: str, known: np.ndarray, distinct: int, encode: str) -> str:
    """What a column of so many distinct values is: numbers or dates in disguise, an id, or free text."""
    import pandas as pd

    values = pd.unique(known)
    what = f"{raw.source}: column {name} has {distinct} distinct values in {len(known)} rows"
    numbers = disguised(raw)
    leave_out = f"leave it out: {data_key('ignore', [name])}"
    if name in numbers:
        hint = numbers_hint({name: numbers[name], **numbers}, has_decimals(raw))
        return f"{what}, {hint}; or {leave_out}"
    if mixed := two_marks(values):
        return f"{raw.source}: column {name} {mixed}"
    if unit := unit_hint(values):
        return f"{what}, {unit}; or {leave_out}"
    if date_values(pd.Series(values)):
        return _dates(name, raw.source)
    embed = encode == "onehot" and distinct <= MOST_CATEGORIES["embedding"] and distinct * 2 <= len(known)
    or_embed = ", or learn an embedding of it: `prepare: {encode: embedding}`" if embed else ""
    names = distinct <= MOST_CATEGORIES[encode]
    or_names = f", or say that its values are names: {data_key('categorical', [name])}" if names else ""
    return f"{what}, an id or free text; {leave_out}{or_embed}{or_names}"


def has_decimals(raw: Raw) -> bool:
    """Whether a column of numbers has decimals, which stand behind the decimal mark of the file."""
    return bool(np.any(np.mod(raw.x[np.isfinite(raw.x)], 1)))


def disguised(raw: Raw) -> dict[str, Disguise]:
    """The columns of text whose texts are all numbers, and how these are written."""
    if raw.words is None:
        return {}
    decimal = raw.cells.decimal if raw.cells is not None else "."
    columns = {name: sorted({value for value in raw.words[:, place] if value}) for place, name in enumerate(raw.text)}
    found = {name: disguise_of(values) or numbers_in_text(values, decimal) for name, values in columns.items()}
    return {name: disguise for name, disguise in found.items() if disguise is not None}
