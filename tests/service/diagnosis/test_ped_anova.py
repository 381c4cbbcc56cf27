"""Importances of a study's parameters for the score and for the gap, beside Optuna's own."""

from __future__ import annotations

import random
import warnings
from typing import Any

import pytest

from goodfit.search_spaces.space import Choice, Fixed, Float, Int, Space
from goodfit.service.diagnosis.ped_anova import Target, importances
from goodfit.service.errors import InputError
from goodfit.service.objective import Objective
from goodfit.service.records import Trial, TrialState
from goodfit.service.sampler import to_optuna_study
from tests.service.diagnosis.made_studies import LOSS

SPACE = Space(
    (
        Float("score", 0, 1),
        Float("gap", 0, 1),
        Float("rate", 1e-5, 1e-1, log=True),
        Float("stepped", 0.1, 0.9, step=0.2),
        Int("width", 8, 512, log=True),
        Int("depth", 1, 4),
        Int("even", 2, 200, step=2),
        Choice("optimizer", ("sgd", "adam")),
        Choice("mixed", (1, True, "1", None)),
        Choice("alone", ("one",)),
        Fixed("fixed", 3),
        Float("momentum", 0, 1, when={"optimizer": "sgd"}),
    )
)


def drawn(item: Any, draw: random.Random) -> Any:
    match item:
        case Fixed():
            return item.value
        case Choice():
            return draw.choice(item.choices)
        case Float(log=True):
            return item.low * (item.high / item.low) ** draw.random()
        case Float(step=float()):
            return item.grid_value(draw.randrange(5))
        case Float():
            return draw.random()
        case Int(low=low, high=high, step=step):
            return draw.randrange(low, high + 1, step or 1)


def some_trials(count: int = 60, direction: str = "minimize") -> list[Trial]:
    """The value depends on `score` alone, the gap on `gap` alone."""
    draw = random.Random(count)
    trials = []
    for number in range(count):
        params = SPACE.walk(lambda item: drawn(item, draw))
        value = (params["score"] - 0.9) ** 2 * (1 if direction == "minimize" else -1)
        trials.append(Trial(number, params, 0, TrialState.COMPLETE, value=value, gap=float(params["gap"])))
    return trials


def optunas(trials: list[Trial], direction: str, target: str) -> dict[str, float]:
    """What Optuna's evaluator says."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    study = to_optuna_study("made", SPACE, Objective("val/loss", direction), trials, [])
    sign = -1 if direction == "maximize" else 1

    def measured(trial: Any) -> float:
        return float(trial.user_attrs["gap"] if target == "gap" else sign * trial.value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        evaluator = PedAnovaImportanceEvaluator(target_quantile=max(0.1, 5 / len(trials)))
        return get_param_importances(study, evaluator=evaluator, target=measured)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("target", ["value", "gap"])
@pytest.mark.parametrize("count", [10, 11, 60, 700])
def test_the_shares_are_optunas(count: int, direction: str, target: Target) -> None:
    trials = some_trials(count, direction)
    found, expected = (
        importances(trials, SPACE, Objective("value", direction), target),
        optunas(trials, direction, target),
    )
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_score_and_gap_have_their_own_importances(direction: str) -> None:
    trials = some_trials(200, direction)
    for target, name in (("value", "score"), ("gap", "gap")):
        found = importances(trials, SPACE, Objective("value", direction), target)  # type: ignore[arg-type]
        assert next(iter(found)) == name
        assert found[name] > 0.5
        assert sum(found.values()) == pytest.approx(1)
        assert set(found) == set(SPACE.names) - {"fixed"}


def test_too_few_trials_have_no_importances() -> None:
    assert importances(some_trials(9), SPACE, LOSS) == {}
    assert importances([], SPACE, LOSS) == {}


def test_constant_scores_have_no_importances() -> None:
    trials = [Trial(number, {"score": number / 20, "gap": 0.5, "optimizer": "adam"}, 0, TrialState.COMPLETE, value=1.0)
              for number in range(20)]  # fmt: skip
    assert importances(trials, SPACE, LOSS) == {}
    assert importances(trials, SPACE, LOSS, "gap") == {}


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean value"):
        importances(some_trials(12), SPACE, LOSS, "valu")  # type: ignore[arg-type]


def test_a_condition_that_few_trials_met_is_left_out() -> None:
    trials = []
    for number in range(20):
        optimizer = "sgd" if number == 7 else "adam"
        params = {"score": number / 20, "gap": 0.5, "optimizer": optimizer}
        params |= {"momentum": 0.3} if optimizer == "sgd" else {}
        trials.append(Trial(number, params, 0, TrialState.COMPLETE, value=number / 20, gap=0.1))
    assert next(iter(importances(trials, SPACE, LOSS))) == "score"
    assert importances(trials, SPACE, LOSS) == pytest.approx(optunas(trials, "minimize", "value"), rel=1e-6)
