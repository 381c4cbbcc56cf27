"""Trials that take turns in one worker: when they are trained together, and what of one reaches no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from types import ModuleType
from typing import Any

import pytest

from goodfit.trainers.training.packing import hub as hubs
from goodfit.trainers.training.packing.hub import FIRST, MOST, Hub, run_epoch
from goodfit.trainers.training.packing.pace import TIMES
from goodfit.trainers.training.packing.work import EpochResult, EpochWork


def work(trial: int, epoch: int = 1) -> Any:
    return EpochWork(None, trial, epoch, None, None, None, None)  # type: ignore[arg-type] - trained by the lab


class Lab:
    """A hub whose epochs are trained at once; what was trained with what is in `groups`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.groups: list[list[int]] = []
        self.keys: dict[int, str | None] = {}
        self.most = 1000
        self.failing: int | None = None
        monkeypatch.setattr(hubs, "pack_key", lambda work: self.keys.get(work.seed, "key"))
        monkeypatch.setattr(hubs, "size_of", lambda work: 100)
        monkeypatch.setattr(hubs, "clock_of", lambda work: perf_counter)
        monkeypatch.setattr(hubs, "train_alone", self.alone)
        monkeypatch.setattr(hubs, "train_together", self.together)
        self.hub = self.new_hub()
        for _ in range(TIMES):
            self.hub._pace.note_alone("key", 100, 10.0)

    def new_hub(self, own: Sequence[tuple[ModuleType, str]] = ()) -> Hub:
        return Hub(lambda run: threading.Thread(target=run, daemon=True).start(), own)

    def alone(self, work: EpochWork) -> EpochResult:
        self.groups.append([work.seed])
        return EpochResult({"loss": float(work.seed)}, {})

    def together(self, works: Sequence[EpochWork]) -> list[EpochResult | Exception]:
        if len(works) > self.most:
            raise MemoryError
        self.groups.append([work.seed for work in works])
        return [
            ValueError("no good") if work.seed == self.failing else EpochResult({"loss": float(work.seed)}, {})
            for work in works
        ]

    def run(self, *trials: Callable[[], None]) -> None:
        for trial in trials:
            self.hub.start(trial)
        while not self.hub.is_idle:
            self.step()

    def step(self) -> None:
        self.hub.take_turns()
        self.hub.train()


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(monkeypatch)


def trains(trial: int, epochs: int, losses: dict[int, list[float]] | None = None) -> Callable[[], None]:
    def run() -> None:
        for epoch in range(1, epochs + 1):
            result = run_epoch(work(trial, epoch))
            if losses is not None:
                losses.setdefault(trial, []).append(result.train["loss"])

    return run


def test_trials_train_together_and_each_gets_its_own_result(lab: Lab) -> None:
    losses: dict[int, list[float]] = {}
    lab.run(*(trains(trial, 2, losses) for trial in range(3)))
    assert lab.groups == [[0, 1, 2]] * 2
    assert losses == {trial: [float(trial)] * 2 for trial in range(3)}


def test_a_trial_that_ends_leaves_the_others_together_and_the_last_one_alone(lab: Lab) -> None:
    lab.run(trains(0, 1), trains(1, 3), trains(2, 2))
    assert lab.groups == [[0, 1, 2], [1, 2], [1]]


def test_a_trial_that_comes_later_joins_at_the_next_epoch(lab: Lab) -> None:
    lab.hub.start(trains(0, 3))
    lab.step()
    lab.hub.start(trains(1, 2))
    lab.run()
    assert [sorted(group) for group in lab.groups] == [[0], [0, 1], [0, 1]]


def test_only_equal_keys_train_together_and_none_is_alone(lab: Lab) -> None:
    lab.keys = {0: "other", 1: None, 2: "other", 3: None}
    lab.hub._pace.note_alone("other", 100, 10.0)
    lab.hub._pace.note_alone("other", 100, 10.0)
    lab.run(*(trains(trial, 1) for trial in range(5)))
    assert sorted(lab.groups) == [[0, 2], [1], [3], [4]]


def test_out_of_memory_halves_the_group_and_is_remembered(lab: Lab) -> None:
    lab.most = 2
    losses: dict[int, list[float]] = {}
    lab.run(*(trains(trial, 2, losses) for trial in range(5)))
    assert lab.groups == [[0, 1], [3, 4], [2], [0, 1], [2, 3], [4]]
    assert all(len(curve) == 2 for curve in losses.values())


