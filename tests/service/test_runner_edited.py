"""A study that is edited while it runs, or at rest: what it goes by from then on, and that nothing is lost of it."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import pytest

from goodfit.service import app
from goodfit.service.app.run import plan_of
from goodfit.service.errors import StudyFileError
from goodfit.service.queries.local import LocalSource
from goodfit.service.queries.replaying import replay
from goodfit.service.records import StudyState, TrialState
from goodfit.service.runner import Limits, Terms
from goodfit.service.sampler import sampler_of
from goodfit.service.settings import Settings
from goodfit.service.spec import StudySpec
from tests.running import Bench, Puppet
from tests.searching import auto_bench

NARROWER = ("space.x.high=0.5", "budget.trials=24")
METHODS: list[dict[str, Any]] = [
    {},
    {"search": {"method": "bayesian", "seed": 3}, "pruning": {"method": "median"}},
    {"search": {"method": "bayesian", "seed": 3}},
    {"pruning": {"method": "none"}},
    {"search": {"method": "random", "seed": 3}, "pruning": {"method": "asha"}},
]


class Killed(BaseException):
    """The runner's process ends here."""


def made(folder: Path, **changes: Any) -> Bench:
    """A study with a trainer of the user's own, which an edit does not look at."""
    return auto_bench(folder, trainer="mine:train", **changes)


def terms(bench: Bench, kept: Any) -> Terms:
    spec = StudySpec.from_dict(kept)
    return Terms(plan_of(spec), Limits(), sampler_of(spec, "s", {}), bench._assign)


def edit(bench: Bench, *overrides: str) -> list[str]:
    return app.edit(bench.store, "s", overrides, bench.clock(), "ann", lambda words: words)


def run(bench: Bench, at: dict[int, Any], **more: Any) -> None:
    """Run a study from its stored spec; `at` some turns something is done."""
    spec = StudySpec.from_dict(bench.store.study("s").spec)
    bench.plan, bench.new_sampler = plan_of(spec), lambda: sampler_of(spec, "s", {})
    turns = itertools.count()
    puppet = Puppet(bench.clock)
    puppet.on_wait = lambda: at.get(next(turns), lambda: None)()
    bench.runner(puppet, terms=lambda kept: terms(bench, kept), **more).run()
    bench.store.release(bench.store.holder(bench.study.id))


def kill() -> None:
    raise Killed


def differences(bench: Bench, folder: Path) -> Any:
    return replay(LocalSource(Settings(folder), bench.store, bench.clock), "s").differences


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_an_edit_is_taken_up_while_the_study_runs_and_survives_a_kill(tmp_path: Path, method: dict[str, Any]) -> None:
    whole, parts = (made(tmp_path / name, **method) for name in "ab")
    run(whole, {20: lambda: edit(whole, *NARROWER)})
    with contextlib.suppress(Killed):
        run(parts, {20: lambda: edit(parts, *NARROWER), 60: kill})
    assert parts.store.study("s").state is StudyState.RUNNING
    run(parts, {})
    assert parts.outcome() == whole.outcome()
    assert parts.store.versions(1) == whole.store.versions(1)
    first, second = whole.store.versions(1)
    assert (first.number, first.from_trial, first.changes) == (1, 0, ())
    assert (second.number, second.by) == (2, "ann")
    assert set(second.changes) == {("space.x.high", "1", "0.5"), ("budget.trials", "14", "24")}
    assert second.spec == whole.store.study("s").spec
    assert second.from_trial is not None
    drawn = [trial.params["x"] for trial in whole.trials()]
    assert len(drawn) == 24
    assert max(drawn[: second.from_trial]) > 0.5 >= max(drawn[second.from_trial :])
    assert differences(whole, tmp_path) == differences(parts, tmp_path) == ()


@pytest.mark.parametrize("turn", [20, 21, 22, 23, 24, 25])
def test_an_edit_is_kept_whenever_the_runner_dies(tmp_path: Path, turn: int) -> None:
    bench = made(tmp_path)
    with contextlib.suppress(Killed):
        run(
            bench, {20: lambda: edit(bench, *NARROWER), turn: kill} if turn > 20 else {20: lambda: _edit_and_die(bench)}
        )
    run(bench, {})
    assert [version.number for version in bench.store.versions(1)] == [1, 2]
    assert bench.store.pending(1) == []
    assert len(bench.trials()) == 24
    assert bench.store.study("s").state is StudyState.DONE
    assert differences(bench, tmp_path) == ()


