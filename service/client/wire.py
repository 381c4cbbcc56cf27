"""Records as JSON, and back: what the API and its client agree on.

JSON has no NaN and no infinities: where a record has a number, they travel as "NaN", "Infinity" and
"-Infinity"; inside free values (a diagnosis, parameters) they become null.
"""
# ruff: noqa: D103 - a pair of functions for each record: from_trial to JSON, to_trial back

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from goodfit.service.app.answering import Best
from goodfit.service.client.rows import iso
from goodfit.service.client.source import Listed
from goodfit.service.ports import Tally
from goodfit.service.progress import Glimpse, Progress
from goodfit.service.records import (
    AuditEntry,
    Failure,
    Report,
    Role,
    Study,
    StudyState,
    Token,
    Trial,
    TrialState,
    Verdict,
)

Json = dict[str, Any]

_TRIAL_NUMBERS = ("value", "last_value", "gap", "started", "ended", "share")
_TRIAL_MAPPINGS = ("params", "diagnosis")
_TOKEN_TIMES = ("created", "expires", "revoked")
_SHOWN = ("trainer", "objective", "budget")  # of a spec, in a listing


def plain(value: Any) -> Any:
    """Free values as strict JSON: what is no number there is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def number(value: float | None) -> float | str | None:
    """A number that may be none."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def to_number(value: float | str | None) -> float | None:
    """What `number` was given."""
    return float(value) if isinstance(value, str) else value


def from_trial(trial: Trial) -> Json:
    found = {item.name: getattr(trial, item.name) for item in dataclasses.fields(trial)}
    for name in _TRIAL_NUMBERS:
        found[name] = number(found[name])
    for name in _TRIAL_MAPPINGS:
        found[name] = plain(found[name])
    found["test"] = None if trial.test is None else {name: number(value) for name, value in trial.test.items()}
    return {**found, "label": trial.label}


def to_trial(found: Json) -> Trial:
    values = {item.name: found[item.name] for item in dataclasses.fields(Trial) if item.name in found}
    for name in _TRIAL_NUMBERS:
        values[name] = to_number(values.get(name))
    values["state"] = TrialState(values["state"])
    values["failure"] = Failure(values["failure"]) if values.get("failure") else None
    values["verdict"] = Verdict(values["verdict"]) if values.get("verdict") else None
    if values.get("test") is not None:
        values["test"] = {name: to_number(value) for name, value in values["test"].items()}
    return Trial(**values)


def from_report(report: Report) -> Json:
    metrics = {name: number(value) for name, value in report.metrics.items()}
    return {"trial": report.trial, "epoch": report.epoch, "metrics": metrics, "at": report.at}


def to_report(found: Json) -> Report:
    metrics = {name: float(value) for name, value in found["metrics"].items()}
    return Report(found["trial"], found["epoch"], metrics, found["at"])


def from_study(study: Study) -> Json:
    found = {item.name: getattr(study, item.name) for item in dataclasses.fields(study)}
    return {**found, "spec": plain(study.spec)}


def to_study(found: Json) -> Study:
    values = {item.name: found[item.name] for item in dataclasses.fields(Study) if item.name in found}
    return Study(**{**values, "state": StudyState(values["state"])})


def from_listed(listed: Listed) -> Json:
    """A study; `state` is as it is now, `recorded_state` as the store has it."""
    return {
        **from_study(listed.study),
        "state": str(listed.state),
        "recorded_state": str(listed.study.state),
        "trials": dict(listed.tally.states),
        "verdicts": dict(listed.tally.verdicts),
    }


def in_brief(listed: Listed) -> Json:
    """As from_listed, with no more of the spec than a listing of many studies shows: it is most of a study."""
    shown = {name: value for name, value in listed.study.spec.items() if name in _SHOWN}
    return from_listed(dataclasses.replace(listed, study=dataclasses.replace(listed.study, spec=shown, inputs=None)))


def to_listed(found: Json) -> Listed:
    study = to_study({**found, "state": found["recorded_state"]})
    return Listed(study, StudyState(found["state"]), Tally(found["trials"], found["verdicts"]))


def from_best(best: Best) -> Json:
    test = None if best.test is None else {name: number(value) for name, value in best.test.items()}
    found = best.to_dict()
    return {**found, "params": plain(best.params), "value": number(best.value), "gap": number(best.gap), "test": test}


def to_best(found: Json) -> Best:
    test = None if found["test"] is None else {name: to_number(value) for name, value in found["test"].items()}
    return Best(**{**found, "value": to_number(found["value"]), "gap": to_number(found["gap"]), "test": test})


def from_glimpse(glimpse: Glimpse) -> Json:
    found = {item.name: getattr(glimpse, item.name) for item in dataclasses.fields(glimpse)}
    return {**found, "value": number(glimpse.value), "last_value": number(glimpse.last_value)}


def to_glimpse(found: Json) -> Glimpse:
    numbers = {name: to_number(found[name]) for name in ("value", "last_value")}
    return Glimpse(**{**found, **numbers, "state": TrialState(found["state"])})


def from_progress(progress: Progress) -> Json:
    found = {item.name: getattr(progress, item.name) for item in dataclasses.fields(progress)}
    return {
        **found,
        "running": [from_glimpse(one) for one in progress.running],
        "settled": [from_glimpse(one) for one in progress.settled],
        "best": None if progress.best is None else from_glimpse(progress.best),
    }


def to_progress(found: Json) -> Progress:
    trials: dict[str, Sequence[Glimpse]] = {
        name: [to_glimpse(one) for one in found[name]] for name in ("running", "settled")
    }
    best = None if found["best"] is None else to_glimpse(found["best"])
    return Progress(**{**found, **trials, "best": best, "state": StudyState(found["state"])})


def from_token(token: Token) -> Json:
    return {**dataclasses.asdict(token), **{name: iso(getattr(token, name), "microseconds") for name in _TOKEN_TIMES}}


def to_token(found: Json) -> Token:
    values = {item.name: found[item.name] for item in dataclasses.fields(Token)}
    times = {name: _seconds(values[name]) for name in _TOKEN_TIMES}
    return Token(**{**values, **times, "role": Role(values["role"])})


def from_entry(entry: AuditEntry) -> Json:
    return {**dataclasses.asdict(entry), "at": iso(entry.at, "microseconds")}


def to_entry(found: Json) -> AuditEntry:
    return AuditEntry(**{**found, "at": _seconds(found["at"])})


def _seconds(time: str | None) -> float | None:
    """What `iso` was given, to the microsecond."""
    return None if time is None else datetime.fromisoformat(time).timestamp()
