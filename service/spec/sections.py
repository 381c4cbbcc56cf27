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
    Names,
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
}


class Split(Section):
    """Shares of all rows; what is left trains. Or a column says it: of splits, of groups, or of times."""

    validation: Annotated[float, BeforeValidator(within(number, above=0, below=1))] = 0.2
    test: Annotated[float, BeforeValidator(within(number, least=0, below=1))] = 0.2
    seed: Seed = 0
    column: Text | None = None  # its values are train, validation and test
    group: Text | None = None  # rows that share its value share their split
    time: Text | None = None  # validation comes after training, test after validation
    reshuffle: Flag = False  # a new validation split for each trial

    @model_validator(mode="after")
    def _one_way(self) -> Split:
        given = [key for key in ("column", "group", "time") if getattr(self, key) is not None]
        if len(given) > 1:
            raise BadValue(f"{given[0]} and {given[1]} are two ways to split; write one of them")
        if self.reshuffle and given and given[0] != "group":
            raise BadValue(
                f"reshuffle draws validation rows anew, and {given[0]} says which they are; write one of them"
            )
        shares = {key: Split.model_fields[key].default for key in ("validation", "test")}
        if self.column is not None and shares != {key: getattr(self, key) for key in shares}:
            raise BadValue(f"the column {self.column} says which rows validate and test; leave the shares out")
        return self

    @model_validator(mode="after")
    def _leaves_training(self) -> Split:
        if self.validation + self.test >= 1:
            raise BadValue(
                f"validation {shown(self.validation)} and test {shown(self.test)} leave nothing to train on; "
                "their sum must be less than 1"
            )
        return self


SCALES = ("standard", "minmax", "robust", "none")
MISSING = ("error", "drop", "mean", "median", "most_frequent", "constant")
BALANCES = ("none", "weights", "sampling")


class Prepare(Section):
    """What is done to the inputs, fitted on the training split alone."""

    scale: Annotated[Literal["standard", "minmax", "robust", "none"], one_of(*SCALES)] = "standard"
    missing: Annotated[
        Literal["error", "drop", "mean", "median", "most_frequent", "constant"],
        one_of(*MISSING, later=("knn",), alias={"mode": "most_frequent"}),
    ] = "error"
    indicator: Flag = False  # a 0/1 column beside each one that has missing values in training
    encode: Annotated[Literal["onehot", "embedding"], one_of("onehot", "embedding")] = "onehot"
    balance: Annotated[Literal["none", "weights", "sampling"], one_of(*BALANCES)] = "none"

    @model_validator(mode="after")
    def _fills(self) -> Prepare:
        if self.indicator and self.missing in ("error", "drop"):
            raise BadValue(f"indicator marks values that were filled in, and missing: {self.missing} fills none in")
        return self


class Tokens(Section):
    """How texts become rows of tokens; fitted on the training split alone."""

    by: Annotated[Literal["word", "character", "bpe"], one_of("word", "character", "bpe")] = "word"
    vocabulary: Annotated[int, BeforeValidator(within(whole, least=3))] = 8000  # padding and unknown among them
    length: Natural = 128  # longer texts keep their beginning


class Data(Section):
    """A built-in data set or a file, how it is split and prepared."""

    source: Text
    target: Text | None = None
    ignore: Names = ()  # columns that are not read
    categorical: Names = ()  # columns of numbers that are names, such as postcodes
    kind: Annotated[Literal["series"], one_of("series")] | None = None  # where the source alone does not say
    time: Text | None = None  # the column that says when; series alone, as are the next three
    window: Natural | None = None
    horizon: Natural | None = None
    period: Natural | None = None
    text: Text | None = None  # the column that holds texts
    tokens: Tokens = Field(default_factory=Tokens)
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
    retries: Count = 2  # deaths of its worker in a row


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
