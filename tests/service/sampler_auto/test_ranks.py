"""Ranks: normal scores, levels, and what early ranks are worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from goodfit.service.sampler.auto.ranks import DECAYED, Reference, first_level, levels_of, rank_correlations
from goodfit.service.sampler.scores import scores


@pytest.mark.parametrize(
    ("epochs", "levels"),
    [(1, (1,)), (2, (1, 2)), (5, (1, 2, 5)), (52, (1, 2, 3, 6, 13, 26, 52)), (64, (1, 2, 4, 8, 16, 32, 64))],
)
def test_levels_are_halves_down_to_one_epoch(epochs: int, levels: tuple[int, ...]) -> None:
    assert levels_of(epochs) == levels


def test_scores_follow_the_order_alone_and_equal_values_share_one() -> None:
    values = np.array([3.0, -math.inf, 10.0, 3.0])
    found = scores(values)
    assert found[0] == found[3]
    assert found[1] < found[0] < found[2]
    assert found == pytest.approx(scores(np.array([0.1, -5.0, 0.2, 0.1])))
    assert found.sum() == pytest.approx(0.0, abs=1e-9)


def test_a_reference_gives_scores_of_new_values_and_values_of_shares() -> None:
    reference = Reference(np.array([1.0, 2.0, 3.0, -math.inf]))
    low, middle, high = reference.score(np.array([0.0, 2.0, 9.0]))
    assert low < middle < high
    assert math.isfinite(high)
    assert reference.value(0.5) == 2.0
    assert math.isnan(Reference(np.array([-math.inf])).value(0.5))


LEVELS = (1, 2, 4, 8)


def seen_of(curves: dict[int, list[float]]) -> dict[int, dict[int, float]]:
    """Level -> trial -> value, of curves with a value at each level that they reached."""
    return {
        level: {trial: curve[place] for trial, curve in curves.items() if place < len(curve)}
        for place, level in enumerate(LEVELS)
    }


def test_before_anything_is_seen_early_ranks_are_worth_less_the_earlier_they_are() -> None:
    found = rank_correlations(LEVELS, seen_of({}))
    assert found[8] == 1.0
    assert found[4] == pytest.approx(0.5**0.25)
    assert found[1] == pytest.approx(0.125**0.25)


def test_where_the_learning_rate_decays_the_last_ranks_are_trusted_more_until_curves_say_otherwise() -> None:
    found = rank_correlations(LEVELS, seen_of({}), decays=True)
    assert found[4] == DECAYED > 0.5**0.25
    assert found[2] == pytest.approx(DECAYED * 0.5**0.25)
    turning = {trial: [1.0 * trial, 1.0 * trial, 1.0 * trial, -1.0 * trial] for trial in range(16)}
    assert rank_correlations(LEVELS, seen_of(turning), decays=True)[4] < 0.2


def test_ranks_that_hold_are_trusted_more_than_before_and_ranks_that_turn_round_less() -> None:
    holding = {trial: [trial + 0.1 * level for level in range(4)] for trial in range(8)}
    turning = {trial: [1.0 * trial, 1.0 * trial, 1.0 * trial, -1.0 * trial] for trial in range(8)}
    before = rank_correlations(LEVELS, seen_of({}))[1]
    assert rank_correlations(LEVELS, seen_of(holding))[1] > before
    assert rank_correlations(LEVELS, seen_of(turning))[1] < before / 2


def test_wide_scatter_of_the_last_increments_lowers_the_trust_after_two_full_runs() -> None:
    curves = {trial: [0.1 * trial] * 3 for trial in range(6)}
    late = curves | {0: [0.0, 0.0, 0.0, 5.0], 1: [0.1, 0.1, 0.1, 0.1]}
    steady = curves | {0: [0.0, 0.1, 0.2, 0.3], 1: [0.1, 0.2, 0.3, 0.4]}
    found = [rank_correlations(LEVELS, seen_of(one))[1] for one in (late, steady)]
    assert found[0] < found[1]


def test_values_that_are_no_numbers_or_all_equal_do_no_harm() -> None:
    equal = {trial: [1.0, 1.0, 1.0, 1.0] for trial in range(6)}
    broken = {trial: [-math.inf] * 4 for trial in range(6)}
    for curves in (equal, broken):
        assert all(0 < value <= 1 for value in rank_correlations(LEVELS, seen_of(curves)).values())


def test_the_first_level_is_low_where_ranks_hold_and_the_end_where_they_say_nothing() -> None:
    holding = dict.fromkeys(LEVELS, 0.98)
    useless = {1: 0.05, 2: 0.05, 4: 0.05, 8: 1.0}
    assert first_level(LEVELS, holding, epochs=500) == 1
    assert first_level(LEVELS, useless, epochs=500) == 8
