"""Proposals by final values alone: expected improvement under a Gaussian process of those trials that ended.

Where early values mislead, this is what is left of the search by a model.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from goodfit.service.sampler.auto.curve_model import CurveModel, Observations
from goodfit.service.sampler.auto.improvement import expected_improvement
from goodfit.service.sampler.auto.ranks import Reference
from goodfit.service.sampler.auto.runs import Runs, State
from goodfit.service.sampler.cube import Cube, Points
from goodfit.service.sampler.scores import scores

GROWTH = 1.15  # of the number of values, from fit to fit
MOST_VALUES, MOST_FITTED, MOST_RUNNING = 150, 90, 64
UNIFORM, NEAR_BEST, NEAR_GOOD = 128, 32, 32  # candidates
GOOD = 0.15  # share of the trials whose surroundings are searched


class Finals:
    """Proposes new configurations that are to be trained to their end."""

    def __init__(self, cube: Cube, epochs: int) -> None:
        self._cube, self._epochs = cube, epochs
        self._model = CurveModel(cube.columns)
        self._next_fit = 0

    def prepare(self, rng: np.random.Generator, runs: Runs) -> None:
        """Take in what has ended."""
        ended = runs.levels[self._epochs]
        numbers = np.array(list(ended))
        values = np.array(list(ended.values()))
        if len(numbers) > MOST_VALUES:
            order = np.argsort(-values, kind="stable")
            half = MOST_VALUES // 2
            kept = np.concatenate([order[:half], rng.choice(order[half:], MOST_VALUES - half, replace=False)])
            numbers, values = numbers[kept], values[kept]
        seen = _at_the_end(runs, numbers, scores(values))
        count = len(values)
        if count >= self._next_fit:
            self._next_fit = math.ceil(count * GROWTH) + 1
            some = np.arange(count)
            self._model.fit(
                seen.take(some if count <= MOST_FITTED else np.sort(rng.choice(count, MOST_FITTED, replace=False)))
            )
        self._model.condition(seen)
        self._best, self._reference = float(seen.values.max()), Reference(values)
        targets = runs.target[: runs.count]
        running = np.flatnonzero((runs.state[: runs.count] == State.RUNNING) & (targets >= self._epochs))[
            -MOST_RUNNING:
        ]
        if len(running):  # they are believed to arrive where they are expected
            expected, _ = self._model.predict(runs.rows[running], np.ones(len(running)), running)
            self._model.condition(seen.and_also(_at_the_end(runs, running, expected)))
        order = np.argsort(-values, kind="stable")
        self._good = runs.points[numbers[order[: max(3, int(GOOD * count))]]]

    def propose(self, rng: np.random.Generator, best: float) -> tuple[Points, dict[str, Any]]:
        """Candidates, the most promising first, and what is expected of that one, in (oriented) values.

        Args:
            rng: draws them.
            best: the best value so far, of any epoch: the chance that is told is to beat this one.
        """
        candidates = np.vstack(
            [
                self._cube.random(rng, UNIFORM),
                self._cube.around(rng, self._good[:2], NEAR_BEST),
                self._cube.around(rng, self._good, NEAR_GOOD),
            ]
        )
        count = len(candidates)
        mean, deviation = self._model.predict(self._cube.encode(candidates), np.ones(count), -1 - np.arange(count))
        gain = expected_improvement(mean, deviation, self._best)
        order = np.argsort(-gain, kind="stable")
        first = int(order[0])
        low, middle, high = (float(ndtr(mean[first] + width * deviation[first])) for width in (-1.645, 0.0, 1.645))
        threshold = float(self._reference.score(np.array([best]))[0])
        why = {
            "epoch": self._epochs,
            "forecast": [self._reference.value(share) for share in (low, middle, high)],
            "chance": float(1 - ndtr((threshold - mean[first]) / deviation[first])),
        }
        return np.asarray(candidates[order]), why


def _at_the_end(runs: Runs, numbers: NDArray[np.int64], values: NDArray[np.float64]) -> Observations:
    return Observations(runs.rows[numbers], np.ones(len(numbers)), numbers, values)
