"""A study's diagnosis from what the store has of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from service.app.opening import spec_of
from service.records import Study, StudyState, Trial, is_control
from service.settings import Settings

if TYPE_CHECKING:
    from service.diagnosis.health import Facts
    from service.diagnosis.study import StudyDiagnosis
    from service.ports import Store
    from service.spec import StudySpec


def diagnose_of(settings: Settings, store: Store, study: Study) -> StudyDiagnosis:
    """What is known of a study: its winner and how sure it is, what drives score and gap, what is amiss."""
    from service.diagnosis.confirmation import candidates_of, seed_noise, winner_of
    from service.diagnosis.health.inputs import mixed_inputs
    from service.diagnosis.study import diagnose_study
    from service.sampler import importances, to_optuna_study

    spec = spec_of(study)
    metric, direction = spec.objective.metric, spec.objective.direction
    everything, reports = store.trials(study.id), store.reports(study.id)
    searched = [trial for trial in everything if trial.confirms is None]
    numbers = {trial.number for trial in searched}
    known = to_optuna_study(
        name=study.name,
        space=spec.space,
        metric=metric,
        direction=direction,
        trials=searched,
        reports=[report for report in reports if report.trial in numbers],
    )
    confirmed = candidates_of(everything, metric) if winner_of(everything, metric, direction) else []
    found = diagnose_study(
        searched,
        reports,
        spec.space,
        _facts(settings, study, spec, searched, seed_noise(confirmed)),
        importances={target: importances(known, target) for target in ("value", "gap")},
        confirmed=confirmed,
    )
    return found.with_findings(mixed_inputs(everything))


def _facts(settings: Settings, study: Study, spec: StudySpec, trials: list[Trial], noise: float | None) -> Facts:
    from service.diagnosis.health import Facts

    diagnoses = [trial.diagnosis for trial in trials if trial.diagnosis is not None]
    trivial = [told["baseline"] for told in diagnoses if told.get("baseline") is not None]
    controls = frozenset(trial.number for trial in trials if is_control(trial.number, spec.control))
    return Facts(
        metric=spec.objective.metric,
        direction=spec.objective.direction,
        epochs=spec.reports,
        folds=spec.folds is not None,
        pruning=spec.pruning.method,
        patience=spec.training.patience,
        budget=spec.planned_trials() if study.state is not StudyState.DONE else len(trials),
        tried_defaults=spec.search.try_defaults and spec.search.method != "grid",
        controls=controls if spec.search.method == "bayesian" else frozenset(),
        unpruned=controls,
        noise=noise,
        baseline=sorted(trivial)[len(trivial) // 2] if trivial else None,
        rows=_rows(settings, study, trials) if spec.data is not None else None,
        confirm=None if spec.confirm is None else (spec.confirm.top, spec.confirm.seeds),
    )


def _rows(settings: Settings, study: Study, trials: list[Trial]) -> int | None:
    """Of the validation split, as one of the trials kept it; None where none did."""
    for trial in trials:
        facts = settings.trial_place(study, trial.number).read("facts.json")
        if facts is not None:
            return int(json.loads(facts)["rows"]["validation"])
    return None
