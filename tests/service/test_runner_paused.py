"""A study with pauses is killed at any of its writes: it decides as if it had not been, and trains nothing twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.run import plan_of
from goodfit.service.records import FINISHED, Decision, StudyState, Trial, TrialState
from goodfit.service.runner import Limits
from goodfit.service.scheduler import again
from tests.killing import Killed, Mortal
from tests.running import Bench, Crew, Puppet
from tests.searching import auto_bench, auto_spec

SMALL: Mapping[str, Any] = {"budget": {"trials": 8}, "training": {"epochs": 4}}
CONFIRMED = {**SMALL, "budget": {"trials": 5}, "confirm": {"top": 2, "seeds": 1}, "data": {
    "source": "digits", "split": {"validation": 0.2, "test": 0.2}
}}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A study that nothing disturbed."""
    bench = auto_bench(tmp_path_factory.mktemp("whole"), **SMALL)
    run(bench)
    return bench


def decisions(bench: Bench) -> list[Decision]:
    """What was decided; what a decision had seen of a trial may have come in another way after a restart."""
    return bench.store.decisions(bench.study.id)


def decided(bench: Bench) -> list[tuple[int, int, bool, int | None]]:
    return [(one.index, one.trial, one.new, one.until) for one in decisions(bench)]


def run(bench: Bench, executor: Any = None, **more: Any) -> Any:
    executor = executor or Puppet(bench.clock)
    bench.runner(executor, **{"watch": None, **more}).run()
    return executor


def killed(bench: Bench, executor: Any, write: int, *, after: bool) -> bool:
    """Whether the study was killed at this write; it had not so many otherwise, and is at its end."""
    try:
        bench.runner(executor, Mortal(bench.store, write, after=after), watch=None).run()
    except Killed:
        return bench.store.study("s").state is not StudyState.DONE
    return False


def go_on(bench: Bench, write: int = 10**6, *, after: bool = True) -> bool:
    """Run a study again; no epoch that was kept is trained once more. Whether it is killed at this write."""
    kept = {(report.trial, report.epoch) for report in bench.store.reports(bench.study.id)}
    puppet = Puppet(bench.clock)
    died = killed(bench, puppet, write, after=after)
    assert not kept & set(puppet.trained)
    return died


def assert_same(bench: Bench, whole: Bench, how: str) -> None:
    """It decided and ended like the one that nothing disturbed."""
    assert bench.outcome() == whole.outcome(), how
    assert decided(bench) == decided(whole), how


def assert_consistent(bench: Bench) -> None:
    """All trials have ended, each curve is whole, and the decisions are numbered one after the other."""
    trials = bench.trials()
    assert {trial.state for trial in trials} <= FINISHED
    assert [one.index for one in decisions(bench)] == list(range(len(decisions(bench))))
    assert [one.trial for one in decisions(bench) if one.new] == [one.number for one in trials if one.confirms is None]
    for trial in trials:
        curve = [report.epoch for report in bench.store.reports(bench.study.id, trial.number)]
        assert curve == list(range(1, trial.epochs + 1))
        assert trial.prune_at == (trial.epochs if trial.state is TrialState.PRUNED else None)


def test_a_study_with_pauses_that_is_killed_once_decides_as_if_it_had_not_been(tmp_path: Path, whole: Bench) -> None:
    assert_consistent(whole)
    assert {"PRUNED", "COMPLETE"} == {trial.label for trial in whole.trials()}
    assert len(decided(whole)) > len(whole.trials()), "some trial went on"
    for write in range(6, 40, 8):
        bench = auto_bench(tmp_path / f"{write}", **SMALL)
        if killed(bench, Puppet(bench.clock), write, after=write % 4 == 1):
            go_on(bench)
        assert_same(bench, whole, f"killed at write {write}")


@pytest.mark.parametrize(("write", "after"), [(2, True), (3, False)])
@pytest.mark.parametrize("values", [SMALL, CONFIRMED], ids=["search", "confirmation"])
def test_a_study_with_pauses_that_is_killed_at_each_of_its_writes_decides_as_if_it_had_not_been(
    tmp_path: Path, values: Mapping[str, Any], write: int, after: bool
) -> None:
    """Each runner gets so far, and the next one goes on."""
    whole = auto_bench(tmp_path / "whole", **values)
    run(whole)
    bench = auto_bench(tmp_path / "killed", **values)
    deaths = 0
    while go_on(bench, write, after=after):
        deaths += 1
        assert deaths < 200
    assert deaths > 5
    assert_same(bench, whole, f"killed {deaths} times")


