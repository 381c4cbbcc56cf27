"""The kinds of values that a study file's keys take, as pydantic types with messages of our own.

Numbers have pydantic's own bounds, which `goodfit schema` shows. What a type refuses by itself it refuses with the
end of a sentence that begins with the key: "is many, not a number"; out_of_bounds has the words for bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    InstanceOf,
    PlainSerializer,
    Tag,
    WithJsonSchema,
)

from goodfit.search_spaces.parameters import shown
from goodfit.search_spaces.values import BadValue, described, flag, number, whole
from goodfit.service.errors import did_you_mean
from goodfit.service.objective import AT_LEAST, AT_MOST, Constraint
from goodfit.spelling import close
from goodfit.trainers.messages import COSTS
from goodfit.trainers.readable import readable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LONGEST_TEXT = 4096  # characters of a name or a path
_SPLITS = ("val", "train")
GROUP_MARK = ":"  # in the name of a group's metric: val/tpr/sex:female


class Section(BaseModel):
    """A mapping of the study file: frozen, and without keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# pydantic's own bounds and the words for them: (error's type, key of its context) -> how the message says it.
_BOUNDS = {"ge": "at least", "gt": "more than", "lt": "less than", "le": "at most"}


def out_of_bounds(value: object, **bound: float) -> str:
    """What to say of a number beyond a bound of pydantic's: ge=1, gt=0, lt=1 or le=100."""
    ((kind, limit),) = bound.items()
    return f"is {shown(value)}; it must be {_BOUNDS[kind]} {shown(limit)}"


def one_of(*choices: str, later: Sequence[str] = (), alias: Mapping[str, str] | None = None) -> BeforeValidator:
    """One of these words; see word_of."""
    words: Any = Literal[(*choices, *(alias or {}))]
    return BeforeValidator(lambda value: word_of(value, choices, later, alias), json_schema_input_type=words)


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


def auto_or_whole(value: object) -> object:
    """The word auto, or what may be a whole number."""
    if isinstance(value, str) and value != "auto" and not value.strip().lstrip("+-").isdigit():
        raise BadValue(f"is {described(value)}; write auto or a whole number")
    return value


def auto_tag(value: object) -> str:
    """Which member of a union such as AutoOr a value is for."""
    return "auto" if value == "auto" else NUMBER


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
    """A metric, mostly with its split: val/accuracy. Never of the test split."""
    metric = readable(text(value))  # as a trial reports it
    split, _, name = metric.partition("/")
    if metric in COSTS:
        raise BadValue(f"{metric} is a cost; it goes beside an objective that is measured by epoch, which comes first")
    if split == "test":
        raise BadValue(f"{metric} would search on the test split, which is kept for the end; did you mean val/{name}?")
    return metric


def split_problem(metric: str) -> str | None:
    """What to say of a metric that does not name its split; None of one that does.

    It is no cost: what is written much like one is a misspelt one.
    """
    split, _, name = metric.partition("/")
    if split in _SPLITS and name:
        return None
    if split in _SPLITS:
        return f"{metric} names no metric; write {split}/loss, for example"
    if wrong := _misspelt_cost(metric):
        return f"{wrong}; a metric is written val/... or train/..."
    better = metric
    for prefix in ("validation/", "valid/", "val_", "val-", "valid_", "eval/", "dev/"):
        better = f"val/{better.removeprefix(prefix)}" if better.startswith(prefix) else better
    if not better.startswith("val/"):
        better = f"val/{re.sub(r'^(training/|train[_-])', '', better)}" if "/" not in better else "val/loss"
    return f"{metric} does not name its split; did you mean {better}? write val/... or train/..."


def _misspelt_cost(name: str) -> str | None:
    if "/" in name or name in COSTS or not close(name, COSTS):
        return None
    return f"there is no cost {name!r}; {did_you_mean(name, COSTS)}"


