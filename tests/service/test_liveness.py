"""Whether somebody runs a study, and when its lease is free."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.app.liveness import RELEASE_PAUSE, RELEASE_SECONDS, how_it_was_lost, live_state, until_released
from goodfit.service.cli.show import study_facts
from goodfit.service.records import StudyState, Trial, TrialState
from tests.serving import NOW, Place, place


@pytest.fixture
def at(tmp_path: Path) -> Place:
    return place(tmp_path)


def test_a_study_whose_process_ended_without_saving_says_so(at: Place) -> None:
    study = at.study("lost")
    assert how_it_was_lost(at.store, study, NOW) is None
    at.write(study, [Trial(0, {}, 0, TrialState.RUNNING, attempts=1, started=NOW)], [], StudyState.RUNNING)
    said = how_it_was_lost(at.store, at.store.study("lost"), NOW)
    assert said is not None
    assert "ended while it trained trial 0 without saving" in said
    assert "--executor local" in said
    at.store.acquire(study.id, "elsewhere:1:1", NOW, 30.0, lambda _: False)
    assert how_it_was_lost(at.store, at.store.study("lost"), NOW) is None


def test_a_study_that_was_interrupted_before_its_first_trial_waits_for_nobody(at: Place) -> None:
    study = at.study("early")
    assert live_state(at.store, study, NOW) is StudyState.INTERRUPTED
    found = at.local()["early"]
    assert found.state == "INTERRUPTED"
    assert study_facts(found)["go_on"] == at.settings.hint("resume early")
    assert list(found.watch())[-1].over
    at.store.acquire(study.id, "elsewhere:1:1", NOW, 30.0, lambda _: False)
    assert live_state(at.store, study, NOW) is StudyState.QUEUED, "it is about to begin"
    assert live_state(at.store, at.study("served", queued=NOW), NOW) is StudyState.QUEUED


def test_the_lease_of_a_study_at_rest_is_waited_for_until_it_is_released(at: Place) -> None:
    study = at.write(at.study(), [], [], StudyState.STOPPED)
    assert list(until_released(at.store, study.name, at.clock)) == []
    lease = at.store.acquire(study.id, "elsewhere:1:1", NOW, 30.0, lambda _: False)
    pauses = until_released(at.store, study.name, at.clock)
    assert [next(pauses), next(pauses)] == [RELEASE_PAUSE] * 2
    at.store.release(lease)
    assert list(pauses) == []


def test_a_lease_that_runs_out_meanwhile_is_not_waited_for(at: Place) -> None:
    study = at.write(at.study(), [], [], StudyState.STOPPED)
    at.store.acquire(study.id, "elsewhere:1:1", NOW, 5.0, lambda _: False)
    pauses = until_released(at.store, study.name, at.clock)
    next(pauses)
    at.clock.now += 6.0
    assert list(pauses) == []


def test_the_wait_is_bounded(at: Place) -> None:
    study = at.write(at.study(), [], [], StudyState.DONE)
    at.store.acquire(study.id, "elsewhere:1:1", NOW, 1e6, lambda _: False)
    assert sum(until_released(at.store, study.name, at.clock)) == pytest.approx(RELEASE_SECONDS)


def test_a_study_that_is_run_is_not_waited_for(at: Place) -> None:
    study = at.write(at.study(), [], [], StudyState.RUNNING)
    at.store.acquire(study.id, "elsewhere:1:1", NOW, 30.0, lambda _: False)
    assert list(until_released(at.store, study.name, at.clock)) == []
