"""Whether a search went on after its test split had been opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from goodfit.service.diagnosis.health.finding import Finding, Severity
from goodfit.service.diagnosis.health.inputs import ranges
from goodfit.service.records import Study, Trial


def searched_after_test(study: Study, trials: Iterable[Trial]) -> Iterator[Finding]:
    """A finding where trials of the search began after the test split was opened for a confirmation."""
    opened = study.test_opened
    if opened is None:
        return
    later = [trial.number for trial in trials if trial.confirms is None and (trial.started or 0.0) > opened]
    if not later:
        return
    when = datetime.fromtimestamp(opened, UTC).strftime("%Y-%m-%d %H:%M UTC")
    noun = "trial" if len(later) == 1 else "trials"
    text = (
        f"The test split was first opened on {when}, and the search went on after that, with {noun} {ranges(later)}. "
        "Whoever knew the test scores when deciding to go on has chosen by them, too: they may be a little too good. "
        "For a score that nothing was chosen by, keep other rows."
    )
    yield Finding("test_reopened", Severity.WARNING, text, numbers={"openings": study.test_openings, "trials": later})
