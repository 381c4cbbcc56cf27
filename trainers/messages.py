"""What crosses the border between the engine and a worker: plain, picklable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

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
class DataSpec:
    """The data of a study: `source` is a built-in name or an absolute path."""

    source: str
    target: str | None = None  # the column (tables) or array (npz) to predict
    validation: float = 0.2  # share of all rows
    test: float = 0.2
    seed: int = 0
    scale: str = "standard"  # standard, minmax, robust, none; fitted on the training split alone
    missing: str = "error"  # error, drop, mean, median, most_frequent, constant; likewise
    indicator: bool = False  # a 0/1 column beside each column with missing values
    encode: str = "onehot"  # text columns: onehot, embedding
    balance: str = "none"  # classes: none, weights, sampling
    ignore: tuple[str, ...] = ()  # columns that are not read
    categorical: tuple[str, ...] = ()  # columns of numbers that are names, such as postcodes
    task: str | None = None  # classification or regression; None: as the target's values say
    separator: str | None = None  # tables in text: between the values; None: as the file's name says
    decimal: str | None = None  # tables in text: the mark before decimals; None: a point
    gaps: tuple[str, ...] | None = (
        None  # tables in text: words that are gaps; None: NA, null, ... (see table_format.py)
    )
    header: bool | None = None  # tables in text: whether the first line names the columns; None: it does
    numbers: tuple[str, ...] = ()  # columns of numbers written with currency signs, percent signs, thousands separators
    dates: tuple[str, ...] = ()  # columns of dates that become year, month, day, weekday and hour
    day_first: bool | None = None  # whether 01/02/2026 is in February; None: as the whole column says
    split_column: str | None = None  # names each row's split: train, validation, test
    split_group: str | None = None  # a column; rows that share its value share their split
    split_time: str | None = None  # a column; validation comes after training, test after validation
    stratified: bool = True  # each class has its share in each split
    folds: int | None = None  # of cross-validation, over all rows but those of the test split
    fold: int | None = None  # which of them validates, from 0
    reshuffle: bool = False  # each trial has a validation split of its own; the test split is the same
    validation_seed: int | None = None  # of a trial's own validation split, where they are reshuffled
    kind: str | None = None  # series or pairs, where the source alone does not say; or one that a package adds
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)  # of a kind that a package adds
    time: str | None = None  # series: the column that says when
    window: int | None = None  # series: rows that a model sees
    horizon: int | None = None  # series: rows to forecast; None: the class of a window's last row
    period: int | None = None  # series: rows of a season, for the seasonal-naive forecast
    text: str | None = None  # texts: the column that holds them; no other is read
    tokens: TokenSpec = TokenSpec()  # texts: how they are cut up
    size: int | None = None  # images: the side of the square that they are resized to
    mode: str | None = None  # images: gray, rgb; None: as they are
    augment: AugmentSpec = AugmentSpec()
    keep: bool = False  # the source stays read: trials of a study split or prepare it each in its own way

    @property
    def is_added(self) -> bool:
        """Whether the kind of data is one that an installed package adds."""
        return self.kind is not None and self.kind not in NAMED_KINDS


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt at one trial."""

    study: str
    trial: int
    attempt: int
    trainer: str  # registry name, module:name or /absolute/path.py:name
    params: Mapping[str, Any]
    data: DataSpec | None
    seed: int
    epochs: int
    metric: str  # the objective, "val/accuracy"
    direction: str  # minimize, maximize
    folder: Path  # the trial's own: checkpoints and log.txt
    patience: int | None = None  # epochs without improvement before early stopping
    checkpoint_epochs: int | None = None  # None: as often as costs at most 5% of the time
    reported: int = 0  # epochs that the store has already
    test: bool = False  # score the model of the best epoch on the test split as well
    place: str | None = None  # the URL of an object store that keeps the files; None: `folder` does
    root: Path | None = None  # above `folder`, and never made by a worker: where it is gone, its disk is
    until: int | None = None  # the epoch after which it ends, though its schedules are made for `epochs`
    began: int = 1  # the attempt that trains from the start; a later one goes on from what is kept

    @property
    def fresh(self) -> bool:
        """Whether this attempt trains from the start."""
        return self.attempt == self.began

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"


@dataclass(frozen=True, slots=True)
class Pack:
    """The unit of work of an executor: trials of one architecture. A lone trial is a pack of one.

    Attributes:
        share: how many times the study's resources of a trial its worker has.
    """

    assignments: tuple[Assignment, ...]
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Reported:
    """The metrics of one epoch. `final`: the trainer ends here of its own accord."""

    trial: int
    attempt: int
    epoch: int
    metrics: Mapping[str, float]
    at: float
    final: bool = False


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETE = "complete"  # all epochs, or stopped early
    STOPPED = "stopped"  # told to stop, and did
    PRUNED = "pruned"  # the trainer itself gave it up, by optuna.TrialPruned
    ERROR = "error"
    UNUSABLE = "unusable"  # no trial of this study can succeed: the study itself is wrong
    NO_DISK = "no_disk"  # no trial can go on until its files can be written again: a full disk, a folder that is away
    AWAY = "away"  # its files could not be written for a while, and can again
    NAN = "nan"
    OOM = "oom"
    LOST = "lost"  # the worker died
    PREEMPTED = "preempted"  # the worker's machine was taken away, as announced: drained, or a spot instance


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one attempt.

    Attributes:
        message: why it failed; of one that did not, what its user should know of it.
        curve: of a complete trial with folds, the mean of their curves, epoch by epoch.
        test: of a complete assignment that asks for it, the metrics on the test split.
        baseline: what a trivial model scores on the validation split: "val/accuracy", ...
        size: of a complete trial, how many parameters its model has; None where that is not known.
        data: the digest of the data that it was trained on, joined by + where they changed; None without data.
        worn: its worker has to be replaced: it has left there what only a new process takes back.
    """

    trial: int
    attempt: int
    outcome: Outcome
    message: str | None = None
    curve: tuple[Mapping[str, float], ...] = ()
    test: Mapping[str, float] | None = None
    baseline: Mapping[str, float] = field(default_factory=dict)
    size: int | None = None
    data: str | None = None
    worn: bool = False


Message = Reported | Ended
