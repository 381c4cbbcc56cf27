"""The `auto` search in studies of any kind: it ends them, keeps to their rules, and decides the same when rebuilt."""

from __future__ import annotations

import json
import math
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goodfit.search_spaces import Choice, Fixed, Float, Int, Space
from goodfit.service import scheduler as sc
from goodfit.service.objective import Objective
from goodfit.service.ports import Proposal
from goodfit.service.records import FINISHED, Decision, Failure, Report, Trial, TrialState
from goodfit.service.sampler import OptunaSampler
from goodfit.service.sampler.auto import AutoAllocator
from goodfit.service.sampler.guide import Belief, Guide
from goodfit.trainers.messages import Ended, Outcome, Reported
from tests.random_spaces import spaces
from tests.running import Prunes

METRIC = "val/loss"
SHAPES = Space(
    (
        Choice("shape", ([64], [64, 32], [128, 64, 32])),
        Int("width", 8, 512, log=True),
        Int("depth", 2, 12, step=2, when={"shape": [64, 32]}),
        Fixed("batch_size", 64),
    )
)
WIDE = Space(tuple(Float(f"p{index}", 0.0, 1.0) for index in range(40)))
ONE = Space((Float("x", 0.0, 1.0),))
SIX = Space((Choice("a", (1, 2)), Choice("b", (1, 2, 3))))


