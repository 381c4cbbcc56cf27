"""Lists of studies and trials, a page at a time, and counts of them. All read in their caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, null, or_, select

from goodfit.service.objective import MAXIMIZE, Objective
from goodfit.service.ports import Tally
from goodfit.service.records import Lease, Study, StudyState, Trial, TrialState, Verdict, ranked
from goodfit.service.store.rows import STUDY_COLUMNS, TRIAL_COLUMNS
from goodfit.service.store.tables import ahead, leases, studies, trials

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

_AT_REST = (StudyState.DONE, StudyState.FAILED, StudyState.STOPPED, StudyState.INTERRUPTED)
_SEARCHED = trials.c.confirms.is_(None)


def studies_of(
    connection: Connection, states: Sequence[StudyState], submitter: str | None, limit: int, offset: int
) -> list[Study]:
    """Some of the studies, newest first."""
    query = select(*STUDY_COLUMNS).order_by(studies.c.created.desc(), studies.c.id.desc()).limit(limit).offset(offset)
    if states:
        query = query.where(studies.c.state.in_(states))
    if submitter is not None:
        query = query.where(studies.c.submitter == submitter)
    return [Study(*row) for row in connection.execute(query)]


def trials_of(
    connection: Connection,
    study_id: int,
    labels: Sequence[str],
    verdict: Verdict | None,
    after: int,
    limit: int,
    parts: Collection[str] | None,
) -> list[Trial]:
    """Some trials of the search, by number; of their diagnoses the parts that are named, or all."""
    query = _trials(parts).where(trials.c.study_id == study_id, trials.c.number > after, _SEARCHED)
    if labels:
        query = query.where(trials.c.label.in_(labels))
    if verdict is not None:
        query = query.where(trials.c.verdict == verdict)
    return _read(connection, query.order_by(trials.c.number).limit(limit), parts)


def every_trial(connection: Connection, study_id: int, parts: Collection[str] | None) -> list[Trial]:
    """All trials, by number, with what is named of their diagnoses."""
    return _read(connection, _trials(parts).where(trials.c.study_id == study_id).order_by(trials.c.number), parts)


def _trials(parts: Collection[str] | None) -> Select[Any]:
    """A diagnosis is most of a trial: where nothing of it is wanted, the database does not send it."""
    if parts is None or parts:
        return select(*TRIAL_COLUMNS)
    return select(*(null() if column is trials.c.diagnosis else column for column in TRIAL_COLUMNS))


def _read(connection: Connection, query: Select[Any], parts: Collection[str] | None) -> list[Trial]:
    if not parts:
        return [Trial(*row) for row in connection.execute(query)]
    place = TRIAL_COLUMNS.index(trials.c.diagnosis)
    found = []
    for row in connection.execute(query):  # one after the other: a whole diagnosis is seldom kept
        values = list(row)
        if (diagnosis := values[place]) is not None:
            values[place] = {key: diagnosis[key] for key in parts if key in diagnosis}
        found.append(Trial(*values))
    return found


def top(connection: Connection, study_id: int, objective: Objective, k: int) -> list[Trial]:
    """The search's complete trials with the best values, as records.ranked has them."""
    if objective.others:  # a front is found among all of them
        query = _trials(None).where(trials.c.study_id == study_id, trials.c.state == TrialState.COMPLETE, _SEARCHED)
        return ranked([Trial(*row) for row in connection.execute(query)], objective)[:k]
    order = trials.c.value.desc() if objective.direction == MAXIMIZE else trials.c.value
    query = (
        select(*TRIAL_COLUMNS)
        .where(trials.c.study_id == study_id, trials.c.state == TrialState.COMPLETE, _SEARCHED)
        .where(trials.c.value.is_not(None), or_(trials.c.violation.is_(None), trials.c.violation <= 0))
        .order_by(order, trials.c.number)
        .limit(k)
    )
    return [Trial(*row) for row in connection.execute(query)]


def confirming(connection: Connection, study_id: int) -> list[Trial]:
    """The trials that confirm others, and those others."""
    query = select(*TRIAL_COLUMNS).where(trials.c.study_id == study_id)
    again = [Trial(*row) for row in connection.execute(query.where(trials.c.confirms.is_not(None)))]
    if not again:  # two queries, each by its index: one with OR reads every trial
        return []
    confirmed = query.where(trials.c.number.in_({trial.confirms for trial in again}), _SEARCHED)
    found = [*again, *(Trial(*row) for row in connection.execute(confirmed))]
    return sorted(found, key=lambda trial: trial.number)


def tally(connection: Connection, study_id: int) -> Tally:
    """Counts by state and by verdict."""
    query = (
        select(trials.c.label, trials.c.verdict, func.count())
        .where(trials.c.study_id == study_id, _SEARCHED)
        .group_by(trials.c.label, trials.c.verdict)
    )
    states: dict[str, int] = {}
    verdicts: dict[str, int] = {}
    for label, verdict, count in connection.execute(query):
        states[label] = states.get(label, 0) + count
        if verdict is not None:
            verdicts[str(verdict)] = verdicts.get(str(verdict), 0) + count
    return Tally(states, verdicts)


def counts(connection: Connection, wanted: Sequence[int] | None) -> dict[int, dict[str, int]]:
    """For each study: how many trials of the search are in each state."""
    query = select(trials.c.study_id, trials.c.label, func.count()).where(_SEARCHED)
    if wanted is not None:
        query = query.where(trials.c.study_id.in_(wanted))
    found: dict[int, dict[str, int]] = {}
    for study_id, label, count in connection.execute(query.group_by(trials.c.study_id, trials.c.label)):
        found.setdefault(study_id, {})[label] = count
    return found


def census(connection: Connection) -> dict[StudyState, int]:
    """How many studies are in each state."""
    query = select(studies.c.state, func.count()).group_by(studies.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def waiting(connection: Connection) -> list[tuple[Study, Lease | None]]:
    """The service's studies that are queued or said to run, in the order in which they came."""
    query = (
        select(*STUDY_COLUMNS, leases.c.study_id, leases.c.owner, leases.c.fence, leases.c.until)
        .join(leases, leases.c.study_id == studies.c.id)
        .where(studies.c.queued.is_not(None), studies.c.state.in_((StudyState.QUEUED, StudyState.RUNNING)))
        .order_by(studies.c.queued, studies.c.id)
    )
    found: list[tuple[Study, Lease | None]] = []
    width = len(STUDY_COLUMNS)
    for row in connection.execute(query):
        study_id, owner, fence, until = row[width:]
        found.append((Study(*row[:width]), None if owner is None else Lease(study_id, owner, fence, until)))
    return found


def behind(connection: Connection, limit: int) -> list[Study]:
    """Studies of the service at rest that MLflow has not all of."""
    unheard = select(trials.c.number).where(and_(trials.c.study_id == studies.c.id, ahead)).exists()
    unpublished = or_(studies.c.champion.is_(None), studies.c.registered < studies.c.decided)
    unfinished = and_(studies.c.state == StudyState.DONE, unpublished)
    query = (
        select(*STUDY_COLUMNS)
        .where(studies.c.queued.is_not(None), studies.c.state.in_(_AT_REST), or_(unheard, unfinished))
        .order_by(studies.c.id)
        .limit(limit)
    )
    return [Study(*row) for row in connection.execute(query)]
