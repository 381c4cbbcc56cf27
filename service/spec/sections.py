"""The sections of a study file, each as it is kept: frozen, with every default filled in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from search_spaces.parameters import shown
from search_spaces.values import BadValue, number, whole
from service.spec.fields import (
    Count,
    Flag,
    Metric,
    Natural,
    NotNegative,
    Number,
    Positive,
    Section,
    Seed,
    Text,
    one_of,
    or_auto,
    within,
)

SEARCH_METHODS = ("grid", "random", "bayesian")
SEARCH_LATER = ("gp", "cmaes", "qmc", "pbt", "auto")

# Keys that a later version will take: (section, key) -> what they are.
LATER: dict[tuple[str, ...], str] = {
    ("confirm",): "confirmation on fresh seeds",
    ("control",): "control of a running study",
    ("budget", "gpu_hours"): "a budget in GPU hours",
    ("data", "augment"): "augmentation",
    ("data", "split", "folds"): "cross-validation",
    ("data", "split", "stratified"): "a choice of stratification (classes are stratified already)",
    ("data", "split", "grouped"): "a split by groups",
    ("data", "split", "groups"): "a split by groups",
    ("data", "split", "group"): "a split by groups",
    ("data", "split", "by_time"): "a split by time",
    ("data", "split", "time"): "a split by time",
}


class Split(Section):
    """Shares of all rows; what is left trains."""

    validation: Annotated[float, BeforeValidator(within(number, above=0, below=1))] = 0.2
    test: Annotated[float, BeforeValidator(within(number, least=0, below=1))] = 0.2
    seed: Seed = 0

    @model_validator(mode="after")
    def _leaves_training(self) -> Split:
        if self.validation + self.test >= 1:
            raise BadValue(
                f"validation {shown(self.validation)} and test {shown(self.test)} leave nothing to train on; "
                "their sum must be less than 1"
            )
        return self


class Prepare(Section):
    """What is done to the inputs, fitted on the training split alone."""

    scale: Annotated[Literal["standard", "minmax", "none"], one_of("standard", "minmax", "none")] = "standard"
    missing: Annotated[
        Literal["error", "mean", "median"],
        one_of("error", "mean", "median", later=("mode", "most_frequent", "constant", "drop", "knn", "indicator")),
    ] = "error"


class Data(Section):
    """A built-in data set or a file, how it is split and prepared."""

    source: Text
    target: Text | None = None
    split: Split = Field(default_factory=Split)
    prepare: Prepare = Field(default_factory=Prepare)


class Objective(Section):
    """What the search optimizes."""

    metric: Metric
    direction: Annotated[Literal["minimize", "maximize"], one_of("minimize", "maximize")]


class Search(Section):
    """Who proposes the configurations."""

    method: Annotated[
        Literal["grid", "random", "bayesian"],
        one_of(*SEARCH_METHODS, later=SEARCH_LATER, alias={"tpe": "bayesian"}),
    ] = "bayesian"
    seed: Seed = 0
    try_defaults: Flag = True


class Training(Section):
    """How long one trial may train, and what it survives."""

    epochs: Natural
    patience: Natural | None = None  # epochs without improvement before early stopping
    minutes: Positive | None = None  # a trial
    checkpoint_epochs: Natural | None = None  # None: as often as costs little
    retries: Count = 2  # deaths of its worker


class Budget(Section):
    """When the study ends; whichever comes first."""

    trials: Natural | None = None
    minutes: Positive | None = None
    target: Number | None = None  # of the objective


def _lone(value: object) -> int:
    width = within(whole, least=1)(value)
    if width > 1:
        raise BadValue(f"is {shown(width)}; packs wider than 1 are not there yet: write auto or 1")
    return 1


class Resources(Section):
    """What one trial takes, and how many run at once."""

    cpus: Positive = 1.0
    gpus: NotNegative = 0.0
    parallel: Annotated[Literal["auto"] | int, BeforeValidator(or_auto(within(whole, least=1)))] = "auto"
    pack: Annotated[Literal["auto", 1], BeforeValidator(or_auto(_lone))] = "auto"

    @model_validator(mode="after")
    def _whole_gpus(self) -> Resources:
        if self.gpus > 1 and not self.gpus.is_integer():
            raise BadValue(f"gpus is {shown(self.gpus)}; above 1 it must be a whole number")
        return self
