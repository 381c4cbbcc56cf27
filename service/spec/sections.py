"""The sections of a study file, each as it is kept: frozen, with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from goodfit.search_spaces.parameters import shown
from goodfit.search_spaces.values import BadValue, described, number, whole
from goodfit.service.extensions import SAMPLERS, added
from goodfit.service.spec.fields import (
    Count,
    Flag,
    Metric,
    Natural,
    NotNegative,
    Number,
    Positive,
    Section,
    Seed,
    one_of,
    options_of,
    or_auto,
    text,
    within,
    word_of,
)

SEARCH_METHODS = ("grid", "random", "bayesian")
SEARCH_LATER = ("gp", "cmaes", "qmc", "pbt", "auto")

# Keys that a later version will take: (section, key) -> what they are.
LATER: dict[tuple[str, ...], str] = {
    ("budget", "gpu_hours"): "a budget in GPU hours",
}


class Objective(Section):
    """What the search optimizes."""

    metric: Metric
    direction: Annotated[Literal["minimize", "maximize"], one_of("minimize", "maximize")]
    intended: Flag = False  # says that a direction which is unusual for the metric is meant


def _configurations(value: object) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, (list, tuple)):
        raise BadValue(f"is {described(value)}, not a list of configurations such as [{{learning_rate: 0.01}}]")
    for index, one in enumerate(value):
        if not isinstance(one, Mapping) or not one:
            raise BadValue(f"its entry {index + 1} is {described(one)}, not a configuration {{name: value, ...}}")
    return tuple({str(key): item for key, item in one.items()} for one in value)


def _search_method(value: object) -> str:
    return word_of(value, (*SEARCH_METHODS, *added(SAMPLERS)), later=SEARCH_LATER, alias={"tpe": "bayesian"})


class Search(Section):
    """Who proposes the configurations."""

    method: Annotated[str, BeforeValidator(_search_method)] = "bayesian"
    options: Annotated[Mapping[str, Any], BeforeValidator(options_of)] = Field(
        default_factory=dict
    )  # of an added method
    seed: Seed = 0
    try_defaults: Flag = True
    start_from: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_configurations)] = ()  # are tried first
    repeats: Flag = False  # whether to go on when all configurations were tried

    @model_validator(mode="after")
    def _options_of_added(self) -> Search:
        if self.options and self.method in SEARCH_METHODS:
            raise BadValue(f"options are for methods that a package adds; {self.method} takes none")
        return self


class Training(Section):
    """How long one trial may train, and what it survives."""

    epochs: Natural
    patience: Natural | None = None  # epochs without improvement before early stopping
    minutes: Positive | None = None  # a trial
    checkpoint_epochs: Natural | None = None  # None: as often as costs little
    keep: Natural | None = None  # the best so many trials keep their models; None: all do
    retries: Count = 2  # deaths of its worker in a row
    stop_on: Annotated[Literal["overfit"], one_of("overfit")] | None = None  # the verdict that ends a trial early


class Confirm(Section):
    """How the winner is made sure of: the best configurations trained again, and scored on the test split."""

    top: Natural = 3
    seeds: Natural = 3  # fresh ones, each configuration


class Budget(Section):
    """When the study ends; whichever comes first."""

    trials: Natural | None = None
    minutes: Positive | None = None
    target: Number | None = None  # of the objective
    failures: Count = 10  # alike, while no trial succeeds; 0: any number


def _lone(value: object) -> int:
    width = within(whole, least=1)(value)
    if width > 1:
        raise BadValue(f"is {shown(width)}; packs wider than 1 are not supported yet: write auto or 1")
    return 1


MOST_CUSTOM = 100  # resources that nodes name themselves


def _custom(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise BadValue(f"is {described(value)}; write {{name: amount}}, as the cluster's nodes name what they have")
    if len(value) > MOST_CUSTOM:
        raise BadValue(f"names {len(value):,} resources; no more than {MOST_CUSTOM} are taken")
    return {text(key): _amount(key, amount) for key, amount in value.items()}


def _amount(name: object, value: object) -> float:
    try:
        amount = float(within(number, above=0)(value))
    except BadValue as error:
        raise BadValue(f"{name} {error}") from error
    if name in _OWN_KEYS:
        raise BadValue(f"{name} is not for here; {_OWN_KEYS[name]}")
    if amount > 1 and not amount.is_integer():
        raise BadValue(f"{name} is {shown(amount)}; above 1 it must be a whole number")
    return amount


# Resources that have keys of their own.
_OWN_KEYS: dict[object, str] = {
    "CPU": "write `cpus:`",
    "GPU": "write `gpus:`",
    "memory": "it goes with the CPUs",
    "object_store_memory": "trials use none of it",
}


class Resources(Section):
    """What one trial takes, and how many run at once."""

    cpus: Positive = 1.0
    gpus: NotNegative = 0.0
    custom: Annotated[Mapping[str, float], BeforeValidator(_custom)] = Field(default_factory=dict)
    parallel: Annotated[Literal["auto"] | int, BeforeValidator(or_auto(within(whole, least=1)))] = "auto"
    pack: Annotated[Literal["auto", 1], BeforeValidator(or_auto(_lone))] = "auto"

    @model_validator(mode="after")
    def _whole_gpus(self) -> Resources:
        if self.gpus > 1 and not self.gpus.is_integer():
            raise BadValue(f"gpus is {shown(self.gpus)}; above 1 it must be a whole number")
        return self
