"""The search: who decides, what is paused and taken up again, and what a decision follows from."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from goodfit.search_spaces.space import Choice, Float, Space
from goodfit.service.sampler.auto.runs import Arm, State
from goodfit.service.sampler.auto.search import AutoSearch, Step
from goodfit.service.sampler.cube import Cube, Points

SPACE = Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0), Choice("kind", ("a", "b"))))
EPOCHS = 16
Curve = Callable[[Points, int], float]


def bowl(point: Points, epoch: int) -> float:
    """The best is at (0.3, 0.7) with the second kind; early ranks hold."""
    return -float((point[0] - 0.3) ** 2 + (point[1] - 0.7) ** 2 + 0.1 * (point[2] == 0)) - 0.5 / epoch


def late(point: Points, epoch: int) -> float:
    """Before the end, the better a configuration the worse it looks."""
    value = bowl(point, 1)
    return value if epoch == EPOCHS else -value - 5.0


class Lab:
    """Workers that train in virtual time, an epoch a second."""

    def __init__(self, curve: Curve, workers: int = 1, seed: int = 0, *, pauses: bool = True) -> None:
        self.search = AutoSearch(Cube(SPACE), epochs=EPOCHS, seed=seed, pauses=pauses)
        self.curve, self.workers = curve, workers
        self.rng = np.random.default_rng(seed)
        self.steps: list[Step] = []
        self.points: list[Points] = []
        self.values: list[float] = []
        self.trained = 0
        self.busy: list[tuple[int, int]] = []  # (when it comes to its target, trial)

    def run(self, decisions: int) -> Lab:
        while len(self.steps) < decisions:
            while len(self.busy) < self.workers:
                self.start()
            self.busy.sort()
            self.arrive(self.busy.pop(0)[1])
        return self

    def start(self) -> None:
        step = self.search.decide(len(self.steps), self.workers)
        point = None
        if step.number is None:
            drawn = Cube(SPACE).random(self.rng, 1)[0]
            point = drawn if step.point is None else step.point
            self.points.append(point)
        number = self.search.adopt(len(self.steps), self.workers, step, point)
        self.steps.append(step)
        begun = int(self.search.runs.epoch[number])
        self.trained += step.target - begun
        self.busy.append((self.trained + step.target - begun, number))

    def arrive(self, number: int) -> None:
        runs = self.search.runs
        target = int(runs.target[number])
        for epoch in range(int(runs.epoch[number]) + 1, target + 1):
            value = self.curve(self.points[number], epoch)
            self.values.append(value)
            self.search.report(number, epoch, value)
            if math.isnan(value):
                break
        over = target >= EPOCHS or math.isnan(self.values[-1])
        self.search.observe(
            number, State.OVER if over else State.PAUSED, 1.0, complete=over and not math.isnan(self.values[-1])
        )

    @property
    def best(self) -> float:
        return max(self.values)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_bowl_is_searched_better_than_at_random(seed: int) -> None:
    lab = Lab(bowl, seed=seed).run(150)
    rng = np.random.default_rng(0)
    full_runs = lab.trained // EPOCHS
    drawn = [max(bowl(point, EPOCHS) for point in Cube(SPACE).random(rng, full_runs)) for _ in range(50)]
    assert lab.best > np.quantile(drawn, 0.9)


def test_all_arms_work_and_trials_are_taken_up_again() -> None:
    lab = Lab(bowl, workers=4).run(120)
    assert {step.arm for step in lab.steps} == set(Arm)
    assert any(step.number is not None for step in lab.steps)
    assert any(step.straight for step in lab.steps)
    assert {step.target for step in lab.steps} <= set(lab.search.levels)


def test_where_early_values_mislead_new_trials_train_to_their_end() -> None:
    lab = Lab(late, workers=4).run(150)
    assert lab.search.floor == EPOCHS
    assert lab.search.reliability < 0.3
    assert {step.target for step in lab.steps[-10:]} == {EPOCHS}
    assert lab.search.closing(0) is None or lab.search.runs.paused.size


def test_without_pauses_every_trial_runs_to_its_end() -> None:
    lab = Lab(bowl, workers=2, pauses=False).run(30)
    assert all(step.target == EPOCHS and step.number is None for step in lab.steps)


def test_the_same_seed_decides_the_same_and_another_one_otherwise() -> None:
    first, again, other = Lab(bowl).run(50), Lab(bowl).run(50), Lab(bowl, seed=1).run(50)
    assert [(step.arm, step.target, step.number) for step in first.steps] == [
        (step.arm, step.target, step.number) for step in again.steps
    ]
    assert (np.array(first.points) == np.array(again.points)).all()
    assert len(other.points) != len(first.points) or (np.array(first.points) != np.array(other.points)).any()


def test_a_new_search_that_adopts_the_decisions_decides_as_the_old_one() -> None:
    lab = Lab(bowl).run(60)
    again = Lab(bowl)
    again.points = lab.points
    new = iter(range(len(lab.points)))
    for index, step in enumerate(lab.steps):
        point = lab.points[next(new)] if step.number is None else None
        again.arrive(again.search.adopt(index, 1, step, point))
    lab.arrive(lab.busy.pop(0)[1]) if lab.busy else None
    one, two = lab.search.decide(60, 1), again.search.decide(60, 1)
    assert (one.arm, one.target, one.number, one.why) == (two.arm, two.target, two.number, two.why)
    assert one.point is None or (one.point == two.point).all()


def test_at_the_close_the_better_half_goes_on_until_none_is_left() -> None:
    lab = Lab(bowl).run(40)
    for _ in range(500):
        step = lab.search.closing(finals=3)
        if step is None:
            break
        lab.steps.append(step)
        lab.arrive(lab.search.adopt(len(lab.steps), 1, step))
    runs = lab.search.runs
    assert lab.search.closing(finals=3) is None
    for level in lab.search.levels[:-1]:
        seen = lab.search.runs.levels[level]
        better = sorted(seen, key=lambda number: -seen[number])[: len(seen) // 2]
        assert not [one for one in better if runs.state[one] == State.PAUSED and runs.epoch[one] == level]
    assert len(runs.levels[EPOCHS]) >= 3


def test_when_the_budget_comes_to_its_end_the_best_paused_trial_goes_on_to_its_own() -> None:
    lab = Lab(bowl).run(12)
    search, runs = lab.search, lab.search.runs
    trained = int(runs.epoch[: runs.count].sum())
    assert search.due(3, math.inf, 1) is None
    assert search.due(len(runs.levels[EPOCHS]), 20.0, 1) is None
    step = search.due(3, min(20.0, trained), 1)
    assert step is not None
    assert (step.arm, step.target) == (Arm.FULL, EPOCHS)
    assert runs.last[step.number] == max(runs.last[runs.paused])
    assert search.due(3, 0.0, 1) is None, "nothing comes to its end with that"
    assert search.due(3, trained + 1.0, 1) is None, "half of the budget is the search's"


@pytest.mark.parametrize("value", [math.nan, 1.0])
def test_trials_that_all_diverge_or_are_all_equal_do_not_stop_it(value: float) -> None:
    lab = Lab(lambda _point, _epoch: value, workers=3).run(60)
    assert len(lab.steps) == 60


@pytest.mark.parametrize("pauses", [True, False])
def test_trials_that_diverge_between_levels_are_data(pauses: bool) -> None:
    lab = Lab(lambda _point, epoch: math.nan if epoch == 3 else 1.0, workers=3, pauses=pauses).run(40)
    over = np.flatnonzero(lab.search.runs.epoch[: lab.search.runs.count] == 3)
    assert over.size
    assert all(lab.search.runs.curve(int(number))[-1] == (3, -math.inf) for number in over)


def test_a_trial_that_was_lost_is_no_data() -> None:
    lab = Lab(bowl).run(10)
    lab.start()
    (_, number) = lab.busy.pop()
    seen = list(lab.search.runs.order)
    lab.search.observe(number, State.LOST)
    assert [one for one in lab.search.runs.order if one not in seen] == []
    assert number not in lab.search.runs.paused
