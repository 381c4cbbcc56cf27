"""The JSON Schema of a space's parameters, in each of the forms that parse.py reads."""

from __future__ import annotations

from typing import Any

from goodfit.search_spaces.parse import COMMON, KEYS, MOST_PARAMETERS
from goodfit.search_spaces.ranges import MAX_POINTS

_NEEDED = {"float": ["low", "high"], "int": ["low", "high"], "choice": ["choices"], "fixed": ["value"]}
_ABOUT = {
    "float": "A number from a range.",
    "int": "A whole number from a range.",
    "choice": "One of a list of values.",
    "fixed": "The same value in all trials.",
}
_CONDITION = "Conditions on parameters further up: a value, a list of values, or {low: ..., high: ...}."


def parameters_schema(ref: str = "#/$defs/") -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of a mapping of parameters, and the definitions that it refers to.

    Args:
        ref: what stands before a definition's name in a reference to it.
    """
    forms = [
        {"type": "array", "minItems": 1, "description": "Short for {type: choice, choices: [...]}."},
        {"type": ["string", "number", "boolean", "null"], "description": "Short for {type: fixed, value: ...}."},
        *({"$ref": f"{ref}{_title(kind)}"} for kind in KEYS),
    ]
    definitions = {"Parameter": {"title": "Parameter", "anyOf": forms}, **{_title(kind): _form(kind) for kind in KEYS}}
    space = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": MOST_PARAMETERS,
        "additionalProperties": {"$ref": f"{ref}Parameter"},
    }
    return space, definitions


def _title(kind: str) -> str:
    return f"{kind.capitalize()}Parameter"


def _form(kind: str) -> dict[str, Any]:
    """A parameter that is written as a mapping with `type:`."""
    keys = _keys({"int": "integer", "float": "number"}.get(kind))
    return {
        "title": _title(kind),
        "description": _ABOUT[kind],
        "type": "object",
        "properties": {"type": {"const": kind}, **{key: keys[key] for key in (*KEYS[kind], *COMMON) if key != "type"}},
        "required": ["type", *_NEEDED[kind]],
        "additionalProperties": False,
    }


def _keys(number: str | None) -> dict[str, dict[str, Any]]:
    """Each key; `number` is the type of a range's numbers, None of what is no range."""
    return {
        "low": {"type": number, "description": "Lower end of the range, included."},
        "high": {"type": number, "description": "Upper end of the range, included."},
        "log": {"type": "boolean", "default": False, "description": "Draw evenly in the logarithm; low is above 0."},
        "step": {
            "type": [number, "null"],
            "exclusiveMinimum": 0,
            "description": f"Distance between the values, from low{'' if number == 'integer' else '; not with log'}.",
        },
        "points": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": MAX_POINTS,
            "description": "How many values a grid takes of the range; other methods ignore it.",
        },
        "prior": {
            **({"type": [number, "null"]} if number is not None else {}),
            "description": "Value that is expected to be good: tried first, and drawn near to. A grid ignores it.",
        },
        "choices": {
            "type": "array",
            "minItems": 1,
            "description": "Values, each once; lists and mappings may be values.",
        },
        "value": {"description": "The value; it may be a list or a mapping."},
        "when": {"type": ["object", "null"], "description": f"{_CONDITION} The parameter exists only where all hold."},
        "doc": {"type": "string", "description": "A text for people."},
    }
