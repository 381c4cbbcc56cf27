"""Studies whose trainers say their parameters as they run: the space that is learned, kept, and gone on with."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from goodfit.search_spaces.growing import OtherRange, grown
from goodfit.search_spaces.parse import from_list
from goodfit.search_spaces.space import Fixed, Float, Space
from goodfit.service.app.run import plan_of
from goodfit.service.records import StudyState, Trial, TrialState
from goodfit.service.sampler import sampler_of
from goodfit.service.scheduler import Reason
from goodfit.service.spec import StudySpec
from goodfit.trainers.messages import Assignment, Best, Ended, EndSearch, Message, Outcome, Pack, Reported, Suggested
from tests.killing import Killed, Mortal
from tests.running import Bench, Clock, Puppet

VALUES: dict[str, Any] = {
    "name": "s",
    "trainer": "theirs.py:objective",
    "space": [],
    "open_space": True,
    "last_counts": True,
    "objective": {"metric": "value", "direction": "minimize"},
    "search": {"method": "bayesian", "seed": 7},
    "pruning": {"method": "none"},
    "training": {"epochs": 3},
    "budget": {"trials": 14},
}
X = {"name": "x", "type": "float", "low": -1.0, "high": 1.0}
KIND = {"name": "kind", "type": "choice", "choices": ["near", "far"]}
OFFSET = {"name": "offset", "type": "int", "low": 1, "high": 64, "log": True}


class Asking(Puppet):
    """A worker of objectives: x, a kind, and of one kind an offset; another value is returned than the last report."""

    def __init__(self, clock: Clock, x: dict[str, Any] | None = None) -> None:
        super().__init__(clock)
        self.x, self.saying = x or X, deque[Message]()

    def launch(self, pack: Pack) -> None:
        (work,) = pack.assignments
        drawn = random.Random(work.seed)
        x = self._suggest(work, self.x, drawn.uniform(-1, 1))
        kind = self._suggest(work, KIND, drawn.choice(["near", "far"]))
        offset = self._suggest(work, OFFSET, drawn.randint(1, 64)) if kind == "far" else 0
        self.launched.append((work.trial, work.attempt))
        for epoch in (1, 2):
            metrics = {"value": x * epoch + offset}
            self.saying.append(Reported(work.trial, work.attempt, epoch, metrics, 0.0))
        self.saying.append(Ended(work.trial, work.attempt, Outcome.COMPLETE, value=x * x + offset))

    def _suggest(self, work: Assignment, parameter: dict[str, Any], drawn: Any) -> Any:
        value = work.params.get(parameter["name"], drawn)
        self.saying.append(Suggested(work.trial, work.attempt, value, parameter))
        return value

    def stop(self, trial: int) -> None:
        self.saying.clear()
        self.saying.append(Ended(trial, 1, Outcome.STOPPED))

    def wait(self, seconds: float) -> list[Message]:
        self.clock.now += 1
        return [self.saying.popleft()] if self.saying else []


class Ending(Asking):
    """A worker whose third trial ends the search."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.best: list[Best | None] = []

    def launch(self, pack: Pack) -> None:
        (work,) = pack.assignments
        self.best.append(work.best)
        super().launch(pack)
        if work.trial == 2:
            self.saying.appendleft(EndSearch(work.trial, work.attempt))


