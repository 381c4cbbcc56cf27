"""What the scheduler hears and says: the plan, events, actions. Plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from goodfit.service.objective import Objective
from goodfit.service.ports import Proposal
from goodfit.service.records import Report, StudyState, Trial, Verdict
from goodfit.trainers.messages import Ended, EndSearch, Noted, Reported, Suggested

MORE = 2.0  # the share of a trial that ran out of memory with its first


@dataclass(frozen=True, slots=True)
class Plan:
    """What the scheduler knows of a study file."""

    objective: Objective
    epochs: int  # reports that a trial makes
    folds: bool = False  # a report is the mean over the folds so far: the last counts, not the best
    trials: int | None = None  # the budget; None: until the sampler or the time is exhausted
    epoch_budget: int | None = None  # of all trials of the search together
    target: float | None = None
    prune: bool = False
    pauses: bool = False  # trials may be paused, and taken up again as long as that is worth it
    population: bool = False  # all trials train side by side: when the time is spent, what they are by then counts
    stop_on_overfit: bool = False
    last_counts: bool = False  # a trial's value is that of its last report, not the best
    open_space: bool = False  # trainers ask for their parameters as they run
    confirm: tuple[int, int] | None = None  # the best so many are trained again, on so many fresh seeds each
    contrast: tuple[str, ...] = ()  # parameters: the best trial with each of their values is trained again, too
    retries: int = 2  # how many deaths of its worker in a row a trial survives
    failures: int = 0  # so many failures alike, while no trial succeeds, end the study; 0: any number may fail
    seed: int = 0
    trial_seed: int | None = None  # of the training of all trials of the search; None: each has its own
    code: str | None = None  # the digests that mark the trials of this run
    data: str | None = None


# Events, besides a worker's Reported and Ended.


@dataclass(frozen=True, slots=True)
class Slots:
    """This many trials may run at once, from now on; fewer than do lets those go on."""

    count: int


@dataclass(frozen=True, slots=True)
class Turn:
    """All that had come has been told: now start what can start."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """The allocator's answer to Ask; None: nothing, until more has come.

    Attributes:
        proposal: a new trial, or one that goes on.
        after: as in Ask.
    """

    proposal: Proposal | None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The pruner's answer to Judge."""

    trial: int
    epoch: int
    prune: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """What the diagnosis says of a running trial's curve; the answer to Examine."""

    trial: int
    epoch: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Overtime:
    """A trial has had its training.minutes."""

    trial: int


@dataclass(frozen=True, slots=True)
class Unresponsive:
    """A trial that was told to stop has not done so in its time of grace."""

    trial: int


class Reason(Enum):
    """Why a study closes before its trials are spent."""

    TIME = auto()
    TARGET = auto()
    INTERRUPT = auto()
    STOP = auto()
    UNUSABLE = auto()
    NO_DISK = auto()
    FAILURES = auto()

    @property
    def saves(self) -> bool:
        """Whether trials in flight go back to the queue, for a later resume."""
        return self in (Reason.INTERRUPT, Reason.STOP, Reason.NO_DISK, Reason.FAILURES)

    @property
    def ends_search(self) -> bool:
        """Whether it ends the search alone: the best are confirmed all the same."""
        return self in (Reason.TIME, Reason.TARGET)


@dataclass(frozen=True, slots=True)
class CloseAsked:
    """Something from outside ends the study: the time, the user, files that cannot be written."""

    reason: Reason
    message: str | None = None


Event = (
    Reported
    | Suggested
    | Noted
    | EndSearch
    | Ended
    | Slots
    | Turn
    | Proposed
    | Judged
    | Examined
    | Overtime
    | Unresponsive
    | CloseAsked
)


# Actions.


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask what a free worker does.

    Attributes:
        number: of the next new trial.
        new: whether a new trial may start.
        after: the trial that has come to its target, and holds its worker until this is answered.
        stays: whether that one cannot be paused: it goes on, or ends.
        left: how many epochs of the budget are neither trained nor given to trials that run.
        trained: epochs of the search so far.
    """

    number: int
    new: bool = True
    after: int | None = None
    stays: bool = False
    left: float = math.inf
    trained: int = 0


@dataclass(frozen=True, slots=True)
class Reach:
    """Tell the allocator that a trial has come to its target; `seconds` of an epoch, NaN where that is not known."""

    trial: int
    epoch: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GoOn:
    """Let a trial that waits at its target train on, up to an epoch; None: to its end."""

    trial: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Learn:
    """Take up a parameter that a trial has asked for, and the value that it has got."""

    trial: int
    value: Any
    parameter: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Give a trial the curve of another, whose model it has taken over."""

    trial: int
    donor: int


@dataclass(frozen=True, slots=True)
class Record:
    """Write the trial as it is now."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Keep:
    """Write a report and tell it to the sampler.

    Attributes:
        value: the objective; None in an epoch that does not measure it.
    """

    report: Report
    value: float | None


@dataclass(frozen=True, slots=True)
class Judge:
    """Ask the pruner whether the trial should end here."""

    trial: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Examine:
    """Diagnose a running trial's curve."""

    trial: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Launch:
    """Give the trial to a worker."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Stop:
    """Tell the trial's worker to end it at the next epoch."""

    trial: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End the trial's worker."""

    trial: int


@dataclass(frozen=True, slots=True)
class Settle:
    """The trial is finished: diagnose it, write it, tell the sampler. `ended`: its worker's last word, if any."""

    trial: Trial
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class OpenTest:
    """Note that the test split is opened, before the first worker reads it."""


@dataclass(frozen=True, slots=True)
class Close:
    """The study is over, in this state."""

    state: StudyState
    message: str | None = None


Action = (
    Ask
    | Reach
    | Learn
    | TakeOver
    | Record
    | Keep
    | Judge
    | Examine
    | Launch
    | GoOn
    | Stop
    | Kill
    | Settle
    | OpenTest
    | Close
)
