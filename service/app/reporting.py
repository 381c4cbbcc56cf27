"""A study's report from what the store has of it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from service.app.diagnosing import curves_of, diagnose_of
from service.app.opening import spec_of
from service.records import Study
from service.settings import Settings

if TYPE_CHECKING:
    from service.ports import Store

NEEDED = ("service.diagnosis.study", "service.diagnosis.ped_anova", "service.report")


def load_report_modules() -> None:
    """Import what a report needs, while there is time: a run waits for its report at the end."""
    for module in NEEDED:
        importlib.import_module(module)


def report_of(settings: Settings, store: Store, study: Study) -> str:
    """The study as one self-contained HTML page; the same for the same records."""
    from service.report import TOLD, drawn_of, facts_of, report_html

    found = diagnose_of(settings, store, study)
    trials, direction = store.trials(study.id, told=TOLD), spec_of(study).objective.direction
    drawn = drawn_of(trials, direction)
    reports = [report for report in curves_of(store, study, trials) if report.trial in drawn]
    return report_html(facts_of(study, spec_of(study), trials, reports, found))
