"""What needs the outputs alone, beside Shapley values: occlusion, LIME; and the deletion check of any attribution.

Occlusion: Zeiler and Fergus, 2014. LIME: Ribeiro, Singh and Guestrin, 2016, in its general form: a linear model of
which parts are there, weighed by how near the row is. Deletion: Petsiuk, Das and Saenko, 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goodfit.trainers.explaining.games import Game
from goodfit.trainers.explaining.shapley import Attribution

LIME_WIDTH = 0.25  # of the kernel, in cosine distance, as the authors' code has it for texts and images
LIME_RIDGE = 1.0
STEPS = 20  # of a deletion curve
ORDERS = 5  # random ones that it is compared with


def occlusion(game: Game) -> Attribution:
    """By how much the outputs fall when one part alone is absent; these do not add up."""
    count = game.count
    present = np.concatenate([~np.eye(count, dtype=bool), np.ones((1, count), dtype=bool), np.zeros((1, count), bool)])
    worth = game.values(present)
    return Attribution(worth[-2] - worth[:-2], worth[-1], worth[-2], coalitions=len(present))


def lime(game: Game, samples: int, seed: int) -> Attribution:
    """The weights of a local linear model; these do not add up, how well it fits is `fidelity`."""
    if game.count == 1:  # the line through both points
        found = occlusion(game)
        return Attribution(found.values, found.base, found.prediction, coalitions=2, fidelity=np.ones(len(found.base)))
    random = np.random.default_rng([seed, game.count])
    missing = random.integers(1, game.count + 1, size=samples)
    ranks = random.random((samples, game.count)).argsort(axis=1).argsort(axis=1)
    present = np.concatenate([np.ones((1, game.count), dtype=bool), ranks >= missing[:, None]])
    worth = game.values(present)
    near = _nearness(present)
    floats = present.astype(np.float64)
    centre = near @ floats / near.sum()
    middle = near @ worth / near.sum()
    moved, gained = floats - centre, worth - middle
    normal = (moved * near[:, None]).T @ moved + LIME_RIDGE * np.eye(game.count)
    values = np.linalg.solve(normal, moved.T @ (near[:, None] * gained))
    rest = near @ np.square(gained - moved @ values)
    spread = near @ np.square(gained)
    fidelity = 1 - np.divide(rest, spread, out=np.zeros_like(rest), where=spread > 0)
    base, whole = game.ends()
    return Attribution(values, base, whole, coalitions=len(present) + 2, fidelity=fidelity)


def _nearness(present: np.ndarray) -> np.ndarray:
    """How much each sample counts: by the cosine between its parts and all parts."""
    distance = 1 - np.sqrt(present.mean(axis=1))
    return np.asarray(np.exp(-np.square(distance) / LIME_WIDTH**2))


@dataclass(frozen=True)
class Deletion:
    """How the output falls when parts are taken away, on average over the steps.

    Attributes:
        guided: those first that speak most for the output.
        random: in random orders, on average.
    """

    guided: float
    random: float


def deletion(game: Game, values: np.ndarray, output: int, seed: int) -> Deletion:
    """Take parts away in the order of their values and in random orders.

    Args:
        game: of the row.
        values: (players,), for the output.
        output: which.
        seed: of the random orders.
    """
    random = np.random.default_rng([seed, game.count])
    orders = [np.argsort(-values, kind="stable"), *(random.permutation(game.count) for _ in range(ORDERS))]
    ends = np.unique(np.linspace(0, game.count, min(STEPS, game.count) + 1).round().astype(int))[1:]
    present = np.ones((len(orders), len(ends), game.count), dtype=bool)
    for place, order in enumerate(orders):
        for step, end in enumerate(ends):
            present[place, step, order[:end]] = False
    worth = game.values(present.reshape(-1, game.count))[:, output].reshape(len(orders), len(ends))
    areas = worth.mean(axis=1)
    return Deletion(float(areas[0]), float(areas[1:].mean()))
