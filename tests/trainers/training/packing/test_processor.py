"""Which processors a training thread may have, by how much of its time it was running."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from goodfit.trainers.training.packing import processor
from goodfit.trainers.training.packing.processor import WINDOW, Processor

ALL = {0, 1, 5}


class System:
    """What Linux is told: the processors of the one thread there is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.allowed, self.last, self.obeys = ALL, 5, True
        monkeypatch.setattr(processor, "STAT", Path(__file__))
        monkeypatch.setattr(processor.os, "sched_getaffinity", lambda _: self.allowed, raising=False)
        monkeypatch.setattr(processor.os, "sched_setaffinity", self._allow, raising=False)
        monkeypatch.setattr(processor, "_last_processor", lambda: self.last)

    def _allow(self, _thread: int, processors: set[int]) -> None:
        if not self.obeys:
            raise OSError
        self.allowed = processors


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    return System(monkeypatch)


def test_a_thread_stays_where_it_has_a_processor_for_itself_and_goes_where_it_shares_one(system: System) -> None:
    kept = Processor()
    kept.note(0.07, 0.1)
    assert system.allowed == ALL, "this may have been shared"
    kept.note(0.09, 0.1)
    assert system.allowed == {5}
    system.last = 1
    kept.note(0.07, 0.1)
    kept.note(0.1, 0.1)
    assert system.allowed == {5}
    kept.note(0.05, 0.1)
    assert system.allowed == ALL
    kept.note(0.09, 0.1)
    assert system.allowed == {1}


def test_short_epochs_are_judged_together(system: System) -> None:
    kept = Processor()
    for _ in range(3):
        kept.note(0.3 * WINDOW, 0.3 * WINDOW)
        assert system.allowed == ALL
    kept.note(0.0, 0.3 * WINDOW)
    assert system.allowed == {5}, "three quarters"


def test_what_is_not_training_is_free_to_go(system: System) -> None:
    kept = Processor()
    kept.note(1.0, 1.0)
    kept.let_go()
    assert system.allowed == ALL


def test_a_system_that_refuses_is_asked_again(system: System) -> None:
    kept, system.obeys = Processor(), False
    kept.note(1.0, 1.0)
    system.obeys = True
    kept.note(1.0, 1.0)
    assert system.allowed == {5}
    system.obeys = False
    kept.note(0.0, 1.0)
    system.obeys = True
    kept.note(0.0, 1.0)
    assert system.allowed == ALL


@pytest.mark.parametrize("there", [set[int](), {3}])
def test_where_there_is_no_choice_nothing_is_done(there: set[int], system: System) -> None:
    system.allowed, system.obeys = there, False
    kept = Processor()
    kept.note(1.0, 1.0)
    kept.let_go()
    kept.place(None, beside=False)
    kept.place(None, beside=True)
    assert system.allowed == there


def test_a_system_that_does_not_say_where_a_thread_runs_is_let_alone(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "STAT", Path("/nowhere"))
    kept, system.obeys = Processor(), False
    kept.note(1.0, 1.0)
    kept.place(None, beside=False)
    assert system.allowed == ALL


def test_another_thread_runs_beside_it_or_anywhere_and_is_told_once(system: System) -> None:
    kept = Processor()
    allowed = kept.place(None, beside=False)
    assert allowed == ALL
    kept.note(1.0, 1.0)
    system.allowed = ALL  # of the other thread
    allowed = kept.place(allowed, beside=True)
    assert allowed == system.allowed == {5}
    system.allowed = set()
    assert kept.place(allowed, beside=True) == {5}
    assert system.allowed == set(), "it was there"
    allowed = kept.place(allowed, beside=False)
    assert allowed == system.allowed == ALL
    system.obeys = False
    assert kept.place(allowed, beside=True) == ALL, "it is asked again"


@pytest.mark.skipif(not processor.STAT.exists(), reason="Linux says there where a thread runs")
def test_of_this_thread_alone_as_the_system_sees_it() -> None:
    before = processor.os.sched_getaffinity(0)
    seen: list[set[int]] = []

    def train() -> None:
        kept = Processor()
        kept.note(1.0, 1.0)
        seen.append(processor.os.sched_getaffinity(0))

        def other() -> None:
            kept.place(None, beside=False)
            seen.append(processor.os.sched_getaffinity(0))

        started = threading.Thread(target=other)
        started.start()
        started.join()

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert len(seen[0]) == 1
    assert seen[0] <= before
    assert seen[1] == before == processor.os.sched_getaffinity(0)
