"""A study's diagnosis from what the store has of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.search_spaces.scalars import same
from goodfit.search_spaces.widening import widened
from goodfit.service.app.directions import usual_direction
from goodfit.service.app.homes import spec_of
from goodfit.service.records import Report, Study, StudyState, Trial, is_control, ranked
from goodfit.service.settings import Settings

READ = ("baseline",)  # of the trials' diagnoses
PLACES = 8  # trials whose folders are looked into
PAGE = 200  # trials whose curves are read at once
FOLDED = ("table", "image", "text", "pairs")  # kinds of data whose rows stand for themselves
FEWEST_FOLDED = 50  # rows, of which each of five folds validates ten

if TYPE_CHECKING:
    from goodfit.service.diagnosis.health import Facts, Finding
    from goodfit.service.diagnosis.study import StudyDiagnosis
    from goodfit.service.ports import Trials
    from goodfit.service.spec import StudySpec


def diagnose_of(settings: Settings, store: Trials, study: Study) -> StudyDiagnosis:
    """What is known of a study: its winner and how sure it is, what drives score and gap, which problems there are."""
    trials = store.trials(study.id, parts=READ)
    return diagnosis_of(settings, study, trials, curves_of(store, study, trials))


def diagnosis_of(
    settings: Settings, study: Study, everything: Sequence[Trial], reports: Iterable[Report]
) -> StudyDiagnosis:
    """The same from what was read already.

    Args:
        settings: the home.
        study: the record.
        everything: its trials with at least READ of their diagnoses, confirmations among them.
        reports: their curves, passed through once.
    """
    from goodfit.service.diagnosis.confirmation import candidates_of, contenders_of, seed_noise
    from goodfit.service.diagnosis.health.inputs import mixed_inputs
    from goodfit.service.diagnosis.health.test_reuse import searched_after_test
    from goodfit.service.diagnosis.ped_anova import importances
    from goodfit.service.diagnosis.study import diagnose_study

    spec = spec_of(study)
    objective = study.objective
    searched = [trial for trial in everything if trial.confirms is None]
    space = widened(spec.space, (trial.params for trial in searched))
    confirmed = contenders_of(everything, objective)
    again = candidates_of(everything, objective.metric) if confirmed else []
    found = diagnose_study(
        searched,
        reports,
        space,
        _facts(settings, study, spec, searched, seed_noise(again)),
        importances={
            "value": importances(searched, space, objective),
            "gap": importances(searched, space, objective, "gap"),
        },
        confirmed=confirmed,
    )
    found = found.with_findings([*mixed_inputs(everything), *searched_after_test(study, everything)])
    return replace(found, findings=tuple(_usable(spec, found.findings)))


def _usable(spec: StudySpec, findings: Sequence[Finding]) -> Iterator[Finding]:
    """The findings without edits that the study would not take; one that is about a range that cannot be wider goes."""
    from goodfit.service.spec.proposals import would_be_taken

    for finding in findings:
        if finding.edit is None or would_be_taken(spec, finding.edit.sets):
            yield finding
        elif finding.code != "edge":
            yield replace(finding, edit=None)


def curves_of(store: Trials, study: Study, trials: Sequence[Trial]) -> Iterator[Report]:
    """The reports of a study as they are read: all at once they are most of its memory."""
    last = max((trial.number for trial in trials), default=-1)
    for after in range(-1, last, PAGE):
        yield from store.page_of_reports(study.id, after=after, trials=PAGE)


def _facts(settings: Settings, study: Study, spec: StudySpec, trials: list[Trial], noise: float | None) -> Facts:
    from goodfit.service.diagnosis.health import Facts

    default_trial = _default_trial(spec, trials)
    facts = _data_facts(settings, study, trials) if spec.data is not None else None
    controls = frozenset(trial.number for trial in trials if is_control(trial.number, spec.control))
    return Facts(
        objective=spec.goal,
        epochs=spec.reports,
        folds=spec.folds is not None,
        pruning=spec.search.method if spec.search.trains_population else spec.pruning.method,
        patience=spec.training.patience,
        budget=spec.planned_trials() if study.state is not StudyState.DONE else len(trials),
        different=spec.search.population or spec.different(),
        tried_defaults=default_trial is not None,
        default_trial=default_trial or 0,
        controls=controls if spec.search.method == "bayesian" else frozenset(),
        unpruned=controls,
        noise=noise,
        baseline=_baseline(spec, trials),
        rows=facts["rows"]["validation"] if facts is not None else None,
        foldable=_foldable(spec, facts),
        confirm=None if spec.confirm is None else (spec.confirm.top, spec.confirm.seeds),
    )


def _baseline(spec: StudySpec, trials: Sequence[Trial]) -> float | None:
    """What a trivial model gets; None where it is not known, or where the objective is to be bad: see the notes."""
    objective = spec.objective
    if usual_direction(objective.metric) not in (None, objective.direction):
        return None
    diagnoses = [trial.diagnosis for trial in trials if trial.diagnosis is not None]
    trivial = [told["baseline"] for told in diagnoses if told.get("baseline") is not None]
    return float(sorted(trivial)[len(trivial) // 2]) if trivial else None


def _default_trial(spec: StudySpec, trials: list[Trial]) -> int | None:
    """The number of the trial that has the trainer's defaults, and nothing else; None where there is none."""
    number, defaults = spec.defaults_trial, spec.defaults or {}
    trial = next((one for one in trials if one.number == number), None)
    free = {item.name for item in spec.space.free}
    if trial is None or not all(
        name in defaults and same(value, defaults[name]) for name, value in trial.params.items() if name in free
    ):
        return None
    return number


def _foldable(spec: StudySpec, facts: Mapping[str, Any] | None) -> bool:
    """Whether the study's data can be validated fold by fold: rows enough, in no given splits, in no order of time."""
    if spec.data is None or facts is None or facts.get("kind") not in FOLDED:
        return False
    split = spec.data.split
    usual = type(split)()
    if split.column is not None or split.reshuffle or split.validation != usual.validation:
        return False
    rows = facts["rows"]
    return rows["train"] + rows["validation"] >= FEWEST_FOLDED and not _is_split_folder(Path(spec.data.source))


def _is_split_folder(path: Path) -> bool:
    """Whether a folder of images has its own validation images."""
    if not path.is_dir():
        return False
    from goodfit.trainers.data.reading.split_columns import SPLITS, split_number

    return any(split_number(place.name) == SPLITS.index("validation") for place in path.iterdir())


def _data_facts(settings: Settings, study: Study, trials: list[Trial]) -> dict[str, Any] | None:
    """What one of the trials kept of its data; None where none of the first and best did."""
    looked_at = [*trials[:PLACES], *ranked(trials, study.objective)[:PLACES]]
    for trial in looked_at:
        facts = settings.trial_place(study, trial.number).read("facts.json")
        if facts is not None:
            return dict(json.loads(facts))
    return None
