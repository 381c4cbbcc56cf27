"""What a study says of its data: one dataclass a kind, put together from what several have.

    SourceSpec                  where the data are, how they are split; all have it
      RowSpec                   of rows that stand for themselves or in windows: folds, variation
        ColumnSpec              columns of a file: the target, how a table in text is written, splits by a column
        ScaledSpec, FilledSpec  inputs that are numbers
        AddedSpec               of a kind that a package adds; ArraySpec: as arrays
      TokensSpec                texts that become tokens

    TableSpec, ImageSpec, SeriesSpec, TextSpec, PairsSpec, CorpusSpec    the kinds
    DataSpec                                                             the fields of all of them

Which kind data are shows only where they lie: so a study gives a DataSpec, and data/kinds/registry.py makes that of the
kind out of it. The fields of a kind's dataclass are the keys that go with it; all others are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

NAMED_KINDS = ("series", "pairs")  # of data, where the source alone does not say which it is
DATA_KINDS = "goodfit.data_kinds"  # the entry-point group of kinds that installed packages add


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """How texts become rows of tokens."""

    by: str | None = None  # word, character, bpe; None: running text and pairs by characters, texts by words
    vocabulary: int = 8000  # ids at most, those of padding and of unknown tokens among them
    length: int = 128  # tokens in a row; longer texts keep their beginning, running text is cut into rows


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How training rows are varied anew in each epoch; never those of validation or test. Off by default."""

    rotate: float = 0.0  # images: degrees at most, either way
    flip: bool = False  # images: half of them, left to right
    crop: int = 0  # images: pixels that they are moved by at most, in both directions
    jitter: float = 0.0  # images: brightness, contrast, saturation, by this share; series: noise, in deviations
    cutout: int = 0  # images: the side of a square that is blanked, in pixels
    mixup: float = 0.0  # images: alpha of the Beta distribution that two of them are blended by
    synonyms: str | None = None  # texts: an absolute path of a thesaurus
    replace: float = 0.0  # texts: share of the words in the thesaurus that give way to a synonym
    delete: float = 0.0  # texts: share of the words that are left out
    swap: float = 0.0  # texts: share of the words that change places with the next
    translate: str | None = None  # texts: /absolute/path.py:function, text -> text that says the same
    scaling: float = 0.0  # series: standard deviation of the factor of a window's values
    warp: float = 0.0  # series: share of a window that is stretched or squeezed in time


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """Groups of people that a model is to treat alike: `fairness:` of a study. Without columns it says nothing."""

    by: tuple[str, ...] = ()  # columns; they need not be features
    positive: str | None = None  # the class that is the positive outcome; None: the second of two
    bins: tuple[tuple[str, tuple[float, ...]], ...] = ()  # where columns of numbers are cut
    gaps: str = "error"  # or group: rows without a value are a group of their own
    mitigation: str = "none"  # reweighing, sampling, adversarial: what training does about differences
    strength: float = 1.0  # of the adversary
    thresholds: str = "none"  # demographic_parity, equalized_odds: how each group's threshold is chosen after an epoch

    @property
    def columns_only(self) -> GroupSpec:
        """What counts when the data are read: which groups there are."""
        usual = GroupSpec()
        return replace(self, mitigation=usual.mitigation, strength=usual.strength, thresholds=usual.thresholds)


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """What all data have. `source` is a built-in name or an absolute path."""

    source: str = field(kw_only=False)
    validation: float = 0.2  # share of all rows
    test: float = 0.2
    seed: int = 0
    stratified: bool = True  # each class has its share in each split
    keep: bool = False  # the source stays read: trials of a study split or prepare it each in its own way

    @classmethod
    def of(cls, spec: SourceSpec) -> Self:
        """The fields of another spec that this one has, too."""
        there = {one.name for one in fields(spec)}
        return cls(**{one.name: getattr(spec, one.name) for one in fields(cls) if one.name in there})


@dataclass(frozen=True, kw_only=True)
class RowSpec(SourceSpec):
    """Data of rows: all but running text."""

    folds: int | None = None  # of cross-validation, over all rows but those of the test split
    fold: int | None = None  # which of them validates, from 0
    reshuffle: bool = False  # each trial has a validation split of its own; the test split is the same
    validation_seed: int | None = None  # of a trial's own validation split, where they are reshuffled
    augment: AugmentSpec = AugmentSpec()
    labels: str = "keep"  # what becomes of training rows whose labels are likely wrong: keep, drop, reweigh


