"""The whole trail of a study: its entries of the audit log, and what else the store knows of what was done to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict  # typing's, on Python 3.11, is refused by pydantic

from goodfit.service.audit_chain import check_chain
from goodfit.service.errors import TrackingError, UnknownStudy
from goodfit.service.json_values import Values, iso, plain

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.records import AuditEntry, Study, StudyRun
    from goodfit.service.settings import Settings

EVERYTHING = 2**31 - 1  # entries
LOG, RUNS, CONFIRMATION = "log", "runs", "confirmation"


class TrailEntry(TypedDict):
    """Something that was done to a study.

    `entry` counts those of the audit log from 1, in the order of their hashes; null: `source` says which other record
    of the store tells of it.
    """

    entry: int | None
    at: str | None
    seconds: float  # `at` since 1970, to the last bit: a hash is of it
    who: str | None
    action: str
    detail: str
    before: Values | None
    after: Values | None
    hash: str | None
    source: str


class Chain(TypedDict):
    """What a look at the hashes has found: see audit_chain.py.

    `intact` is null where no entry has a hash: nothing tells. `vouched` is the entry whose hash MLflow keeps; null:
    none, or it could not be compared, as `text` says.
    """

    entries: int
    unhashed: int
    broken: int | None
    intact: bool | None
    head: str | None
    vouched: int | None
    text: str


class Trail(TypedDict):
    """All that was done to a study, oldest first, and whether the audit log is whole."""

    study: str
    id: int | None
    chain: Chain
    entries: list[TrailEntry]


def trail_of(settings: Settings, store: Store, name: str) -> Trail:
    """The trail of a study, or of one that was removed; UnknownStudy where none of that name ever was.

    Args:
        settings: the home, for MLflow, which keeps the last hash.
        store: where.
        name: of the study.
    """
    study: Study | None = None
    try:
        study = store.study(name)
    except UnknownStudy:
        if not store.access.audit(subject=name, limit=1):
            raise
    kept, uncompared = _kept_head(settings, study)  # read before the entries: they must not be older
    entries = store.access.audit(subject=name, limit=EVERYTHING)[::-1]
    rows = [_logged(number, one) for number, one in enumerate(entries, start=1)]
    if study is not None:
        rows = _merged(rows, list(_known(study, store.runs(study.id))))
    checked = check_chain(entries, kept)
    return {
        "study": name,
        "id": None if study is None else study.id,
        "chain": {
            "entries": checked.entries,
            "unhashed": checked.unhashed,
            "broken": checked.broken,
            "intact": checked.intact,
            "head": checked.head,
            "vouched": checked.vouched,
            "text": f"{checked}{uncompared}",
        },
        "entries": rows,
    }


def _kept_head(settings: Settings, study: Study | None) -> tuple[str | None, str]:
    """The last hash of a study's log that MLflow keeps; where there is none, what is to be said of that."""
    from goodfit.service.tracker import audit_head

    if study is None or study.mlflow_run_id is None:
        why = "was removed" if study is None else "has no run there yet"
        return None, f"; not compared with MLflow: the study {why}"
    try:
        kept = audit_head(settings.tracking_uri, study.mlflow_run_id)
    except TrackingError as error:
        return None, f"; not compared with MLflow: {error}"
    return kept, "" if kept else "; not compared with MLflow, which has no hash of the log yet"


def _logged(number: int, entry: AuditEntry) -> TrailEntry:
    return {
        "entry": number,
        "at": iso(entry.at, "microseconds"),
        "seconds": entry.at,
        "who": entry.who,
        "action": entry.action,
        "detail": entry.detail,
        "before": entry.before,
        "after": entry.after,
        "hash": entry.hash,
        "source": LOG,
    }


def _known(study: Study, runs: list[StudyRun]) -> Iterator[TrailEntry]:
    """What no entry of the log tells of: where runs came from, and that the test split was opened."""
    for run in runs:
        yield _row(run.at, None, "run", _origin(run), plain(_brief(run)), RUNS)
    if study.test_opened is not None:
        times = "" if study.test_openings < 2 else f", the first of {study.test_openings} times"
        detail = f"the test split was opened to confirm the best{times}"
        yield _row(study.test_opened, study.test_opened_by, "confirm", detail, None, CONFIRMATION)


def _row(at: float, who: str | None, action: str, detail: str, after: Values | None, source: str) -> TrailEntry:
    return {
        "entry": None,
        "at": iso(at, "microseconds"),
        "seconds": at,
        "who": who,
        "action": action,
        "detail": detail,
        "before": None,
        "after": after,
        "hash": None,
        "source": source,
    }


def _origin(run: StudyRun) -> str:
    """Where a run came from, in one line."""
    facts, git = run.facts, run.facts.get("git") or {}
    parts = [f"run {run.number} of {facts.get('source')}"]
    parts.append(f"commit {git['commit']}" if git.get("commit") else "no git repository")
    if git.get("dirty"):
        parts.append("with changes that are not committed")
    if digest := (facts.get("data") or {}).get("digest"):
        parts.append(f"data {digest}")
    parts.append(f"goodfit {facts.get('goodfit')}")
    return ", ".join(parts)


def _brief(run: StudyRun) -> dict[str, Any]:
    """Its facts without the long list of packages and the diff, which `goodfit show` and MLflow have."""
    facts = {key: value for key, value in run.facts.items() if key not in ("packages", "git")}
    git = dict(run.facts.get("git") or {})
    git.pop("diff", None)
    return {**facts, "git": git or None}


def _merged(logged: list[TrailEntry], known: list[TrailEntry]) -> list[TrailEntry]:
    """What is known among the entries of the log, which keep their order whatever the clock did."""
    found, left = [], sorted(known, key=lambda row: row["seconds"])
    for row in logged:
        while left and left[0]["seconds"] < row["seconds"]:
            found.append(left.pop(0))
        found.append(row)
    return [*found, *left]


def chain_head(store: Store, name: str) -> str | None:
    """The last hash of a study's log."""
    with contextlib.suppress(IndexError):
        return store.access.audit(subject=name, limit=1)[0].hash
    return None
