"""The store of studies, cut into what its users need: reading, leases, the queue, the mirror, and all of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from goodfit.service.objective import Objective
from goodfit.service.records import (
    AuditEntry,
    Batch,
    Decision,
    Lease,
    Report,
    Study,
    StudyRun,
    StudyState,
    Token,
    Trial,
    Verdict,
    Version,
)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many trials of a study's search there are, by Trial.label and by verdict."""

    states: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)


class Studies(Protocol):
    """Studies, found by name or id, and counted. Reading needs no lease."""

    def study(self, name: str) -> Study: ...
    def study_by_id(self, study_id: int) -> Study:
        """The study of that id, whoever has its name by now; UnknownStudy where it was removed."""
        ...

    def studies(self) -> list[Study]:
        """All studies, newest first."""
        ...

    def page_of_studies(
        self, *, states: Sequence[StudyState] = (), submitter: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[Study]:
        """Some of the studies, newest first; `states`: only in one of these, where any is named."""
        ...

    def files(self, study_id: int) -> dict[str, str]:
        """What travels with a study: file name -> text."""
        ...

    def versions(self, study_id: int) -> list[Version]:
        """The specs of a study that was edited, in their order; none of one that never was."""
        ...

    def runs(self, study_id: int) -> list[StudyRun]:
        """Where the runs of a study came from, in their order."""
        ...

    def sources(self, study_id: int) -> dict[str, str]:
        """The content of the code that a study was trained with, by the digests in its runs."""
        ...

    def tally(self, study_id: int) -> Tally:
        """How many trials of the search are in each state and have each verdict."""
        ...

    def counts(self, studies: Sequence[int] | None = None) -> dict[int, dict[str, int]]:
        """For each study id, of these or of all: how many trials of the search are in each state, by Trial.label."""
        ...

    def releases(self, study_id: int) -> list[AuditEntry]:
        """What was decided about the release of a study's models, oldest first: entries of the audit log."""
        ...

    def holder(self, study_id: int) -> Lease | None:
        """Who holds the study, or held it last without releasing it."""
        ...

    def fence(self, study_id: int) -> int:
        """The fence of the study's lease, held or released: how often it was given."""
        ...


class Trials(Protocol):
    """The trials and curves of a study."""

    def trials(self, study_id: int, parts: Collection[str] | None = None) -> list[Trial]:
        """All trials in the order of their numbers; `parts` as in page_of_trials."""
        ...

    def page_of_trials(
        self,
        study_id: int,
        *,
        labels: Sequence[str] = (),
        verdict: Verdict | None = None,
        after: int = -1,
        limit: int = 100,
        parts: Collection[str] | None = None,
    ) -> list[Trial]:
        """Some trials of the search by number, above `after`; only those with one of the labels and the verdict.

        `parts`: which parts of their diagnoses are read; None: all.
        """
        ...

    def trial(self, study_id: int, number: int) -> Trial | None:
        """One trial of any kind; None where there is none of that number."""
        ...

    def reports(self, study_id: int, trial: int | None = None) -> list[Report]:
        """Curves, ordered by trial and epoch."""
        ...

    def decisions(self, study_id: int) -> list[Decision]:
        """What was decided in the search, in its order."""
        ...

    def page_of_decisions(self, study_id: int, *, after: int = -1, limit: int = 100) -> list[Decision]:
        """Some decisions in their order, with an index above `after`."""
        ...

    def page_of_reports(self, study_id: int, *, after: int = -1, trials: int = 100) -> list[Report]:
        """The curves of the next `trials` numbers above `after`, ordered by trial and epoch."""
        ...

    def top(self, study_id: int, objective: Objective, k: int) -> list[Trial]:
        """The search's complete trials, the best `k` values first, and among equals the earlier."""
        ...

    def confirming(self, study_id: int) -> list[Trial]:
        """The trials that confirm others, and those that they confirm, in the order of their numbers."""
        ...


class Records(Studies, Trials, Protocol):
    """All that is read of studies."""


class Leases(Protocol):
    """The right to write a study, and what is written under it; a write with an older lease raises Fenced.

    Whoever changes the state of a study stands in the audit log, from the same transaction: `by`, or the lease's owner.
    """

    def acquire(self, study_id: int, owner: str, now: float, ttl: float, dead: Callable[[str], bool]) -> Lease:
        """Take the study's lease with the next fence; StudyHeld while a live owner has it.

        A lease is free when it was released, is past its time, or `dead(owner)` is true.
        """
        ...

    def hand_over(self, lease: Lease, owner: str, now: float, ttl: float) -> Lease:
        """Give the lease to another owner, with the next fence; Fenced if it is gone."""
        ...

    def renew(self, lease: Lease, now: float, ttl: float) -> bool:
        """Keep the lease; Fenced if it is gone. Returns whether a stop was asked for."""
        ...

    def release(self, lease: Lease) -> None:
        """Give the lease back; does nothing if it is another's already."""
        ...

    def apply(self, lease: Lease, batch: Batch) -> None:
        """Write a batch in one transaction, all or nothing; Fenced if the lease is gone.

        Reports that are there already stay as they were. The study's `stop_asked`, `model_uri`,
        `champion`, MLflow and queue columns, and the trials' `mlflow_run_id`, are not the runner's
        and are left alone.
        """
        ...

    def edit(self, study: Study, versions: Sequence[Version], by: str = ..., detail: str = "") -> None:
        """Keep new versions of a study that somebody runs; who does takes them up. Needs no lease.

        Raises:
            IllegalChange: they do not follow the last version that is there: it was edited at the same time.
        """
        ...

    def pending(self, study_id: int) -> list[Version]:
        """The versions that nobody has taken up yet, in their order."""
        ...

    def reopen(
        self,
        lease: Lease,
        study: Study,
        trials: Sequence[Trial] = (),
        by: str = ...,
        detail: str = "",
        versions: Sequence[Version] = (),
    ) -> None:
        """Write what a study at rest is to go on with, in one transaction; Fenced if the lease is gone.

        Args:
            lease: of who writes it.
            study: with its spec, state and place in the queue as they are to be; the rest is left alone.
            trials: to be trained again. The curve of each ends at its `epochs`; where that is the start, the
                tracker's columns are as for a new trial.
            by: who does it.
            detail: what else has changed, for the audit log.
            versions: of its spec, new ones and pending ones, from where on they hold; IllegalChange as for `edit`.
        """
        ...

    def remove(self, lease: Lease, by: str = ...) -> None:
        """Take out the study that a lease is of, with its trials and curves, and the lease with it.

        Raises:
            Fenced: the lease has passed to another.
        """
        ...


class Queue(Protocol):
    """What the service has still to do, and why it waits. Needs no lease."""

    def waiting(self) -> list[tuple[Study, Lease | None]]:
        """The service's studies that are QUEUED or RUNNING, each with its lease unless that was released."""
        ...

    def note_waits(self, reasons: Mapping[int, str | None]) -> None:
        """Note for each study id what the service waits for before it starts it. Needs no lease."""
        ...

    def behind(self, limit: int) -> list[Study]:
        """Studies of the service that are at rest and of which MLflow lacks something, oldest first."""
        ...

    def census(self) -> dict[StudyState, int]:
        """How many studies are in each state."""
        ...


class Mirrored(Protocol):
    """What the tracker has of a study, and what it lacks. Needs no lease."""

    def only_mirror(self, study_id: int) -> AbstractContextManager[Callable[[], bool] | None]:
        """Be the only mirror of a study, on any machine, while the context lasts; None: another is.

        The context's value tells whether that still holds: a database that was restarted has forgotten it.
        """
        ...

    def unmirrored(self, study_id: int, limit: int) -> list[Trial]:
        """Trials whose state or curve is ahead of what the tracker has confirmed; finished ones first."""
        ...

    def mirrored_epochs(self, study_id: int, trials: Sequence[int]) -> dict[int, int]:
        """Per trial, the last epoch that the tracker has confirmed (0: none)."""
        ...

    def note_mirrored(self, study_id: int, trials: Mapping[int, tuple[str, int, str]]) -> None:
        """Note what MLflow has: trial number -> (run id, last epoch, Trial.mark). Needs no lease."""
        ...

    def note_study_mirrored(self, study_id: int, **columns: Any) -> None:
        """Note mlflow_experiment_id, mlflow_run_id, model_uri, champion, registered. Needs no lease."""
        ...


class Access(Protocol):
    """Who may use the API, and the log of what was done."""

    def add_token(self, token: Token, digest: str) -> None:
        """Keep a token under the hash of its secret."""
        ...

    def token_of(self, digest: str) -> Token | None:
        """The token with this hash, valid or not."""
        ...

    def tokens(self) -> list[Token]:
        """All of them, oldest first."""
        ...

    def revoke(self, token_id: str, at: float, by: str) -> Token:
        """Make a token worthless; InputError for an unknown id. One that is revoked already stays as it was."""
        ...

    def audit(self, *, subject: str | None = None, limit: int = 100, offset: int = 0) -> list[AuditEntry]:
        """The log, newest first; of one subject, where named."""
        ...


class Store(Records, Leases, Queue, Mirrored, Protocol):
    """The one truth: studies, trials, curves, leases. Times are passed in, in seconds.

    The whole of it is what an adapter offers; whoever uses a part of it says which. Names are unique; an unknown one
    raises UnknownStudy, with the nearest name.
    """

    @property
    def place(self) -> str:
        """The database, for people; never with a password."""
        ...

    @property
    def access(self) -> Access:
        """Tokens and the audit log, in the same database."""
        ...

    def add_study(self, study: Study, files: Mapping[str, str] | None = None) -> Study:
        """Keep a new study, with the files that travel with it, and give it its id; NameTaken if the name is there."""
        ...

    def annotate(self, study_id: int, note_: str | None, tags: Mapping[str, str], by: str = ...) -> Study:
        """Give a study a note and tags; an empty one goes, a note that is None stays. Needs no lease."""
        ...

    def note_figures(self, study_id: int, figures: Mapping[str, Any], by: str = ...) -> Study:
        """Keep what was measured of a study after its search, by kind; one that is None goes. Needs no lease."""
        ...

    def decide(self, study_id: int, number: int, entry: AuditEntry) -> Study:
        """Write a decision about the release of a study's models into the audit log. Needs no lease.

        Raises:
            IllegalChange: it is not the `number`-th: something else was decided since the others were read.
        """
        ...

    def ask_stop(self, study_id: int, stop: bool, by: str = ...) -> None:
        """Ask whoever holds the study to stop, or take that back. Needs no lease."""
        ...

    def close(self) -> None: ...