@pytest.mark.parametrize("workers", [2, 5])
def test_with_several_workers_nothing_is_lost_or_doubled_however_often_the_study_is_killed(
    tmp_path: Path, workers: int
) -> None:
    for seed in range(3):
        drawn = random.Random(seed)
        bench = auto_bench(tmp_path / f"{seed}", **SMALL)
        for _ in range(4):
            kept = {(report.trial, report.epoch) for report in bench.store.reports(bench.study.id)}
            crew = Crew(bench.clock, workers, drawn)
            dead = killed(bench, crew, drawn.randint(1, 25), after=drawn.random() < 0.5)
            assert not kept & set(crew.trained)
            if not dead:
                break
        else:
            run(bench, Crew(bench.clock, workers, drawn))
        assert bench.store.study("s").state is StudyState.DONE
        assert_consistent(bench)
        assert len(bench.trials()) == 8


def test_an_interrupted_study_keeps_its_paused_trials_and_decides_as_an_uninterrupted_one(
    tmp_path: Path, whole: Bench
) -> None:
    paused = 0
    for messages in range(4, 40, 9):
        bench = auto_bench(tmp_path / f"{messages}", **SMALL)
        puppet, left = Puppet(bench.clock), iter(range(messages))
        runner = bench.runner(puppet)
        puppet.on_wait = lambda left=left, runner=runner: next(left, None) is None and runner.interrupt()
        if runner.run().state is StudyState.INTERRUPTED:
            paused += sum(trial.state is TrialState.PAUSED for trial in bench.trials())
            run(bench)
        assert_same(bench, whole, f"interrupted after {messages} messages")
    assert paused


def test_a_time_that_is_spent_leaves_no_trial_paused(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path, **SMALL)
    bench.limits = Limits(study=12.0)
    run(bench)
    assert bench.store.study("s").state is StudyState.DONE
    assert {trial.state for trial in bench.trials()} <= FINISHED


def test_trials_that_cannot_be_paused_go_on_or_are_pruned_and_each_is_launched_once(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path, budget={"trials": 30})
    puppet = run(bench, Puppet(bench.clock, resumable=False))
    assert len(puppet.launched) == 30
    assert {trial.label for trial in bench.trials()} == {"COMPLETE", "PRUNED"}
    assert not any(progress.paused for progress in bench.seen)
    assert_consistent(bench)


@pytest.mark.parametrize("values", [SMALL, CONFIRMED], ids=["search", "confirmation"])
def test_a_study_goes_on_after_its_end_with_more_trials(tmp_path: Path, values: Mapping[str, Any]) -> None:
    bench = auto_bench(tmp_path, **values)
    run(bench)
    before = bench.outcome()
    bench.reopen(replace(bench.plan, trials=12))
    run(bench)
    assert_consistent(bench)
    assert bench.outcome()[: len(before)] == before
    assert sum(trial.confirms is None for trial in bench.trials()) == 12


@pytest.mark.parametrize("killed_at", [None, 6, 9])
def test_a_trial_that_failed_is_trained_to_its_end_when_it_is_retried(tmp_path: Path, killed_at: int | None) -> None:
    bench = auto_bench(tmp_path, **SMALL)
    bench.plan = replace(bench.plan, retries=0)
    run(bench, Puppet(bench.clock, dies_at=(2, 0)))
    assert bench.trials()[2].label == "FAILED(lost)"
    bench.reopen(replace(bench.plan, trials=10), [again(bench.trials()[2])])
    if killed_at is not None:
        assert go_on(bench, killed_at)
    run(bench)
    assert_consistent(bench)
    assert bench.trials()[2].state is TrialState.COMPLETE


def test_a_paused_trial_whose_worker_dies_when_it_goes_on_has_another_attempt(tmp_path: Path) -> None:
    whole = auto_bench(tmp_path / "whole", **SMALL)
    launched = run(whole).launched
    resumed = next(one for place, one in enumerate(launched) if one in launched[:place])
    bench = auto_bench(tmp_path / "dies", **SMALL)

    class Dies(Puppet):
        def launch(self, pack: Any) -> None:
            super().launch(pack)
            (work,) = pack.assignments
            self.dies_at = (resumed[0], work.reported) if self.launched.count(resumed) == 2 else None

    run(bench, Dies(bench.clock))
    assert bench.outcome() == whole.outcome()
    assert bench.trials()[resumed[0]].attempts == 2


