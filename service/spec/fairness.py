"""The `fairness:` section of a study file: whose results are compared, and what training does about differences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from goodfit.search_spaces.values import BadValue, described, number
from goodfit.service.errors import did_you_mean
from goodfit.service.spec.fields import Names, Section, one_of, text
from goodfit.trainers.groups.names import BY_GROUP, SUMMARY
from goodfit.trainers.messages import GroupSpec

MITIGATIONS = ("none", "reweighing", "sampling", "adversarial")
THRESHOLDS = ("none", "demographic_parity", "equalized_odds")
MOST_STRENGTH = 1000.0
CONTRASTED = ("fairness.mitigation", "fairness.thresholds")  # what each costs is measured on the test split


def _columns(value: object) -> object:
    if value in ([], ()):
        raise BadValue("is empty; name the columns whose groups are compared, such as [sex, age]")
    return value


def _bins(value: object) -> dict[str, tuple[float, ...]]:
    if not isinstance(value, Mapping):
        raise BadValue(f"is {described(value)}; write where each column is cut, such as {{age: [25, 45]}}")
    return {text(name): _bounds(name, bounds) for name, bounds in value.items()}


def _bounds(name: object, value: object) -> tuple[float, ...]:
    given = value if isinstance(value, (list, tuple)) else [value]
    try:
        bounds = tuple(float(number(one)) for one in given)
    except BadValue as error:
        raise BadValue(f"{name}: a bound {error}; write numbers, such as [25, 45]") from error
    if not bounds or any(low >= high for low, high in itertools.pairwise(bounds)):
        raise BadValue(f"{name}: write bounds from low to high, each once, such as [25, 45]")
    return bounds


def _class(value: object) -> str:
    """A class as the data name it; YAML reads some as numbers or truth values."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return text(value)


class Fairness(Section):
    """Groups of people whose results are compared by epoch, and what training does about differences."""

    by: Annotated[Names, BeforeValidator(_columns)] = Field(
        description="Columns whose groups are compared, and their intersections; they need not be features."
    )
    positive: Annotated[str, BeforeValidator(_class, json_schema_input_type=str | float | bool)] | None = Field(
        None, description="Class that is the positive outcome. Left out: the second of two."
    )
    bins: Annotated[Mapping[str, tuple[float, ...]], BeforeValidator(_bins, json_schema_input_type=dict[str, Any])] = (
        Field(
            default_factory=dict,
            description="Where columns of numbers are cut into groups: {age: [25, 45]} makes three.",
        )
    )
    gaps: Annotated[Literal["error", "group"], one_of("error", "group")] = Field(
        "error", description="Rows without a value: refused, or a group of their own."
    )
    mitigation: Annotated[Literal["none", "reweighing", "sampling", "adversarial"], one_of(*MITIGATIONS)] = Field(
        "none",
        description="What training does about differences: it weighs rows, draws all groups equally often, or misleads "
        "an adversary that guesses the group.",
    )
    strength: Annotated[float, Field(gt=0, le=MOST_STRENGTH), BeforeValidator(number)] = Field(
        1.0, description="How much misleading the adversary counts."
    )
    thresholds: Annotated[Literal["none", "demographic_parity", "equalized_odds"], one_of(*THRESHOLDS)] = Field(
        "none", description="What a threshold for each group, chosen on the training rows, is to make equal."
    )

    @model_validator(mode="after")
    def _of_columns(self) -> Fairness:
        twice = next((name for name in self.by if self.by.count(name) > 1), None)
        if twice is not None:
            raise BadValue(f"by names {twice} twice")
        if other := next((name for name in self.bins if name not in self.by), None):
            raise BadValue(f"bins cuts {other}, which by does not name; {did_you_mean(other, self.by)}")
        return self

    def spec(self) -> GroupSpec:
        """As the trainers take it."""
        return GroupSpec(
            by=self.by,
            positive=self.positive,
            bins=tuple(self.bins.items()),
            gaps=self.gaps,
            mitigation=self.mitigation,
            strength=self.strength,
            thresholds=self.thresholds,
        )


def group_metrics_of(fairness: Fairness) -> Iterator[str]:
    """The metrics that are reported of any groups, without their split: those of the differences."""
    yield from SUMMARY
    if len(fairness.by) > 1:
        yield from (f"{name}/{column}" for name in SUMMARY for column in fairness.by)


def is_group_metric(metric: str, fairness: Fairness) -> bool:
    """Whether this may be the rate of one group, such as val/tpr/sex:female: which groups there are, the data say."""
    rate, _, group = metric.partition("/")[2].partition("/")
    columns = "|".join(map(re.escape, fairness.by))
    return metric.startswith(("val/", "test/")) and rate in BY_GROUP and bool(re.match(f"({columns}):", group))


def why_unknown(metric: str) -> str | None:
    """What to say of a metric of groups in a study that compares none; None of any other metric."""
    rate, _, group = metric.partition("/")[2].partition("/")
    if rate not in SUMMARY and not (rate in BY_GROUP and ":" in group):
        return None
    return f"{metric} compares groups; say which: `fairness: {{by: [COLUMN]}}`"
