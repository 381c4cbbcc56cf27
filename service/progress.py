"""What a watcher sees of a study that runs: plain values, made by its runner or read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from goodfit.service.json_values import Number
from goodfit.service.records import FINISHED, Study, StudyState, Trial, TrialState, Verdict


@dataclass(frozen=True, slots=True)
class TrialProgress:
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
    feasible: bool = True  # whether it keeps the study's constraints

    @classmethod
    def of(cls, trial: Trial, verdict: Verdict | None = None) -> TrialProgress:
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
            feasible=trial.feasible,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is."""

    study: str
    budget: int | None
    states: Mapping[str, int] = field(default_factory=dict)  # finished trials of the search, by Trial.label
    verdicts: Mapping[str, int] = field(default_factory=dict)
    paused: int = 0  # trials whose workers are free, and which may go on
    running: Sequence[TrialProgress] = ()
    settled: Sequence[TrialProgress] = ()  # since the last look
    best: TrialProgress | None = None
    seconds: float = 0.0  # spent, over all runs of the study
    seconds_left: float | None = None  # of budget.minutes
    closing: bool = False
    state: StudyState = StudyState.RUNNING
    message: str | None = None  # how it ended
    waits_for: str | None = None  # why the service has not started it yet, or what it lacks to go on

    @property
    def over(self) -> bool:
        """Whether nobody runs the study, nor will unless it is resumed."""
        return self.state.at_rest


_FINISHED = tuple(str(state) for state in FINISHED)


def progress_of(
    study: Study,
    *,
    budget: int | None,
    limit: float | None,
    states: Mapping[str, int],
    verdicts: Mapping[str, int],
    paused: int,
    running: Sequence[tuple[Trial, Verdict | None]],
    settled: Sequence[Trial],
    best: Trial | None,
    closing: bool,
    waits_for: str | None = None,
) -> Progress:
    """How far a study is, from what its runner knows or the store has.

    Args:
        study: with its state as it is now.
        budget: how many trials it has at most.
        limit: seconds that it may run.
        states: how many trials of the search there are, by Trial.label.
        verdicts: likewise, by verdict.
        paused: how many trials are paused.
        running: the trials that run, each with the verdict on its curve so far.
        settled: the trials that have ended since the last look.
        best: the best trial so far.
        closing: whether it is about to end.
        waits_for: why it has not started, or what it lacks to go on.
    """
    return Progress(
        study=study.name,
        budget=budget,
        states={label: count for label, count in states.items() if label.startswith(_FINISHED)},
        verdicts=dict(verdicts),
        paused=paused,
        running=[TrialProgress.of(trial, verdict) for trial, verdict in running],
        settled=[TrialProgress.of(trial) for trial in settled],
        best=None if best is None else TrialProgress.of(best),
        seconds=study.seconds,
        seconds_left=None if limit is None else max(0.0, limit - study.seconds),
        closing=closing,
        state=study.state,
        message=study.message,
        waits_for=waits_for,
    )
