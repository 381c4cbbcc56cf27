"""What Goodfit knows about a study: its records and the one table of legal state changes.

Plain values only: no database, no clock, no files. Times are seconds since the epoch (UTC).
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from goodfit.service import pareto, stored_spec
from goodfit.service.errors import IllegalChange
from goodfit.service.json_values import Number, Rows, Time, Values
from goodfit.service.objective import Objective

Params = Values


class StudyState(StrEnum):
    """Where a study is in its life."""

    QUEUED = "QUEUED"  # known, not started
    RUNNING = "RUNNING"
    INTERRUPTED = "INTERRUPTED"  # Ctrl-C; all saved, `resume` goes on
    STOPPED = "STOPPED"  # `goodfit stop`; likewise
    DONE = "DONE"
    FAILED = "FAILED"  # ended without one finished trial

    @property
    def at_rest(self) -> bool:
        """Whether nobody is to run it unless it is resumed."""
        return self not in (StudyState.QUEUED, StudyState.RUNNING)


class TrialState(StrEnum):
    """Where a trial is in its life."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"  # its checkpoint is kept, its worker is free; it goes on where that is worth it
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"  # in flight when the budget was spent; kept with what it had


class Failure(StrEnum):
    """Why a trial is FAILED."""

    ERROR = "error"  # the trainer raised
    NAN = "nan"
    OOM = "oom"
    TIMEOUT = "timeout"  # past training.minutes
    LOST = "lost"  # its worker died, more often than it may


class Verdict(StrEnum):
    """What a trial's curve says of its fit."""

    GOOD_FIT = "good_fit"
    OVERFIT = "overfit"
    UNDERFIT = "underfit"
    DIVERGED = "diverged"
    UNFINISHED = "unfinished"


FINISHED = frozenset({TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED, TrialState.CANCELLED})

_TRIAL_CHANGES: Mapping[TrialState, frozenset[TrialState]] = {
    TrialState.QUEUED: frozenset({TrialState.RUNNING, TrialState.PRUNED, TrialState.CANCELLED}),
    TrialState.RUNNING: frozenset({TrialState.QUEUED, TrialState.PAUSED}) | FINISHED,
    TrialState.PAUSED: frozenset({TrialState.QUEUED, TrialState.PRUNED}),
    **{state: frozenset() for state in FINISHED},
    TrialState.FAILED: frozenset({TrialState.QUEUED}),  # to be trained again
    TrialState.CANCELLED: frozenset({TrialState.QUEUED}),  # to go on, with more of a budget
}

_STUDY_CHANGES: Mapping[StudyState, frozenset[StudyState]] = {
    StudyState.QUEUED: frozenset({StudyState.RUNNING, StudyState.STOPPED, StudyState.FAILED}),
    StudyState.RUNNING: frozenset(set(StudyState) - {StudyState.QUEUED}),  # to itself: another runner takes over
    StudyState.INTERRUPTED: frozenset({StudyState.RUNNING, StudyState.STOPPED, StudyState.QUEUED}),
    StudyState.STOPPED: frozenset({StudyState.RUNNING, StudyState.QUEUED}),
    StudyState.DONE: frozenset({StudyState.QUEUED}),  # with more of a budget, or failed trials to train again
    StudyState.FAILED: frozenset({StudyState.RUNNING, StudyState.QUEUED}),
}


@dataclass(frozen=True, slots=True)
class Report:
    """The metrics of one epoch of one trial. Epochs count from 1."""

    trial: int
    epoch: int
    metrics: Mapping[str, Number]  # "train/loss", "val/loss", ...; NaN and infinities are kept
    at: float
    costs: Mapping[str, Number] | None = field(
        default=None, compare=False
    )  # see trainers/trial/costs.py; None: no sample


