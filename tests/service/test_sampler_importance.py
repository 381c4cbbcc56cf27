"""Importances of a study's parameters for the score and for the gap."""

from __future__ import annotations

import random
from typing import Literal

import optuna
import pytest

from search_spaces.space import Choice, Float, Space
from service.errors import InputError
from service.records import Trial, TrialState
from service.sampler import importances, to_optuna_study

SPACE = Space(
    (
        Float("score", 0, 1),
        Float("gap", 0, 1),
        Choice("optimizer", ("sgd", "adam")),
        Float("momentum", 0, 1, when={"optimizer": "sgd"}),
    )
)


def a_study(count: int = 60, direction: Literal["minimize", "maximize"] = "minimize") -> optuna.Study:
    """The value depends on `score` alone, the gap on `gap` alone."""
    draw = random.Random(0)
    trials = []
    for number in range(count):
        params = SPACE.walk(lambda item: draw.choice(item.choices) if isinstance(item, Choice) else draw.random())
        value = (params["score"] - 0.9) ** 2 * (1 if direction == "minimize" else -1)
        trials.append(Trial(number, params, 0, TrialState.COMPLETE, value=value, gap=float(params["gap"] or 0)))
    return to_optuna_study("made", SPACE, direction, trials, [], "val/loss")


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_score_and_gap_have_their_own_importances(direction: Literal["minimize", "maximize"]) -> None:
    study = a_study(direction=direction)
    for target, name in (("value", "score"), ("gap", "gap")):
        found = importances(study, target)  # type: ignore[arg-type]
        assert next(iter(found)) == name
        assert found[name] > 0.5
        assert sum(found.values()) == pytest.approx(1)
        assert set(found) == set(SPACE.names)


def test_too_few_trials_have_no_importances() -> None:
    assert importances(a_study(9)) == {}
    assert importances(a_study(0)) == {}


def test_constant_scores_have_no_importances() -> None:
    trials = [Trial(number, {"score": number / 20, "gap": 0.5, "optimizer": "adam"}, 0, TrialState.COMPLETE, value=1.0)
              for number in range(20)]  # fmt: skip
    study = to_optuna_study("made", SPACE, "minimize", trials, [], "val/loss")
    assert importances(study) == {}
    assert importances(study, "gap") == {}


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean value"):
        importances(a_study(12), "valu")  # type: ignore[arg-type]


def test_a_condition_that_few_trials_met_is_left_out_without_a_word() -> None:
    trials = []
    for number in range(20):
        optimizer = "sgd" if number == 7 else "adam"
        params = {"score": number / 20, "gap": 0.5, "optimizer": optimizer}
        params |= {"momentum": 0.3} if optimizer == "sgd" else {}
        trials.append(Trial(number, params, 0, TrialState.COMPLETE, value=number / 20, gap=0.1))
    study = to_optuna_study("made", SPACE, "minimize", trials, [], "val/loss")
    assert max(importances(study).items(), key=lambda item: item[1])[0] == "score"
