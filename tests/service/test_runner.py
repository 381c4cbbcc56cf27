"""The runner's loop on a real store, with workers that do as they are told and a clock that stands still."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.diagnosis import Diagnosis
from goodfit.service.errors import Fenced
from goodfit.service.objective import Objective
from goodfit.service.ports import Claim, Sharing
from goodfit.service.records import StudyState, Trial, TrialState
from goodfit.service.runner import LOOK_SHARE, Limits, Runner
from goodfit.service.scheduler import Plan
from goodfit.trainers.messages import Assignment, Ended, Message, Outcome
from tests.running import CONFIRMED, PLAN, Bench, Crew, NoTracker, Prunes, Puppet


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, PLAN)


def test_a_study_runs_to_its_end_and_everything_is_in_the_store(bench: Bench) -> None:
    tracker = NoTracker()
    ended = bench.runner(Puppet(bench.clock), tracker=tracker).run()
    assert ended.state is StudyState.DONE
    assert bench.store.study("s").state is StudyState.DONE
    trials = bench.trials()
    assert [trial.number for trial in trials] == list(range(8))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(trial.verdict and trial.diagnosis and trial.ended for trial in trials)
    for number, _, _, value, _, curve, _ in bench.outcome():
        assert curve is not None, f"trial {number} has a curve"
        assert [epoch for epoch, _ in curve] == list(range(1, len(curve) + 1))
        assert value == min(loss for _, loss in curve)
    assert tracker.wakes > 8


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("percentile", {"percentile": 25.0, "n_startup_trials": 2}),
        ("asha", {}),
        ("hyperband", {}),
        ("threshold", {"upper": 1.5, "n_warmup_steps": 2}),
        ("patient", {"patience": 1, "n_startup_trials": 2}),
    ],
)
def test_pruning_by_every_method_keeps_the_budget(tmp_path: Path, method: str, options: dict[str, Any]) -> None:
    bench = Bench(tmp_path, replace(PLAN, trials=12, epochs=9), pruning=Prunes(method, options))
    assert bench.runner(Puppet(bench.clock, overfits=True)).run().state is StudyState.DONE
    trials = bench.trials()
    assert [trial.number for trial in trials] == list(range(12))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(trial.epochs == (trial.prune_at or 9) for trial in trials)


@pytest.mark.parametrize("method", ["asha", "hyperband"])
def test_a_trial_that_is_pruned_at_a_rung_trains_no_epoch_after_it(tmp_path: Path, method: str) -> None:
    options = {"min_resource": 2, "reduction_factor": 2}
    bench = Bench(tmp_path, replace(PLAN, trials=20, epochs=9), pruning=Prunes(method, options))
    crew = Crew(bench.clock, 3, random.Random(0))
    bench.runner(crew).run()
    trials = bench.trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert sorted(crew.trained) == [(trial.number, epoch + 1) for trial in trials for epoch in range(trial.epochs)]


def test_a_trial_that_waits_at_a_rung_goes_on_where_the_study_prunes_no_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(PLAN, trials=4, epochs=9), pruning=Prunes("asha", {"min_resource": 2}))
    puppet = Puppet(bench.clock)
    runner = bench.runner(puppet)
    runner._turn(runner._scheduler.start(0.0), runner._room())
    assert puppet.work is not None
    assert puppet.work.pause_at == 2
    runner._plan = replace(runner._plan, prune=False)  # as an edit of the study does
    runner._scheduler.revise(runner._plan, 0.0)
    for _ in range(2):
        runner._turn([], puppet.wait(0.0))
    assert puppet.work.pause_at is None


def test_gap_is_in_the_objectives_unit_at_the_best_epoch(bench: Bench) -> None:
    bench.runner(Puppet(bench.clock)).run()
    for trial in bench.trials():
        assert trial.value is not None
        assert trial.gap == pytest.approx(0.1 * trial.value)


def test_slots_that_come_late_and_go_are_followed(bench: Bench) -> None:
    puppet = Puppet(bench.clock)
    puppet.room = 0
    seen: list[int] = []

    def on_wait() -> None:
        seen.append(len(puppet.launched))
        puppet.room = 0 if 1010 < bench.clock.now < 1050 else 1

    puppet.on_wait = on_wait
    assert bench.runner(puppet).run().state is StudyState.DONE
    assert seen[0] == 0
    assert len(bench.trials()) == 8


def test_the_time_of_a_trial_begins_when_its_worker_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Plan(Objective("val/loss", "minimize"), epochs=2, trials=1, seed=7), Limits(trial=5.0))
    puppet = Puppet(bench.clock)
    work: list[Assignment] = []

    def on_wait() -> None:  # no worker for it until long after its time
        if bench.clock.now < 1100 and puppet.work:
            work.append(puppet.work)
            puppet.unplaced, puppet.work = {0}, None
        elif bench.clock.now >= 1100 and puppet.unplaced:
            puppet.unplaced, puppet.work = set(), work[0]

    puppet.on_wait = on_wait
    bench.runner(puppet).run()
    assert bench.clock.now > 1100
    assert [trial.label for trial in bench.trials()] == ["COMPLETE"]


def test_the_executor_hears_at_each_renewal_who_shares_the_workers(bench: Bench) -> None:
    puppet = Puppet(bench.clock)
    turns = iter([*range(1, 4), *[2] * 100])
    bench.runner(puppet, sharing=lambda: Sharing(turn=next(turns))).run()
    assert [sharing.turn for sharing in puppet.shared[:4]] == [1, 2, 3, 2]


def test_a_study_without_workers_says_so_until_it_has_some(bench: Bench) -> None:
    puppet = Puppet(bench.clock)
    puppet.room = 0
    mine, higher = Claim(bench.study.id, {"cpus": 1.0}), Claim(99, {"cpus": 1.0}, priority=3)
    seen: list[str | None] = []

    def on_wait() -> None:
        seen.append(bench.store.study("s").waits_for)
        puppet.room = int(bench.clock.now > 1040)

    puppet.on_wait = on_wait
    bench.runner(puppet, sharing=lambda: Sharing(mine.study, (mine, higher))).run()
    assert "waits for workers: studies of a higher priority come first" in seen
    assert bench.store.study("s").waits_for is None


def test_a_worker_that_dies_costs_an_attempt_and_nothing_else(tmp_path: Path, bench: Bench) -> None:
    bench.runner(Puppet(bench.clock)).run()
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other", PLAN)
    other.runner(Puppet(other.clock, dies_at=(0, 3))).run()
    assert other.outcome() == bench.outcome()
    assert (other.trials()[0].attempts, other.trials()[0].worker_deaths) == (2, 0)


def test_an_interrupt_saves_and_a_resume_goes_on(bench: Bench) -> None:
    puppet = Puppet(bench.clock)
    runner = bench.runner(puppet)
    countdown = deque(range(10))

    def interrupt() -> None:
        if countdown:
            countdown.popleft()
        else:
            runner.interrupt()

    puppet.on_wait = interrupt
    assert runner.run().state is StudyState.INTERRUPTED
    states = {trial.state for trial in bench.trials()}
    assert TrialState.QUEUED in states
    assert TrialState.RUNNING not in states
    assert bench.runner(Puppet(bench.clock)).run().state is StudyState.DONE
    assert len(bench.trials()) == 8


def test_a_stop_that_was_asked_for_elsewhere_is_seen(bench: Bench) -> None:
    bench.clock.now = 5000.0
    runner = bench.runner(Puppet(bench.clock))
    bench.store.ask_stop(bench.study.id, True)
    assert runner.run().state is StudyState.STOPPED


def test_a_home_that_is_full_saves_the_study_and_says_so(bench: Bench) -> None:
    puppet = Puppet(bench.clock)
    runner = bench.runner(puppet, full=lambda: "over its quota" if bench.clock.now > 1010 else None)
    ended = runner.run()
    assert (ended.state, ended.message) == (StudyState.INTERRUPTED, "over its quota")
    assert TrialState.RUNNING not in {trial.state for trial in bench.trials()}
    assert bench.runner(Puppet(bench.clock)).run().state is StudyState.DONE


def test_the_time_of_a_study_counts_over_all_its_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Plan(Objective("val/loss", "minimize"), epochs=6, trials=1000, seed=7), Limits(study=60.0))
    puppet = Puppet(bench.clock)
    first = bench.runner(puppet)
    puppet.on_wait = lambda: first.interrupt() if bench.clock.now > 1030 else None
    first.run()
    bench.clock.now += 10_000  # a night in between costs nothing
    begun = bench.clock.now
    assert bench.runner(Puppet(bench.clock)).run().state is StudyState.DONE
    assert 25 <= bench.clock.now - begun <= 45
    assert bench.trials()[-1].state in (TrialState.CANCELLED, TrialState.COMPLETE)
    assert all(trial.state is not TrialState.QUEUED for trial in bench.trials())


def test_a_trial_past_its_time_fails_as_timeout_and_keeps_its_curve(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Plan(Objective("val/loss", "minimize"), epochs=6, trials=2, seed=7), Limits(trial=2.5))
    bench.runner(Puppet(bench.clock)).run()
    for trial in bench.trials():
        assert trial.label == "FAILED(timeout)"
        assert trial.epochs >= 2
        assert trial.value is not None
    assert bench.store.study("s").state is StudyState.FAILED


def test_a_trial_that_does_not_hear_is_killed_after_its_grace(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, Plan(Objective("val/loss", "minimize"), epochs=1000, trials=2, seed=7), Limits(trial=3.0, grace=5.0)
    )
    puppet = Puppet(bench.clock, deaf=True)
    bench.runner(puppet).run()
    assert puppet.killed == [0, 1]
    assert [trial.label for trial in bench.trials()] == ["FAILED(timeout)"] * 2


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Plan(Objective("val/loss", "minimize"), epochs=1000, trials=2, seed=7), Limits(grace=1e6))
    puppet = Puppet(bench.clock, deaf=True)
    runner = bench.runner(puppet)
    puppet.on_wait = lambda: runner.interrupt() if bench.clock.now in (1010.0, 1020.0) else None
    assert runner.run().state is StudyState.INTERRUPTED
    assert bench.clock.now < 1030
    assert puppet.killed == [0]
    assert bench.trials()[0].state is TrialState.QUEUED


def test_a_runner_that_lost_its_lease_writes_nothing_more(bench: Bench) -> None:
    puppet = Puppet(bench.clock)
    runner = bench.runner(puppet)
    taken = deque(range(5))

    def take_over() -> None:
        if taken:
            taken.popleft()
        else:
            bench.store.acquire(bench.study.id, "other:2:2", bench.clock(), 1e9, lambda _: True)

    puppet.on_wait = take_over
    with pytest.raises(Fenced):
        runner.run()
    before = bench.outcome()
    assert bench.outcome() == before


def test_a_watcher_sees_counts_that_agree_with_the_store(bench: Bench) -> None:
    bench.runner(Puppet(bench.clock)).run()
    last = bench.seen[-1]
    assert sum(last.states.values()) == 8
    assert last.states["PRUNED"] == sum(trial.state is TrialState.PRUNED for trial in bench.trials())
    assert last.best is not None
    assert last.best.value == min(trial.value for trial in bench.trials() if trial.state is TrialState.COMPLETE)
    assert sorted(trial.number for progress in bench.seen for trial in progress.settled) == list(range(8))


def test_a_trial_that_has_ended_is_noted_once_it_is_written(bench: Bench) -> None:
    written: list[bool] = []

    def note(trial: Trial) -> None:
        written.append(bench.trials()[trial.number].state is trial.state)

    bench.runner(Puppet(bench.clock), note=note).run()
    assert written == [True] * 8


def test_curves_of_running_trials_are_not_looked_at_where_nobody_watches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(Runner, "_look", lambda self, number: looked.append(number))
    bench.runner(Puppet(bench.clock), watch=None).run()
    assert looked == []


def test_looks_at_running_trials_take_a_small_share_of_the_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, diagnose = [], Runner._look

    def look(runner: Runner, number: int) -> Diagnosis:
        looked.append(bench.clock.now)
        bench.clock.now += 0.1
        return diagnose(runner, number)

    monkeypatch.setattr(Runner, "_look", look)
    bench.runner(Puppet(bench.clock)).run()
    assert len(looked) > 2
    assert all(after - before >= 0.1 / LOOK_SHARE for before, after in pairwise(looked))


def test_the_best_are_trained_again_on_fresh_seeds_and_scored_on_the_test_split_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CONFIRMED)
    ended = bench.runner(Puppet(bench.clock)).run()
    assert ended.state is StudyState.DONE
    searched = [trial for trial in bench.trials() if trial.confirms is None]
    again = [trial for trial in bench.trials() if trial.confirms is not None]
    assert [trial.number for trial in searched] == [0, 1, 2, 3]
    assert [trial.number for trial in again] == [4, 5, 6, 7]
    complete = sorted((trial.value, trial.number) for trial in searched if trial.state is TrialState.COMPLETE)
    assert [trial.confirms for trial in again] == [number for _, number in complete[:2] for _ in range(2)]
    assert [trial.seed for trial in again[:2]] == [trial.seed for trial in again[2:]]
    assert not {trial.seed for trial in again} & {trial.seed for trial in searched}
    assert all(trial.test and trial.verdict and trial.epochs == 6 for trial in again)
    assert all(trial.test is None for trial in searched)
    study = bench.store.study("s")
    assert study.test_opened is not None
    assert study.test_opened <= min(trial.started or 0.0 for trial in again)
    assert study.test_opened_by == "host:1:1"
    assert sum(bench.seen[-1].states.values()) == 4, "the budget is the search's alone"


def test_a_study_without_a_complete_trial_opens_no_test_split(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(CONFIRMED, retries=0, trials=1))
    bench.runner(Puppet(bench.clock, dies_at=(0, 2))).run()
    assert bench.store.study("s").state is StudyState.FAILED
    assert bench.store.study("s").test_opened is None
    assert len(bench.trials()) == 1


def test_the_time_of_the_search_does_not_end_its_confirmation(tmp_path: Path) -> None:
    plan = replace(PLAN, trials=None, prune=False, confirm=(1, 2))
    bench = Bench(tmp_path, plan, Limits(study=17.0))
    assert bench.runner(Puppet(bench.clock)).run().state is StudyState.DONE
    labels = [trial.label for trial in bench.trials() if trial.confirms is None]
    assert labels[-1] == "CANCELLED"
    assert [trial.label for trial in bench.trials() if trial.confirms is not None] == ["COMPLETE", "COMPLETE"]


def test_an_interrupted_confirmation_goes_on_where_it_was(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CONFIRMED)
    puppet = Puppet(bench.clock)
    runner = bench.runner(puppet)
    puppet.on_wait = lambda: runner.interrupt() if any(trial >= 5 for trial, _ in puppet.launched) else None
    assert runner.run().state is StudyState.INTERRUPTED
    opened = bench.store.study("s").test_opened
    assert bench.runner(Puppet(bench.clock)).run().state is StudyState.DONE
    assert bench.store.study("s").test_opened == opened
    assert [trial.label for trial in bench.trials()[4:]] == ["COMPLETE"] * 4


def test_a_trial_that_overfits_is_stopped_and_complete_where_the_study_asks_for_it(tmp_path: Path) -> None:
    plan = replace(PLAN, epochs=30, prune=False, trials=2)
    (tmp_path / "asked").mkdir()
    for folder, asked in ((tmp_path, False), (tmp_path / "asked", True)):
        bench = Bench(folder, replace(plan, stop_on_overfit=asked))
        bench.runner(Puppet(bench.clock, overfits=True)).run()
        for trial in bench.trials():
            assert trial.label == "COMPLETE"
            assert str(trial.verdict) == "overfit"
            assert (trial.epochs < 30) == asked
            assert trial.best_epoch == 4
            assert trial.stop_at == (trial.epochs if asked else None)


class Informed(Puppet):
    """Its complete trials tell what a trivial model scores."""

    def wait(self, seconds: float) -> list[Message]:
        return [
            replace(message, baseline={"val/loss": 0.01, "val/accuracy": 0.5})
            if isinstance(message, Ended) and message.outcome is Outcome.COMPLETE
            else message
            for message in super().wait(seconds)
        ]


def test_pruned_trials_are_held_against_the_trivial_scores_that_others_told(bench: Bench) -> None:
    bench.runner(Informed(bench.clock)).run()

    assert TrialState.PRUNED in {trial.state for trial in bench.trials()}
    told = [trial.diagnosis or {} for trial in bench.trials()]
    assert {one["baseline"] for one in told} == {0.01}
    assert {tuple(one["baselines"]) for one in told} == {("val/loss", "val/accuracy")}


class SetBack(Puppet):
    """The clock on the wall goes back an hour at its tenth epoch."""

    ticks = 0.0

    def wait(self, seconds: float) -> list[Message]:
        self.ticks += 1.0
        if self.ticks == 10:
            self.clock.now -= 3600
        return super().wait(seconds)


def test_a_clock_that_goes_back_an_hour_keeps_no_stop_no_limit_and_no_lease_waiting(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(PLAN, epochs=500, prune=False), Limits(study=100.0, grace=5.0))
    puppet = SetBack(bench.clock, deaf=True)
    runner = bench.runner(puppet, ticks=lambda: puppet.ticks)
    puppet.on_wait = lambda: bench.store.ask_stop(bench.study.id, True) if puppet.ticks == 20 else None
    ended = runner.run()
    assert (ended.state, puppet.killed) == (StudyState.STOPPED, [0])
    assert 20 <= ended.seconds <= 20 + 30.0 / 6 + 5 + 3, "heard at the next renewal of the lease, and then the grace"
    assert ended.ended is not None
    assert ended.ended < 1000, "stamps are those of the clock on the wall"


def test_the_time_of_a_study_is_not_that_of_a_clock_that_jumps(tmp_path: Path) -> None:
    bench = Bench(tmp_path, replace(PLAN, epochs=500, prune=False), Limits(study=50.0))
    puppet = SetBack(bench.clock)
    ended = bench.runner(puppet, ticks=lambda: puppet.ticks).run()
    assert 50 <= ended.seconds <= 52
