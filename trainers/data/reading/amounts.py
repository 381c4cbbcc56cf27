"""Numbers as people and spreadsheets write them: $77,200.00, 12%, 1 234, (500), 85,83.

Read where the study names the column (`data: {numbers: [...]}`), recognized everywhere, so that messages can say
what to write. A percentage is its hundredth. One column has one currency.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from goodfit.trainers.data.reading.hints import in_yaml
from goodfit.trainers.errors import DataProblem

_CODES = "USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK|BRL|KRW|MXN|ZAR|TRY|NZD|SGD|HKD"
_CODE = re.compile(rf"(?:{_CODES})(?![A-Za-z])|(?<![A-Za-z])(?:{_CODES})", re.IGNORECASE)
_SPACES = r"\u0020\u00a0\u2009\u202f"  # the plain one, and those that are not broken at
_QUOTE = "\u2019"  # which the Swiss group thousands with, beside the straight one
_PATTERNS = {
    ".": re.compile(
        rf"(?:\d+|\d{{1,3}}(?:([,'{_QUOTE}_{_SPACES}])\d{{2,3}})(?:\1\d{{2,3}})*)?(?:\.\d*)?(?:[eE][+-]?\d+)?"
    ),
    ",": re.compile(
        rf"(?:\d+|\d{{1,3}}(?:([.'{_QUOTE}_{_SPACES}])\d{{2,3}})(?:\1\d{{2,3}})*)?(?:,\d*)?(?:[eE][+-]?\d+)?"
    ),
}
_MARKS = (",", "%", ".", "'", _QUOTE, "(", "_")  # that messages name
_SIGNED = (("a minus behind them", re.compile(r"\d\s*-\W*")), ("the minus sign \u2212", re.compile(r".*\u2212.*")))
_OTHER = {".": ",", ",": "."}
_UNIT = re.compile(r"[+-]?\d[\d.,]*\s*([^\W\d_][\w/.\u00b2\u00b3]*|\u00b0\w?)")
_SPACED = re.compile(rf"\d[{_SPACES}]\d")
_GROUPS = re.compile(rf"[,.'{_QUOTE}_{_SPACES}]")


def read_amount(text: str, decimal: str = ".") -> tuple[float, str] | None:
    """A number and its currency ("" where it has none); None where the text is no number.

    Args:
        text: of a cell.
        decimal: the mark before decimals; the other of point and comma may group the thousands.
    """
    body = unicodedata.normalize("NFC", text).replace("\u2212", "-").strip()
    negative = body.startswith("(") and body.endswith(")")
    body, currency = _without_currency(body[1:-1] if negative else body)
    hundredth = body.endswith("%")
    body = body.removesuffix("%").strip()
    if body[:1] in ("+", "-"):
        negative, body = negative != (body[0] == "-"), body[1:].strip()
    elif body[-1:] == "-":  # 5.00-, as some ledgers write it
        negative, body = not negative, body[:-1].strip()
    number = _plain(body, decimal)
    if number is None:
        return None
    number = number / 100 if hundredth else number
    return (-number if negative else number), currency


def _without_currency(text: str) -> tuple[str, str]:
    """A text without the currency sign or code at its beginning or end, and that."""
    sign = next((letter for letter in text if unicodedata.category(letter) == "Sc"), None)
    if sign is not None and text.count(sign) == 1:
        return text.replace(sign, "", 1).strip(), sign
    found = _CODE.search(text)
    if found:
        return (text[: found.start()] + text[found.end() :]).strip(), found[0].upper()
    return text, ""


def _plain(body: str, decimal: str) -> float | None:
    """A number without signs; its last group has three digits."""
    found = _PATTERNS[decimal].fullmatch(body)
    if found is None or not any(letter.isdigit() for letter in body):
        return None
    whole, _, decimals = body.partition(decimal)
    if found[1] and len(_GROUPS.split(whole)[-1]) != 3:
        return None
    return float(_GROUPS.sub("", whole) + ("." + decimals if decimals else ""))


def amounts(values: Collection[str], decimal: str, column: str, source: str) -> list[float]:
    """The numbers of a column's distinct cells.

    Raises:
        DataProblem: a cell is no number, or the cells have several currencies.
    """
    found: list[float] = []
    currencies: dict[str, str] = {}
    for value in values:
        amount = read_amount(value, decimal)
        if amount is None and read_amount(value, _OTHER[decimal]) is not None:
            raise DataProblem(f"{source}: column {column} {two_marks(values) or _one_mark(decimal, value)}")
        if amount is None:
            raise DataProblem(
                f"{source}: column {column} has {value[:40]!r}, which is no number with the decimal mark {decimal!r}; "
                "correct it, or say that it is a gap: `data: {gaps: [...]}`"
            )
        found.append(amount[0])
        currencies.setdefault(amount[1], value)
    signs = [sign for sign in currencies if sign]
    if len(signs) > 1:
        one, other = (currencies[sign][:40] for sign in signs[:2])
        raise DataProblem(
            f"{source}: column {column} has several currencies, such as {one!r} and {other!r}; convert them to one"
        )
    return found


def mark_of(values: Collection[str], decimal: str) -> str:
    """The decimal mark of a column's numbers: the other one where only that reads them all, else the given one."""
    other = _OTHER[decimal]
    if all(read_amount(value, decimal) is not None for value in values):
        return decimal
    return other if all(read_amount(value, other) is not None for value in values) else decimal


