"""What the engine asks of the outside: protocols only, each kept by a contract suite.

An implementation lives in a module of its own and knows its library alone: store/ SQLAlchemy,
sampler/ Optuna, ray_executor/ Ray, tracker/ MLflow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from goodfit.service.records import AuditEntry, Batch, Lease, Report, Study, StudyState, Token, Trial, Verdict
from goodfit.trainers.messages import Message, Pack


@dataclass(frozen=True, slots=True)
class Tally:
    """How many trials of a study's search there are, by Trial.label and by verdict."""

    states: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one of the studies that share a cluster could use of it.

    Attributes:
        study: its id.
        resources: of one worker, by Ray's names: CPU, GPU, and any of the cluster's own.
        priority: the higher goes first.
        since: when it came; among equals, who came first.
        workers: at most so many are of use to it; None: any number.
    """

    study: int
    resources: Mapping[str, float]
    priority: int = 0
    since: float = 0.0
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who shares a cluster. No claims: the study has it for itself.

    Attributes:
        study: the one whose part is looked for.
        claims: of all studies, that one among them.
        turn: grows with time; decides who is next where there are fewer workers than equals.
    """

    study: int = 0
    claims: tuple[Claim, ...] = ()
    turn: int = 0

    @property
    def comes_later(self) -> bool:
        """Whether another study has a higher priority."""
        mine = next((claim.priority for claim in self.claims if claim.study == self.study), 0)
        return any(claim.priority > mine for claim in self.claims)


ALONE = Sharing()


