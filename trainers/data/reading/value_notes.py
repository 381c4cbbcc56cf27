"""What is odd about the values of a table as read, such as classes that differ by spaces or case alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import numpy as np

from goodfit.trainers.data.reading.amounts import numbers_hint
from goodfit.trainers.data.reading.categories import MOST_CATEGORIES, disguised, has_decimals
from goodfit.trainers.data.reading.hints import data_key
from goodfit.trainers.data.reading.raw import Raw, has_target, quoted
from goodfit.trainers.data.reading.times import date_values
from goodfit.trainers.data_specs import TableSpec

_SHOWN = 3  # columns, or groups of values, that a sentence names
_LETTERS = 40  # of a value in a message
_LIKELY_GAPS = {"?", "-", "--", "---", ".", "..", "(missing)", "missing", "Missing", "MISSING", "n.a.", "N.A.", "\\N"}
_EXACT = 2**53  # from here on not every whole number is a float


def value_notes(raw: Raw, spec: TableSpec) -> list[str]:
    """What to look at in the values of a table, each in a sentence."""
    notes = _alike_notes("columns", [*raw.features, *([spec.target] if spec.target else [])])
    if raw.y.dtype.kind in "OU":
        whose = "classes of the annotators" if spec.target is None else f"classes of {spec.target}"
        notes += _alike_notes(whose, {str(value) for value in raw.y[has_target(raw.y)]})
    notes += _gap_notes(raw, spec)
    for name, values in _texts(raw):
        notes += _alike_notes(f"values of column {name}", values)
        notes += _dates(name, values, spec)
    numbers = {name: found for name, found in disguised(raw).items() if name not in spec.categorical}
    if numbers:
        several = f"columns {', '.join(numbers)} are" if len(numbers) > 1 else f"column {next(iter(numbers))} is"
        notes.append(f"{several} taken for categories, with {numbers_hint(numbers, has_decimals(raw))}")
    large = [name for place, name in enumerate(raw.numeric) if _is_rounded(raw.x[:, place])]
    if large:
        more = f" (and {len(large) - 1} more column{'s' if len(large) > 2 else ''})" if len(large) > 1 else ""
        notes.append(
            f"column {large[0]}{more} has whole numbers past 2^53, which are rounded as numbers: if they are codes, "
            f"leave them out: {data_key('ignore', large[:1])}"
        )
    return notes


def _gap_notes(raw: Raw, spec: TableSpec) -> list[str]:
    """Values that are usually written where nothing is known, and count as values here."""
    columns = dict(zip(raw.text, [] if raw.words is None else raw.words.T, strict=True))
    if raw.y.dtype.kind in "OU" and spec.target is not None:
        columns[spec.target] = raw.y
    found: dict[str, list[str]] = {}
    for name, values in columns.items():
        distinct = {str(value) for value in values}
        if words := sorted((distinct & _LIKELY_GAPS) - ({"-", "--"} if distinct & {"+", "++"} else set())):
            found[name] = words
    notes = [
        f"column {quoted(name)}: {' and '.join(map(repr, words))} count{'s' if len(words) == 1 else ''} as a value; to "
        f"read it as a gap: {data_key('gaps', words)} (in the place of the usual words, NA and so on)"
        for name, words in list(found.items())[:_SHOWN]
    ]
    more = len(found) - _SHOWN
    return [*notes, *([f"{more} more columns have words that usually stand for a gap"] if more > 0 else [])]


def _texts(raw: Raw) -> Iterable[tuple[str, list[str]]]:
    """The columns of text and their distinct values, but those of ids and free text."""
    if raw.words is None:
        return
    for place, name in enumerate(raw.text):
        values = {value for value in raw.words[:, place] if value is not None}
        if len(values) <= MOST_CATEGORIES["embedding"]:
            yield name, sorted(values)


def _alike_notes(what: str, values: Iterable[str]) -> list[str]:
    """Which values differ by spaces or case alone, and which have spaces around them that nobody sees."""
    groups: dict[str, list[str]] = {}
    values = sorted(set(values))
    for value in values:
        groups.setdefault(_plain(value), []).append(value)
    several = [group for group in groups.values() if len(group) > 1]
    notes = []
    if several:
        shown = "; ".join(_quoted(group) for group in several[:_SHOWN])
        shown = shown if _differ_visibly(several) else ascii(shown)[1:-1]
        more = f" (and {len(several) - _SHOWN} more such groups)" if len(several) > _SHOWN else ""
        notes.append(f"{what} that differ by {_how(several)} alone: {shown}{more}; they count as different")
    spaced = [value for value in values if value != value.strip() and len(groups[_plain(value)]) == 1]
    if spaced:
        more = f" and {len(spaced) - _SHOWN} more" if len(spaced) > _SHOWN else ""
        notes.append(f"{what} with spaces around them: {_quoted(spaced[:_SHOWN])}{more}")
    return notes


def _plain(value: str) -> str:
    """A value without what is hardly seen: case, spaces, letters without a shape, other ways to write a letter."""
    return " ".join(_seen(unicodedata.normalize("NFKC", value)).casefold().split())


def _seen(value: str) -> str:
    """A value without the characters that have no shape, such as a zero-width space."""
    return "".join(letter for letter in value if unicodedata.category(letter) not in ("Cf", "Cc") or letter.isspace())


def _how(groups: list[list[str]]) -> str:
    """In what the values of each group differ."""
    differ = {
        "spaces": _spaces_differ(groups),
        "case": _case_differs(groups),
        "invisible characters": _shapeless_differ(groups),
    }
    return " or ".join(word for word, there in differ.items() if there) or "the encoding of a letter"


def _differ_visibly(groups: list[list[str]]) -> bool:
    """Whether what they differ in is seen once quotes are around it and what has no shape is written out."""
    return _spaces_differ(groups) or _case_differs(groups) or _shapeless_differ(groups)


def _shapeless_differ(groups: list[list[str]]) -> bool:
    return any(len({_seen(value) for value in group}) < len(group) for group in groups)


def _spaces_differ(groups: list[list[str]]) -> bool:
    folded = [{value.casefold() for value in group} for group in groups]
    return any(len({" ".join(value.split()) for value in group}) < len(group) for group in folded)


def _case_differs(groups: list[list[str]]) -> bool:
    collapsed = [{" ".join(value.split()) for value in group} for group in groups]
    return any(len({value.casefold() for value in group}) < len(group) for group in collapsed)


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(repr(value if len(value) <= _LETTERS else f"{value[:_LETTERS]}...") for value in values)


def _dates(name: str, values: list[str], spec: TableSpec) -> list[str]:
    """Dates that are taken for categories, since they are written as text."""
    import pandas as pd

    if name in spec.categorical or len(values) < 2 or not date_values(pd.Series(values, dtype=object)):
        return []
    return [
        f"column {name} is taken for categories and has dates (such as {values[0][:_LETTERS]!r}); to take their year, "
        f"month, day and weekday: {data_key('dates', [name])}"
    ]


def _is_rounded(column: np.ndarray) -> bool:
    known = column[np.isfinite(column)]
    return bool(len(known)) and bool(np.abs(known).max() > _EXACT) and bool((known == np.floor(known)).all())
