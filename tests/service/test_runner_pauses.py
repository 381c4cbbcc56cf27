"""A study whose trials pause and go on: what is decided of them, and what a watcher sees."""

from __future__ import annotations

import contextlib
import itertools
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.explaining import why_of
from goodfit.service.queries.local import LocalSource
from goodfit.service.queries.replaying import Replayed, replay
from goodfit.service.records import StudyState, TrialState
from goodfit.service.scheduler import again
from goodfit.service.settings import Settings
from tests.running import Bench, Puppet, loss
from tests.searching import auto_bench

CENTER = {"x": 0.5}
GIVEN: dict[str, Any] = {"search": {"method": "auto", "seed": 7, "start_from": [{"x": 0.9}]}, "control": 0.1}


class Killed(BaseException):
    """The runner's process ends here."""


def test_paused_trials_are_counted_and_do_not_run(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path)
    bench.runner(Puppet(bench.clock)).run()
    assert max(progress.paused for progress in bench.seen) > 1
    assert bench.seen[-1].paused == 0
    for progress in bench.seen:
        assert {trial.state for trial in progress.running} <= {TrialState.RUNNING}
    assert sorted(trial.number for progress in bench.seen for trial in progress.settled) == list(range(14))


def decided(bench: Bench) -> list[tuple[Any, ...]]:
    """What was decided of whom; not what had been seen, which says nothing more."""
    return [(one.index, one.trial, one.new, one.until) for one in bench.store.decisions(bench.study.id)]