class Open(Bench):
    """A study with an open space, whose trials get what is proposed."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        spec = StudySpec.from_dict({**VALUES, **changes})
        super().__init__(folder, plan_of(spec), spec=spec.to_dict())
        self.new_sampler = lambda: sampler_of(StudySpec.from_dict(self.store.study("s").spec), "s", {})

    def _assign(self, trial: Trial) -> Assignment:
        return Assignment(
            "s", trial.number, trial.attempts, "t", {**(trial.proposed or {}), **trial.params}, None, trial.seed,
            self.plan.epochs, "value", "minimize", Path("unused"), reported=trial.epochs, open_space=True,
        )  # fmt: skip

    def results(self) -> list[tuple[Any, ...]]:
        return [(trial.number, dict(trial.params), trial.proposed, trial.label, trial.value) for trial in self.trials()]


def test_the_space_is_learned_and_kept_and_each_trial_has_what_it_asked_for(tmp_path: Path):
    bench = Open(tmp_path)
    assert bench.runner(Asking(bench.clock)).run().state is StudyState.DONE
    assert bench.store.study("s").spec["space"] == [X, KIND, OFFSET]
    for trial in bench.trials():
        assert trial.state is TrialState.COMPLETE
        assert list(trial.params) == ["x", "kind", "offset"][: 3 if trial.params["kind"] == "far" else 2]
        assert trial.value == pytest.approx(trial.params["x"] ** 2 + trial.params.get("offset", 0))
        assert trial.best_epoch == trial.epochs == 2
    first, *_, last = bench.trials()
    assert first.proposed == {}
    assert set(last.proposed or {}) == {"x", "kind", "offset"}


def test_each_trial_knows_the_best_before_it_and_may_end_the_search(tmp_path: Path):
    bench = Open(tmp_path)
    worker = Ending(bench.clock)
    ended = bench.runner(worker).run()
    assert (ended.state, ended.message) == (StudyState.DONE, "the trainer of trial 2 ended the search")
    first, second, third = bench.trials()
    assert worker.best[0] is None
    assert worker.best[1] == Best(0, first.value, first.params)
    best = min((first, second), key=lambda trial: trial.value)
    assert worker.best[2] == Best(best.number, best.value, best.params)
    assert third.state is TrialState.COMPLETE


def test_the_search_learns_from_values_of_parameters_that_it_did_not_know(tmp_path: Path):
    bench = Open(tmp_path, budget={"trials": 40})
    bench.runner(Asking(bench.clock)).run()
    kinds = [trial.params["kind"] for trial in bench.trials()]
    assert kinds[10:].count("near") >= 20  # of 30; chance has 15


@pytest.mark.parametrize("after", [False, True], ids=["before-the-write", "after-the-write"])
def test_a_study_that_is_killed_at_any_write_ends_as_if_it_had_not_been(tmp_path: Path, after: bool):
    whole = Open(tmp_path, budget={"trials": 5})
    whole.runner(Asking(whole.clock)).run()
    write, survived = 0, False
    while not survived:
        write += 1
        (tmp_path / f"{write}").mkdir()
        bench = Open(tmp_path / f"{write}", budget={"trials": 5})
        try:
            bench.runner(Asking(bench.clock), Mortal(bench.store, write, after=after)).run()
            survived = True
        except Killed:
            if bench.store.study("s").state is not StudyState.DONE:
                bench.runner(Asking(bench.clock)).run()
        assert bench.results() == whole.results(), f"killed at write {write}"
        assert bench.store.study("s").spec["space"] == whole.store.study("s").spec["space"]
    assert write > 15


def test_another_range_in_a_later_trial_ends_the_study_and_names_both(tmp_path: Path):
    bench = Open(tmp_path, budget={"trials": 1})
    bench.runner(Asking(bench.clock)).run()
    bench.reopen(plan_of(StudySpec.from_dict({**VALUES, "budget": {"trials": 3}})))
    runner = bench.runner(Asking(bench.clock, {**X, "high": 2.0}))
    ended = runner.run()
    assert (ended.state, runner.reason) == (StudyState.FAILED, Reason.UNUSABLE)
    assert ended.message == (
        "trial 1: x is asked for as float -1 to 2, and was float -1 to 1 in a trial before: values of two ranges "
        "cannot be compared; give the second one another name"
    )


def test_start_from_and_fixed_values_are_used_where_they_are_asked_for(tmp_path: Path):
    fixed = [{"name": "kind", "type": "fixed", "value": "near"}]
    search = {**VALUES["search"], "start_from": [{"x": 0.25}]}
    bench = Open(tmp_path, space=fixed, search=search, budget={"trials": 3})
    bench.runner(Asking(bench.clock)).run()
    assert bench.trials()[0].params == {"x": 0.25, "kind": "near"}
    assert {trial.params["kind"] for trial in bench.trials()} == {"near"}


EARLIER = [{"x": 0.01, "kind": "near"}, {"x": 0.02, "kind": "near", "gone": 1}, {"x": 0.5, "kind": "near"}]


def test_an_earlier_study_is_taken_up_where_the_trials_ask_for_what_it_has(tmp_path: Path):
    trials = [{"params": params, "rank": rank} for rank, params in enumerate(EARLIER, 1)]
    search = {**VALUES["search"], "warm_start": [{"study": "old", "of": 3, "trials": trials}]}
    whole = Open(tmp_path, search=search, budget={"trials": 20})
    whole.runner(Asking(whole.clock)).run()
    assert [trial.proposed for trial in whole.trials()[:3]] == EARLIER
    assert [trial.params for trial in whole.trials()[:2]] == [EARLIER[0], {"x": 0.02, "kind": "near"}]
    near = [trial for trial in whole.trials()[3:] if abs(trial.params["x"]) < 0.5]
    assert len(near) > 8  # of 17
    (tmp_path / "killed").mkdir()
    bench = Open(tmp_path / "killed", search=search, budget={"trials": 20})
    with pytest.raises(Killed):
        bench.runner(Asking(bench.clock), Mortal(bench.store, 60, after=True)).run()
    bench.runner(Asking(bench.clock)).run()
    assert bench.results() == whole.results()


def test_a_space_grows_by_what_it_does_not_have():
    space = Space((Float("x", -1.0, 1.0), Fixed("k", 3)))
    assert grown(space, X) is space
    assert grown(space, {**OFFSET, "name": "k"}) is space
    assert grown(space, OFFSET) == Space((*space, *from_list([OFFSET])))
    with pytest.raises(OtherRange, match="x is asked for as int 0 to 1"):
        grown(space, {"name": "x", "type": "int", "low": 0, "high": 1})