@dataclass(frozen=True, kw_only=True)
class ColumnSpec(RowSpec):
    """Data in the columns of a file."""

    target: str | None = field(default=None, kw_only=False)  # the column (tables) or array (npz) to predict
    ignore: tuple[str, ...] = ()  # columns that are not read
    separator: str | None = None  # tables in text: between the values; None: as the file's name says
    decimal: str | None = None  # tables in text: the mark before decimals; None: a point
    gaps: tuple[str, ...] | None = None  # tables in text: words that are gaps; None: NA, ... (see table_format.py)
    header: bool | None = None  # tables in text: whether the first line names the columns; None: it does
    split_column: str | None = None  # names each row's split: train, validation, test
    split_group: str | None = None  # a column; rows that share its value share their split
    split_time: str | None = None  # a column; validation comes after training, test after validation

    @property
    def as_written(self) -> tuple[str, ...]:
        """The columns of a table in text whose cells stay as they are written."""
        return ()

    @property
    def known_gaps(self) -> bool:
        """Whether NA and the like are gaps where the study does not say which words are."""
        return True


@dataclass(frozen=True, kw_only=True)
class ScaledSpec(RowSpec):
    """Data whose inputs are numbers."""

    scale: str = "standard"  # standard, minmax, robust, none; fitted on the training split alone
    balance: str = "none"  # classes: none, weights, sampling


@dataclass(frozen=True, kw_only=True)
class FilledSpec(ScaledSpec):
    """Data whose inputs may have gaps."""

    missing: str = "error"  # error, drop, mean, median, most_frequent, constant; fitted on the training split alone


@dataclass(frozen=True, kw_only=True)
class TokensSpec(SourceSpec):
    """Texts that become tokens."""

    tokens: TokenSpec = TokenSpec()


@dataclass(frozen=True, kw_only=True)
class TableSpec(ColumnSpec, FilledSpec):
    """A table; or arrays of rows or images."""

    task: str | None = None  # classification or regression; None: as the target's values say
    indicator: bool = False  # a 0/1 column beside each column with missing values
    encode: str = "onehot"  # text columns: onehot, embedding
    categorical: tuple[str, ...] = ()  # columns of numbers that are names, such as postcodes
    numbers: tuple[str, ...] = ()  # columns of numbers written with currency signs, percent signs, thousands separators
    annotators: tuple[
        str, ...
    ] = ()  # columns that are labels by several people; without a target their consensus is it
    dates: tuple[str, ...] = ()  # columns of dates that become year, month, day, weekday and hour
    day_first: bool | None = None  # whether 01/02/2026 is in February; None: as the whole column says
    fairness: GroupSpec = GroupSpec()  # whose results are compared

    @property
    def as_written(self) -> tuple[str, ...]:
        return (*self.categorical, *self.numbers, *self.dates)

    @property
    def unread(self) -> tuple[str, ...]:
        """The columns that are not read at all: groups are read where they are no features, too."""
        return tuple(name for name in self.ignore if name not in self.fairness.by)


@dataclass(frozen=True, kw_only=True)
class ImageSpec(ScaledSpec):
    """A folder of images by class."""

    size: int | None = None  # the side of the square that they are resized to
    mode: str | None = None  # gray, rgb; None: as they are


@dataclass(frozen=True, kw_only=True)
class SeriesSpec(ColumnSpec, FilledSpec):
    """A time series, or whole sequences."""

    kind: str | None = None
    task: str | None = None  # classification or regression; None: as the target's values say
    day_first: bool | None = None  # whether 01/02/2026 is in February; None: as the whole column says
    time: str | None = None  # the column that says when
    window: int | None = None  # rows that a model sees
    horizon: int | None = None  # rows to forecast; None: the class of a window's last row
    period: int | None = None  # rows of a season, for the seasonal-naive forecast


@dataclass(frozen=True, kw_only=True)
class TextSpec(ColumnSpec, FilledSpec, TokensSpec):
    """Texts with a class or a number each."""

    task: str | None = None  # classification or regression; None: as the target's values say
    text: str | None = None  # the column that holds them; no other is read


@dataclass(frozen=True, kw_only=True)
class PairsSpec(ColumnSpec, TokensSpec):
    """Texts and their translations, which are the target."""

    kind: str | None = None
    text: str | None = None  # the column that holds the texts
    scale: str = "standard"  # or none: there is nothing to scale
    missing: str = "error"  # or drop

    @property
    def as_written(self) -> tuple[str, ...]:
        return tuple(name for name in (self.text, self.target) if name is not None)

    @property
    def known_gaps(self) -> bool:
        return False  # the translation of "none" is a text


@dataclass(frozen=True, kw_only=True)
class CorpusSpec(TokensSpec):
    """Running text."""


@dataclass(frozen=True, kw_only=True)
class AddedSpec(RowSpec):
    """Data of a kind that a package adds."""

    kind: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class ArraySpec(AddedSpec, FilledSpec):
    """The same, read as one array of inputs and one of targets."""

    task: str | None = None  # classification or regression; None: as the target's values say


@dataclass(frozen=True, kw_only=True)
class DataSpec(TableSpec, ImageSpec, SeriesSpec, TextSpec, PairsSpec, CorpusSpec, ArraySpec):
    """The data of a study before it is known of which kind they are."""

    @property
    def is_added(self) -> bool:
        """Whether the kind of data is one that an installed package adds."""
        return self.kind is not None and self.kind not in NAMED_KINDS
