"""A study that is edited or goes on: what of it changes, which of its trials are trained again, whether it has work.

Planned from the store's records. Of a study at rest it is written in one transaction under the study's lease; an
edit of one that runs is left to its runner, which takes it up between two turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from goodfit.service.app.releasing import settle
from goodfit.service.app.run import plan_of
from goodfit.service.diagnosis.front import box_of
from goodfit.service.errors import Problem, StudyFileError, StudyHeld
from goodfit.service.records import FINISHED, Study, StudyState, Trial, TrialState, Version
from goodfit.service.settings import is_dead, owner

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.spec import StudySpec

LEASE_SECONDS = 30.0  # for what is written here; a check of data may take longer, and then must still hold the lease
Hint = Callable[[str], str]  # a command as the user has to type it
Change = tuple[str, str, str]  # key, before, after

# What a runner has set up before its first trial.
_AT_REST = ("resources", "training.keep")


@dataclass(frozen=True, slots=True)
class Reopening:
    """What `resume` is to change of a study; nothing of it: the study goes on as it is."""

    overrides: Sequence[str] = ()  # KEY=VALUE each, as for `--set`
    retry_failed: bool = False
    priority: int | None = None
    changed: bool = False  # it goes on though its data have changed since

    def __bool__(self) -> bool:
        return bool(self.overrides) or self.retry_failed or self.priority is not None or self.changed


@dataclass(frozen=True, slots=True)
class Reopened:
    """What came of it.

    Attributes:
        study: as the store has it now.
        said: what has changed and what should be known, for people.
        runs: whether there is anything for a runner to do.
    """

    study: Study
    said: Sequence[str]
    runs: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """A study as it would go on: `before` as the store has it, `after` with its new spec and priority."""

    before: Study
    after: Study
    spec: StudySpec
    changes: Sequence[Change]
    versions: Sequence[Version]  # that hold from here on, and the first one where there is none yet
    again: Sequence[Trial]  # back in the queue, or cancelled: to be written
    failed: int  # trials that stay as they are
    box: Mapping[str, Any] | None  # of several objectives: what the hypervolume is a share of
    runs: bool


def reopen(
    store: Store,
    name: str,
    wanted: Reopening,
    now: float,
    by: str,
    hint: Hint,
    *,
    queue: bool,
    vet: Callable[[StudySpec], object] = lambda _: None,
) -> Reopened:
    """Let a study go on, with what is to change of it.

    Args:
        store: where it is.
        name: of the study.
        wanted: what is to change.
        now: seconds since the epoch.
        by: who asks for it.
        hint: how people type a command.
        queue: it is for the service to run; else for this process, right after.
        vet: raises where the spec cannot run here; called before anything is written.

    Raises:
        StudyHeld: a live process runs it.
        StudyFileError: what is to change is wrong, or may not be changed.
    """
    study = store.study(name)
    lease = store.acquire(study.id, owner(), now, LEASE_SECONDS, is_dead)
    try:
        draft = _draft(store, store.study(name), wanted, now, by)
        if draft.runs:
            vet(draft.spec)
        opened = _opened(draft, now, wanted, queue=queue)
        if opened != draft.before or draft.again or draft.versions:
            store.reopen(lease, opened, draft.again, by, "; ".join(_changes(draft)), draft.versions)
    finally:
        store.release(lease)
    return Reopened(store.study(name), [*_changes(draft), *_notices(draft, hint)], draft.runs)


def edit(
    store: Store,
    name: str,
    overrides: Sequence[str],
    now: float,
    by: str,
    hint: Hint,
    vet: Callable[[StudySpec], object] = lambda _: None,
) -> list[str]:
    """Change a study that has begun, whether or not it runs; says what has changed, and when that holds.

    Args:
        store: where it is.
        name: of the study.
        overrides: KEY=VALUE each.
        now: seconds since the epoch.
        by: who asks for it.
        hint: how people type a command.
        vet: raises where the spec may not run here; called before anything is written.

    Raises:
        StudyFileError: what is to change is wrong, or may not be changed, now or at all.
        IllegalChange: somebody else edited it at the same time.
    """
    study, wanted = store.study(name), Reopening(tuple(overrides))
    try:
        lease = store.acquire(study.id, owner(), now, LEASE_SECONDS, is_dead)
    except StudyHeld:
        return _edit_running(store, study, wanted, now, by, vet)
    try:
        draft = _draft(store, store.study(name), wanted, now, by)
        if not draft.versions:
            return [f"study {name} is as it was: nothing of it changes"]
        vet(draft.spec)
        store.reopen(lease, draft.after, draft.again, by, "; ".join(_changes(draft)), draft.versions)
    finally:
        store.release(lease)
    number = draft.versions[-1].number
    waits = study.state is StudyState.QUEUED
    goes_on = "it is in the queue" if waits else f"{hint(f'resume {name}')} goes on with it"
    if not draft.runs:
        goes_on = "it has nothing left to do"
    said = [f"study {name} has version {number} of its spec; {goes_on}", *_changes(draft)]
    if any(key.startswith("release") for key, *_ in draft.changes):  # other gates may let its model pass
        stands = settle(store, store.study_by_id(study.id), now)
        said += [stands.reason(stands.newest)] if stands.newest is not None else []
    return said


def _edit_running(
    store: Store, study: Study, wanted: Reopening, now: float, by: str, vet: Callable[[StudySpec], object]
) -> list[str]:
    spec, new = _edited(study, store.versions(study.id), wanted, now, by)
    if not new:
        return [f"study {study.name} is as it was: nothing of it changes"]
    changes = new[-1].changes
    if fixed := [key for key, *_ in changes if key.startswith(_AT_REST)]:
        why = f"cannot be changed while it runs: stop it by `goodfit stop {study.name}`, edit it, and resume it"
        raise StudyFileError(f"study {study.name}", [Problem(0, f"--set {key}", why) for key in fixed])
    vet(spec)
    said = _sentences(changes)
    store.edit(study, new, by, "; ".join(said))
    return [f"study {study.name} has version {new[-1].number} of its spec; its runner takes it up in a moment", *said]


def edit_is_due(study: Study, versions: Sequence[Version], trials: Sequence[Trial]) -> bool:
    """Whether a study that is done would go on with the newest version of its spec.

    Args:
        study: the record.
        versions: of its spec, the newest last.
        trials: all of them, confirmations too.
    """
    from goodfit.service.scheduler import is_over
    from goodfit.service.spec import StudySpec

    since = [one for one in versions if one.pending or (one.number > 1 and (one.from_trial or 0) >= len(trials))]
    if not since:
        return False
    spec = StudySpec.from_dict(since[-1].spec)
    sections = {key.partition(".")[0] for one in since for key, *_ in one.changes}
    due = {trial.number: trial for trial in (*trials, *_again(study, spec, trials, sections, Reopening()))}
    return not is_over(plan_of(spec), list(due.values()), time_spent=_is_late(study, spec))


def _edited(
    study: Study, versions: Sequence[Version], wanted: Reopening, now: float, by: str
) -> tuple[StudySpec, list[Version]]:
    """The spec with what is to change, and the new versions of it: none where nothing changes."""
    from goodfit.service.spec import StudySpec, changed

    newest = versions[-1].spec if versions and versions[-1].pending else study.spec
    if study.spec.get("open_space"):  # it has grown since
        newest = {**newest, "space": study.spec["space"]}
    spec = changed(newest, wanted.overrides) if wanted.overrides else StudySpec.from_dict(newest)
    changes = spec.changes(newest)
    if not changes:
        return spec, []
    first = [] if versions else [Version(1, study.spec, (), study.created, study.submitter or by, 0, 0)]
    number = versions[-1].number + 1 if versions else 2
    return spec, [*first, Version(number, spec.to_dict(), tuple(changes), now, by)]


def _draft(store: Store, study: Study, wanted: Reopening, now: float, by: str) -> _Draft:
    from goodfit.service.scheduler import is_over

    everything, versions = store.trials(study.id), store.versions(study.id)
    spec, new = _edited(study, versions, wanted, now, by)
    pending = [one for one in (*versions, *new) if one.pending]
    count, decided = len(everything), len(store.decisions(study.id)) if pending else 0
    taken = [replace(one, from_trial=count, from_decision=decided) for one in pending]
    since = [*taken, *(one for one in versions if one.number > 1 and (one.from_trial or 0) >= count)]
    changes = [change for one in pending for change in one.changes]
    after = replace(study, spec=spec.to_dict()) if pending else study
    if wanted.priority is not None and wanted.priority != study.priority:
        changes = [*changes, ("priority", str(study.priority), str(wanted.priority))]
        after = replace(after, priority=wanted.priority)
    trials = {trial.number: trial for trial in everything}
    sections = {key.partition(".")[0] for one in since for key, *_ in one.changes}
    again = _again(study, spec, everything, sections, wanted)
    trials |= {trial.number: trial for trial in again}
    if study.state in (StudyState.DONE, StudyState.FAILED):
        may_run = study.state is StudyState.FAILED or bool(since or again)
        runs = may_run and not is_over(plan_of(spec), list(trials.values()), time_spent=_is_late(study, spec))
    else:
        runs = True
    failed = sum(trial.state is TrialState.FAILED for trial in trials.values())
    first = [one for one in new if one.number == 1]
    box = box_of(everything, study.objective) if study.objective.others else None
    return _Draft(study, after, spec, changes, [*first, *taken], again, failed, box, runs)


def _again(
    study: Study, spec: StudySpec, trials: Sequence[Trial], sections: Collection[str], wanted: Reopening
) -> list[Trial]:
    """The trials that are trained again, or no longer wanted.

    Failed ones where that is asked for; those that the end of a smaller budget cancelled; and of an unfinished
    confirmation, where another is asked for, what is not part of that one.
    """
    from goodfit.service.scheduler import again, confirmations_due, reaches_target

    plan = plan_of(spec)
    searched = [trial for trial in trials if trial.confirms is None]
    found = [again(trial) for trial in trials if wanted.retry_failed and trial.state is TrialState.FAILED]
    ended = _is_late(study, spec) or any(reaches_target(plan, trial) for trial in searched)
    if "budget" in sections and not ended:
        found += [again(trial) for trial in searched[: plan.trials] if trial.state is TrialState.CANCELLED]
    if "confirm" in sections:
        due = {(trial.number, seed) for trial, seed in confirmations_due(plan, searched)}
        left = [trial for trial in trials if trial.confirms is not None and trial.state not in FINISHED]
        found += [trial.to(TrialState.CANCELLED) for trial in left if (trial.confirms, trial.seed) not in due]
    return found


def _is_late(study: Study, spec: StudySpec) -> bool:
    return spec.budget.minutes is not None and study.seconds >= spec.budget.minutes * 60.0


def _opened(draft: _Draft, now: float, wanted: Reopening, *, queue: bool) -> Study:
    """The study as it is written; as it is where its runner will begin with it so, or it has nothing to do."""
    study = draft.after
    if not draft.runs or not (queue or draft.changes or draft.again or study.state is StudyState.DONE):
        return study
    waits = study.state is StudyState.QUEUED and study.queued is not None
    if study.state is StudyState.RUNNING:  # its runner is gone
        study = study.to(StudyState.INTERRUPTED)
    if study.state is not StudyState.QUEUED:
        study = study.to(StudyState.QUEUED, message=None, ended=None, stop_asked=False, waits_for=None)
    if draft.before.state is StudyState.DONE and study.front_box is None:
        study = replace(study, front_box=draft.box)
    if queue and wanted.changed:  # whatever its code and data are then is taken: what they were is forgotten
        study = replace(study, inputs=None)
    return study if waits or not queue else replace(study, queued=now)


def _changes(draft: _Draft) -> list[str]:
    """What changes, for people and for the audit log."""
    states = Counter(trial.state for trial in draft.again)
    queued, dropped = states[TrialState.QUEUED], states[TrialState.CANCELLED]
    changes = _sentences(draft.changes)
    changes += [f"{_count(queued, 'trial')} trained again"] if queued else []
    return changes + ([f"{_count(dropped, 'confirmation')} cancelled"] if dropped else [])


def _sentences(changes: Sequence[Change]) -> list[str]:
    return [f"{key}: {before} -> {after}" for key, before, after in changes]


def _notices(draft: _Draft, hint: Hint) -> list[str]:
    """What the user should know before it goes on."""
    study, notices = draft.before, []
    if draft.failed:
        again = hint(f"resume {study.name} --retry-failed")
        notices.append(f"{_count(draft.failed, 'trial')} of it failed; {again} trains what failed again")
    if draft.runs and study.test_opened is not None:
        when = datetime.fromtimestamp(study.test_opened, UTC).strftime("%Y-%m-%d %H:%M UTC")
        notices.append(
            f"its test split was opened on {when} to confirm the best so far; what is confirmed from now on is "
            "scored on it again, and the record says so"
        )
    return notices


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