def two_marks(values: Iterable[str]) -> str | None:
    """What is wrong with a column whose numbers have decimal points here and decimal commas there; None: nothing."""
    first: dict[str, str] = {}
    for value in values:
        marks = [mark for mark in _OTHER if read_amount(value, mark) is not None]
        if not marks:
            return None
        if len(marks) == 1:
            first.setdefault(marks[0], value)
    if len(first) < 2:
        return None
    return (
        f"has numbers with decimal points and such with decimal commas, as {first['.'][:40]!r} and "
        f"{first[','][:40]!r}; write them with one mark"
    )


def _one_mark(decimal: str, value: str) -> str:
    return f"has {value[:40]!r} among numbers with the decimal mark {decimal!r}; write them with one mark"


def unit_hint(values: Iterable[str]) -> str | None:
    """What to do with numbers that have a unit behind them; None where the values are no such numbers."""
    known = [value.strip() for value in values]
    found = [_UNIT.fullmatch(value) for value in known]
    if not known or not all(found):
        return None
    units = sorted({match[1] for match in found if match})
    if len(units) > max(3, len(known) / 10):
        return None
    named = ", ".join(units[:3]) + (", ..." if len(units) > 3 else "")
    return f"numbers with {named[:60]} behind them (such as {known[0][:40]!r}); write the numbers alone, in one unit"


@dataclass(frozen=True, slots=True)
class Disguise:
    """How numbers are written that are no plain ones.

    Attributes:
        marks: what stands between or beside their digits, such as "$" and ","; empty where they are plain.
        decimal: the mark before their decimals.
        example: one of them.
    """

    marks: tuple[str, ...]
    decimal: str
    example: str


def disguise_of(values: Iterable[str]) -> Disguise | None:
    """How a column's numbers are written; None where one of its values is no number, or all are plain."""
    known = [value.strip() for value in values if value.strip()]
    for decimal in (".", ","):
        found = [read_amount(value, decimal) for value in known]
        if not known or None in found:
            continue
        currencies = dict.fromkeys(amount[1] for amount in found if amount is not None and amount[1])
        marks = (*currencies, *(mark for mark in _MARKS if mark != decimal and any(mark in value for value in known)))
        marks += ("spaces",) if any(_SPACED.search(value) for value in known) else ()
        marks += tuple(name for name, sign in _SIGNED if any(sign.search(value) for value in known))
        marks += ("decimal commas",) if decimal == "," and any("," in value for value in known) else ()
        odd = next((value for value in known if not re.fullmatch(r"[+-]?\d*\.?\d*", value)), None)
        return Disguise(marks, decimal, odd[:40]) if odd is not None and marks else None
    return None


def numbers_in_text(values: Iterable[str], decimal: str) -> Disguise | None:
    """Plain numbers that stand as text where texts are not taken for numbers; codes with leading zeros are none."""
    known = [value.strip() for value in values if value.strip()]
    plain = all(re.fullmatch(r"[+-]?(?:0|[1-9]\d*|(?=\.))(?:\.\d*)?", value) for value in known)
    if not known or not plain:
        return None
    marks = ("decimal points",) if decimal == "," else ()
    return Disguise(marks, ".", next((value for value in known if "." in value), known[0])[:40])


def numbers_hint(columns: Mapping[str, Disguise], points: bool = False) -> str:
    """How the numbers of columns are written, and the keys of `data:` that read them.

    Args:
        columns: by name.
        points: whether other columns have decimal points, so that `decimal` cannot be a comma.
    """
    marks = dict.fromkeys(mark for found in columns.values() for mark in found.marks)
    comma = not points and any(found.decimal == "," for found in columns.values())
    plain = ("decimal commas",) if comma else ()
    named = [in_yaml(name) for name, found in columns.items() if not found.marks or found.marks != plain]
    keys = [*(['decimal: ","'] if comma else []), *([f"numbers: [{', '.join(named)}]"] if named else [])]
    how = f"written with {' '.join(marks)}" if marks else "that stand as text"
    example = next(iter(columns.values())).example
    return f"numbers {how} (such as {example!r}); to read them as numbers: `data: {{{', '.join(keys)}}}`"
