"""`release:` of a study file: the gates that a model has to pass before it gets the alias `champion`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, PlainSerializer, WithJsonSchema

from goodfit.search_spaces.values import BadValue, described, number
from goodfit.service.errors import did_you_mean
from goodfit.service.objective import Constraint
from goodfit.service.spec.fields import Section, agreeing, bound_of, in_list, metric_name, out_of_bounds, text
from goodfit.trainers.messages import COSTS
from goodfit.trainers.readable import readable

CONFIRMED, GOOD_FIT, APPROVED = "confirmed", "good_fit", "approved"
WORDS: Mapping[str, str] = {
    CONFIRMED: "the study's confirmation has chosen it",
    GOOD_FIT: "its verdict is good_fit",
    APPROVED: "somebody has approved it by `goodfit approve`",
}
LABEL_ERRORS = "no_label_errors_above"
MOST_GATES = 50
_EXAMPLE = f"write {', '.join(WORDS)}, METRIC <= NUMBER or METRIC >= NUMBER, or {{{LABEL_ERRORS}: SHARE}}"


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that has to hold.

    Attributes:
        name: one of WORDS, LABEL_ERRORS, or a metric with its split.
        bound: of a metric.
        limit: of LABEL_ERRORS: the largest share of rows that may be labelled wrong.
    """

    name: str
    bound: Constraint | None = None
    limit: float | None = None

    def __str__(self) -> str:
        if self.bound is not None:
            return str(self.bound)
        return self.name if self.limit is None else f"{self.name}: {self.limit:g}"

    def written(self) -> str | dict[str, float]:
        """As a study file has it."""
        return str(self) if self.limit is None else {self.name: self.limit}


def gate_of(value: object) -> Gate:
    """The gate that a value of a study file says; BadValue where it says none."""
    if isinstance(value, Gate):
        return value
    if isinstance(value, Mapping):
        return _label_errors(value)
    if not isinstance(value, str):
        raise BadValue(f"is {described(value)}; {_EXAMPLE}")
    if any(mark in value for mark in "<>=!"):
        found = bound_of(value, _measured, _EXAMPLE)
        return Gate(found.metric, found)
    word = text(value).strip()
    if word == LABEL_ERRORS:
        raise BadValue(f"{LABEL_ERRORS} needs a share of the rows: {{{LABEL_ERRORS}: 0.02}}")
    if word not in WORDS:
        raise BadValue(f"there is no gate {readable(word)!r}; {did_you_mean(word, (*WORDS, LABEL_ERRORS))}")
    return Gate(word)


def _measured(value: object) -> str:
    """A metric of a gate: of the test split, too."""
    metric = readable(text(value))
    split, _, name = metric.partition("/")
    if metric in (*WORDS, LABEL_ERRORS):
        raise BadValue(f"{metric} is no metric; {_EXAMPLE}")
    if split == "test" and not name:
        raise BadValue("test/ names no metric; write one of the test split, such as test/accuracy >= 0.9")
    if metric in COSTS:
        raise BadValue(f"{metric} is a cost, which `constraints:` bound")
    return metric if split == "test" else metric_name(value)


def _label_errors(value: Mapping[Any, Any]) -> Gate:
    if len(value) != 1:
        raise BadValue(f"has {len(value)} keys; write one gate an entry: {{{LABEL_ERRORS}: 0.02}}")
    ((key, limit),) = value.items()
    if key != LABEL_ERRORS:
        raise BadValue(f"there is no gate {readable(str(key))!r}; {did_you_mean(str(key), (*WORDS, LABEL_ERRORS))}")
    try:
        share = float(number(limit))
    except BadValue as error:
        raise BadValue(f"{key} {error}") from error
    if not 0 <= share < 1:
        bound = out_of_bounds(limit, ge=0) if share < 0 else out_of_bounds(limit, lt=1)
        raise BadValue(f"{key} {bound}: it is a share of the rows, such as 0.02")
    return Gate(LABEL_ERRORS, limit=share)


def _each_once(gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
    if not gates:
        raise BadValue(f"names no gate; leave `release:` out, or {_EXAMPLE}")
    if len(gates) > MOST_GATES:
        raise BadValue(f"names {len(gates):,} gates; at most {MOST_GATES} are taken")
    names = [gate.name for gate in gates if gate.bound is None]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadValue(f"requires {twice[0]} more than once; keep one of them")
    agreeing(tuple(gate.bound for gate in gates if gate.bound is not None))
    return gates


Gates = Annotated[
    tuple[Annotated[InstanceOf[Gate], BeforeValidator(gate_of)], ...],
    BeforeValidator(in_list),
    AfterValidator(_each_once),
    PlainSerializer(lambda found: [one.written() for one in found], return_type=list[Any]),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [
                    {"enum": list(WORDS)},
                    {"type": "string", "pattern": "[<>]="},
                    {
                        "type": "object",
                        "properties": {LABEL_ERRORS: {"type": "number", "minimum": 0, "exclusiveMaximum": 1}},
                        "required": [LABEL_ERRORS],
                        "additionalProperties": False,
                    },
                ]
            },
        }
    ),
]


class Release(Section):
    """What a model must have before it gets the alias `champion`; until then it is registered as `candidate`."""

    require: Gates = Field(
        description="Gates, all of which must hold: confirmed, good_fit, approved, bounds of metrics such as "
        f'"test/accuracy >= 0.9", and {{{LABEL_ERRORS}: 0.02}}.'
    )


def metrics_of(gates: Iterable[Gate]) -> Iterable[tuple[int, str]]:
    """The metrics that gates bound, each with its place in `require:`."""
    return ((place, gate.bound.metric) for place, gate in enumerate(gates) if gate.bound is not None)
