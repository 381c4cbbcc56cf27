"""A trial that waits for its data more than it trains is told so."""

from __future__ import annotations

import pytest

from goodfit.service.diagnosis import diagnose_trial
from goodfit.service.diagnosis.waiting import waiting_of
from goodfit.service.objective import Objective
from goodfit.service.records import Report

LOSS = Objective("val/loss", "minimize")


def curve(seconds: float, waiting: float | None, sampled: tuple[int, ...] = (1, 3, 6)) -> list[Report]:
    costs = None if waiting is None else {"epoch_seconds": seconds, "waiting_seconds": waiting}
    return [
        Report(0, epoch, {"train/loss": 1 / epoch, "val/loss": 1 / epoch}, 1.0, costs if epoch in sampled else None)
        for epoch in range(1, 7)
    ]


def test_samples_count_for_the_epochs_since_the_one_before() -> None:
    found = waiting_of(curve(2.0, 1.5))
    assert found is not None
    assert (found.seconds, found.waiting, found.share) == (12.0, 9.0, 0.75)


def test_a_trial_that_waits_more_than_it_trains_gets_evidence_and_advice() -> None:
    found = diagnose_trial(curve(2.0, 1.5), LOSS)
    assert found.waiting == 0.75
    assert found.advice[-1].startswith("It waited for its data 75% of the time that its epochs took (9 of 12 s): keep")
    assert found.to_dict()["waiting"] == 0.75


@pytest.mark.parametrize(("seconds", "waiting"), [(2.0, 0.9), (0.1, 0.09), (2.0, None)])
def test_one_that_does_not_or_took_no_time_or_was_not_measured_gets_none(seconds: float, waiting: float | None) -> None:
    found = diagnose_trial(curve(seconds, waiting), LOSS)
    assert found.advice == diagnose_trial(curve(seconds, None), LOSS).advice
    assert (found.waiting is None) == (waiting is None)