@dataclass(frozen=True, slots=True)
class Stretch:
    """Epochs of a training with the same parameters.

    Attributes:
        epoch: its first; it lasts until the next stretch, or to the end.
        trial: the trial that trained it.
        params: the whole configuration.
    """

    epoch: int
    trial: int
    params: Params

    def to_dict(self) -> dict[str, Any]:
        """As a trial's `schedule` has it."""
        return {"epoch": self.epoch, "trial": self.trial, "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration, trained once. `value` is the objective at its best epoch."""

    number: int
    params: Params  # what the search chose and what the study fixed
    seed: int
    state: TrialState = TrialState.QUEUED
    failure: Failure | None = None
    message: str | None = None  # why it failed, or what its user should know of it, in one line
    attempts: int = 0  # how often it was started
    worker_deaths: int = 0  # deaths of its worker in a row, under one runner and without a new epoch between them
    epochs: int = 0  # the last epoch reported
    prune_at: int | None = None  # the epoch at which pruning was decided; its curve ends there
    until: int | None = None  # the epoch after which it is decided whether it goes on; None: it trains to its end
    stop_at: int | None = None  # the epoch at which it was stopped for overfitting; likewise
    value: Number | None = None
    best_epoch: int | None = None
    last_value: Number | None = None  # the objective at the last epoch
    verdict: Verdict | None = None
    gap: Number | None = None  # validation worse than training at the best epoch, in the objective's unit
    diagnosis: Values | None = None
    started: Number | None = None
    ended: Number | None = None
    mlflow_run_id: str | None = None  # written by the tracker alone
    confirms: int | None = None  # the trial whose configuration it trains again, on a fresh seed; None: of the search
    test: Mapping[str, Number] | None = (
        None  # of a confirmation: the metrics on the test split, "loss", "accuracy", ...
    )
    share: Number = 1.0  # of the study's resources that an attempt takes: more, once it ran out of memory
    size: int | None = None  # parameters of its model; None where they are not known, or it did not end
    code: str | None = None  # digest of the study's own code that trained it, joined by + where its attempts differ
    data: str | None = None  # likewise of the data
    began: int = 1  # the attempt with which its curve begins: one that is trained again may begin anew
    proposed: Params | None = None  # values for what its trainer may ask for, where that says its parameters as it runs
    schedule: Rows | None = None  # its stretches, see Stretch; None: `params` from the first epoch to the last
    measured: Mapping[str, Number] | None = None  # at its best epoch: further objectives, and what is bounded
    violation: Number | None = None  # of the study's constraints there, in units of their bounds; None: it has none
    notes: Values | None = None  # of its trainer, by key: text, numbers

    @property
    def cut(self) -> bool:
        """Whether its curve ends before its worker did: what still comes from that one is not kept."""
        return self.prune_at is not None or self.stop_at is not None

    @property
    def feasible(self) -> bool:
        """Whether it keeps the study's constraints, as far as it was trained."""
        return not self.violation

    @property
    def at_target(self) -> bool:
        """Whether it has come to where it is decided whether it goes on."""
        return self.until is not None and self.epochs >= self.until

    @property
    def label(self) -> str:
        """The state as users see it: `FAILED(nan)` names the kind of failure."""
        return f"{self.state}({self.failure})" if self.failure else str(self.state)

    @property
    def mark(self) -> str:
        """What a mirror has to have seen of it: its state, its verdict, which others may change, its model's origin."""
        return f"{self.label}/{self.verdict or ''}" + (f"/{self.origin}" if self.origin else "")

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """What its model was trained with, from the first epoch on: one stretch where nothing changed."""
        if self.schedule is None:
            return (Stretch(1, self.number, self.params),)
        return tuple(Stretch(one["epoch"], one["trial"], one["params"]) for one in self.schedule)

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What of the parameters changed while its model was trained, as `schedule:` of a study file has it."""
        found = []
        for before, one in itertools.pairwise(self.stretches):
            new = {name: value for name, value in one.params.items() if before.params.get(name) != value}
            found += [{"epoch": one.epoch, **new}] if new else []
        return found

    @property
    def origin(self) -> str | None:
        """The trial whose model it took over, and after which epoch: "3 at 8"; None where the model is its own."""
        if len(self.stretches) < 2 or self.confirms is not None:
            return None
        *_, before, own = self.stretches
        return f"{before.trial} at {own.epoch - 1}"

    def taking_over(self, donor: Trial, params: Params) -> Trial:
        """This trial with the model of another that is at the same epoch, from there on with these parameters.

        The model brings its history: the curve up to here, its best epoch, and the seed that it is trained with.
        """
        stretches = (*donor.stretches, Stretch(self.epochs + 1, self.number, params))
        return replace(
            self,
            params=params,
            seed=donor.seed,
            value=donor.value,
            best_epoch=donor.best_epoch,
            last_value=donor.last_value,
            code=donor.code,
            data=donor.data,
            schedule=[one.to_dict() for one in stretches],
        )

    def to(self, state: TrialState, **changes: Any) -> Trial:
        """This trial in another state; IllegalChange if the table does not allow it."""
        if state not in _TRIAL_CHANGES[self.state]:
            raise IllegalChange(f"trial {self.number} is {self.state} and cannot become {state}")
        return replace(self, state=state, **changes)


@dataclass(frozen=True, slots=True)
class Study:
    """One search. `spec` is the study file as validated, in plain JSON values."""

    name: str
    spec: Values
    fingerprint: str  # of the spec that it was made with: a name for it, even when the spec is changed later
    created: float
    id: int = 0  # given by the store
    state: StudyState = StudyState.QUEUED
    message: str | None = None
    started: float | None = None
    ended: float | None = None
    seconds: float = 0.0  # running time spent, over all runs of it
    stop_asked: bool = False
    mlflow_experiment_id: str | None = None
    mlflow_run_id: str | None = None
    model_uri: str | None = None
    champion: int | None = None  # the trial whose model `model_uri` names; whether it is released: see release.py
    test_opened: float | None = None  # when the test split was first, to confirm the best configurations
    test_opened_by: str | None = None  # host:pid:start of the runner that did
    queued: float | None = None  # since when it is the service's to run; None: `goodfit run` does, in the foreground
    submitter: str | None = None  # who submitted it
    priority: int = 0  # of the queue: the higher goes first
    waits_for: str | None = None  # why the service has not started it yet, or what it lacks to go on
    inputs: Values | None = None  # the code and the data of its trials, with a digest of each file
    folder: str | None = None  # of its files, at their place; None before it first runs
    test_openings: int = 0  # how often the test split was opened: again when a search went on after a confirmation
    front_box: Values | None = None  # of several objectives: what the hypervolume is a share of since it went on
    note: str | None = None  # of people, about it
    tags: Values | None = None  # likewise, texts by key
    figures: Values | None = None  # what was measured of it after its search, by kind: label_errors
    decided: int = 0  # how many decisions there are about the release of its models
    registered: int = 0  # how many of them MLflow's registry follows

    @property
    def objective(self) -> Objective:
        """What it optimizes."""
        return stored_spec.objective_of(self.spec)

    @property
    def trainer(self) -> str | None:
        """The name of its trainer."""
        return stored_spec.trainer_of(self.spec)

    @property
    def resources(self) -> dict[str, float]:
        """What one trial takes of one node: cpus, gpus, and custom resources by their names."""
        return stored_spec.resources_of(self.spec)

    @property
    def planned_trials(self) -> int | None:
        """How many trials its search has at most; None: as many as the time allows."""
        return stored_spec.planned_trials(self.spec)

    def to(self, state: StudyState, **changes: Any) -> Study:
        """This study in another state; IllegalChange if the table does not allow it."""
        if state not in _STUDY_CHANGES[self.state]:
            raise IllegalChange(f"study {self.name} is {self.state} and cannot become {state}")
        return replace(self, state=state, **changes)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a study. `fence` grows with each holder; older ones are refused."""

    study_id: int
    owner: str  # host:pid:start, so that a dead owner on the same host is known at once
    fence: int
    until: float


class Role(StrEnum):
    """What the bearer of a token may do; each may do what the one before it may."""

    VIEWER = "viewer"  # read everything
    SUBMITTER = "submitter"  # submit studies; stop, resume and remove one's own
    ADMIN = "admin"  # those of others too, tokens, the audit log

    def allows(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Token:
    """The right to use the API, without its secret: of that a hash is kept, and nobody can tell it again."""

    id: str
    name: str  # whose it is: the submitter of studies, the `who` of the audit log
    role: Role
    created: Time
    created_by: str
    expires: Time | None = None
    revoked: Time | None = None

    def valid(self, now: float) -> bool:
        """Whether it opens anything at this time."""
        return self.revoked is None and (self.expires is None or now < self.expires)


RELEASES = ("release", "approve", "reject")  # actions that decide which of a study's models is released


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change of state: who did what to which study or token, and when.

    Attributes:
        at: seconds since the epoch.
        who: did it.
        action: submit, create, edit, resume, stop, state, note, figures, release, approve, reject, remove,
            create-token, revoke-token.
        subject: a study's or a token's name.
        detail: what else, for people.
        study: the study's id; None of a token, and of entries from before it was kept.
        before: what it was before, by key, where that is known.
        after: likewise, what it is since.
        hash: of all of these and of the subject's entry before; see audit_chain.py. None: from before it was kept.
    """

    at: Time
    who: str
    action: str
    subject: str
    detail: str = ""
    study: int | None = None
    before: Values | None = None
    after: Values | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A trial that had come to where it waits, or to its end, by the time of a decision.

    Attributes:
        trial: its number.
        epoch: how far it had come.
        seconds: of an epoch of it; None where they are not known.
        how: target, complete, pruned, diverged, lost.
    """

    trial: int
    epoch: int
    seconds: float | None
    how: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a free worker was given, and all that this followed from: so it can be explained, and derived again.

    Attributes:
        index: decisions of a study count from 0.
        trial: that it went to.
        new: whether the trial began with it.
        until: the epoch after which the next decision is due; None: the trial was to train to its end.
        workers: how many trials could run at once.
        seen: what had come since the decision before.
        why: by what it was decided, on what evidence, what was expected; with `ends` the trial ended at `until`.
    """

    index: int
    trial: int
    new: bool
    until: int | None
    workers: int
    seen: tuple[Seen, ...] = ()
    why: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """The spec of a study as it was edited. A study that was never edited has none; else version 1 is the first spec.

    Attributes:
        number: versions count from 1.
        spec: all of it, as Study.spec.
        changes: (key, before, after) each, as people read them.
        at: when it was edited.
        by: who did it.
        from_trial: the first trial number that is proposed by it; None: no runner has taken it up yet.
        from_decision: likewise, the first decision that follows from it.
    """

    number: int
    spec: Values
    changes: tuple[tuple[str, str, str], ...]
    at: Time
    by: str
    from_trial: int | None = None
    from_decision: int | None = None

    @property
    def pending(self) -> bool:
        """Whether the study does not go by it yet."""
        return self.from_trial is None

    def __str__(self) -> str:
        since = "not taken up yet" if self.from_trial is None else f"from trial {self.from_trial} on"
        changes = "; ".join(f"{key}: {before} -> {after}" for key, before, after in self.changes)
        return f"version {self.number}, {since}, by {self.by}" + (f": {changes}" if changes else "")


@dataclass(frozen=True, slots=True)
class StudyRun:
    """A run of a study: where it comes from. One that comes from where the run before did has no record of its own.

    Attributes:
        number: runs count from 1.
        at: when it began.
        facts: source, git, code, data, packages, machine, seeds; see app/provenance.py.
    """

    number: int
    at: Time
    facts: Values

    def began_before(self, at: float | None) -> bool:
        """Whether what started at a time may have been started by this run."""
        return at is not None and self.at <= at


def run_of(runs: Sequence[StudyRun], trial: Trial) -> StudyRun | None:
    """The run that began a trial's training, of all runs of its study; None where none is known."""
    return next((run for run in reversed(runs) if run.began_before(trial.started)), runs[0] if runs else None)


@dataclass(slots=True)
class Batch:
    """What one turn of a runner changes; the store writes it in one transaction.

    `trials` are inserted or, by number, replaced (all but the tracker's columns). `curves` take the place of all
    reports of their trials. A report whose (trial, epoch) is already there is left as it was. `versions` are taken
    up: the study has the spec of the last one from then on. Of `sources`, the study's own code by the digests of its
    files, those that are there stay as they are.
    """

    trials: dict[int, Trial] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    study: Study | None = None
    decisions: list[Decision] = field(default_factory=list)
    space: list[dict[str, Any]] | None = None  # in the place of the spec's, of a study that learns it as it runs
    curves: dict[int, Sequence[Report]] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    runs: list[StudyRun] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(getattr(self, part) for part in self.__slots__)


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial: 31 bits that depend on the study's seed and the trial's number alone."""
    digest = hashlib.blake2b(f"{study_seed}:{number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") & 0x7FFFFFFF


def is_control(number: int, share: float) -> bool:
    """Whether a trial of the search is a control: drawn at random and never pruned; about this share of them is."""
    return number > 0 and math.floor((number + 1) * share) > math.floor(number * share)


def ranked(trials: Iterable[Trial], objective: Objective) -> list[Trial]:
    """The search's complete trials that keep the constraints, the best value first, and among equals the earlier.

    Of several objectives, those of the Pareto front come first, in the order of the first objective.
    """
    complete = [trial for trial in trials if is_candidate(trial)]
    valued = [(objective.sign * trial.value, trial.number, trial) for trial in complete if trial.value is not None]
    order = [trial for *_, trial in sorted(valued, key=lambda item: item[:2])]
    if not objective.others:
        return order
    front = pareto_front(complete, objective)
    first = {trial.number for trial in front}
    return [*front, *(trial for trial in order if trial.number not in first)]


def best_with_each(trials: Iterable[Trial], parameters: Sequence[str], objective: Objective) -> list[Trial]:
    """The best complete trial of the search with each combination of values of some parameters; none of no parameters.

    Those that keep the constraints go before others.
    """
    complete = [
        trial
        for trial in trials
        if trial.state is TrialState.COMPLETE and trial.confirms is None and trial.value is not None
    ]
    order = sorted(complete, key=lambda one: (one.violation or 0.0, objective.sign * (one.value or 0.0), one.number))
    found: dict[tuple[str, ...], Trial] = {}
    for trial in order if parameters else ():
        found.setdefault(tuple(repr(trial.params.get(name)) for name in parameters), trial)
    return list(found.values())


def is_candidate(trial: Trial) -> bool:
    """Whether a trial can be the best: of the search, trained to its end, and in keeping with the constraints."""
    return trial.state is TrialState.COMPLETE and trial.confirms is None and trial.feasible


def losses_of(trial: Trial, objective: Objective) -> pareto.Point | None:
    """A trial's values of all objectives at its best epoch, so that less is better; None where one is missing."""
    if trial.value is None:
        return None
    return objective.losses({**(trial.measured or {}), objective.metric: trial.value})


def judged_by(trial: Trial, objective: Objective) -> dict[str, Any] | None:
    """What a study with several objectives or constraints judges a trial by; None where that is its value alone."""
    if not objective.wanted:
        return None
    return {objective.metric: trial.value, **{name: (trial.measured or {}).get(name) for name in objective.wanted}}


def pareto_front(trials: Iterable[Trial], objective: Objective) -> list[Trial]:
    """The trials that can be the best and that no other beats in every objective, by the first objective's value."""
    placed = [(point, trial) for trial in trials if is_candidate(trial) and (point := losses_of(trial, objective))]
    found = [placed[place] for place in pareto.front([point for point, _ in placed])]
    return [trial for _, trial in sorted(found, key=lambda one: (one[0], one[1].number))]
