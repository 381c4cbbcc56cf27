"""TPE is shown all trials of a short study, and of a long one its best and a part of the others."""

from __future__ import annotations

import math
import random
from functools import partial

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers._tpe.sampler import _split_trials
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as State

from goodfit.service.sampler import tpe_trials
from goodfit.service.sampler.tpe_trials import BEST, FINISHED, RUNNING, TpeTrials
from goodfit.testing.recorder import CONDITIONAL, a_sampler
from goodfit.testing.samplers import check_resume, many_moves

UNIT = FloatDistribution(0.0, 1.0)


def trial(number: int, draw: random.Random, state: State, *names: str, values: int = 1) -> FrozenTrial:
    """A trial as the study keeps it; some of those that have ended break a constraint."""
    curve = {epoch: draw.choice([draw.random(), math.nan]) for epoch in range(1, draw.randint(1, 4))}
    worth = [draw.random() for _ in range(values)] if state is State.COMPLETE else None
    found = create_trial(
        state=state,
        values=worth,
        params=dict.fromkeys(names, 0.5),
        distributions=dict.fromkeys(names, UNIT),
        intermediate_values=curve if state is State.PRUNED else {},
        constraints={"bound": draw.choice([-1.0, draw.random()])} if state.is_finished() else None,
    )
    found.number = number
    return found


def known(trials: list[FrozenTrial], *signs: float) -> TpeTrials:
    shown = TpeTrials(signs or (1.0,))
    for one in trials:
        shown.note(one)
    return shown


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("weights", [(8, 1, 1), (1, 20, 3), (0, 5, 1)])
def test_the_best_are_those_that_tpe_takes_for_good(direction: str, weights: tuple[int, int, int]) -> None:
    draw = random.Random(0)
    states = draw.choices([State.COMPLETE, State.PRUNED, State.RUNNING], weights, k=2000)
    trials = [trial(number, draw, state, "x") for number, state in enumerate(states)]
    study = optuna.create_study(direction=StudyDirection[direction.upper()])
    best, _ = _split_trials(study, trials, BEST)
    shown = known(trials, 1.0 if direction == "minimize" else -1.0).numbers(["x"])
    assert {one.number for one in best} <= set(shown)
    of_shown, _ = _split_trials(study, [trials[number] for number in shown], BEST)
    assert [one.number for one in of_shown] == [one.number for one in best]


def test_a_short_study_is_shown_whole() -> None:
    draw = random.Random(0)
    states = draw.choices([State.COMPLETE, State.RUNNING, State.FAIL], [8, 1, 1], k=FINISHED)
    trials = [trial(number, draw, state, "x") for number, state in enumerate(states)]
    assert known(trials).numbers(["x"]) == [one.number for one in trials if one.state is not State.FAIL]


def test_of_a_long_study_as_many_are_shown_evenly_by_age_and_with_the_parameters_in_question() -> None:
    draw = random.Random(0)
    trials = [trial(number, draw, State.COMPLETE, "x", *["rare"] * (number % 20 == 0)) for number in range(3000)]
    trials += [trial(number, draw, State.RUNNING, "x") for number in range(3000, 3400)]
    shown = known(trials)
    for names in (["x"], ["rare"], ["x", "rare"]):
        numbers = shown.numbers(names)
        assert FINISHED <= len(numbers) <= BEST + FINISHED + RUNNING
        assert sum(trials[number].state is State.COMPLETE for number in numbers) >= FINISHED
        assert 0.45 < sum(number < 1500 for number in numbers) / sum(number < 3000 for number in numbers) < 0.55
    running = [number for number in shown.numbers(["x"]) if number >= 3000]
    assert len(running) == RUNNING
    assert set(range(3400 - RUNNING // 2, 3400)) < set(running)
    assert all(number in shown.numbers(["rare"]) for number in range(0, 3000, 20))


def test_a_trial_is_shown_by_what_it_has_become() -> None:
    draw = random.Random(0)
    shown = known([trial(0, draw, State.RUNNING, "x"), trial(1, draw, State.RUNNING)])
    shown.note(trial(0, draw, State.FAIL, "x"))
    shown.note(trial(1, draw, State.RUNNING, "x"))  # its trainer has asked for a parameter
    assert shown.numbers(["x"]) == [1]
    shown.note(trial(1, draw, State.COMPLETE, "x"))
    assert shown.numbers(["x"]) == [1]


def test_of_several_objectives_the_best_are_those_that_few_others_beat() -> None:
    draw = random.Random(0)
    trials = [trial(number, draw, State.COMPLETE, "x", values=2) for number in range(1000)]
    kept = [one for one in trials if not one.constraints["bound"] > 0]

    def beaten(one: FrozenTrial) -> int:
        (a, b), others = one.values, [other.values for other in kept if other is not one]
        return sum(x <= a and y >= b for x, y in others)

    best = sorted(kept, key=lambda one: (beaten(one), one.number))[:BEST]
    assert {one.number for one in best} <= set(known(trials, 1.0, -1.0).numbers(["x"]))


def test_a_resumed_study_is_shown_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in {"BEST": 2, "FINISHED": 6, "RUNNING": 2}.items():
        monkeypatch.setattr(tpe_trials, name, few)
    check_resume(partial(a_sampler, CONDITIONAL, "bayesian", "median"), many_moves(1, 150), 100)