class Play:
    """A study whose workers answer at once, decided by one allocator or by several that must agree."""

    def __init__(
        self,
        space: Space,
        *,
        direction: str,
        epochs: int,
        workers: int,
        budget: int | None,
        seed: int,
        folds: bool = False,
        epoch_budget: int | None = None,
        believed: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.believed = believed
        self.space, self.objective, self.epochs = space, Objective(METRIC, direction), epochs
        self.folds, self.drawn = folds, random.Random(seed)
        self.allocators = [self.new()]
        self.reports: list[Report] = []
        self.decisions: list[Decision] = []
        self.workers: dict[int, int | None] = {}  # trial -> where it waits
        self.closed = False
        plan = sc.Plan(self.objective, epochs, folds=folds, trials=budget, epoch_budget=epoch_budget, pauses=True)
        self.scheduler = sc.Scheduler(plan)
        self.tell(sc.Slots(workers))
        self.turn()

    def new(self) -> AutoAllocator:
        sampler = OptunaSampler(
            name="s", space=self.space, method="random", seed=5, try_defaults=False, defaults={},
            pruning=Prunes("none", {}), objective=self.objective, epochs=self.epochs,
            firsts=[("warm_start", one) for one in self.believed],
            guide=Guide(self.space, [Belief("warm_start", self.believed)]) if self.believed else None,
        )  # fmt: skip
        return AutoAllocator(sampler, self.space, self.objective, epochs=self.epochs, seed=5, folds=self.folds)

    def rebuild(self) -> None:
        """Add an allocator that knows what the store has, and nothing else."""
        made = self.new()
        made.rebuild(self.stored(), self.reports, self.decisions)
        self.allocators.append(made)

    def stored(self) -> list[Trial]:
        """The trials as they come back from a store: their parameters through JSON."""
        trials = self.scheduler.trials.values()
        return [replace(trial, params=json.loads(json.dumps(trial.params))) for trial in trials]

    def tell(self, *events: sc.Event) -> None:
        todo = deque(events)
        while todo:
            todo.extend(self.perform(self.scheduler.step(todo.popleft(), 0.0)))

    def turn(self) -> None:
        while answers := self.perform(self.scheduler.step(sc.Turn(), 0.0)):
            self.tell(*answers)

    def perform(self, actions: list[sc.Action]) -> list[sc.Event]:
        answers: list[sc.Event] = []
        for action in actions:
            match action:
                case sc.Ask():
                    answers.append(sc.Proposed(self.ask(action), action.after))
                case sc.Keep(report, value):
                    self.reports.append(report)
                    for one in self.allocators:
                        one.report(report.trial, report.epoch, float(value if value is not None else math.nan))
                case sc.Reach(trial, epoch, seconds):
                    for one in self.allocators:
                        one.reached(trial, epoch, seconds)
                case sc.Settle(trial):
                    for one in self.allocators:
                        one.tell(trial)
                case _:
                    self.send(action)
        return answers

    def send(self, action: sc.Action) -> None:
        match action:
            case sc.Launch(trial):
                self.workers[trial.number] = trial.until
            case sc.GoOn(number, until):
                self.workers[number] = until
            case sc.Stop(number):
                self.workers[number] = -1
            case sc.Close():
                self.closed = True

    def ask(self, ask: sc.Ask) -> Proposal | None:
        found = [
            one.next(ask.number, self.scheduler.slots, new=ask.new, after=ask.after, stays=ask.stays, left=ask.left)
            for one in self.allocators
        ]
        assert all(one == found[0] for one in found), f"decision {len(self.decisions)} was taken in two ways: {found}"
        if found[0] is not None and found[0].decision is not None:
            self.decisions.append(found[0].decision)
        return found[0]

    def work(self, *, fails: bool) -> None:
        """One worker trains to where it waits, or lets its trial go."""
        number = self.drawn.choice(sorted(self.workers))
        trial, target = self.scheduler.trials[number], self.workers[number]
        attempt = trial.attempts
        if target == -1:
            del self.workers[number]
            self.tell(Ended(number, attempt, Outcome.STOPPED))
        elif fails and self.drawn.random() < 0.1:
            del self.workers[number]
            self.tell(Ended(number, attempt, Outcome.ERROR, "no"))
        else:
            self.train(trial, target or self.epochs, nan=fails and self.drawn.random() < 0.1)
        self.turn()

    def train(self, trial: Trial, target: int, *, nan: bool) -> None:
        quality = random.Random(json.dumps(trial.params)).randrange(8)  # few values: ties are common
        for epoch in range(trial.epochs + 1, target + 1):
            value = math.nan if nan else round(quality + 4.0 / epoch, 1)
            final = nan or epoch == self.epochs
            at = float(len(self.reports))
            self.tell(Reported(trial.number, trial.attempts, epoch, {METRIC: value}, at, final))
            if final:
                break
        if nan or target == self.epochs:
            del self.workers[trial.number]
            self.tell(Ended(trial.number, trial.attempts, Outcome.NAN if nan else Outcome.COMPLETE))


@settings(max_examples=10, deadline=None)
@example(space=WIDE, direction="minimize", epochs=27, workers=4, budget=25, cuts=[40], fails=False, folds=False)
@example(space=SHAPES, direction="maximize", epochs=9, workers=3, budget=25, cuts=[20, 40], fails=True, folds=False)
@example(space=ONE, direction="minimize", epochs=1000, workers=1, budget=6, cuts=[8], fails=False, folds=False)
@example(space=ONE, direction="maximize", epochs=4, workers=1000, budget=30, cuts=[50], fails=True, folds=True)
@example(space=ONE, direction="minimize", epochs=1, workers=2, budget=12, cuts=[5], fails=True, folds=False)
@example(space=SIX, direction="minimize", epochs=1, workers=5, budget=25, cuts=[2, 8], fails=False, folds=False)
@example(space=SIX, direction="maximize", epochs=8, workers=2, budget=25, cuts=[9], fails=False, folds=False)
@given(
    space=spaces(finite=False, most=6),
    direction=st.sampled_from(["minimize", "maximize"]),
    epochs=st.integers(1, 30),
    workers=st.sampled_from([1, 2, 5, 100]),
    budget=st.integers(1, 25),
    cuts=st.lists(st.integers(0, 60), max_size=2),
    fails=st.booleans(),
    folds=st.booleans(),
)
def test_any_study_ends_and_is_decided_the_same_by_an_allocator_that_was_rebuilt(
    space: Space, direction: str, epochs: int, workers: int, budget: int, cuts: list[int], fails: bool, folds: bool
) -> None:
    play = Play(space, direction=direction, epochs=epochs, workers=workers, budget=budget, seed=len(cuts), folds=folds)
    for step in range(40 * budget):
        if play.closed:
            break
        if step in cuts:
            play.rebuild()
        assert play.workers, "nothing is trained, and the study is not over"
        play.work(fails=fails)
    assert play.closed
    trials = play.scheduler.trials
    assert {trial.state for trial in trials.values()} <= FINISHED
    assert len(trials) <= budget
    assert len(trials) == budget or len(trials) == space.cardinality()
    for trial in trials.values():
        assert space.check(trial.params) == []
    assert [one.index for one in play.decisions] == list(range(len(play.decisions)))
    for one in play.decisions:
        json.dumps(one.why, allow_nan=False)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_budget_of_epochs_trains_enough_trials_to_their_end(workers: int, seed: int) -> None:
    play = Play(ONE, direction="minimize", epochs=16, workers=workers, budget=None, seed=seed, epoch_budget=7 * 16)
    while not play.closed:
        play.work(fails=False)
    trials = play.scheduler.trials.values()
    assert sum(trial.epochs for trial in trials) <= 7 * 16
    assert sum(trial.state is TrialState.COMPLETE for trial in trials) >= 3
    assert len(trials) > 7, "the search had its part, too"


def test_what_a_retried_trial_came_to_is_seen_though_it_was_seen_to_fail_before() -> None:
    """The decision after it does not depend on whether the study was restarted in between."""
    play = Play(ONE, direction="minimize", epochs=4, workers=1, budget=1, seed=1)
    first = play.new()
    decisions, trials = [], []
    for number in range(2):
        proposal = first.next(number, 1)
        assert proposal is not None
        assert proposal.decision is not None
        decisions.append(proposal.decision)
        trials.append(Trial(number, proposal.params or {}, 1, TrialState.RUNNING))
        if number == 0:
            first.tell(replace(trials[0], state=TrialState.FAILED, failure=Failure.LOST))
    live = play.new()
    live.rebuild(trials, [], decisions)  # trial 0 is trained again
    live.report(0, 1, 0.5)
    done = replace(trials[0], state=TrialState.COMPLETE, epochs=1, value=0.5, last_value=0.5)
    live.tell(done)
    rebuilt = play.new()
    rebuilt.rebuild([done, trials[1]], [Report(0, 1, {METRIC: 0.5}, 1.0)], decisions)
    assert rebuilt.next(2, 1) == live.next(2, 1)


def test_a_study_that_begins_with_earlier_ones_is_decided_the_same_after_a_rebuild_and_when_derived_again() -> None:
    space = Space((Float("x", 0.0, 1.0), Choice("act", ("relu", "gelu"))))
    believed = [{"x": 0.3, "act": "gelu"}, {"x": 0.7}]
    play = Play(space, direction="minimize", epochs=8, workers=3, budget=40, seed=3, believed=believed)
    for step in range(2000):
        if play.closed:
            break
        if step in (20, 60):
            play.rebuild()
        play.work(fails=True)
    assert play.closed
    sources = [one.why["source"] for one in play.decisions if one.new]
    assert sources[:2] == ["warm_start", "warm_start"]
    assert sources[2:].count("warm_start") > 0, "later ones are drawn near the first"
    again, trials = play.new(), play.scheduler.trials
    curves = {number: [one for one in play.reports if one.trial == number] for number in trials}
    shown = dict.fromkeys(trials, 0)
    for decision in play.decisions:
        for seen in decision.seen:
            for report in curves[seen.trial]:
                if shown[seen.trial] < report.epoch <= seen.epoch:
                    again.report(report.trial, report.epoch, report.metrics[METRIC])
            shown[seen.trial] = max(shown[seen.trial], seen.epoch)
            again.see(seen, trials[seen.trial])
        found = again.derive(decision, trials[decision.trial].params)
        assert found is not None
        assert (found.trial, found.until) == (decision.trial, decision.until)
        assert found.params == (trials[decision.trial].params if decision.new else None)
