"""The Store on SQL: each method is one transaction.

Tables are in tables.py, rows in rows.py, leases in leases.py, opening in opening.py, errors in database_errors.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from goodfit.service.errors import IllegalChange, NameTaken, UnknownStudy, did_you_mean
from goodfit.service.objective import Objective
from goodfit.service.ports import Tally
from goodfit.service.records import (
    FINISHED,
    RELEASES,
    AuditEntry,
    Batch,
    Decision,
    Lease,
    Report,
    Study,
    StudyRun,
    StudyState,
    Trial,
    Verdict,
    Version,
)
from goodfit.service.store import leases as leasing
from goodfit.service.store import mirror_lock as mirroring
from goodfit.service.store import queries as listing
from goodfit.service.store.access import SqlAccess, entries_of, note
from goodfit.service.store.database_errors import translated
from goodfit.service.store.opening import Database
from goodfit.service.store.rows import (
    DECISION_COLUMNS,
    REPORT_COLUMNS,
    RUN_COLUMNS,
    STUDY_COLUMNS,
    STUDY_MIRROR,
    TRIAL_COLUMNS,
    VERSION_COLUMNS,
    decision_of,
    decision_rows,
    keep_reports,
    keep_sources,
    keep_study,
    keep_trials,
    keep_versions,
    reopened_row,
    report_rows,
    run_row,
    runner_row,
    study_row,
    trial_rows,
    version_of,
    version_row,
)
from goodfit.service.store.tables import (
    ahead,
    decisions,
    leases,
    reports,
    runs,
    sources,
    studies,
    study_files,
    trials,
    versions,
)
from goodfit.spelling import closest

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, Connection

LOCAL = "local"  # who changes a study of a home, where nobody is named
NAMES_SHOWN = 10  # of the names that come near an unknown one

_KEY: BindParameter[int] = bindparam("study")
_STUDY = select(*STUDY_COLUMNS).where(studies.c.name == bindparam("wanted"))
_STUDIES = select(*STUDY_COLUMNS).order_by(studies.c.created.desc(), studies.c.id.desc())
_NAMES = select(studies.c.name)
_PLACE = select(studies.c.name, studies.c.state).where(studies.c.id == _KEY)
_SPEC = select(studies.c.spec).where(studies.c.id == _KEY)
_FILES = select(study_files.c.name, study_files.c.content).where(study_files.c.study_id == _KEY)
_REMOVE = delete(studies).where(studies.c.id == _KEY)
_CHANGE_STUDY = update(studies).where(studies.c.id == _KEY)
_NOTE_WAITS = _CHANGE_STUDY.values(waits_for=bindparam("reason"))
_BY_ID = select(*STUDY_COLUMNS).where(studies.c.id == _KEY)
_TRIAL = select(*TRIAL_COLUMNS).where(trials.c.study_id == _KEY, trials.c.number == bindparam("number"))
_CURVES = select(*REPORT_COLUMNS).where(reports.c.study_id == _KEY).order_by(reports.c.trial, reports.c.epoch)
_CURVE = _CURVES.where(reports.c.trial == bindparam("number"))
_PAGE_OF_CURVES = _CURVES.where(reports.c.trial > bindparam("after"), reports.c.trial <= bindparam("last"))
_VERSIONS = select(*VERSION_COLUMNS).where(versions.c.study_id == _KEY).order_by(versions.c.number)
_RUNS = select(*RUN_COLUMNS).where(runs.c.study_id == _KEY).order_by(runs.c.number)
_SOURCES = select(sources.c.digest, sources.c.content).where(sources.c.study_id == _KEY)
_PENDING = _VERSIONS.where(versions.c.from_trial.is_(None))
_AHEAD = (
    select(*TRIAL_COLUMNS)
    .where(trials.c.study_id == _KEY, ahead)
    .order_by(trials.c.state.not_in(FINISHED), trials.c.number)
    .limit(bindparam("most"))
)
_MIRRORED = select(trials.c.number, trials.c.mirrored_epoch).where(
    trials.c.study_id == _KEY, trials.c.number.between(bindparam("first"), bindparam("last"))
)
_CONFIRM = (
    update(trials)
    .where(trials.c.study_id == _KEY, trials.c.number == bindparam("trial"))
    .values(mlflow_run_id=bindparam("run"), mirrored_epoch=bindparam("epoch"), mirrored_state=bindparam("state_seen"))
)
_CUT_CURVE = delete(reports).where(
    reports.c.study_id == _KEY, reports.c.trial == bindparam("trial"), reports.c.epoch > bindparam("last")
)
_UNMIRROR = (
    update(trials)
    .where(trials.c.study_id == _KEY, trials.c.number == bindparam("trial"))
    .values(mlflow_run_id=None, mirrored_epoch=0, mirrored_state="")
)


class SqlStore:
    """The Store of service/ports/ on SQLite or PostgreSQL. Threads may share one; processes open their own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = database.engine.execution_options(writes=True)
        dialect = database.engine.dialect.name
        self._keep_study = keep_study(dialect)
        self._keep_trials = keep_trials(dialect)
        self._keep_reports = keep_reports(dialect)
        self._keep_versions = keep_versions(dialect)
        self._keep_sources = keep_sources(dialect)
        self.access = SqlAccess(self)

    @property
    def place(self) -> str:
        """The database as people know it; never with a password."""
        return self._database.place

    def add_study(self, study: Study, files: Mapping[str, str] | None = None) -> Study:
        with self.writing() as connection:
            row = connection.execute(self._keep_study, study_row(study)).first()
            if row is None:
                raise NameTaken(
                    f"there is a study named {study.name!r} already; give this one another name, "
                    f"or go on with that one: goodfit resume {study.name}"
                )
            kept = Study(*row)
            connection.execute(insert(leases), {"study_id": kept.id, "owner": None, "fence": 0, "until": 0.0})
            if files:
                rows = [{"study_id": kept.id, "name": name, "content": text} for name, text in files.items()]
                connection.execute(insert(study_files), rows)
            action = "submit" if study.queued is not None else "create"
            about = {"state": str(study.state), "fingerprint": study.fingerprint}
            note(connection, study.submitter or LOCAL, action, study.name, study=kept.id, change=(None, about))
        return kept

    def files(self, study_id: int) -> dict[str, str]:
        with self.reading() as connection:
            return {row.name: row.content for row in connection.execute(_FILES, {"study": study_id})}

    def study(self, name: str) -> Study:
        with self.reading() as connection:
            row = connection.execute(_STUDY, {"wanted": name}).first()
            if row is None:
                raise _unknown(connection, name)
            return Study(*row)

    def studies(self) -> list[Study]:
        with self.reading() as connection:
            return [Study(*row) for row in connection.execute(_STUDIES)]

    def page_of_studies(
        self, *, states: Sequence[StudyState] = (), submitter: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[Study]:
        with self.reading() as connection:
            return listing.studies_of(connection, states, submitter, limit, offset)

    def study_by_id(self, study_id: int) -> Study:
        with self.reading() as connection:
            row = connection.execute(_BY_ID, {"study": study_id}).first()
            if row is None:
                raise UnknownStudy(f"the study with id {study_id} has been removed")
            return Study(*row)

    def remove(self, lease: Lease, by: str = LOCAL) -> None:
        with self.writing() as connection:
            leasing.require(connection, lease)
            name = connection.execute(_PLACE, {"study": lease.study_id}).one().name
            connection.execute(_REMOVE, {"study": lease.study_id})
            note(connection, by, "remove", name, study=lease.study_id)

    def trials(self, study_id: int, parts: Collection[str] | None = None) -> list[Trial]:
        with self.reading() as connection:
            return listing.every_trial(connection, study_id, parts)

    def reports(self, study_id: int, trial: int | None = None) -> list[Report]:
        with self.reading() as connection:
            if trial is None:
                rows = connection.execute(_CURVES, {"study": study_id})
            else:
                rows = connection.execute(_CURVE, {"study": study_id, "number": trial})
            return [Report(*row) for row in rows]

    def decisions(self, study_id: int) -> list[Decision]:
        query = select(*DECISION_COLUMNS).where(decisions.c.study_id == study_id).order_by(decisions.c.index)
        with self.reading() as connection:
            return [decision_of(row) for row in connection.execute(query)]

    def versions(self, study_id: int) -> list[Version]:
        with self.reading() as connection:
            return [version_of(row) for row in connection.execute(_VERSIONS, {"study": study_id})]

    def runs(self, study_id: int) -> list[StudyRun]:
        with self.reading() as connection:
            return [StudyRun(*row) for row in connection.execute(_RUNS, {"study": study_id})]

    def sources(self, study_id: int) -> dict[str, str]:
        with self.reading() as connection:
            return {row.digest: row.content for row in connection.execute(_SOURCES, {"study": study_id})}

    def pending(self, study_id: int) -> list[Version]:
        with self.reading() as connection:
            return [version_of(row) for row in connection.execute(_PENDING, {"study": study_id})]

    def edit(self, study: Study, versions: Sequence[Version], by: str = LOCAL, detail: str = "") -> None:
        with self.writing() as connection:
            leasing.lock(connection, study.id)
            self._add_versions(connection, study, versions)
            note(connection, by, "edit", study.name, detail, study=study.id, change=_edited(versions))

    def _add_versions(self, connection: Connection, study: Study, given: Sequence[Version]) -> None:
        """Keep new versions, and note of pending ones from where on they hold."""
        there = {one.number: one for one in map(version_of, connection.execute(_VERSIONS, {"study": study.id}))}
        new = [one.number for one in given if one.number not in there]
        known = [(one, there[one.number]) for one in given if one.number in there]
        follow = new == list(range(len(there) + 1, len(there) + 1 + len(new)))
        if not follow or any(not kept.pending or (one.at, one.spec) != (kept.at, kept.spec) for one, kept in known):
            raise IllegalChange(f"study {study.name} was edited at the same time; look at it, and edit it again")
        connection.execute(self._keep_versions, [version_row(study.id, one) for one in given])

    def page_of_decisions(self, study_id: int, *, after: int = -1, limit: int = 100) -> list[Decision]:
        of_study = (decisions.c.study_id == study_id, decisions.c.index > after)
        query = select(*DECISION_COLUMNS).where(*of_study).order_by(decisions.c.index).limit(limit)
        with self.reading() as connection:
            return [decision_of(row) for row in connection.execute(query)]

    def page_of_reports(self, study_id: int, *, after: int = -1, trials: int = 100) -> list[Report]:
        span = {"study": study_id, "after": after, "last": after + trials}
        with self.reading() as connection:
            return [Report(*row) for row in connection.execute(_PAGE_OF_CURVES, span)]

    def trial(self, study_id: int, number: int) -> Trial | None:
        with self.reading() as connection:
            row = connection.execute(_TRIAL, {"study": study_id, "number": number}).first()
            return None if row is None else Trial(*row)

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
        with self.reading() as connection:
            return listing.trials_of(connection, study_id, labels, verdict, after, limit, parts)

    def top(self, study_id: int, objective: Objective, k: int) -> list[Trial]:
        with self.reading() as connection:
            return listing.top(connection, study_id, objective, k)

    def confirming(self, study_id: int) -> list[Trial]:
        with self.reading() as connection:
            return listing.confirming(connection, study_id)

    def tally(self, study_id: int) -> Tally:
        with self.reading() as connection:
            return listing.tally(connection, study_id)

    def counts(self, studies: Sequence[int] | None = None) -> dict[int, dict[str, int]]:
        with self.reading() as connection:
            return listing.counts(connection, studies)

    def census(self) -> dict[StudyState, int]:
        with self.reading() as connection:
            return listing.census(connection)

    def acquire(self, study_id: int, owner: str, now: float, ttl: float, dead: Callable[[str], bool]) -> Lease:
        with self.writing() as connection:
            return leasing.acquire(connection, study_id, owner, now, ttl, dead)

    def hand_over(self, lease: Lease, owner: str, now: float, ttl: float) -> Lease:
        with self.writing() as connection:
            return leasing.hand_over(connection, lease, owner, now, ttl)

    def renew(self, lease: Lease, now: float, ttl: float) -> bool:
        with self.writing() as connection:
            return leasing.extend(connection, lease, now + ttl)

    def release(self, lease: Lease) -> None:
        with self.writing() as connection:
            leasing.release(connection, lease)

    def holder(self, study_id: int) -> Lease | None:
        with self.reading() as connection:
            return leasing.read(connection, study_id)

    def apply(self, lease: Lease, batch: Batch) -> None:
        if batch.study is not None and batch.study.id != lease.study_id:
            raise ValueError(f"a lease of study {lease.study_id} cannot write study {batch.study.id}")
        with self.writing() as connection:
            leasing.require(connection, lease)
            if batch.trials:
                connection.execute(self._keep_trials, trial_rows(lease.study_id, batch.trials.values()))
            for trial, curve in batch.curves.items():
                connection.execute(_CUT_CURVE, {"study": lease.study_id, "trial": trial, "last": 0})
                if curve:
                    connection.execute(self._keep_reports, report_rows(lease.study_id, curve))
            if batch.reports:
                connection.execute(self._keep_reports, report_rows(lease.study_id, batch.reports))
            if batch.decisions:
                connection.execute(insert(decisions), decision_rows(lease.study_id, batch.decisions))
            self._keep_runs(connection, lease.study_id, batch)
            self._change_spec(connection, lease.study_id, batch)
            if batch.study is not None:
                before = connection.execute(_PLACE, {"study": lease.study_id}).one()
                connection.execute(_CHANGE_STUDY, {"study": lease.study_id} | runner_row(batch.study))
                if before.state is not batch.study.state:
                    change = f"{before.state} -> {batch.study.state}"
                    states = _states(before.state, batch.study.state)
                    note(connection, lease.owner, "state", before.name, change, study=lease.study_id, change=states)

    def _keep_runs(self, connection: Connection, study_id: int, batch: Batch) -> None:
        """Keep where runs come from."""
        if batch.runs:
            connection.execute(insert(runs), [run_row(study_id, run) for run in batch.runs])
        if batch.sources:
            rows = [{"study_id": study_id, "digest": key, "content": text} for key, text in batch.sources.items()]
            connection.execute(self._keep_sources, rows)

    def _change_spec(self, connection: Connection, study_id: int, batch: Batch) -> None:
        """Take up versions, and a space that has grown."""
        if batch.versions:
            connection.execute(self._keep_versions, [version_row(study_id, one) for one in batch.versions])
            connection.execute(_CHANGE_STUDY, {"study": study_id, "spec": batch.versions[-1].spec})
        if batch.space is not None:
            spec = connection.execute(_SPEC, {"study": study_id}).scalar_one()
            connection.execute(_CHANGE_STUDY, {"study": study_id, "spec": {**spec, "space": batch.space}})

    def ask_stop(self, study_id: int, stop: bool, by: str = LOCAL) -> None:
        with self.writing() as connection:
            leasing.lock(connection, study_id)
            connection.execute(_CHANGE_STUDY, {"study": study_id, "stop_asked": stop})
            if stop:
                name = connection.execute(_PLACE, {"study": study_id}).one().name
                note(connection, by, "stop", name, study=study_id)

    def annotate(self, study_id: int, note_: str | None, tags: Mapping[str, str], by: str = LOCAL) -> Study:
        with self.writing() as connection:
            leasing.lock(connection, study_id)
            before = Study(*connection.execute(_BY_ID, {"study": study_id}).one())
            kept = {key: value for key, value in {**(before.tags or {}), **tags}.items() if value}
            text = before.note if note_ is None else note_ or None
            connection.execute(_CHANGE_STUDY, {"study": study_id, "note": text, "tags": kept or None})
            what = {"note": before.note, "tags": before.tags}
            since = {"note": text, "tags": kept or None}
            note(connection, by, "note", before.name, ", ".join(tags), study=study_id, change=(what, since))
            return Study(*connection.execute(_BY_ID, {"study": study_id}).one())

    def note_figures(self, study_id: int, figures: Mapping[str, Any], by: str = LOCAL) -> Study:
        with self.writing() as connection:
            leasing.lock(connection, study_id)
            before = Study(*connection.execute(_BY_ID, {"study": study_id}).one())
            what = {key: (before.figures or {}).get(key) for key in figures}
            kept = {key: value for key, value in {**(before.figures or {}), **figures}.items() if value is not None}
            connection.execute(_CHANGE_STUDY, {"study": study_id, "figures": kept or None})
            named = ", ".join(figures)
            note(connection, by, "figures", before.name, named, study=study_id, change=(what, figures))
            return Study(*connection.execute(_BY_ID, {"study": study_id}).one())

    def decide(self, study_id: int, number: int, entry: AuditEntry) -> Study:
        with self.writing() as connection:
            leasing.lock(connection, study_id)
            before = Study(*connection.execute(_BY_ID, {"study": study_id}).one())
            if before.decided != number - 1:
                raise IllegalChange(
                    f"the release of study {before.name} was decided at the same time; look at it by `goodfit show "
                    f"{before.name}`, and decide again"
                )
            connection.execute(_CHANGE_STUDY, {"study": study_id, "decided": number})
            since = (entry.before, entry.after)
            who, what = entry.who, entry.action
            note(connection, who, what, before.name, entry.detail, entry.at, study=study_id, change=since)
            return replace(before, decided=number)

    def releases(self, study_id: int) -> list[AuditEntry]:
        with self.reading() as connection:
            return entries_of(connection, study_id, RELEASES)

    def waiting(self) -> list[tuple[Study, Lease | None]]:
        with self.reading() as connection:
            return listing.waiting(connection)

    def reopen(
        self,
        lease: Lease,
        study: Study,
        trials: Sequence[Trial] = (),
        by: str = LOCAL,
        detail: str = "",
        versions: Sequence[Version] = (),
    ) -> None:
        if study.id != lease.study_id:
            raise ValueError(f"a lease of study {lease.study_id} cannot write study {study.id}")
        with self.writing() as connection:
            leasing.require(connection, lease)
            if trials:
                connection.execute(self._keep_trials, trial_rows(study.id, trials))
                cuts = [{"study": study.id, "trial": trial.number, "last": trial.epochs} for trial in trials]
                connection.execute(_CUT_CURVE, cuts)
            if anew := [{"study": study.id, "trial": trial.number} for trial in trials if not trial.epochs]:
                connection.execute(_UNMIRROR, anew)
            if versions:
                self._add_versions(connection, study, versions)
            before = connection.execute(_PLACE, {"study": study.id}).one()
            connection.execute(_CHANGE_STUDY, {"study": study.id} | reopened_row(study))
            changes, change = _edited(versions), ""
            if before.state is not study.state:
                change, states = f"{before.state} -> {study.state}", _states(before.state, study.state)
                changes = ({**states[0], **changes[0]}, {**states[1], **changes[1]})
            action = "edit" if versions and not change else "resume"
            said = "; ".join(filter(None, (change, detail)))
            note(connection, by, action, study.name, said, study=study.id, change=changes)

    def note_waits(self, reasons: Mapping[int, str | None]) -> None:
        if reasons:
            with self.writing() as connection:
                rows = [{"study": study_id, "reason": reason} for study_id, reason in sorted(reasons.items())]
                connection.execute(_NOTE_WAITS, rows)

    def fence(self, study_id: int) -> int:
        with self.reading() as connection:
            return leasing.fence(connection, study_id)

    def only_mirror(self, study_id: int) -> AbstractContextManager[Callable[[], bool] | None]:
        return mirroring.only_mirror(self._database, study_id)

    def behind(self, limit: int) -> list[Study]:
        with self.reading() as connection:
            return listing.behind(connection, limit)

    def unmirrored(self, study_id: int, limit: int) -> list[Trial]:
        with self.reading() as connection:
            return [Trial(*row) for row in connection.execute(_AHEAD, {"study": study_id, "most": limit})]

    def mirrored_epochs(self, study_id: int, trials: Sequence[int]) -> dict[int, int]:
        if not trials:
            return {}
        span = {"study": study_id, "first": min(trials), "last": max(trials)}
        with self.reading() as connection:
            known = {row.number: row.mirrored_epoch for row in connection.execute(_MIRRORED, span)}
        return {number: known.get(number, 0) for number in trials}

    def note_mirrored(self, study_id: int, trials: Mapping[int, tuple[str, int, str]]) -> None:
        rows = [
            {"study": study_id, "trial": number, "run": run, "epoch": epoch, "state_seen": state}
            for number, (run, epoch, state) in trials.items()
        ]
        if rows:
            with self.writing() as connection:
                leasing.lock(connection, study_id)
                connection.execute(_CONFIRM, rows)

    def note_study_mirrored(self, study_id: int, **columns: Any) -> None:
        for name in columns:
            if name not in STUDY_MIRROR:
                raise ValueError(f"the tracker has no column {name!r} of a study; {did_you_mean(name, STUDY_MIRROR)}")
        if columns:
            self._change_study(study_id, columns)

    def close(self) -> None:
        self._database.engine.dispose()

    def _change_study(self, study_id: int, values: Mapping[str, Any]) -> None:
        with self.writing() as connection:
            leasing.lock(connection, study_id)
            connection.execute(_CHANGE_STUDY, {"study": study_id, **values})

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads; for the siblings in this room."""
        with translated(self._database.place, self._database.secret), self._database.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes; likewise."""
        with translated(self._database.place, self._database.secret), self._writer.begin() as connection:
            yield connection


def _states(before: StudyState, after: StudyState) -> tuple[dict[str, str], dict[str, str]]:
    """A change of state, for the log."""
    return {"state": str(before)}, {"state": str(after)}


def _edited(versions: Sequence[Version]) -> tuple[dict[str, str], dict[str, str]]:
    """What versions change, for the log."""
    changes = [change for one in versions for change in one.changes]
    first = {key: before for key, before, _ in reversed(changes)}
    return first, {key: after for key, _, after in changes}


def _unknown(connection: Connection, name: str) -> UnknownStudy:
    names = list(connection.scalars(_NAMES))
    if not names:
        return UnknownStudy(f"there is no study {name!r}, nor any other yet; `goodfit run FILE` makes one")
    near = closest(name, names, NAMES_SHOWN)
    return UnknownStudy(f"there is no study {name!r}; {did_you_mean(name, near)}")
