"""What crosses the border between the engine and a worker: plain, picklable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """How texts become rows of tokens."""

    by: str = "word"  # word, character, bpe
    vocabulary: int = 8000  # ids at most, those of padding and of unknown tokens among them
    length: int = 128  # tokens in a row; longer texts keep their beginning


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
    split_column: str | None = None  # names each row's split: train, validation, test
    split_group: str | None = None  # a column; rows that share its value share their split
    split_time: str | None = None  # a column; validation comes after training, test after validation
    reshuffle: bool = False  # each trial has a validation split of its own; the test split is the same
    validation_seed: int | None = None  # of a trial's own validation split, where they are reshuffled
    kind: str | None = None  # series, where the source alone does not say
    time: str | None = None  # series: the column that says when
    window: int | None = None  # series: rows that a model sees
    horizon: int | None = None  # series: rows to forecast; None: the class of a window's last row
    period: int | None = None  # series: rows of a season, for the seasonal-naive forecast
    text: str | None = None  # texts: the column that holds them; no other is read
    tokens: TokenSpec = TokenSpec()  # texts: how they are cut up


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

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"


@dataclass(frozen=True, slots=True)
class Pack:
    """The unit of work of an executor: trials of one architecture. A lone trial is a pack of one."""

    assignments: tuple[Assignment, ...]


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
    ERROR = "error"
    UNUSABLE = "unusable"  # no trial of this study can succeed: the study itself is wrong
    NO_DISK = "no_disk"  # no trial can go on until there is room again
    NAN = "nan"
    OOM = "oom"
    LOST = "lost"  # the worker died


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one attempt."""

    trial: int
    attempt: int
    outcome: Outcome
    message: str | None = None


Message = Reported | Ended
