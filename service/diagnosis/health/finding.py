"""What is found about a study: a sentence with its numbers, and the edit of the study file that follows.

How each is found is in the other modules of this folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from goodfit.search_spaces.parameters import shown

_PLAIN_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"  # worth knowing; the result stands
    WARNING = "warning"  # the next study should be another
    SERIOUS = "serious"  # the result does not stand, or most of the budget was lost


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change in the study file, by dotted key, in plain JSON values."""

    changes: Mapping[str, Any]

    @property
    def sets(self) -> tuple[str, ...]:
        """What follows `--set` on the command line, one each."""
        return tuple(f"{key}={_yaml(value)}" for key, value in self.changes.items())

    @property
    def yaml(self) -> str:
        """The same as a fragment of the study file."""
        nested: dict[str, Any] = {}
        for key, value in self.changes.items():
            inner, (*path, last) = nested, _path(key)
            for part in path:
                inner = inner.setdefault(part, {})
            inner[last] = value
        return "\n".join(f"{key}: {_yaml(value)}" for key, value in nested.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"set": list(self.sets), "yaml": self.yaml}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a study.

    Attributes:
        code: what it is, for filters: "edge", "no_effect", ...
        severity: how much it matters.
        text: one sentence or two, with the numbers that decided.
        parameter: the hyperparameter that it is about; None where it is about none.
        edit: of the study file; None where nothing in it would help.
        numbers: what the text says, for programs.
    """

    code: str
    severity: Severity
    text: str
    parameter: str | None = None
    edit: Edit | None = None
    numbers: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "text": self.text,
            "parameter": self.parameter,
            "edit": self.edit.to_dict() if self.edit else None,
            "numbers": dict(self.numbers or {}),
        }


def number(value: float) -> str:
    """Three digits, as a sentence gives them."""
    return f"{value:.3g}"


def percent(part: float, whole: float) -> str:
    """A share in whole percent; 0% and 100% are said of none and all alone."""
    rounded = round(100 * part / whole)
    if rounded == 0 and part > 0:
        return "less than 1%"
    return "more than 99%" if rounded == 100 and part < whole else f"{rounded}%"


def _path(key: str) -> list[str]:
    """The keys of a dotted key; a parameter that reaches into the data, as prepare.scale, is one."""
    section, _, rest = key.partition(".")
    if section == "fixed":
        return [section, rest]
    if section == "space":
        name, _, end = rest.rpartition(".")
        return [section, name, end] if end in ("low", "high") else [section, rest]
    return key.split(".")


def _yaml(value: Any) -> str:
    """A value in YAML's flow style, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str) and not (_PLAIN_TEXT.fullmatch(value) and value.lower() not in _YAML_WORDS):
        return json.dumps(value)
    return shown(value)
