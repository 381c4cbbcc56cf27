"""Between records and rows, and the statements that write trials and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from goodfit.service.records import Decision, Report, Seen, Study, StudyRun, Trial, Version
from goodfit.service.store.tables import MIRROR, decisions, reports, runs, sources, studies, trials, versions

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.dialects import postgresql, sqlite
    from sqlalchemy.sql.dml import ReturningInsert

Row = dict[str, Any]

# In the order of the records' fields, so that `Trial(*row)` is the trial.
STUDY_COLUMNS = tuple(studies.c[field.name] for field in fields(Study))
TRIAL_COLUMNS = tuple(trials.c[field.name] for field in fields(Trial))
REPORT_COLUMNS = tuple(reports.c[field.name] for field in fields(Report))
DECISION_COLUMNS = tuple(decisions.c[field.name] for field in fields(Decision))
RUN_COLUMNS = tuple(runs.c[field.name] for field in fields(StudyRun))
VERSION_COLUMNS = tuple(versions.c[field.name] for field in fields(Version))

STUDY_MIRROR = ("mlflow_experiment_id", "mlflow_run_id", "model_uri", "champion", "registered")
_NOT_THE_RUNNERS = {
    *("id", "name", "spec", "fingerprint", "created", "stop_asked"),
    *("queued", "submitter", "priority", "waits_for"),  # the queue's
    "front_box",  # of whoever lets the study go on
    *("note", "tags"),  # of people
    *("figures", "decided"),  # of what comes after the search
    *STUDY_MIRROR,
}

_STUDY_FIELDS = tuple(field.name for field in fields(Study) if field.name != "id")
_RUNNER_FIELDS = tuple(name for name in _STUDY_FIELDS if name not in _NOT_THE_RUNNERS)
_TRIAL_FIELDS = tuple(field.name for field in fields(Trial) if field.name not in MIRROR)


def study_row(study: Study) -> Row:
    """All of a new study but its id."""
    return {name: getattr(study, name) for name in _STUDY_FIELDS}


def runner_row(study: Study) -> Row:
    """What a runner may change of a study."""
    return {name: getattr(study, name) for name in _RUNNER_FIELDS}


def reopened_row(study: Study) -> Row:
    """What changes of a study at rest that is to go on."""
    names = (
        "spec",
        "state",
        "message",
        "ended",
        "stop_asked",
        "queued",
        "priority",
        "waits_for",
        "inputs",
        "front_box",
    )
    return {name: getattr(study, name) for name in names}


def trial_rows(study_id: int, items: Iterable[Trial]) -> list[Row]:
    """All of the trials but the tracker's columns."""
    return [
        {"study_id": study_id, "label": trial.label, "mark": trial.mark}
        | {name: getattr(trial, name) for name in _TRIAL_FIELDS}
        for trial in items
    ]


def report_rows(study_id: int, items: Iterable[Report]) -> list[Row]:
    """All of the reports."""
    return [
        {
            "study_id": study_id,
            "trial": report.trial,
            "epoch": report.epoch,
            "metrics": report.metrics,
            "at": report.at,
            "costs": report.costs,
        }
        for report in items
    ]


def decision_rows(study_id: int, items: Iterable[Decision]) -> list[Row]:
    """All of the decisions."""
    return [
        {
            "study_id": study_id,
            "index": one.index,
            "trial": one.trial,
            "new": one.new,
            "until": one.until,
            "workers": one.workers,
            "seen": [[seen.trial, seen.epoch, seen.seconds, seen.how] for seen in one.seen],
            "why": one.why,
        }
        for one in items
    ]


def decision_of(row: Sequence[Any]) -> Decision:
    """The decision of a row of DECISION_COLUMNS."""
    index, trial, new, until, workers, seen, why = row
    return Decision(index, trial, new, until, workers, tuple(Seen(*one) for one in seen), why)


def version_row(study_id: int, version: Version) -> Row:
    """All of a version."""
    return {"study_id": study_id} | {field.name: getattr(version, field.name) for field in fields(Version)}


def version_of(row: Sequence[Any]) -> Version:
    """The version of a row of VERSION_COLUMNS."""
    number, spec, changes, *rest = row
    return Version(number, spec, tuple((key, before, after) for key, before, after in changes), *rest)


def run_row(study_id: int, run: StudyRun) -> Row:
    """All of a run."""
    return {"study_id": study_id, "number": run.number, "at": run.at, "facts": run.facts}


def keep_sources(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Insert the content of code; what is there stays as it was."""
    return _insert(dialect)(sources).on_conflict_do_nothing(index_elements=["study_id", "digest"])


def keep_trials(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Insert trials, or replace all but the tracker's columns of those that are there."""
    insert = _insert(dialect)(trials)
    values = {name: insert.excluded[name] for name in (*_TRIAL_FIELDS, "label", "mark") if name != "number"}
    return insert.on_conflict_do_update(index_elements=["study_id", "number"], set_=values)


def keep_versions(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Insert versions, or note of those that are there from where on they hold."""
    insert = _insert(dialect)(versions)
    values = {name: insert.excluded[name] for name in ("spec", "from_trial", "from_decision")}
    return insert.on_conflict_do_update(index_elements=["study_id", "number"], set_=values)


def keep_reports(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Insert reports; those that are there stay as they were."""
    return _insert(dialect)(reports).on_conflict_do_nothing(index_elements=["study_id", "trial", "epoch"])


def keep_study(dialect: str) -> ReturningInsert[Any]:
    """Insert a study and give it back with its id; no row if its name is there."""
    insert = _insert(dialect)(studies).on_conflict_do_nothing(index_elements=["name"])
    return insert.returning(*STUDY_COLUMNS)


def _insert(dialect: str) -> Callable[[Table], sqlite.Insert | postgresql.Insert]:
    """The `insert` of the database in use; the other's module is not imported."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert
