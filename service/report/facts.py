"""What a report knows of a study, as plain JSON values: small, finite, and the same for the same records.

Nothing is computed here that the diagnosis computes; nothing of HTML is known here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from goodfit.search_spaces.parameters import Choice, Fixed, Parameter
from goodfit.search_spaces.widening import widened
from goodfit.service.diagnosis.confirmation import candidates_of
from goodfit.service.diagnosis.front import front_of
from goodfit.service.diagnosis.study import StudyDiagnosis
from goodfit.service.objective import Objective
from goodfit.service.packed import pack_sentence, packs_of
from goodfit.service.reasons import by_trial, reasons_of
from goodfit.service.records import Decision, Params, Report, Study, Trial, Version, ranked
from goodfit.service.report.answer import answer_of, why_no_gap
from goodfit.service.report.curves import curves_of
from goodfit.service.spec import StudySpec

MOST_REASONS = 400_000  # characters of why trials are as they are, of those with the best values first
LONGEST_TEXT = 300  # characters of a message or of a value; more would only make the page large
DIAGNOSIS_KEYS = ("severity", "confidence", "onset", "reason", "advice")  # of a trial's diagnosis

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """A study as its page tells it.

    Attributes:
        study: name, state, trainer, objective, method, times.
        answer: see service.report.answer; and why its trial has no gap.
        diagnosis: of the study; see StudyDiagnosis.
        confirmation: one row a confirmed configuration, the winner first; empty where none ran.
        space: the searched parameters: name, type, low, high, log, choices.
        trials: the search's, by column: one list a key, and under `params` one a parameter.
        curves: see service.report.curves.
        front: of several objectives, see service.diagnosis.front; None of one.
        labels: that are likely wrong: counts, sentences, rows to look at; None where they were not judged.
        growth: what more rows would bring; None where that was not measured.
        explanation: of the model of the answer, where one was made; see trainers.explaining.explanation.
        fairness: of the answer's trial, see service.diagnosis.fairness; None where no groups are compared.
        release: gates, decisions and the model card, see service.app.releasing; None of a study that has neither gates
            nor decisions of people.
    """

    study: Json
    answer: Json
    diagnosis: Json
    confirmation: Sequence[Json]
    space: Sequence[Json]
    trials: Json
    curves: Json
    front: Json | None = None
    labels: Json | None = None
    growth: Json | None = None
    explanation: Json | None = None
    fairness: Json | None = None
    release: Json | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: no NaN, no infinity."""
        return {name: plain(getattr(self, name)) for name in self.__slots__}


def facts_of(
    study: Study,
    spec: StudySpec,
    trials: Sequence[Trial],
    reports: Sequence[Report],
    diagnosis: StudyDiagnosis,
    decisions: Sequence[Decision] = (),
    versions: Sequence[Version] = (),
) -> ReportFacts:
    """Gather what a report says.

    Args:
        study: the record.
        spec: its study file.
        trials: all of the study, confirmations among them.
        reports: their curves, ordered by trial and epoch.
        diagnosis: of the study.
        decisions: of its search, where that keeps them.
        versions: of its spec, where it was edited.
    """
    searched = [trial for trial in trials if trial.confirms is None]
    found = diagnosis.to_dict()
    space = widened(spec.space, (trial.params for trial in searched))
    metric = spec.objective.metric
    answer = answer_of(study, spec, trials, found)
    return ReportFacts(
        study={
            **_study(study, spec),
            "versions": [_version(one) for one in versions if one.number > 1],
            "packs": pack_sentence(packs) if (packs := packs_of(trials)) is not None else None,
        },
        answer={**answer, "no_gap": _no_gap(metric, answer["trial"], searched, reports)},
        diagnosis=found,
        confirmation=_confirmation(trials, metric, found),
        space=[_parameter(item) for item in space if not isinstance(item, Fixed)],
        trials={
            **_columns(searched),
            **_judged(searched, spec.goal),
            **_outside(spec, searched, versions),
            **_reasons(searched, decisions, spec),
        },
        curves=curves_of(searched, reports, spec.goal),
        front=front_of(searched, spec.goal, study.front_box).to_dict() if spec.more_objectives else None,
    )


def _no_gap(metric: str, number: int | None, trials: Sequence[Trial], reports: Sequence[Report]) -> str:
    """Why the trial of the answer has no gap; empty where it has one, or no value."""
    if not any(trial.number == number and trial.value is not None and trial.gap is None for trial in trials):
        return ""
    return why_no_gap(metric, {name for report in reports if report.trial == number for name in report.metrics})