def measure_name(value: object) -> str:
    """A metric, or one of the costs that are measured of every trial."""
    name = readable(text(value))
    return name if name in COSTS else metric_name(value)


def constraint(value: object) -> Constraint:
    """A bound of a metric: "params_millions <= 2"."""
    if isinstance(value, Constraint):
        return value
    example = "write METRIC <= NUMBER or METRIC >= NUMBER, such as params_millions <= 2"
    if not isinstance(value, str):
        raise BadValue(f"is {described(value)}; {example}")
    return bound_of(value, measure_name, example)


def bound_of(value: str, named: Callable[[object], str], example: str) -> Constraint:
    """A comparison as a bound.

    Args:
        value: "params_millions <= 2".
        named: gives the name of what is on the left; BadValue for what may not stand there.
        example: what to write.
    """
    parts = re.split(r"([<>=!]+)", value)
    left = "".join(parts[:-2]).strip()
    if len(parts) < 3 or (len(parts) > 3 and GROUP_MARK not in left):  # a group may be called <25
        raise BadValue(f"{value!r} is not one comparison; {example}")
    relation, right = parts[-2], parts[-1].strip()
    if relation not in (AT_MOST, AT_LEAST):
        raise BadValue(f"{value!r} compares by {relation}; {example}")
    try:
        bound = float(number(right))
    except BadValue as error:
        raise BadValue(f"{value!r}: the right side {error}; {example}") from error
    if wrong := _misspelt_cost(left):
        raise BadValue(wrong)
    return Constraint(named(left), relation, bound)


def in_list(value: object) -> object:
    """What may be written alone, in a list."""
    return value if isinstance(value, (list, tuple)) else (value,)


def agreeing(found: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
    """Bounds that can be kept together: of a metric one of each side."""
    sides = [(one.metric, one.relation) for one in found]
    for one, side in zip(found, sides, strict=True):
        if sides.count(side) > 1:
            raise BadValue(f"bounds {one.metric} by {one.relation} more than once; keep one of them")
        opposite = next((other for other in found if other.metric == one.metric and other.relation == AT_LEAST), one)
        if one.relation == AT_MOST and opposite.bound > one.bound:
            raise BadValue(f"cannot be kept: {one} and {opposite}")
    return found


Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), BeforeValidator(text)]
Names = Annotated[tuple[str, ...], BeforeValidator(names, json_schema_input_type=str | list[str])]
Name = Annotated[str, Field(pattern=f"^{_NAME.pattern}$"), BeforeValidator(study_name)]
Metric = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_TEXT, json_schema_extra={"pattern": "^(?!test/)."}),
    BeforeValidator(metric_name),
]
Measure = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_TEXT, json_schema_extra={"pattern": "^(?!test/)."}),
    BeforeValidator(measure_name),
]
Constraints = Annotated[
    tuple[Annotated[InstanceOf[Constraint], BeforeValidator(constraint)], ...],
    BeforeValidator(in_list, json_schema_input_type=str | list[str]),
    AfterValidator(agreeing),
    PlainSerializer(lambda found: [str(one) for one in found], return_type=list[str]),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Flag = Annotated[bool, BeforeValidator(flag)]
Number = Annotated[float, BeforeValidator(number)]
Positive = Annotated[float, Field(gt=0), BeforeValidator(number)]
Share = Annotated[float, Field(ge=0, lt=1), BeforeValidator(number)]
NotNegative = Annotated[float, Field(ge=0), BeforeValidator(number)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), BeforeValidator(whole)]  # what numpy takes
Natural = Annotated[int, Field(ge=1), BeforeValidator(whole)]
Count = Annotated[int, Field(ge=0), BeforeValidator(whole)]

NUMBER = "a number"  # the tag of what is not auto; messages leave it out of the key
AutoOr = Annotated[
    Annotated[Literal["auto"], Tag("auto")] | Annotated[Natural, Tag(NUMBER)],
    Discriminator(auto_tag),
    BeforeValidator(auto_or_whole),
]