def replayed(bench: Bench, folder: Path) -> Replayed:
    return replay(LocalSource(Settings(folder), bench.store, bench.clock), "s")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A study that ran without a break."""
    bench = auto_bench(tmp_path_factory.mktemp("whole"), CENTER, **GIVEN)
    bench.runner(Puppet(bench.clock)).run()
    return bench


def test_the_same_seed_gives_the_same_study_and_every_decision_is_derived_again(whole: Bench, tmp_path: Path) -> None:
    second = auto_bench(tmp_path, CENTER, **GIVEN)
    second.runner(Puppet(second.clock)).run()
    assert whole.outcome() == second.outcome()
    assert whole.store.decisions(whole.study.id) == second.store.decisions(second.study.id)
    assert replayed(second, tmp_path) == Replayed("s", len(decided(whole)))


@pytest.mark.parametrize(("turn", "kill"), [(3, True), (9, False), (23, False), (40, True)])
def test_a_study_that_was_interrupted_decides_as_one_that_was_not(
    whole: Bench, tmp_path: Path, turn: int, kill: bool
) -> None:
    parts = auto_bench(tmp_path, CENTER, **GIVEN)
    turns = itertools.count()

    def break_off() -> None:
        if next(turns) == turn:
            if kill:
                raise Killed
            runner.interrupt()

    puppet = Puppet(parts.clock)
    puppet.on_wait = break_off
    runner = parts.runner(puppet)
    with contextlib.suppress(Killed):
        runner.run()
    assert len(decided(parts)) < len(decided(whole))
    assert parts.runner(Puppet(parts.clock)).run().state is StudyState.DONE
    assert decided(parts) == decided(whole)
    assert parts.outcome() == whole.outcome()
    assert replayed(parts, tmp_path).differences == ()


@pytest.mark.parametrize(
    "changes",
    [{"pruning": {"method": "none"}}, {"search": {"method": "bayesian", "seed": 1}}, {"training": {"epochs": 1}}],
    ids=["none", "bayesian", "one epoch"],
)
def test_whatever_auto_decides_alone_it_decides_after_an_interruption_too(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    whole, parts = (auto_bench(tmp_path / name, **changes) for name in "ab")
    whole.runner(Puppet(whole.clock)).run()
    turns = itertools.count()
    puppet = Puppet(parts.clock)
    puppet.on_wait = lambda: runner.interrupt() if next(turns) == 20 else None
    runner = parts.runner(puppet)
    runner.run()
    assert len(decided(parts)) < len(decided(whole))
    parts.runner(Puppet(parts.clock)).run()
    assert parts.store.decisions(parts.study.id) == whole.store.decisions(whole.study.id)
    assert replayed(parts, tmp_path).differences == ()


def test_a_stored_value_that_was_changed_by_hand_is_found(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path)
    bench.runner(Puppet(bench.clock)).run()
    with closing(sqlite3.connect(tmp_path / "goodfit.db")) as database, database:
        database.execute("""UPDATE trials SET params = '{"x":0.123}' WHERE number = 5""")
    found = replayed(bench, tmp_path).differences[0]
    assert (found.trial, found.stored["params"]) == (5, {"x": 0.123})
    assert found.derived is not None
    assert found.derived["params"]["x"] != 0.123


@pytest.mark.parametrize(("search", "pruning"), [("bayesian", "auto"), ("random", "auto"), ("auto", "none")])
def test_half_of_auto_is_derived_again_too(tmp_path: Path, search: str, pruning: str) -> None:
    bench = auto_bench(tmp_path, search={"method": search, "seed": 1}, pruning={"method": pruning})
    bench.runner(Puppet(bench.clock)).run()
    found = replayed(bench, tmp_path)
    assert (found.decisions > 0, found.differences) == (True, ())


def test_a_trial_that_cannot_be_paused_is_stopped_with_a_reason(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path, budget={"trials": 20})
    bench.runner(Puppet(bench.clock, resumable=False)).run()
    ends = [one for one in bench.store.decisions(bench.study.id) if one.why.get("ends")]
    pruned = [trial.number for trial in bench.trials() if trial.state is TrialState.PRUNED]
    assert sorted(one.trial for one in ends) == pruned != []
    assert max(progress.paused for progress in bench.seen) == 0
    assert replayed(bench, tmp_path).differences == ()
    reasons = why_of(bench.store, bench.store.study("s"), bench.trials()[ends[0].trial]).reasons
    assert reasons[-1].event == "stopped"


def test_a_search_that_goes_on_after_a_confirmation_is_derived_by_the_numbers_of_its_trials(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path, budget={"trials": 6}, confirm={"top": 1, "seeds": 2})
    bench.runner(Puppet(bench.clock)).run()
    bench.reopen(replace(bench.plan, trials=12))
    bench.runner(Puppet(bench.clock)).run()
    trials = bench.trials()
    confirming = {trial.number for trial in trials if trial.confirms is not None}
    assert {6, 7} < confirming
    assert 13 not in confirming
    decisions = bench.store.decisions(bench.study.id)
    for decision in decisions:
        assert confirming.isdisjoint(
            {decision.trial, decision.why.get("after"), *(seen.trial for seen in decision.seen)}
        )
    found = replayed(bench, tmp_path)
    assert (found.decisions, found.differences) == (len(decisions), ())


def test_a_failed_trial_that_is_trained_again_is_told_twice(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path, budget={"trials": 8}, training={"epochs": 8, "retries": 0})
    bench.runner(Puppet(bench.clock, dies_at=(1, 1))).run()
    failed = [trial for trial in bench.trials() if trial.state is TrialState.FAILED]
    assert [trial.number for trial in failed] == [1]
    bench.reopen(replace(bench.plan, trials=10), [again(trial) for trial in failed])
    bench.runner(Puppet(bench.clock)).run()
    assert bench.trials()[1].state is not TrialState.FAILED
    assert replayed(bench, tmp_path).differences == ()


def test_where_a_first_curve_is_gone_a_difference_says_so(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path, budget={"trials": 8})
    broken = lambda x, epoch: math.nan if epoch == 2 and x > 0.5 else loss(x, epoch)  # noqa: E731
    bench.runner(Puppet(bench.clock, value=broken)).run()
    failed = [trial for trial in bench.trials() if trial.state is TrialState.FAILED]
    assert replayed(bench, tmp_path).differences == ()
    bench.reopen(bench.plan, [again(trial) for trial in failed])
    bench.runner(Puppet(bench.clock, value=lambda x, epoch: 9 + loss(x, epoch))).run()
    found = replayed(bench, tmp_path)
    assert found.differences != ()
    assert f"{failed[0].number}" in str(found.note)
    assert "began anew after a failure" in str(found.note)


def test_a_search_that_keeps_no_decisions_says_so(tmp_path: Path) -> None:
    bench = auto_bench(tmp_path, search={"method": "random"}, pruning={"method": "asha"})
    bench.runner(Puppet(bench.clock)).run()
    found = replayed(bench, tmp_path)
    assert found.decisions == 0
    assert "search method random with pruning asha keeps none" in str(found.note)
