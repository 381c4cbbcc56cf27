"""Shapley values against their definition, and what other methods share with them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from goodfit.trainers.explaining import shapley
from goodfit.trainers.explaining.games import ALWAYS, Game
from goodfit.trainers.explaining.local import deletion, lime, occlusion
from goodfit.trainers.explaining.rows import additivity


def bent(x: np.ndarray) -> np.ndarray:
    """A function with interactions and two outputs."""
    x = x.reshape(len(x), -1)
    first = np.tanh(x @ np.linspace(-1, 1, x.shape[1])) + x[:, 0] * x[:, -1]
    return np.stack([first, np.square(x).sum(axis=1)], axis=1)


def linear(x: np.ndarray) -> np.ndarray:
    return (x @ np.arange(1.0, x.shape[1] + 1))[:, None]


def game_of(outputs: object, features: int, baselines: int = 7, seed: int = 0) -> Game:
    random = np.random.default_rng(seed)
    x = random.normal(size=(baselines + 1, features))
    return Game(outputs, x[0], x[1:], np.arange(features), features)  # type: ignore[arg-type]


def by_orders(game: Game) -> np.ndarray:
    """Shapley's definition: a player's gain on joining, on average over all orders of joining."""
    total = np.zeros((game.count, game.values(np.ones((1, game.count), dtype=bool)).shape[1]))
    for order in itertools.permutations(range(game.count)):
        present = np.zeros((game.count + 1, game.count), dtype=bool)
        for step, player in enumerate(order):
            present[step + 1 :, player] = True
        worth = game.values(present)
        total[list(order)] += np.diff(worth, axis=0)
    return total / math.factorial(game.count)


def test_exact_values_are_those_of_the_definition() -> None:
    game = game_of(bent, 5)
    found = shapley.exact(game)
    assert np.abs(found.values - by_orders(game)).max() < 1e-12
    assert found.additivity < 1e-12
    assert found.coalitions == 32


def test_of_a_linear_function_a_value_is_the_weight_times_the_distance_from_the_mean() -> None:
    game = game_of(linear, 10, baselines=50)
    analytic = np.arange(1.0, 11) * (game.row - game.baselines.mean(axis=0))
    assert np.abs(shapley.exact(game).values[:, 0] - analytic).max() < 1e-9
    assert np.abs(shapley.kernel(game, 300, 0).values[:, 0] - analytic).max() < 1e-9


def test_kernel_shap_is_exact_where_it_takes_all_coalitions_and_its_error_covers_the_truth_where_it_samples() -> None:
    game = game_of(bent, 10)
    truth = shapley.exact(game).values
    whole = shapley.kernel(game, 1024, 0)
    assert whole.error is None
    assert np.abs(whole.values - truth).max() < 1e-9
    standard = []
    for seed in range(30):
        sampled = shapley.kernel(game, 200, seed)
        assert sampled.error is not None
        assert sampled.additivity < 1e-9
        off = np.abs(sampled.values - truth)
        standard.append(np.sqrt(np.square(off).mean() / np.square(sampled.error).mean()))
    assert 0.5 < float(np.mean(standard)) < 2.0  # the standard errors are of the size of the errors


def test_kernel_shap_of_hundreds_of_players_adds_up_and_errs_less_the_more_it_looks_at() -> None:
    game = game_of(bent, 200, baselines=2)
    few, many = (shapley.kernel(game, coalitions, 0) for coalitions in (900, 3600))
    assert few.error is not None
    assert many.error is not None
    assert few.additivity < 1e-9
    assert many.error.mean() < 0.7 * few.error.mean()


def test_players_that_change_nothing_are_worth_nothing() -> None:
    game = game_of(bent, 4)
    game.baselines[:, 2] = game.row[2]
    assert game.active().tolist() == [0, 1, 3]
    among = game.among(game.active())
    assert np.abs(shapley.exact(among).values - shapley.exact(game).values[[0, 1, 3]]).max() < 1e-12
    assert np.abs(shapley.exact(game).values[2]).max() < 1e-12


def test_several_numbers_may_be_one_player_and_some_none() -> None:
    x = np.random.default_rng(1).normal(size=(4, 6))
    game = Game(linear, x[0], x[1:], np.array([0, 0, 1, 1, ALWAYS, ALWAYS]), 2)
    found = shapley.exact(game).values[:, 0]
    gains = np.arange(1.0, 7) * (x[0] - x[1:].mean(axis=0))
    assert np.allclose(found, [gains[:2].sum(), gains[2:4].sum()])
    assert game.active().tolist() == [0, 1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_players_are_enough(count: int) -> None:
    game = game_of(lambda x: np.square(x).sum(axis=1)[:, None] if x.shape[1] else np.zeros((len(x), 1)), count)
    exact, sampled = shapley.exact(game), shapley.kernel(game, 100, 0)
    assert exact.values.shape == sampled.values.shape == (count, 1)
    assert np.allclose(exact.values, sampled.values)


def test_occlusion_is_what_each_player_alone_is_missed_for() -> None:
    game = game_of(linear, 4)
    gains = np.arange(1.0, 5) * (game.row - game.baselines.mean(axis=0))
    assert np.allclose(occlusion(game).values[:, 0], gains)


def test_lime_finds_the_weights_of_a_linear_function_and_says_how_well_it_fits() -> None:
    game = game_of(linear, 6)
    found = lime(game, 3000, 0)
    gains = np.arange(1.0, 7) * (game.row - game.baselines.mean(axis=0))
    assert np.corrcoef(found.values[:, 0], gains)[0, 1] > 0.999
    assert found.fidelity is not None
    assert found.fidelity[0] > 0.99
    noise = Game(lambda x: np.sin(1e4 * x.sum(axis=1))[:, None], game.row, game.baselines, game.players, 6)
    noisy = lime(noise, 3000, 0).fidelity
    assert noisy is not None
    assert noisy[0] < 0.5


def test_deletion_falls_faster_by_the_values_than_at_random_and_not_by_their_reverse() -> None:
    game = game_of(linear, 12)
    values = shapley.exact(game).values[:, 0]
    good, bad = deletion(game, values, 0, 0), deletion(game, -values, 0, 0)
    assert good.guided < good.random
    assert bad.guided > bad.random


def test_values_of_a_small_unit_have_to_add_up_within_a_millionth_of_it() -> None:
    assert additivity("exact", [1e-12], 1e-5).passed
    assert not additivity("exact", [1e-7], 1e-5).passed
    assert additivity("exact", [0.0], 0.0).passed
