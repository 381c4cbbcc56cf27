"""What crosses the border between the engine and a worker: plain, picklable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The data of a study: `source` is a built-in name or an absolute path."""

    source: str
    target: str | None = None  # the column (tables) or array (npz) to predict
    validation: float = 0.2  # share of all rows
    test: float = 0.2
    seed: int = 0
    scale: str = "standard"  # standard, minmax, none; fitted on the training split alone
    missing: str = "error"  # error, mean, median; likewise


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
