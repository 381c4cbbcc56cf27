"""A search that went on after its test split was opened says so."""

from __future__ import annotations

from goodfit.service.diagnosis.health.test_reuse import searched_after_test
from goodfit.service.records import Study, Trial

STUDY = Study("s", {}, "f", 0.0, test_opened=1000.0, test_openings=2)


def test_trials_that_began_after_the_test_split_was_opened_are_named() -> None:
    trials = [
        Trial(0, {}, 1, started=900.0),
        Trial(1, {}, 1, started=1001.0, confirms=0),
        Trial(2, {}, 1, started=1100.0),
        Trial(3, {}, 1, started=1200.0),
    ]
    (finding,) = searched_after_test(STUDY, trials)
    assert "first opened on 1970-01-01 00:16 UTC, and the search went on after that, with trials 2-3." in finding.text
    assert list(searched_after_test(STUDY, trials[:2])) == []


def test_a_study_whose_test_split_is_closed_has_no_such_finding() -> None:
    assert list(searched_after_test(Study("s", {}, "f", 0.0), [Trial(0, {}, 1, started=5.0)])) == []
