"""A runner that is killed at any of its writes: the study ends as if it had not been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.objective import Constraint, Objective
from goodfit.service.records import StudyState, TrialState
from goodfit.service.sampler import OptunaSampler
from goodfit.service.sampler.guide import Belief, Guide
from goodfit.service.scheduler import Plan
from tests.killing import Killed, Mortal, Witness
from tests.running import CONFIRMED, PLAN, SPACE, Bench, Prunes, Puppet


@pytest.mark.parametrize("after", [False, True], ids=["before-the-write", "after-the-write"])
@pytest.mark.parametrize("plan", [PLAN, CONFIRMED], ids=["search", "confirmation"])
def test_a_study_that_is_killed_at_any_write_ends_as_if_it_had_not_been(
    tmp_path: Path, plan: Plan, after: bool
) -> None:
    whole = Bench(tmp_path, plan)
    seen = Witness(whole.store, tmp_path, whole.clock, after=after)
    whole.runner(Puppet(whole.clock), seen).run()
    expected = whole.outcome()
    assert any(label == "PRUNED" for _, _, label, *_ in expected) or plan is CONFIRMED
    opened = whole.store.study("s").test_opened
    for write, (folder, now) in enumerate(seen.moments, 1):
        bench = Bench(folder, plan)
        bench.clock.now = now
        if bench.store.study("s").state is not StudyState.DONE:
            bench.runner(Puppet(bench.clock)).run()
        assert bench.outcome() == expected, f"killed at write {write}"
        assert (bench.store.study("s").test_opened is None) == (opened is None)
    assert len(seen.moments) > 30, "every write of the study was a moment to be killed at"


@pytest.mark.parametrize("after", [False, True], ids=["before-the-write", "after-the-write"])
def test_a_trial_that_needed_more_memory_keeps_its_share_wherever_the_study_is_killed(
    tmp_path: Path, after: bool
) -> None:
    plan = replace(PLAN, trials=3)
    (tmp_path / "plain").mkdir()
    plain = Bench(tmp_path / "plain", plan)
    plain.runner(Puppet(plain.clock)).run()
    expected = plain.outcome()
    whole = Bench(tmp_path, plan)
    seen = Witness(whole.store, tmp_path, whole.clock, after=after)
    whole.runner(Puppet(whole.clock, hungry=(1, 2)), seen).run()
    assert whole.outcome() == expected
    for write, (folder, now) in enumerate(seen.moments, 1):
        bench = Bench(folder, plan)
        bench.clock.now = now
        if bench.store.study("s").state is not StudyState.DONE:
            bench.runner(Puppet(bench.clock, hungry=(1, 2))).run()
        assert bench.outcome() == expected, f"killed at write {write}"
        assert [trial.share for trial in bench.trials()] == [1.0, 2.0, 1.0], f"killed at write {write}"
        assert bench.trials()[1].attempts in (2, 3)
    assert len(seen.moments) > 15


def test_a_study_that_is_reopened_and_killed_at_any_write_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    plan = replace(CONFIRMED, trials=2, epochs=3, prune=False, confirm=(1, 1))
    longer = replace(plan, trials=4)

    def reopened(folder: Path) -> Bench:
        folder.mkdir()
        bench = Bench(folder, plan)
        bench.runner(Puppet(bench.clock)).run()
        bench.reopen(longer)
        return bench

    whole = reopened(tmp_path / "whole")
    whole.runner(Puppet(whole.clock)).run()
    expected, openings = whole.outcome(), whole.store.study("s").test_openings
    write, survived = 0, False
    while not survived:
        write += 1
        bench = reopened(tmp_path / f"{write}")
        try:
            bench.runner(Puppet(bench.clock), Mortal(bench.store, write, after=write % 2 == 0)).run()
            survived = True
        except Killed:
            if bench.store.study("s").state is not StudyState.DONE:
                bench.runner(Puppet(bench.clock)).run()
        assert bench.outcome() == expected, f"killed at write {write}"
        assert bench.store.study("s").test_openings == openings
    assert write > 10


@pytest.mark.parametrize("method", ["bayesian", "gp", "cmaes", "qmc"])
def test_a_study_of_any_method_goes_on_as_it_began(tmp_path: Path, method: str) -> None:
    """Also with beliefs, of which a part of its draws follows."""
    plan = replace(PLAN, trials=14, epochs=2, prune=False)

    def bench(folder: Path) -> Bench:
        folder.mkdir()
        made = Bench(folder, plan)
        made.new_sampler = lambda: OptunaSampler(
            name="s",
            space=SPACE,
            method=method,
            seed=7,
            try_defaults=False,
            defaults={},
            pruning=Prunes("none", {}),
            objective=plan.objective,
            epochs=plan.epochs,
            firsts=[("warm_start", {"x": 0.4})],
            guide=Guide(SPACE, [Belief("warm_start", [{"x": 0.4}])]),
        )
        return made

    whole = bench(tmp_path / "whole")
    whole.runner(Puppet(whole.clock)).run()
    for write in (9, 28, 33):
        killed = bench(tmp_path / f"{write}")
        with pytest.raises(Killed):
            killed.runner(Puppet(killed.clock), Mortal(killed.store, write, after=True)).run()
        killed.runner(Puppet(killed.clock)).run()
        assert killed.outcome() == whole.outcome(), f"killed at write {write}"


def test_a_study_of_two_objectives_that_is_killed_at_any_write_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    pair = Objective("val/loss", "minimize", (Objective("train/loss", "minimize"),), (Constraint.of("val/loss <= 3"),))
    plan = replace(PLAN, trials=10, objective=pair)

    def bench(folder: Path) -> Bench:
        folder.mkdir()
        made = Bench(folder, plan, pruning=Prunes("auto", {}))
        made.new_sampler = lambda: made.bayesian(pair)
        return made

    def outcome(made: Bench) -> list[Any]:
        judged = [(trial.measured, trial.violation, trial.prune_at) for trial in made.trials()]
        return [*made.outcome(), *judged]

    whole = bench(tmp_path / "whole")
    whole.runner(Puppet(whole.clock)).run()
    expected = outcome(whole)
    assert {trial.state for trial in whole.trials()} == {TrialState.COMPLETE, TrialState.PRUNED}
    write, survived = 0, False
    while not survived:
        write += 3
        made = bench(tmp_path / f"{write}")
        try:
            made.runner(Puppet(made.clock), Mortal(made.store, write, after=bool(write % 2))).run()
            survived = True
        except Killed:
            if made.store.study("s").state is not StudyState.DONE:
                made.runner(Puppet(made.clock)).run()
        assert outcome(made) == expected, f"killed at write {write}"
    assert write > 30
