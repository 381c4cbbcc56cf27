"""Names and values in the keys of `data:` that messages propose, written so that YAML reads them back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_PLAIN = re.compile(r"[^\W\d][\w.()/%+ -]*(?<! )")  # begins with a letter, has no mark that YAML reads in a list
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "nan", "inf", "infinity"}
_PROPOSED = re.compile(r"`(?:data|prepare): (\{[^`]*\})`")
_LONGEST = 100  # characters of a name that is worth copying


def in_yaml(text: str) -> str:
    """A text as an element of a YAML list, in quotes where it would be read as something else."""
    if len(text) > _LONGEST:
        return "COLUMN"
    if _PLAIN.fullmatch(text) and text.isprintable() and text.casefold() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def data_key(key: str, names: Iterable[str]) -> str:
    """`data: {KEY: [NAMES]}`, to be copied into a study file."""
    return f"`data: {{{key}: [{', '.join(map(in_yaml, names))}]}}`"


def proposals(message: str) -> list[dict[str, Any]]:
    """The keys of `data:` and `prepare:` that a message proposes, in its order, with their values."""
    import yaml

    return [yaml.safe_load(text) for text in _PROPOSED.findall(message)]
