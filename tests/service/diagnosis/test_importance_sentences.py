"""Which way a parameter drives score and gap: each sentence where it is true, and not where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from goodfit.search_spaces.space import Choice, Float, Int, Space
from goodfit.service.diagnosis.health import Facts
from goodfit.service.diagnosis.health.table import Table
from goodfit.service.diagnosis.importance import Direction, directions
from goodfit.service.objective import Objective
from goodfit.service.records import Trial, TrialState

RATE, DEPTH, KIND = Float("rate", 0.0, 1.0), Int("depth", 1, 500), Choice("kind", ("a", "b"))
Score = Callable[[dict[str, Any]], float]


def told(score: Score, direction: str = "minimize", count: int = 60, metric: str = "val/loss") -> dict[str, Direction]:
    """What is said of the score by each parameter; its gap is that of the score."""
    random = np.random.default_rng(0)
    trials = []
    for number in range(count):
        params = {"rate": float(random.random()), "depth": int(random.integers(1, 501)), "kind": "ab"[number % 2]}
        value = score(params)
        trials.append(
            Trial(number=number, seed=0, params=params, state=TrialState.COMPLETE, value=value, gap=value, epochs=5)
        )
    table = Table.of(trials, [], Space((RATE, DEPTH, KIND)), Facts(objective=Objective(metric, direction), epochs=5))
    return {f"{one.target} {one.parameter}": one for one in directions(table)}


@pytest.mark.parametrize(
    ("score", "direction", "shape", "text", "sign"),
    [
        (lambda p: p["rate"], "minimize", "lower", "higher rate: worse val/loss", 1),
        (lambda p: -p["rate"], "minimize", "higher", "higher rate: better val/loss", -1),
        (lambda p: p["rate"], "maximize", "higher", "higher rate: better val/loss", 1),
        (lambda p: -p["rate"], "maximize", "lower", "higher rate: worse val/loss", -1),
    ],
)
def test_a_number_is_better_higher_or_lower(score: Score, direction: str, shape: str, text: str, sign: int) -> None:
    found = told(score, direction)["score rate"]
    assert (found.shape, found.text) == (shape, text)
    assert found.correlation is not None
    assert found.correlation * sign > 0.9


def test_the_gap_grows_or_shrinks_whatever_the_direction_of_the_score() -> None:
    for direction in ("minimize", "maximize"):
        assert told(lambda p: p["rate"], direction)["gap rate"].text == "higher rate: larger gap"
        assert told(lambda p: -p["rate"], direction)["gap rate"].text == "higher rate: smaller gap"
        assert told(lambda p: float(p["kind"] == "a"), direction)["gap kind"].text == "kind b: smallest gap"


def test_the_middle_of_a_range_is_named_in_values_of_the_range() -> None:
    rate = told(lambda p: (p["rate"] - 0.4) ** 2)["score rate"]
    assert (rate.shape, rate.text.startswith("rate near 0.")) == ("middle", True)
    assert rate.best == pytest.approx(0.4, abs=0.1)
    depth = told(lambda p: (p["depth"] - 257) ** 2)["score depth"]
    assert isinstance(depth.best, int)
    assert depth.text == f"depth near {depth.best}: best val/loss"


def test_a_choice_is_the_best_where_it_is_and_not_else() -> None:
    assert told(lambda p: float(p["kind"] == "b"))["score kind"].text == "kind a: best val/loss"
    assert told(lambda p: float(p["kind"] == "b"), "maximize")["score kind"].text == "kind b: best val/loss"
    unclear = told(lambda p: p["rate"])["score kind"]
    assert (unclear.shape, unclear.text) == ("unclear", "kind: no clear effect on the score")


def test_a_metric_keeps_its_name_whatever_words_it_has() -> None:
    found = told(lambda p: p["rate"], metric="val/worse_larger")
    assert found["score rate"].text == "higher rate: worse val/worse_larger"
    assert (
        told(lambda p: -p["rate"], metric="val/worse_larger")["score rate"].text
        == "higher rate: better val/worse_larger"
    )


def test_nothing_is_said_of_few_trials_or_of_scores_that_are_all_equal() -> None:
    assert told(lambda p: p["rate"], count=9) == {}
    assert told(lambda _: 1.0) == {}
