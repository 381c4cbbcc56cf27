"""The kinds of values that a study file's keys take, as pydantic types with messages of our own.

Each refuses with the end of a sentence that begins with the key: "is 0; it must be more than 0".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from goodfit.search_spaces.parameters import shown
from goodfit.search_spaces.values import BadValue, described, flag, number, whole
from goodfit.service.errors import did_you_mean
from goodfit.trainers.readable import readable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LONGEST_TEXT = 4096  # characters of a name or a path
_SPLITS = ("val", "train")


class Section(BaseModel):
    """A mapping of the study file: frozen, and without keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def within(
    read: Callable[[object], float],
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> Callable[[object], float]:
    """A number with its bounds: at least `least`, more than `above`, less than `below`, at most `most`."""

    def check(value: object) -> float:
        found = read(value)
        if least is not None and found < least:
            raise BadValue(f"is {shown(found)}; it must be at least {shown(least)}")
        if above is not None and found <= above:
            raise BadValue(f"is {shown(found)}; it must be more than {shown(above)}")
        if below is not None and found >= below:
            raise BadValue(f"is {shown(found)}; it must be less than {shown(below)}")
        if most is not None and found > most:
            raise BadValue(f"is {shown(found)}; it must be at most {shown(most)}")
        return found

    return check


def one_of(*choices: str, later: Sequence[str] = (), alias: Mapping[str, str] | None = None) -> BeforeValidator:
    """One of these words; see word_of."""
    return BeforeValidator(lambda value: word_of(value, choices, later, alias))


def word_of(
    value: object, choices: Sequence[str], later: Sequence[str] = (), alias: Mapping[str, str] | None = None
) -> str:
    """One of some words; those of a later version are refused by name."""
    if not isinstance(value, str):
        raise BadValue(f"is {described(value)}; choose from: {', '.join(choices)}")
    word = (alias or {}).get(value, str(value))
    if word in choices:
        return word
    if word in later:
        raise BadValue(f"{word} is not supported yet; choose from: {', '.join(choices)}")
    raise BadValue(f"there is no {word!r}; {did_you_mean(word, choices)}")


def or_auto(read: Callable[[object], float]) -> Callable[[object], float | str]:
    """The word auto, or what `read` reads."""

    def check(value: object) -> float | str:
        if value == "auto":
            return "auto"
        if isinstance(value, str) and not value.strip().lstrip("+-").isdigit():
            raise BadValue(f"is {described(value)}; write auto or a whole number")
        return read(value)

    return check


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str):
        quote = "; put it in quotes" if isinstance(value, (int, float)) else ""
        raise BadValue(f"is {described(value)}, not a text{quote}")
    if not value.strip():
        raise BadValue("is empty")
    if len(value) > LONGEST_TEXT or "\0" in value:
        raise BadValue(
            f"is {described(value)}, of {len(value):,} characters; at most {LONGEST_TEXT:,}, and none is NUL"
        )
    return str(value)


def names(value: object) -> tuple[str, ...]:
    """One text, or a list of them."""
    return tuple(text(item) for item in value) if isinstance(value, (list, tuple)) else (text(value),)


def separator_mark(value: object) -> str:
    """What stands between the values of a table: one character, or tab by its name."""
    mark = {"tab": "\t", "\\t": "\t"}.get(value, value) if isinstance(value, str) else value
    if not isinstance(mark, str) or len(mark) != 1 or mark.isalnum() or mark in '"\r\n.':
        raise BadValue(f'is {described(value)}; write one character in quotes, such as ";", or tab')
    return mark


def gap_words(value: object) -> tuple[str, ...]:
    """A list of words; YAML's own null, and numbers such as -999, as they are written."""
    if not isinstance(value, (list, tuple)):
        raise BadValue(f"is {described(value)}; write a list of words, such as [NA, -999], or [] for empty cells alone")
    words = []
    for word in value:
        if isinstance(word, bool) or not isinstance(word, (str, int, float, type(None))):
            raise BadValue(f"has {described(word)}; write words, such as [NA, -999]")
        words.append("null" if word is None else str(word))
    return tuple(words)


def options_of(value: object) -> dict[str, Any]:
    """The options of what a package adds."""
    if not isinstance(value, Mapping):
        raise BadValue(f"is {described(value)}, not a mapping such as {{step: 0.1}}")
    return {str(key): item for key, item in value.items()}


def study_name(value: object) -> str:
    """A name that also serves as a folder's and an experiment's."""
    name = text(value)
    if not _NAME.fullmatch(name):
        better = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:100]
        hint = f"; write {better}" if better else ""
        raise BadValue(
            f"{name!r} is not a study's name: 1 to 100 letters, digits, - _ or ., a letter or digit first{hint}"
        )
    return name


def metric_name(value: object) -> str:
    """A metric with its split: val/accuracy."""
    metric = readable(text(value))  # as a trial reports it
    split, _, name = metric.partition("/")
    if split in _SPLITS and name:
        return metric
    if split == "test":
        raise BadValue(f"{metric} would search on the test split, which is kept for the end; did you mean val/{name}?")
    for prefix in ("validation/", "valid/", "val_", "val-", "valid_", "eval/", "dev/"):
        metric = f"val/{metric.removeprefix(prefix)}" if metric.startswith(prefix) else metric
    if not metric.startswith("val/"):
        metric = f"val/{re.sub(r'^(training/|train[_-])', '', metric)}" if "/" not in metric else "val/loss"
    raise BadValue(f"{value!s} does not name its split; did you mean {metric}? write val/... or train/...")


Text = Annotated[str, BeforeValidator(text)]
Names = Annotated[tuple[str, ...], BeforeValidator(names)]
Name = Annotated[str, BeforeValidator(study_name)]
Metric = Annotated[str, BeforeValidator(metric_name)]
Flag = Annotated[bool, BeforeValidator(flag)]
Number = Annotated[float, BeforeValidator(number)]
Positive = Annotated[float, BeforeValidator(within(number, above=0))]
share = within(number, least=0, below=1)
Share = Annotated[float, BeforeValidator(share)]
NotNegative = Annotated[float, BeforeValidator(within(number, least=0))]
Seed = Annotated[int, BeforeValidator(within(whole, least=0, most=2**32 - 1))]  # what numpy takes
Natural = Annotated[int, BeforeValidator(within(whole, least=1))]
Count = Annotated[int, BeforeValidator(within(whole, least=0))]