def _study(study: Study, spec: StudySpec) -> Json:
    return {
        "name": study.name,
        "state": str(study.state),
        "message": study.message,
        "note": study.note,
        "tags": [f"{key}={value}" for key, value in (study.tags or {}).items()],
        "trainer": spec.trainer,
        "source": spec.data.source if spec.data else None,
        **spec.goal.to_dict(),
        **({"judged_by": list(spec.goal.wanted)} if spec.goal.wanted else {}),
        **({"constraints": [str(one) for one in spec.constraints]} if spec.constraints else {}),
        "method": spec.search.method,
        "pruning": spec.pruning.method,
        "unit": "fold" if spec.folds else "epoch",
        "length": spec.reports,
        "planned": spec.planned_trials(),
        "started": _time(study.started),
        "ended": _time(study.ended),
        "seconds": study.seconds,
    }


def _version(version: Version) -> str:
    return f"{_time(version.at)}: {version}"


def _outside(spec: StudySpec, trials: Sequence[Trial], versions: Sequence[Version]) -> Json:
    """A column of the parameters that lie outside of the space of an edited study."""
    return {"outside": [spec.space.outside(trial.params) for trial in trials]} if versions else {}


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _confirmation(trials: Sequence[Trial], metric: str, found: Json) -> list[Json]:
    """The standings with each seed's score, the winner first."""
    if found["winner"] is None:
        return []
    candidates = {candidate.trial: candidate for candidate in candidates_of(trials, metric)}
    values = {trial.number: trial.value for trial in trials}
    winner = found["winner"]["trial"]
    rows = [
        {
            **standing,
            "winner": standing["trial"] == winner,
            "validation": values.get(standing["trial"]),
            "scores": list(candidates[standing["trial"]].judged) if standing["trial"] in candidates else [],
        }
        for standing in found["winner"]["standings"]
    ]
    return sorted(rows, key=lambda row: not row["winner"])


def _parameter(item: Parameter) -> Json:
    if isinstance(item, Choice):
        return {"name": item.name, "type": "choice", "choices": [_short(choice) for choice in item.choices]}
    if isinstance(item, Fixed):
        return {"name": item.name, "type": "choice", "choices": [_short(item.value)]}
    kind = "int" if isinstance(item.low, int) else "float"
    return {"name": item.name, "type": kind, "low": item.low, "high": item.high, "log": item.log}


def _columns(trials: Sequence[Trial]) -> Json:
    """One list a column: keys are written once, not once a trial."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    diagnoses = [trial.diagnosis or {} for trial in trials]
    return {
        "number": [trial.number for trial in trials],
        "state": [str(trial.state) for trial in trials],
        "label": [trial.label for trial in trials],
        "verdict": [str(trial.verdict) if trial.verdict else None for trial in trials],
        "value": _rounded(trial.value for trial in trials),
        "last": _rounded(trial.last_value for trial in trials),
        "gap": _rounded(trial.gap for trial in trials),
        "epochs": [trial.epochs for trial in trials],
        "best_epoch": [trial.best_epoch for trial in trials],
        "seconds": [_seconds(trial) for trial in trials],
        "message": [_short(trial.message) for trial in trials],
        **{key: [_short(one.get(key)) for one in diagnoses] for key in DIAGNOSIS_KEYS},
        "params": {name: [_param(trial.params, name) for trial in trials] for name in names},
    }


def _judged(trials: Sequence[Trial], objective: Objective) -> Json:
    """Columns of what a study is judged by besides its objective, and whether each trial keeps the constraints."""
    measured = {name: _rounded((trial.measured or {}).get(name) for trial in trials) for name in objective.wanted}
    feasible = {"feasible": [trial.feasible for trial in trials]} if objective.constraints else {}
    return {**measured, **feasible}


def _reasons(trials: Sequence[Trial], decisions: Sequence[Decision], spec: StudySpec) -> Json:
    """A column of what was decided of each trial, in sentences; null for trials beyond MOST_REASONS."""
    if not decisions:
        return {}
    concerning, told, room = by_trial(decisions), dict[int, list[str]](), MOST_REASONS
    best = [trial.number for trial in ranked(trials, spec.goal)]
    places = {trial.number: place for place, trial in enumerate(trials)}
    for number in dict.fromkeys([*best, *places]):
        place = places[number]
        reasons = reasons_of(trials[place], concerning.get(number, []), spec, place)
        told[number] = [_short(reason.text) for reason in reasons]
        room -= sum(map(len, told[number]))
        if room < 0:
            break
    return {"why": [told.get(number) for number in places]}


def _seconds(trial: Trial) -> float | None:
    if trial.started is None or trial.ended is None:
        return None
    return round(max(0.0, trial.ended - trial.started), 2)


def _param(params: Params, name: str) -> Any:
    """Null says that the trial has no such parameter; a value that is none is written as the text "null"."""
    return None if name not in params else "null" if params[name] is None else _short(params[name])


def _rounded(values: Iterable[float | None]) -> list[float | None]:
    return [None if value is None or not math.isfinite(value) else float(f"{value:.6g}") for value in values]


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return value[: LONGEST_TEXT - 1] + "…"
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, (list, tuple)):
        return [_short(item) for item in value]
    return value


def plain(value: Any) -> Any:
    """A value without what JSON does not know."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
