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
    word_of,
)
from goodfit.trainers.messages import DATA_KINDS, NAMED_KINDS


class Split(Section):
    """Shares of all rows; what is left trains. Or a column says it: of splits, of groups, or of times.

    With folds, all rows but those of the test split validate in turn, and a trial trains once a fold.
    """

    validation: Annotated[float, Field(gt=0, lt=1), BeforeValidator(number)] = Field(
        0.2, description="Share of the rows that validate."
    )
    test: Share = Field(0.2, description="Share of the rows that are kept for the confirmation of the winner.")
    seed: Seed = Field(0, description="Seed of the split.")
    column: Text | None = Field(None, description="Column that says train, validation or test.")
    group: Text | None = Field(None, description="Column whose rows with one value are in one split.")
    time: Text | None = Field(
        None, description="Column of numbers or dates; validation comes after training, test after validation."
    )
    stratified: Flag = Field(True, description="Split each class by itself.")
    folds: Annotated[int, Field(ge=2), BeforeValidator(whole)] | None = Field(
        None, description="Folds of a cross-validation: all rows but those of the test split validate in turn."
    )
    reshuffle: Flag = Field(False, description="Draw a new validation split for each trial.")

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
LABELS = ("keep", "drop", "reweigh")


class Prepare(Section):
    """What is done to the inputs, fitted on the training split alone."""

    scale: Annotated[Literal["standard", "minmax", "robust", "none"], one_of(*SCALES)] = Field(
        "standard", description="How columns of numbers, or the channels of images, are scaled."
    )
    missing: Annotated[
        Literal["error", "drop", "mean", "median", "most_frequent", "constant"],
        one_of(*MISSING, later=("knn",), alias={"mode": "most_frequent"}),
    ] = Field(
        "error", description="What takes the place of a missing value; drop leaves the row out, error refuses it."
    )
    indicator: Flag = Field(
        False, description="Add a 0/1 column beside each column of numbers that has missing values in training."
    )
    encode: Annotated[Literal["onehot", "embedding"], one_of("onehot", "embedding")] = Field(
        "onehot", description="How columns of text become numbers."
    )
    balance: Annotated[Literal["none", "weights", "sampling"], one_of(*BALANCES)] = Field(
        "none", description="How rare classes are given weight: in the loss, or by drawing their rows more often."
    )
    size: Natural | None = Field(
        None, description="Images of a folder: side in pixels of the square that they are resized to."
    )
    mode: Annotated[Literal["gray", "rgb"], one_of("gray", "rgb", alias={"grey": "gray"})] | None = Field(
        None, description="Images of a folder: what their channels are converted to."
    )

    @model_validator(mode="after")
    def _fills(self) -> Prepare:
        if self.indicator and self.missing in ("error", "drop"):
            raise BadValue(f"indicator marks values that were filled in, and missing: {self.missing} fills none in")
        return self


class Tokens(Section):
    """How texts become rows of tokens; fitted on the training split alone."""

    by: Annotated[Literal["word", "character", "bpe"], one_of("word", "character", "bpe")] | None = Field(
        None, description="What a token is. Left out: running text and pairs go by characters, other texts by words."
    )
    vocabulary: Annotated[int, Field(ge=3), BeforeValidator(whole)] = Field(
        8000, description="Most tokens, those for padding and for unknown words among them."
    )
    length: Natural = Field(128, description="Tokens in a row; of longer texts the beginning is kept.")


class Augment(Section):
    """How training rows are varied anew in each epoch; each kind of data has its own keys."""

    rotate: Annotated[float, Field(ge=0, le=180), BeforeValidator(number)] = Field(
        0.0, description="Images: degrees at most, either way."
    )
    flip: Flag = Field(False, description="Images: half of them, left to right.")
    crop: Count = Field(0, description="Images: pixels that they are moved by at most.")
    jitter: NotNegative = Field(
        0.0,
        description="Images: brightness, contrast and saturation, by this share at most. "
        "Series: noise, in standard deviations of a column.",
    )
    cutout: Count = Field(0, description="Images: side in pixels of a square that is blanked.")
    mixup: NotNegative = Field(0.0, description="Images: alpha of the Beta distribution that two are blended by.")
    synonyms: Text | None = Field(None, description="Texts: file of words that may stand for each other.")
    replace: Share = Field(0.0, description="Texts: share of the words in that file that give way to a synonym.")
    delete: Share = Field(0.0, description="Texts: share of the words that are left out.")
    swap: Share = Field(0.0, description="Texts: share of the words that change places with the next.")
    translate: Text | None = Field(
        None, description="Texts: path.py:function that gives a text which says the same; for half of the texts."
    )
    scaling: NotNegative = Field(
        0.0, description="Series: standard deviation of the factor that a window's values are multiplied by."
    )
    warp: Share = Field(0.0, description="Series: share of a window that goes at twice or half its pace.")


