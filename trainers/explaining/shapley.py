"""Shapley values of a game: exact from all coalitions, or by Kernel SHAP from some of them with their standard error.

Exact: the weighted mean of a player's contributions to all coalitions of the others (Shapley, 1953). Kernel SHAP: the
same by least squares over coalitions (Lundberg and Lee, 2017), with the smallest and largest coalitions taken whole,
the others drawn in pairs that complement each other (Covert and Lee, 2021), and a jackknife over groups of draws.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from goodfit.trainers.explaining.games import Game, every_coalition, size_weights

GROUPS = 10  # of draws, for the jackknife
LEAST_DRAWS = 2  # pairs of draws a player that Kernel SHAP needs


@dataclass(frozen=True)
class Attribution:
    """What the players of a game contribute.

    Attributes:
        values: (players, outputs).
        base: (outputs,), what the model gives with all players absent.
        prediction: (outputs,), with all present.
        error: the standard error of the values, of the shape of these; None: they are exact.
        coalitions: how many were looked at.
        fidelity: of a local surrogate, the share of the outputs' variance that it explains, by output; else None.
        span: of gradients, how far the baselines' outputs are from the prediction, on average.
    """

    values: np.ndarray
    base: np.ndarray
    prediction: np.ndarray
    error: np.ndarray | None = None
    coalitions: int = 0
    fidelity: np.ndarray | None = None
    span: float = 0.0

    @property
    def additivity(self) -> float:
        """How far the values and the base are from adding up to the prediction, at most over the outputs."""
        return float(np.abs(self.values.sum(axis=0) + self.base - self.prediction).max(initial=0.0))


def exact(game: Game) -> Attribution:
    """The Shapley values from all 2**players coalitions."""
    count = game.count
    worth = game.values(every_coalition(count))
    coalitions = np.arange(2**count)
    sizes = every_coalition(count).sum(axis=1)
    weights = size_weights(count) if count else np.empty(0)
    values = np.zeros((count, worth.shape[1]))
    for player in range(count):
        without = coalitions[(coalitions >> player & 1) == 0]
        gains = worth[without | 1 << player] - worth[without]
        values[player] = weights[sizes[without]] @ gains
    return Attribution(values, worth[0], worth[-1], coalitions=len(worth))


@dataclass(frozen=True)
class Plan:
    """Which coalitions Kernel SHAP looks at, and how it weighs them; the same for all rows.

    Attributes:
        present: (coalitions, players).
        weights: of the coalitions, by group that is left out; the last row leaves out none.
        inverses: of the normal matrices to these weights.
        whole: whether all coalitions are in it, so that the values are exact.
    """

    present: np.ndarray
    weights: np.ndarray
    inverses: np.ndarray
    whole: bool


def least_coalitions(players: int) -> int:
    """How many coalitions Kernel SHAP needs at least: enough in each of the groups that the jackknife leaves."""
    return min(2**players if players < 30 else 2**30, 2 * LEAST_DRAWS * players + 4 * GROUPS)


@functools.lru_cache(maxsize=8)
def plan(players: int, coalitions: int, seed: int) -> Plan:
    """Choose coalitions: sizes 1 and n - 1, 2 and n - 2, ... whole, then draws of the others.

    A size is taken whole where all its coalitions are no more than its share of what is left to be looked at.
    """
    sizes = np.arange(1, players)
    mass = (players - 1) / (sizes * (players - sizes)) if players > 1 else np.empty(0)  # of all coalitions of a size
    taken, weights, room = [], [], coalitions
    left = dict(zip(sizes.tolist(), mass.tolist(), strict=True))
    for size in range(1, players // 2 + 1):
        pair = {size, players - size}
        count = sum(math.comb(players, one) for one in pair)
        if count > room * sum(left[one] for one in pair) / sum(left.values()):
            break
        for one in sorted(pair):
            members = np.array(list(combinations(range(players), one)))
            present = np.zeros((len(members), players), dtype=bool)
            present[np.arange(len(members))[:, None], members] = True
            taken.append(present)
            weights.append(np.full(len(members), left.pop(one) / len(members)))
        room -= count
    enumerated = np.concatenate(taken) if taken else np.empty((0, players), dtype=bool)
    fixed = np.concatenate(weights) if weights else np.empty(0)
    if not left:
        return _solved(enumerated, fixed[None], whole=True)
    drawn = _draws(players, left, max(room // 2, GROUPS * LEAST_DRAWS), np.random.default_rng([seed, players]))
    group = np.arange(len(drawn)) // 2 % GROUPS  # both of a pair in one group
    share = sum(left.values())
    kept = np.array([group != one for one in range(GROUPS)] + [np.ones(len(drawn), dtype=bool)])
    random = share * kept / kept.sum(axis=1, keepdims=True)
    fixed_rows = np.broadcast_to(fixed, (GROUPS + 1, len(fixed)))
    return _solved(np.concatenate([enumerated, drawn]), np.concatenate([fixed_rows, random], axis=1), whole=False)


def _draws(players: int, left: dict[int, float], pairs: int, random: np.random.Generator) -> np.ndarray:
    """Coalitions of the sizes that are left, each followed by its complement."""
    chances = np.array(list(left.values())) / sum(left.values())
    sizes = random.choice(np.array(list(left)), size=pairs, p=chances)
    order = random.random((pairs, players)).argsort(axis=1)
    ranks = order.argsort(axis=1)
    present = ranks < sizes[:, None]
    return np.stack([present, ~present], axis=1).reshape(-1, players)


def _solved(present: np.ndarray, weights: np.ndarray, *, whole: bool) -> Plan:
    floats = present.astype(np.float64)
    normal = np.stack([(floats * one[:, None]).T @ floats for one in weights])
    try:
        inverses = np.linalg.inv(normal)
    except np.linalg.LinAlgError:  # too few draws to tell two players apart
        inverses = np.linalg.pinv(normal, hermitian=True)
    return Plan(present, weights, inverses, whole)


def kernel(game: Game, coalitions: int, seed: int) -> Attribution:
    """Kernel SHAP with so many coalitions; exact where they are all there are.

    Args:
        game: of at least one player.
        coalitions: at most so many, and at least `least_coalitions`.
        seed: of the draws, which are the same for all rows with as many players.
    """
    base, prediction = game.ends()
    if game.count < 2:
        return Attribution(np.tile(prediction - base, (game.count, 1)), base, prediction, coalitions=2)
    chosen = plan(game.count, coalitions, seed)
    worth = game.values(chosen.present) - base
    gain = prediction - base
    fits = np.stack([_fit(chosen, place, worth, gain) for place in range(len(chosen.weights))])
    error = None
    if not chosen.whole:
        parts = fits[:-1]
        spread = np.square(parts - parts.mean(axis=0)).sum(axis=0)
        error = np.sqrt((GROUPS - 1) / GROUPS * spread)
    return Attribution(fits[-1], base, prediction, error, len(chosen.present) + 2)


def _fit(chosen: Plan, place: int, worth: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Least squares under the constraint that the values add up to the gain, (players, outputs)."""
    inverse, weights = chosen.inverses[place], chosen.weights[place]
    free = inverse @ (chosen.present.T @ (weights[:, None] * worth))
    ones = inverse.sum(axis=1)
    return np.asarray(free + ones[:, None] * (gain - free.sum(axis=0)) / ones.sum())