class Store(Protocol):
    """The one truth: studies, trials, curves, leases. Times are passed in, in seconds.

    Reading needs no lease. Writing a study needs its current lease; an older one raises Fenced.
    Names are unique; an unknown one raises UnknownStudy, with the nearest name. Whoever changes the
    state of a study stands in the audit log, from the same transaction: `by`, or the lease's owner.
    """

    def add_study(self, study: Study, files: Mapping[str, str] | None = None) -> Study:
        """Keep a new study, with the files that travel with it, and give it its id; NameTaken if the name is there."""
        ...

    def files(self, study_id: int) -> dict[str, str]:
        """What travels with a study: file name -> text."""
        ...

    def study(self, name: str) -> Study: ...
    def studies(self) -> list[Study]:
        """All studies, newest first."""
        ...

    def page_of_studies(
        self, *, states: Sequence[StudyState] = (), submitter: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[Study]:
        """Some of the studies, newest first; `states`: only in one of these, where any is named."""
        ...

    def study_by_id(self, study_id: int) -> Study:
        """The study of that id, whoever has its name by now; UnknownStudy where it was removed."""
        ...

    def remove(self, lease: Lease, by: str = ...) -> None:
        """Take out the study that a lease is of, with its trials and curves, and the lease with it.

        Raises:
            Fenced: the lease has passed to another.
        """
        ...

    def trials(self, study_id: int, told: Collection[str] | None = None) -> list[Trial]:
        """All trials in the order of their numbers; `told` as in page_of_trials."""
        ...

    def reports(self, study_id: int, trial: int | None = None) -> list[Report]:
        """Curves, ordered by trial and epoch."""
        ...

    def page_of_reports(self, study_id: int, *, after: int = -1, trials: int = 100) -> list[Report]:
        """The curves of the next `trials` numbers above `after`, ordered by trial and epoch."""
        ...

    def trial(self, study_id: int, number: int) -> Trial | None:
        """One trial of any kind; None where there is none of that number."""
        ...

    def page_of_trials(
        self,
        study_id: int,
        *,
        labels: Sequence[str] = (),
        verdict: Verdict | None = None,
        after: int = -1,
        limit: int = 100,
        told: Collection[str] | None = None,
    ) -> list[Trial]:
        """Some trials of the search by number, above `after`; only those with one of the labels and the verdict.

        `told`: which parts of their diagnoses are read; None: all.
        """
        ...

    def top(self, study_id: int, direction: str, k: int) -> list[Trial]:
        """The search's complete trials, the best `k` values first, and among equals the earlier."""
        ...

    def confirming(self, study_id: int) -> list[Trial]:
        """The trials that confirm others, and those that they confirm, in the order of their numbers."""
        ...

    def tally(self, study_id: int) -> Tally:
        """How many trials of the search are in each state and have each verdict."""
        ...

    def counts(self, studies: Sequence[int] | None = None) -> dict[int, dict[str, int]]:
        """For each study id, of these or of all: how many trials of the search are in each state, by Trial.label."""
        ...

    def census(self) -> dict[StudyState, int]:
        """How many studies are in each state."""
        ...

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

    def holder(self, study_id: int) -> Lease | None:
        """Who holds the study, or held it last without releasing it."""
        ...

    def apply(self, lease: Lease, batch: Batch) -> None:
        """Write a batch in one transaction, all or nothing; Fenced if the lease is gone.

        Reports that are there already stay as they were. The study's `stop_asked`, `model_uri`,
        `champion`, MLflow and queue columns, and the trials' `mlflow_run_id`, are not the runner's
        and are left alone.
        """
        ...

    def ask_stop(self, study_id: int, asked: bool, by: str = ...) -> None:
        """Ask whoever holds the study to stop, or take that back. Needs no lease."""
        ...

    def waiting(self) -> list[tuple[Study, Lease | None]]:
        """The service's studies that are QUEUED or RUNNING, each with its lease unless that was released."""
        ...

    def reopen(self, lease: Lease, study: Study, trials: Sequence[Trial] = (), by: str = ..., detail: str = "") -> None:
        """Write what a study at rest is to go on with, in one transaction; Fenced if the lease is gone.

        Args:
            lease: of who writes it.
            study: with its spec, state and place in the queue as they are to be; the rest is left alone.
            trials: to be trained again. The curve of each ends at its `epochs`; where that is the start, the
                tracker's columns are as for a new trial.
            by: who does it.
            detail: what else has changed, for the audit log.
        """
        ...

    def note_waits(self, reasons: Mapping[int, str | None]) -> None:
        """Note for each study id what the service waits for before it starts it. Needs no lease."""
        ...

    def fence(self, study_id: int) -> int:
        """The fence of the study's lease, held or released: how often it was given."""
        ...

    def lone_mirror(self, study_id: int) -> AbstractContextManager[Callable[[], bool] | None]:
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

    def confirm_mirrored(self, study_id: int, trials: Mapping[int, tuple[str, int, str]]) -> None:
        """Note what MLflow has: trial number -> (run id, last epoch, Trial.mark). Needs no lease."""
        ...

    def confirm_study_mirrored(self, study_id: int, **columns: Any) -> None:
        """Note mlflow_experiment_id, mlflow_run_id, model_uri, champion. Needs no lease."""
        ...

    def behind(self, limit: int) -> list[Study]:
        """Studies of the service that are at rest and of which MLflow lacks something, oldest first."""
        ...

    def close(self) -> None: ...


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


@dataclass(frozen=True, slots=True)
class Tried:
    """A configuration that has been proposed, as a search method sees it.

    Attributes:
        number: the trial's.
        params: its configuration.
        value: the objective of a trial that was trained to its end; None of any other.
        state: running, complete, pruned or fail.
    """

    number: int
    params: Mapping[str, Any]
    value: float | None
    state: str


class Search(Protocol):
    """A search method that an installed package adds (docs/extending.md); pruning stays Goodfit's."""

    def propose(self, number: int, tried: Sequence[Tried]) -> Mapping[str, Any] | None:
        """The configuration of trial `number`, or a part of it; None ends the search.

        What it leaves open is drawn at random. It may depend on the arguments and on what the method was made with,
        and on nothing else: a study that was interrupted goes on with a new object.
        """
        ...


class Executor(Protocol):
    """Runs packs on workers. Messages come out of `wait`; no call but `wait` and `close` blocks.

    A worker that dies gives an Ended(LOST), or Ended(PREEMPTED), for each of its assignments and is replaced.
    """

    @property
    def slots(self) -> int:
        """How many packs may run at once, those that run included. It changes in `wait` alone.

        A pack with a greater share takes as many slots, rounded up.
        """
        ...

    @property
    def pending(self) -> Set[int]:
        """The trials that were launched and whose worker is not there yet: their time has not begun."""
        ...

    def share_among(self, sharing: Sharing) -> None:
        """Have no more workers than the study's part among these; a running trial keeps its worker to its end.

        Workers go to the studies of the highest priority, as many as they can use, and in fair turns among equals.
        """
        ...

    def launch(self, pack: Pack) -> None:
        """Give a pack to a free worker. Where there never is room for its share, it ends with OOM."""
        ...

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


class Runners(Protocol):
    """Runs studies on the cluster, outlives whoever asked for it. No call waits for a study.

    A runner is known by its study and the fence of the lease that it was started with. It takes
    that lease over, runs the study, lets MLflow catch up, and ends by itself.
    """

    def nodes(self) -> list[Mapping[str, float]]:
        """What each node of the cluster that is alive has in all: "CPU", "GPU" and custom resources."""
        ...

    def start(self, study: Study, lease: Lease) -> None:
        """Start the runner of a study; nothing if it is there."""
        ...

    def failed(self) -> dict[int, str]:
        """The studies whose runners could not be started here since this was asked last, and why."""
        ...

    def end_older(self, study_id: int, fence: int) -> None:
        """End the study's runners whose fences are smaller, whatever they are doing, and their trials."""
        ...

    def running(self) -> set[int]:
        """The studies that have a runner, be it one that only waits for MLflow."""
        ...

    def mirror(self, study: Study) -> None:
        """Start to send MLflow what it lacks of a study at rest; nothing if that is under way."""
        ...

    def mirroring(self) -> set[int]:
        """The studies for which that is under way."""
        ...

    def request(self, bundles: Sequence[Mapping[str, float]]) -> None:
        """Ask the cluster's autoscaler, where it has one, for room for all of these; replaces what was asked before."""
        ...


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
