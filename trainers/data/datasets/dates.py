"""The built-in data set `dates`: dates as people write them, and the same dates as ISO 8601 has them.

Generated, not collected: a date from 1900 to 2099 by chance, one of FORMS by chance, and its case.
Three conventions leave no date with two readings:

    03/04/1987   slashes: the month first, as in the United States
    03.04.1987   dots: the day first, as in Germany
    Mar 4, 87    two digits of a year are 1969 to 2068, as POSIX reads them; no other year is so written

No two rows have the same text, in whatever case, so none stands on both sides of a split; dates do
come more than once, written in other forms.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from random import Random

import numpy as np

from goodfit.trainers.data.reading.raw import Raw

ROWS = 8000
COLUMNS = ("written", "iso")
FIRST, LAST = dt.date(1900, 1, 1), dt.date(2099, 12, 31)
SHORT = range(1969, 2069)  # years that two digits stand for


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Not from the calendar module, whose names follow the locale.
MONTHS = _words("January February March April May June July August September October November December")
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = _words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def ordinal(day: int) -> str:
    """1st, 2nd, 3rd, 4th, ... 11th, ... 31st."""
    return f"{day}{'th' if 10 < day < 14 else _ENDINGS.get(day % 10, 'th')}"


def ordinal_words(day: int) -> str:
    """first, ... twentieth, twenty-first, ... thirty-first."""
    if day <= 20:
        return _ORDINALS[day]
    return f"{_TENS[day // 10]}-{_ORDINALS[day % 10]}" if day % 10 else "thirtieth"


def year_words(year: int) -> str:
    """1900: nineteen hundred, 1905: nineteen oh five, 1987: nineteen eighty-seven, 2005: two thousand and five."""
    century, rest = divmod(year, 100)
    if century == 20 and rest < 10:
        return f"two thousand and {_ONES[rest]}" if rest else "two thousand"
    head = "twenty" if century == 20 else "nineteen"
    if rest < 10:
        return f"{head} oh {_ONES[rest]}" if rest else f"{head} hundred"
    return f"{head} {_number_words(rest)}"


def _number_words(number: int) -> str:
    if number < 20:
        return _ONES[number]
    return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")


def _month(date: dt.date) -> str:
    return MONTHS[date.month - 1]


def _weekday(date: dt.date) -> str:
    return DAYS[date.weekday()]


def _two_digits(date: dt.date) -> str:
    return f"{date.year % 100:02}"


FORMS: Mapping[str, Callable[[dt.date], str]] = {
    "3 March 1987": lambda date: f"{date.day} {_month(date)} {date.year}",
    "March 3, 1987": lambda date: f"{_month(date)} {date.day}, {date.year}",
    "3rd of March 1987": lambda date: f"{ordinal(date.day)} of {_month(date)} {date.year}",
    "March 3rd, 1987": lambda date: f"{_month(date)} {ordinal(date.day)}, {date.year}",
    "Tuesday 3 March 1987": lambda date: f"{_weekday(date)} {date.day} {_month(date)} {date.year}",
    "Tue, 3 Mar 1987": lambda date: f"{_weekday(date)[:3]}, {date.day} {_month(date)[:3]} {date.year}",
    "Mar 3, 87": lambda date: f"{_month(date)[:3]} {date.day}, {_two_digits(date)}",
    "3-Mar-87": lambda date: f"{date.day}-{_month(date)[:3]}-{_two_digits(date)}",
    "03/03/1987": lambda date: f"{date.month:02}/{date.day:02}/{date.year}",
    "03.03.1987": lambda date: f"{date.day:02}.{date.month:02}.{date.year}",
    "3.3.87": lambda date: f"{date.day}.{date.month}.{_two_digits(date)}",
    "1987 March 3": lambda date: f"{date.year} {_month(date)} {date.day}",
    "the third of March 1987": lambda date: f"the {ordinal_words(date.day)} of {_month(date)} {date.year}",
    "March the third, nineteen eighty-seven": lambda date: (
        f"{_month(date)} the {ordinal_words(date.day)}, {year_words(date.year)}"
    ),
}
SHORT_FORMS = ("Mar 3, 87", "3-Mar-87", "3.3.87")  # with two digits of the year
CASES: tuple[Callable[[str], str], ...] = (str, str.lower, str.upper)


@functools.lru_cache(maxsize=1)
def read_dates() -> Raw:
    """The pairs, the same in every Python."""
    random, days = Random(0), (LAST - FIRST).days + 1  # noqa: S311 - nobody has to be kept from guessing a date
    forms, known = list(FORMS), set[str]()
    written, wanted = list[str](), list[str]()
    while len(written) < ROWS:
        date = FIRST + dt.timedelta(days=int(random.random() * days))
        form = forms[int(random.random() * len(forms))]
        case = CASES[int(random.random() * len(CASES))]
        text = FORMS[form](date)
        if (form in SHORT_FORMS and date.year not in SHORT) or text.casefold() in known:
            continue
        known.add(text.casefold())
        written.append(case(text))
        wanted.append(date.isoformat())
    texts, targets = np.array(written, dtype=object), np.array(wanted, dtype=object)
    return Raw("dates", "dates", "pairs", texts, targets, COLUMNS[:1])
