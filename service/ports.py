"""What the engine asks of the outside: protocols only, each kept by a contract suite.

An implementation lives in a module of its own and knows its library alone: store/ SQLAlchemy,
sampler.py Optuna, ray_executor.py Ray, tracker.py MLflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from service.records import Batch, Lease, Report, Study, Trial
from trainers.messages import Message, Pack


class Store(Protocol):
    """The one truth: studies, trials, curves, leases. Times are passed in, in seconds.

    Reading needs no lease. Writing a study needs its current lease; an older one raises Fenced.
    Names are unique; an unknown one raises UnknownStudy, with the nearest name.
    """

    def add_study(self, study: Study) -> Study:
        """Keep a new study and give it its id; NameTaken if the name is there."""
        ...

    def study(self, name: str) -> Study: ...
    def studies(self) -> list[Study]:
        """All studies, newest first."""
        ...

    def remove(self, name: str) -> None:
        """Take a study out with its trials and curves."""
        ...

    def trials(self, study_id: int) -> list[Trial]:
        """All trials in the order of their numbers."""
        ...

    def reports(self, study_id: int, trial: int | None = None) -> list[Report]:
        """Curves, ordered by trial and epoch."""
        ...

    def counts(self) -> dict[int, dict[str, int]]:
        """For each study id: how many trials of the search are in each state, by Trial.label."""
        ...

    def acquire(self, study_id: int, owner: str, now: float, ttl: float, dead: Callable[[str], bool]) -> Lease:
        """Take the study's lease with the next fence; StudyHeld while a live owner has it.

        A lease is free when it was released, is past its time, or `dead(owner)` is true.
        """
        ...

    def renew(self, lease: Lease, now: float, ttl: float) -> bool:
        """Keep the lease; Fenced if it is gone. Returns whether a stop was asked for."""
        ...

    def release(self, lease: Lease) -> None:
        """Give the lease back; does nothing if it is another's already."""
        ...

    def holder(self, study_id: int) -> Lease | None:
        """Who holds the study, or held it last without releasing it."""
        ...

    def apply(self, lease: Lease, batch: Batch) -> None:
        """Write a batch in one transaction, all or nothing; Fenced if the lease is gone.

        Reports that are there already stay as they were. The study's `stop_asked`, `model_uri`,
        `champion` and MLflow columns, and the trials' `mlflow_run_id`, are not the runner's and
        are left alone.
        """
        ...

    def ask_stop(self, study_id: int, asked: bool) -> None:
        """Ask whoever holds the study to stop, or take that back. Needs no lease."""
        ...

    def unmirrored(self, study_id: int, limit: int) -> list[Trial]:
        """Trials whose state or curve is ahead of what the tracker has confirmed; finished ones first."""
        ...

    def mirrored_epochs(self, study_id: int, trials: Sequence[int]) -> dict[int, int]:
        """Per trial, the last epoch that the tracker has confirmed (0: none)."""
        ...

    def confirm_mirrored(self, study_id: int, trials: Mapping[int, tuple[str, int, str]]) -> None:
        """Note what MLflow has: trial number -> (run id, last epoch, Trial.mark). Needs no lease."""
        ...

    def confirm_study_mirrored(self, study_id: int, **columns: Any) -> None:
        """Note mlflow_experiment_id, mlflow_run_id, model_uri, champion. Needs no lease."""
        ...

    def close(self) -> None: ...


class Sampler(Protocol):
    """Proposes configurations and judges running trials; told everything, it asks for nothing.

    Proposals depend only on the study's seed, the trial's number and what had been told.
    """

    def ask(self, number: int) -> dict[str, Any] | None:
        """The parameters of trial `number`; None when the space is exhausted."""
        ...

    def report(self, number: int, epoch: int, value: float) -> None: ...
    def should_prune(self, number: int) -> bool:
        """Whether the trial should end, on all reports so far."""
        ...

    def tell(self, trial: Trial) -> None:
        """The trial is in a finished state."""
        ...

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report]) -> None:
        """Stand as if all this had been asked, reported and told, in the order of the numbers."""
        ...


class Executor(Protocol):
    """Runs packs on workers. Messages come out of `wait`; no call but `wait` and `close` blocks.

    A worker that dies gives an Ended(LOST) for each of its assignments and is replaced.
    """

    @property
    def slots(self) -> int:
        """How many packs may run at once."""
        ...

    def launch(self, pack: Pack) -> None: ...
    def stop(self, trial: int) -> None:
        """Ask the trial to end at its next epoch; it answers with Ended."""
        ...

    def kill(self, trial: int) -> None:
        """End the trial now, whatever it is doing; nothing more comes from it."""
        ...

    def wait(self, seconds: float) -> list[Message]:
        """All messages that have come, as soon as there is one, or none after `seconds`."""
        ...

    def close(self) -> None: ...


class Tracker(Protocol):
    """Mirrors the store to where people look. Never makes training wait; loses nothing."""

    def wake(self) -> None:
        """The store has news."""
        ...

    def behind(self) -> int:
        """How many trials the mirror has still to catch up with."""
        ...

    def trouble(self) -> str | None:
        """Why it does not get on, in one line; None while it does."""
        ...

    def close(self, seconds: float, on_wait: Callable[[int], None] = lambda _: None) -> bool:
        """Catch up for at most `seconds`, then end. Returns whether all is mirrored."""
        ...