def _kind(value: object) -> str:
    return word_of(value, NAMED_KINDS if value in NAMED_KINDS else (*NAMED_KINDS, *added(DATA_KINDS)))


def adds_kind(name: object) -> bool:
    """Whether an installed package adds a kind of data by this name."""
    return name is not None and name not in NAMED_KINDS and name in added(DATA_KINDS)


_KIND_WORDS: Any = Literal[NAMED_KINDS] | str  # an installed package may add any
_GAPS: Any = list[str | float | None]


LabelsWord = Annotated[Literal["keep", "drop", "reweigh"], one_of(*LABELS)]
_LABELS = "What becomes of training rows whose labels are likely wrong: left out, or counted for less."


class Labels(Section):
    """The key of `data:` itself that a search may vary."""

    labels: LabelsWord = Field("keep", description=_LABELS)


class Data(Section):
    """A built-in data set or a file, how it is split and prepared."""

    source: Text = Field(
        description="Built-in data set, or the path of a file, a folder of images or path.py:function."
    )
    target: Text | None = Field(None, description="Column or array to predict.")
    ignore: Names = Field((), description="Columns that are not read.")
    categorical: Names = Field((), description="Columns of numbers that are names, such as postcodes.")
    task: Annotated[Literal["classification", "regression"], one_of("classification", "regression")] | None = Field(
        None, description="What the target is for, where its values do not say it."
    )
    separator: Annotated[str, BeforeValidator(separator_mark)] | None = Field(
        None, description="Tables in text: one character between the values, or tab."
    )
    decimal: Annotated[Literal[".", ","], one_of(".", ",")] | None = Field(
        None, description="Tables in text: decimal mark of numbers."
    )
    gaps: Annotated[tuple[str, ...], BeforeValidator(gap_words, json_schema_input_type=_GAPS)] | None = Field(
        None, description="Words that stand for a missing value beside empty cells, in the place of the usual ones."
    )
    header: Flag | None = Field(
        None, description="false: the first line is a row, and the columns are x0, x1, and so on."
    )
    numbers: Names = Field(
        (), description="Columns of numbers with currency signs, percent signs or thousands separators."
    )
    annotators: Names = Field(
        (),
        description="Columns that are labels by several people, no features; without a target their consensus is it.",
    )
    dates: Names = Field((), description="Columns of dates that become year, month, day, weekday and hour.")
    day_first: Flag | None = Field(
        None, description="Whether 01/02/2026 is in February, where the dates of a column do not show it."
    )
    kind: Annotated[str, BeforeValidator(_kind, json_schema_input_type=_KIND_WORDS)] | None = Field(
        None, description="Kind of data where the source does not say it, built in or added by a package."
    )
    options: Annotated[Mapping[str, Any], BeforeValidator(options_of)] = Field(
        default_factory=dict, description="Options of a kind of data that a package adds."
    )
    time: Text | None = Field(None, description="Series: column that says when.")
    window: Natural | None = Field(None, description="Series: rows that the model sees.")
    horizon: Natural | None = Field(None, description="Series: rows that it forecasts.")
    period: Natural | None = Field(None, description="Series: rows of a season.")
    text: Text | None = Field(None, description="Column that holds texts.")
    tokens: Tokens = Field(default_factory=Tokens, description="How texts become tokens.")
    split: Split = Field(default_factory=Split, description="How rows are split.")
    prepare: Prepare = Field(
        default_factory=Prepare, description="What is done to the inputs, fitted on the training split alone."
    )
    augment: Augment = Field(default_factory=Augment, description="How training rows are varied anew in each epoch.")
    labels: LabelsWord = Field("keep", description=_LABELS)

    @property
    def is_added(self) -> bool:
        """Whether the kind of data is one that an installed package adds."""
        return self.kind is not None and self.kind not in NAMED_KINDS

    @model_serializer(mode="wrap")
    def _with_options(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is newer is written where it says something: a study without is the same as before there was any."""
        values: dict[str, Any] = write(self)
        if not self.options:
            del values["options"]
        if self.labels == "keep":
            del values["labels"]
        if not self.annotators:
            del values["annotators"]
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