def test_a_worker_finds_out_whether_more_trials_could_train_together_before_it_trains_an_epoch(lab: Lab) -> None:
    lab.hub.start(trains(1, 1))
    lab.hub.start(trains(2, 1))
    assert lab.hub.room == FIRST
    lab.hub.take_turns()
    assert lab.hub.room == MOST
    assert lab.groups == []


def test_a_worker_whose_trials_cannot_train_together_has_room_for_one_until_they_can(lab: Lab) -> None:
    lab.keys = {1: None, 2: None}
    lab.run(trains(1, 1), trains(2, 1))
    assert lab.hub.room == 1
    lab.run(trains(3, 1))
    assert lab.hub.room == MOST


def test_a_lone_trial_is_not_asked_whether_it_could_train_with_others(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which for a net of a user's own means to try it."""
    monkeypatch.setattr(hubs, "pack_key", lambda work: pytest.fail("asked"))
    lab.run(trains(1, 2))
    assert lab.hub.room == FIRST


def test_an_exception_is_that_of_one_trial(lab: Lab) -> None:
    lab.failing, raised = 1, []

    def fails() -> None:
        try:
            trains(1, 3)()
        except ValueError as error:
            raised.append(str(error))

    lab.run(trains(0, 2), fails, trains(2, 2))
    assert raised == ["no good"]
    assert lab.groups == [[0, 1, 2], [0, 2]]


def test_a_trial_that_waits_for_a_word_does_not_hold_up_the_others(lab: Lab) -> None:
    word: list[int] = []

    def waits() -> None:
        trains(0, 1)()
        lab.hub.wait_until(lambda: bool(word))
        trains(0, 1)()

    def gives() -> None:
        trains(1, 3)()
        word.append(1)

    lab.run(waits, gives)
    assert lab.groups == [[0, 1], [1], [1], [0]]


def test_a_hub_whose_trials_all_wait_can_not_go_on(lab: Lab) -> None:
    word: list[int] = []
    lab.hub.start(lambda: lab.hub.wait_until(lambda: bool(word)))
    assert lab.hub.can_go_on
    lab.step()
    assert not lab.hub.can_go_on
    word.append(1)
    assert lab.hub.can_go_on
    lab.step()
    assert lab.hub.is_idle


def test_what_the_process_has_one_of_is_each_trials_own(lab: Lab) -> None:
    module = ModuleType("streams")
    module.out = "the worker's"  # type: ignore[attr-defined]
    found: list[str] = []
    lab.hub = lab.new_hub([(module, "out")])

    def prints(trial: int) -> Callable[[], None]:
        def run() -> None:
            module.out = f"of trial {trial}"  # type: ignore[attr-defined]
            run_epoch(work(trial))
            found.append(module.out)

        return run

    lab.run(prints(0), prints(1))
    assert found == ["of trial 0", "of trial 1"]
    assert module.out == "the worker's"


def test_seconds_of_others_are_no_trials_own_and_a_trial_alone_has_them_all(lab: Lab) -> None:
    found: list[float] = []

    def run() -> None:
        run_epoch(work(0))
        found.append(lab.hub.elsewhere())

    lab.run(run)
    assert found == [0.0]
    lab.run(run, trains(1, 5))
    assert found[1] > 0.0


def test_an_abandoned_hub_lets_the_trial_that_runs_go_to_its_end_alone(lab: Lab) -> None:
    hangs, ended = threading.Event(), threading.Event()

    def hung() -> None:
        hangs.wait(10)
        trains(0, 2)()
        ended.set()

    lab.hub.start(hung)
    lab.hub.start(trains(1, 1))
    stepping = threading.Thread(target=lab.step, daemon=True)
    stepping.start()
    lab.hub.abandoned = True
    hangs.set()
    assert ended.wait(10)
    stepping.join(10)
    assert lab.groups == [[0], [0]]


def test_what_comes_before_and_after_a_trial_is_done_in_the_workers_thread(lab: Lab) -> None:
    seen: list[tuple[str, bool]] = []
    here = threading.current_thread()

    def noted(name: str) -> Callable[[], None]:
        return lambda: seen.append((name, threading.current_thread() is here))

    for name in "ab":
        lab.hub.start(noted(name), noted(f"before {name}"), noted(f"after {name}"))
    assert not seen
    lab.hub.take_turns()
    assert seen == [
        *(("before a", True), ("a", False), ("after a", True)),
        *(("before b", True), ("b", False), ("after b", True)),
    ]
    assert lab.hub.is_idle
