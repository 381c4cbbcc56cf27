"""What a watcher sees of a study that runs: plain values, made by its runner or read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from goodfit.service.json_values import Number
from goodfit.service.records import StudyState, Trial, TrialState, Verdict


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One trial, as far as a watcher sees it."""

    number: int
    state: TrialState
    label: str  # Trial.label
    confirms: int | None = None
    epochs: int = 0
    value: Number | None = None
    last_value: Number | None = None
    best_epoch: int | None = None
    verdict: str | None = None  # of a running trial, as its curve is now
    message: str | None = None

    @classmethod
    def of(cls, trial: Trial, verdict: Verdict | None = None) -> Glimpse:
        """What is to be seen of a trial, with its own verdict unless another is given."""
        found = verdict or trial.verdict
        return cls(
            number=trial.number,
            state=trial.state,
            label=trial.label,
            confirms=trial.confirms,
            epochs=trial.epochs,
            value=trial.value,
            last_value=trial.last_value,
            best_epoch=trial.best_epoch,
            verdict=str(found) if found else None,
            message=trial.message,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is."""

    study: str
    budget: int | None
    states: Mapping[str, int] = field(default_factory=dict)  # finished trials of the search, by Trial.label
    verdicts: Mapping[str, int] = field(default_factory=dict)
    running: Sequence[Glimpse] = ()
    settled: Sequence[Glimpse] = ()  # since the last look
    best: Glimpse | None = None
    seconds: float = 0.0  # spent, over all runs of the study
    seconds_left: float | None = None  # of budget.minutes
    closing: bool = False
    state: StudyState = StudyState.RUNNING
    message: str | None = None  # how it ended
    waits_for: str | None = None  # why the service has not started it yet, or what it lacks to go on

    @property
    def over(self) -> bool:
        """Whether nobody runs the study, nor will unless it is resumed."""
        return self.state not in (StudyState.QUEUED, StudyState.RUNNING)
