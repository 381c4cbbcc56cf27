"""A study's report from what the store has of it."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goodfit.service.app.diagnoses import READ, curves_of, diagnosis_of
from goodfit.service.app.homes import spec_of
from goodfit.service.app.quality import FACTS, FOLDER, GROWTH, TREATED, kept_facts
from goodfit.service.packed import PACK
from goodfit.service.records import Report, Study
from goodfit.service.release import RELEASE
from goodfit.service.settings import Settings

if TYPE_CHECKING:
    from goodfit.service.ports import Records, Store
    from goodfit.service.report import ReportFacts
    from goodfit.trainers.artifacts.places import Place

EXPLANATIONS = "explanations"  # the folder below a study's files, and in its runs in MLflow; one in it for each trial
WHOLE, ROWS = "global.json", "rows.json"  # the explanations of a trial: of all its rows, and of rows that were named
NEEDED = ("goodfit.service.diagnosis.study", "goodfit.service.diagnosis.ped_anova", "goodfit.service.report")


def load_report_modules() -> None:
    """Import what a report needs, while there is time: a run waits for its report at the end."""
    for module in NEEDED:
        importlib.import_module(module)


def report_of(settings: Settings, store: Store, study: Study) -> str:
    """The study as one self-contained HTML page; the same for the same records."""
    from goodfit.service.report import report_html

    facts = facts_of_study(settings, store, study)
    if "release" in study.spec or any(one.action != RELEASE for one in store.releases(study.id)):
        from goodfit.service.app.cards import released

        facts = replace(facts, release=released(store, study, facts))
    return report_html(facts)


def facts_of_study(settings: Settings, store: Records, study: Study) -> ReportFacts:
    """What its report says."""
    from goodfit.service.diagnosis.fairness import compared, shown_audit
    from goodfit.service.report import DIAGNOSIS_KEYS, drawn_of, facts_of

    trials = store.trials(study.id, parts=(*READ, *DIAGNOSIS_KEYS, PACK))
    drawn, kept = drawn_of(trials, study.objective), list[Report]()
    spec, at_best = spec_of(study), dict[int, Mapping[str, float]]()
    wanted = compared(trials, spec)
    best_epochs = {trial.number: trial.best_epoch for trial in trials if trial.number in wanted}

    def reports() -> Iterator[Report]:
        """All curves, of which those that are drawn are kept: reading them is most of what a report costs."""
        for report in curves_of(store, study, trials):
            if report.trial in drawn:
                kept.append(report)
            if best_epochs.get(report.trial) == report.epoch:
                at_best[report.trial] = report.metrics
            yield report

    found = diagnosis_of(settings, study, trials, reports())
    decisions, versions = store.decisions(study.id), store.versions(study.id)
    place = settings.study_place(study) / FOLDER
    facts = facts_of(study, spec, trials, kept, found, decisions, versions)
    labels = kept_facts(place, FACTS) or kept_facts(place, TREATED)
    facts = replace(facts, labels=labels, growth=kept_facts(place, GROWTH))
    if (audit := shown_audit(spec, trials, facts.answer["trial"], at_best)) is not None:
        facts = replace(facts, fairness=audit.to_dict())
    if (best := facts.answer["trial"]) is not None:
        facts = replace(facts, explanation=_explanations(settings.study_place(study), best))
    return facts


def _explanations(place: Place, number: int) -> dict[str, Any] | None:
    """The explanations of a trial that are kept; None where there are none."""
    found = {}
    for part, name in (("all", WHOLE), ("rows", ROWS)):
        content = (place / EXPLANATIONS / f"{number:05d}").read(name)
        if content is not None:
            with contextlib.suppress(ValueError):  # cut off by a full disk: as if it were not there
                found[part] = json.loads(content)
    return found or None
