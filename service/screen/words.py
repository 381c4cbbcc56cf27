"""How values, verdicts and times are written for people."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.search_spaces.scalars import is_composed, shortened, shown
from goodfit.trainers.readable import one_line, readable

if TYPE_CHECKING:
    from rich.text import Text

LONGEST_VALUE = 80  # characters of a parameter; --json has all of it
VERDICT_STYLE = {
    "good_fit": "green",
    "overfit": "yellow",
    "underfit": "blue",
    "diverged": "red",
    "unfinished": "cyan",
}


def verdict_text(verdict: Any, count: int | None = None) -> Text:
    """A verdict in its colour, with how many have it."""
    from rich.text import Text

    text = str(verdict or "-")
    return Text(text if count is None else f"{text} {count}", VERDICT_STYLE.get(text, ""))


def verdict_counts(verdicts: Mapping[str, int]) -> Text:
    """How many trials have each verdict, in one line."""
    from rich.text import Text

    return Text(", ").join(verdict_text(*one) for one in verdicts.items()) if verdicts else Text("-")


def number(value: Any) -> str:
    """A value as a person reads it: four significant digits; of a long text or list the beginning."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return shortened(one_line(shown(value) if is_composed(value) else str(value)), LONGEST_VALUE)


def trainer_text(reference: str) -> str:
    """A trainer in a line about something else: one of a file without the folders, which `goodfit show` has."""
    file, _, name = reference.rpartition(":")
    return f"{Path(file).name}:{name}" if file.endswith(".py") else reference


def size(count: int) -> str:
    """Bytes for people: 1.2 GB."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} B"


def duration(seconds: float) -> str:
    """1:05, or 2:01:05."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def cause(message: str | None, log: str | None) -> str:
    """Why a trial failed, and its log where it has one: on a full disk, say, it has none."""
    return f"{message}; log: {log}" if log else str(message)


def to_yaml(facts: Mapping[str, Any]) -> str:
    """Facts as YAML."""
    from ruamel.yaml import YAML

    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(dict(facts), stream)
    if (text := stream.getvalue()) == readable(text):
        return text
    stream = io.StringIO()
    yaml.allow_unicode = False  # all escaped, so that nothing is lost
    yaml.dump(dict(facts), stream)
    return stream.getvalue()