def test_paused_trials_whose_checkpoints_are_all_gone_are_trained_anew_and_report_nothing_twice(
    tmp_path: Path, whole: Bench
) -> None:
    """A node that is lost takes the files of the trials that were paused on it."""

    class Forgetful(Puppet):
        def launch(self, pack: Any) -> None:
            super().launch(pack)
            self.epoch = 0

    bench = auto_bench(tmp_path, **SMALL)
    puppet = run(bench, Forgetful(bench.clock))
    assert len(puppet.trained) > len(set(puppet.trained)), "some trial was trained anew"
    assert_consistent(bench)
    assert_same(bench, whole, "without its checkpoints")


# What studies may come to.


def nan_always(x: float, epoch: int) -> float:
    return float("nan")


def equal(x: float, epoch: int) -> float:
    return 0.5


def nan_above(x: float, epoch: int) -> float:
    return float("nan") if x > 0.5 else x / epoch


ONE = [{"name": "x", "type": "fixed", "value": 0.25}]
FEW = [{"name": "x", "type": "float", "low": 0.0, "high": 0.75, "step": 0.25}]


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (nan_always, {"FAILED(nan)"}),
        (equal, {"COMPLETE", "PRUNED"}),
        (nan_above, {"COMPLETE", "PRUNED", "FAILED(nan)"}),
    ],
)
def test_a_study_ends_whatever_its_trials_come_to(
    tmp_path: Path, value: Callable[[float, int], float], labels: set[str]
) -> None:
    bench = auto_bench(tmp_path, budget={"trials": 12, "failures": 0})
    run(bench, Puppet(bench.clock, value=value))
    assert {trial.label for trial in bench.trials()} == labels
    assert len(bench.trials()) == 12
    assert [one.index for one in decisions(bench)] == list(range(len(decisions(bench))))
    ended = StudyState.FAILED if labels == {"FAILED(nan)"} else StudyState.DONE
    assert bench.store.study("s").state is ended


@pytest.mark.parametrize(("epochs", "trials"), [(1, 5), (2, 5), (8, 1), (8, 2), (40, 2)])
def test_few_epochs_and_few_trials_are_enough(tmp_path: Path, epochs: int, trials: int) -> None:
    bench = auto_bench(tmp_path, budget={"trials": trials}, training={"epochs": epochs})
    run(bench)
    assert_consistent(bench)
    assert len(bench.trials()) == trials
    assert bench.store.study("s").state is StudyState.DONE


@pytest.mark.parametrize(("space", "count"), [(ONE, 1), (FEW, 4)])
def test_a_space_that_runs_out_ends_the_study_with_each_configuration_once(
    tmp_path: Path, space: list[dict[str, Any]], count: int
) -> None:
    bench = auto_bench(tmp_path, space=space, budget={"trials": 20})
    run(bench)
    assert_consistent(bench)
    assert len({tuple(trial.params.items()) for trial in bench.trials()}) == len(bench.trials()) == count
    assert bench.store.study("s").state is StudyState.DONE


def test_a_time_below_one_full_training_ends_a_study_without_a_complete_trial(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path, training={"epochs": 50})
    bench.limits = Limits(study=20.0)
    run(bench)
    study = bench.store.study("s")
    assert (study.state, study.message) == (StudyState.FAILED, "no trial was trained to its end")
    assert {trial.state for trial in bench.trials()} <= FINISHED


def test_a_clock_that_is_set_back_between_two_runs_changes_no_decision(tmp_path: Path, whole: Bench) -> None:
    """Reports are stamped by the nodes that trained; their clocks may differ by anything."""
    for write in (9, 16):
        bench = auto_bench(tmp_path / f"{write}", **SMALL)
        if killed(bench, Puppet(bench.clock), write, after=True):
            bench.clock.now -= 900.0
            run(bench)
        assert_same(bench, whole, f"killed at write {write}")


def test_a_study_of_an_earlier_version_goes_on_as_it_began(tmp_path: Path) -> None:
    """It has no decisions; how it was searched and pruned is fixed."""
    old = auto_spec(search={"method": "random", "seed": 7}, pruning={"method": "asha"})
    values = {"search": {"method": "random", "seed": 7}, "pruning": {"method": "asha"}}
    bench = auto_bench(tmp_path, **values)
    assert not plan_of(old).pauses
    killed(bench, Puppet(bench.clock), 30, after=True)
    run(bench)
    assert decisions(bench) == []
    assert len(bench.trials()) == 14
    assert {trial.until for trial in bench.trials()} == {None}
    assert all(isinstance(trial, Trial) and trial.state in FINISHED for trial in bench.trials())
