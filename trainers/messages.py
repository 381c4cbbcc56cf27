"""What crosses the border between the engine and a worker: plain, picklable values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from goodfit.trainers.data_specs import DATA_KINDS as DATA_KINDS
from goodfit.trainers.data_specs import NAMED_KINDS as NAMED_KINDS
from goodfit.trainers.data_specs import AugmentSpec as AugmentSpec
from goodfit.trainers.data_specs import DataSpec as DataSpec
from goodfit.trainers.data_specs import GroupSpec as GroupSpec
from goodfit.trainers.data_specs import TokenSpec as TokenSpec

# What a trial costs, measured by its worker where a study asks for it: parameters of the model in millions, and the
# median time of the attempt's epochs so far.
PARAMS_MILLIONS, EPOCH_SECONDS = "params_millions", "epoch_seconds"
COSTS = (PARAMS_MILLIONS, EPOCH_SECONDS)

# Of the costs of an epoch of a trial that shares its worker: with how many trials its epochs were trained together, the
# mean since the sample before, and the seconds that were saved by it since then.
PACK_SIZE, PACK_SAVED = "pack_size", "pack_saved_seconds"


@dataclass(frozen=True, slots=True)
class Fork:
    """Where a trial takes over the model of another.

    Attributes:
        trial: the other's number.
        epoch: whose checkpoint it is.
        folder: of the other.
        place: the URL of an object store that keeps the other's files; None: `folder` does.
    """

    trial: int
    epoch: int
    folder: Path
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of a study so far: of several objectives by the first one.

    Attributes:
        trial: its number.
        value: of the objective.
        params: its parameters.
        notes: what its trainer has noted.
    """

    trial: int
    value: float
    params: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)


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
    pause_at: int | None = None  # the epoch after which it waits to be told whether it goes on; None: it never waits
    began: int = 1  # the attempt that trains from the start; a later one goes on from what is kept
    open_space: bool = False  # the trainer may ask for parameters that `params` lacks
    schedule: tuple[tuple[int, Mapping[str, Any]], ...] = ()  # (first epoch, params) in the place of `params`, in order
    fork: Fork | None = None  # whose model it goes on with
    snapshots: int | None = None  # a checkpoint for others to take over is kept after each so many epochs
    wanted: tuple[str, ...] = ()  # further metrics, or COSTS, that the study is judged by: reported with the objective
    more_objectives: tuple[tuple[str, str], ...] = ()  # metric and direction of each objective after the first
    notes: Mapping[str, Any] = field(default_factory=dict)  # that the store has already
    best: Best | None = None  # of the study, as it was when this attempt began
    judging: Mapping[str, Any] = field(default_factory=dict)  # the params that judge labels, where they are acted on

    @property
    def fresh(self) -> bool:
        """Whether this attempt trains from the start; one that was paused goes on with its attempt."""
        return self.attempt == self.began and not self.reported

    @property
    def must_resume(self) -> bool:
        """Whether it is of no use with a trainer that cannot go on from a checkpoint."""
        return self.snapshots is not None or bool(self.schedule)

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
    """The metrics of one epoch.

    Attributes:
        at: when it ended, in seconds since the epoch.
        final: the trainer ends here of its own accord.
        seconds: that another epoch is likely to take, of a trial with a `pause_at`; NaN of any other.
        resumable: whether another attempt can go on from what is kept of this one.
        costs: what was measured of the training since the sample before; see trial/meter.py.
    """

    trial: int
    attempt: int
    epoch: int
    metrics: Mapping[str, float]
    at: float
    final: bool = False
    seconds: float = field(default=math.nan, compare=False)
    resumable: bool = field(default=True, compare=False)
    costs: Mapping[str, float] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Suggested:
    """A parameter that a trainer has asked for: one that says its parameters as it runs.

    Attributes:
        parameter: the name, the type and the range, as a study keeps them.
    """

    trial: int
    attempt: int
    value: Any
    parameter: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Noted:
    """What a trainer has noted about its trial: plain JSON values by name; see trial/notes.py."""

    trial: int
    attempt: int
    notes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EndSearch:
    """A trainer asks that no further trial of the search begins; those that run go on to their ends."""

    trial: int
    attempt: int


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
        value: of a complete trial whose trainer has returned its objective, where that is not the last report.
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
    value: float | None = None


Message = Reported | Suggested | Noted | EndSearch | Ended