def test_an_edit_that_comes_as_the_study_ends_is_taken_up_too(tmp_path: Path) -> None:
    bench = made(tmp_path)
    run(bench, {20: lambda: edit(bench, *NARROWER)}, lease_seconds=1e9)  # nothing is looked at between
    assert bench.store.versions(1)[1].from_trial == 14
    assert len(bench.trials()) == 24
    assert bench.store.study("s").state is StudyState.DONE
    assert differences(bench, tmp_path) == ()


def _edit_and_die(bench: Bench) -> None:
    edit(bench, *NARROWER)
    raise Killed


def test_a_study_that_is_done_goes_on_where_an_edit_leaves_something_to_do(tmp_path: Path) -> None:
    bench = made(tmp_path)
    run(bench, {})

    def due() -> bool:
        return app.edit_is_due(bench.store.study("s"), bench.store.versions(1), bench.store.trials(1))

    assert not due()
    edit(bench, "space.x.high=0.9")  # of a search that has no trial left
    assert not due()
    edit(bench, "budget.trials=16")
    assert due()


@pytest.mark.parametrize("search", ["auto", "bayesian"])
def test_pauses_give_way_to_another_pruner(tmp_path: Path, search: str) -> None:
    bench = made(tmp_path, search={"method": search, "seed": 7}, budget={"trials": 20})
    seen: list[int] = []

    def change() -> None:
        seen.append(sum(trial.state is TrialState.PAUSED for trial in bench.trials()))
        edit(bench, "pruning.method=none")

    run(bench, {40: change})
    assert seen[0] > 0
    late = bench.store.versions(1)[1].from_trial
    assert late is not None
    ended = {trial.number: (trial.state, trial.epochs) for trial in bench.trials()}
    assert {ended[number] for number in range(late, 20)} == {(TrialState.COMPLETE, 8)}
    assert all(state in (TrialState.COMPLETE, TrialState.PRUNED) for state, _ in ended.values())
    assert not [trial for trial in bench.trials() if trial.state is TrialState.PAUSED]
    assert differences(bench, tmp_path) == ()


def test_a_study_at_rest_has_its_new_spec_at_once_and_goes_on_by_it(tmp_path: Path) -> None:
    bench = made(tmp_path)
    run(bench, {})
    said = edit(bench, "budget.trials=18", "space.x.low=0.2")
    assert said[0] == "study s has version 2 of its spec; resume s goes on with it"
    assert bench.store.study("s").state is StudyState.DONE
    assert bench.store.versions(1)[1].from_trial == 14
    opened = app.reopen(bench.store, "s", app.Reopening(), 0.0, "ann", str, queue=False)
    assert opened.runs
    run(bench, {})
    assert [trial.params["x"] >= 0.2 for trial in bench.trials()[14:]] == [True] * 4
    assert [entry.action for entry in bench.store.access.audit(subject="s")].count("edit") == 1
    assert edit(bench, "budget.trials=18") == ["study s is as it was: nothing of it changes"]


def test_what_an_ended_runner_had_not_taken_up_is_taken_up_by_resume(tmp_path: Path) -> None:
    bench = made(tmp_path)
    lease = bench.store.acquire(1, "host:1:1", 0.0, 1e9, lambda _: True)
    edit(bench, "budget.trials=3")
    edit(bench, "budget.minutes=5")
    assert [version.pending for version in bench.store.versions(1)] == [False, True, True]
    bench.store.release(lease)
    opened = app.reopen(bench.store, "s", app.Reopening(("budget.trials=4",)), 0.0, "ann", str, queue=False)
    assert opened.study.spec["budget"]["trials"] == 4
    assert opened.study.spec["budget"]["minutes"] == 5
    assert [(one.number, one.from_trial) for one in bench.store.versions(1)] == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert list(opened.said) == ["budget.trials: 14 -> 3", "budget.minutes: not set -> 5", "budget.trials: 3 -> 4"]


def test_what_its_workers_are_set_up_with_waits_until_the_study_is_at_rest(tmp_path: Path) -> None:
    bench = made(tmp_path)
    lease = bench.store.acquire(1, "host:1:1", 0.0, 1e9, lambda _: True)
    with pytest.raises(StudyFileError) as caught:
        edit(bench, "resources.cpus=2", "training.keep=1", "budget.trials=3")
    assert sorted(problem.key for problem in caught.value.problems) == ["--set resources.cpus", "--set training.keep"]
    assert "stop it by `goodfit stop s`, edit it, and resume it" in str(caught.value)
    assert bench.store.versions(1) == []
    bench.store.release(lease)
    assert edit(bench, "resources.cpus=2")[1:] == ["resources.cpus: 1 -> 2"]
