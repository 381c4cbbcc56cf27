"""The `data:` section of a study file: where the data are, how they are split, prepared and varied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from goodfit.search_spaces.parameters import shown
from goodfit.search_spaces.values import BadValue, number, whole
from goodfit.service.extensions import added
from goodfit.service.spec.fields import (
    Count,
    Flag,
    Names,
    Natural,
    NotNegative,
    Section,
    Seed,
    Share,
    Text,
    gap_words,
    one_of,
    options_of,
    separator_mark,
    within,
    word_of,
)
from goodfit.trainers.messages import DATA_KINDS, NAMED_KINDS


class Split(Section):
    """Shares of all rows; what is left trains. Or a column says it: of splits, of groups, or of times.

    With folds, all rows but those of the test split validate in turn, and a trial trains once a fold.
    """

    validation: Annotated[float, BeforeValidator(within(number, above=0, below=1))] = 0.2
    test: Annotated[float, BeforeValidator(within(number, least=0, below=1))] = 0.2
    seed: Seed = 0
    column: Text | None = None  # its values are train, validation and test
    group: Text | None = None  # rows that share its value share their split
    time: Text | None = None  # validation comes after training, test after validation
    stratified: Flag = True  # each class has its share in each split
    folds: Annotated[int, BeforeValidator(within(whole, least=2))] | None = None
    reshuffle: Flag = False  # a new validation split for each trial

    @model_validator(mode="after")
    def _one_way(self) -> Split:
        given = [key for key in ("column", "group", "time") if getattr(self, key) is not None]
        if len(given) > 1:
            raise BadValue(f"{given[0]} and {given[1]} are two ways to split; write one of them")
        if self.folds is not None and self.column is not None:
            raise BadValue(f"folds says which rows validate, and so does the column {self.column}; write one of them")
        shares = {key: Split.model_fields[key].default for key in ("validation", "test")}
        if self.folds is not None and self.validation != shares["validation"]:
            raise BadValue("folds says which rows validate: each has its turn; leave validation out")
        if self.reshuffle and given and given[0] != "group":
            raise BadValue(
                f"reshuffle draws validation rows anew, and {given[0]} says which they are; write one of them"
            )
        if self.column is not None and shares != {key: getattr(self, key) for key in shares}:
            raise BadValue(f"the column {self.column} says which rows validate and test; leave the shares out")
        return self

    @model_validator(mode="after")
    def _leaves_training(self) -> Split:
        if self.folds is None and self.validation + self.test >= 1:
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
    size: Natural | None = None  # images: the side of the square that they are resized to
    mode: Annotated[Literal["gray", "rgb"], one_of("gray", "rgb", alias={"grey": "gray"})] | None = None

    @model_validator(mode="after")
    def _fills(self) -> Prepare:
        if self.indicator and self.missing in ("error", "drop"):
            raise BadValue(f"indicator marks values that were filled in, and missing: {self.missing} fills none in")
        return self


class Tokens(Section):
    """How texts become rows of tokens; fitted on the training split alone."""

    # Where nothing is said running text and pairs go by characters, other texts by words.
    by: Annotated[Literal["word", "character", "bpe"], one_of("word", "character", "bpe")] | None = None
    vocabulary: Annotated[int, BeforeValidator(within(whole, least=3))] = 8000  # padding and unknown among them
    length: Natural = 128  # longer texts keep their beginning


class Augment(Section):
    """How training rows are varied anew in each epoch; each kind of data has its own keys."""

    rotate: Annotated[float, BeforeValidator(within(number, least=0, most=180))] = 0.0  # degrees
    flip: Flag = False
    crop: Count = 0  # pixels
    jitter: NotNegative = 0.0  # images: share of brightness, contrast, saturation; series: deviations
    cutout: Count = 0  # pixels
    mixup: NotNegative = 0.0  # alpha of the Beta distribution
    synonyms: Text | None = None  # a file
    replace: Share = 0.0
    delete: Share = 0.0
    swap: Share = 0.0
    translate: Text | None = None  # path.py:function
    scaling: NotNegative = 0.0
    warp: Share = 0.0


def _kind(value: object) -> str:
    return word_of(value, (*NAMED_KINDS, *added(DATA_KINDS)))


def adds_kind(name: object) -> bool:
    """Whether an installed package adds a kind of data by this name."""
    return name not in NAMED_KINDS and name in added(DATA_KINDS)


class Data(Section):
    """A built-in data set or a file, how it is split and prepared."""

    source: Text
    target: Text | None = None
    ignore: Names = ()  # columns that are not read
    categorical: Names = ()  # columns of numbers that are names, such as postcodes
    task: Annotated[Literal["classification", "regression"], one_of("classification", "regression")] | None = (
        None  # where the target's values do not say which
    )
    separator: Annotated[str, BeforeValidator(separator_mark)] | None = None  # tables in text, as are the next three
    decimal: Annotated[Literal[".", ","], one_of(".", ",")] | None = None
    gaps: Annotated[tuple[str, ...], BeforeValidator(gap_words)] | None = None  # words that stand for a missing value
    header: Flag | None = None  # false: the first line is a row, and the columns are x0, x1, ...
    numbers: Names = ()  # columns whose numbers are written with currency signs, percent signs, thousands separators
    dates: Names = ()  # columns of dates that become year, month, day, weekday and hour
    day_first: Flag | None = None  # whether 01/02/2026 is in February, where the dates do not say
    kind: Annotated[str, BeforeValidator(_kind)] | None = None  # where the source alone does not say
    options: Annotated[Mapping[str, Any], BeforeValidator(options_of)] = Field(default_factory=dict)  # of an added kind
    time: Text | None = None  # the column that says when; series alone, as are the next three
    window: Natural | None = None
    horizon: Natural | None = None
    period: Natural | None = None
    text: Text | None = None  # the column that holds texts
    tokens: Tokens = Field(default_factory=Tokens)
    split: Split = Field(default_factory=Split)
    prepare: Prepare = Field(default_factory=Prepare)
    augment: Augment = Field(default_factory=Augment)

    @property
    def is_added(self) -> bool:
        """Whether the kind of data is one that an installed package adds."""
        return self.kind is not None and self.kind not in NAMED_KINDS

    @model_serializer(mode="wrap")
    def _with_options(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Options are written where there are some: a study without is the same as before there were any."""
        values: dict[str, Any] = write(self)
        if not self.options:
            del values["options"]
        return values

    @model_validator(mode="after")
    def _options_of_added(self) -> Data:
        if self.options and not self.is_added:
            named = f"{self.kind} takes none" if self.kind else "write its name as kind, too"
            raise BadValue(f"options are for kinds of data that a package adds; {named}")
        return self

    @model_validator(mode="after")
    def _marks_differ(self) -> Data:
        if self.separator is not None and self.separator == self.decimal:
            raise BadValue(f"separator and decimal are both {self.separator!r}; write two")
        return self
