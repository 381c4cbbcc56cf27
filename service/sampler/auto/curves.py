"""Proposals by all curves: new configurations and paused trials, compared by what the same time would bring.

Values become normal scores among those that the model sees; of these a mean curve over the levels is taken off, which
never falls: a fall is left to the process, which ties it to the region where it was seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from goodfit.service.sampler.auto.curve_model import CurveModel, Observations
from goodfit.service.sampler.auto.improvement import expected_improvement
from goodfit.service.sampler.auto.ranks import Reference
from goodfit.service.sampler.auto.runs import Runs, State
from goodfit.service.sampler.cube import Cube, Points

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_POINTS, MOST_FITTED, MOST_RUNNING = 150, 90, 64  # observations, which bound the cost of a decision
CURVES, FULL_CURVES, CURVE_POINTS = 8, 8, 4  # whole curves among them, and how many points of each
CANDIDATES, MOST_PAUSED = 112, 40
GOOD = 0.15  # share of the trials whose surroundings are searched
TREND_TRIALS = 400  # the last so many tell the mean curve
DURATION_TRIALS = 300  # likewise how long an epoch takes
PATIENCE = 1.5  # a candidate that takes longer than this times the time on offer counts for less


@dataclass(frozen=True, slots=True)
class Choice:
    """What the model would have trained: a paused trial, or a new configuration.

    Attributes:
        trial: the paused one; None: a new one.
        points: new configurations, the most promising first; empty where a trial goes on.
        target: up to which epoch.
        score: the normal score that is expected there.
        why: what it was decided by.
    """

    trial: int | None
    points: Points
    target: int
    score: float
    why: Mapping[str, Any]


class Curves:
    """Chooses by a model of all curves."""

    def __init__(self, cube: Cube, levels: Sequence[int]) -> None:
        self._cube, self._levels = cube, levels
        self._model = CurveModel(cube.columns)
        self._logs = np.log(np.array(levels, dtype=float))
        self._whole = max(float(self._logs[-1]), 1e-9)
        self._trend = np.zeros(len(levels))

    def prepare(self, rng: np.random.Generator, runs: Runs, finished: Sequence[int], *, fit: bool) -> None:
        """Take in what has been observed; `fit`: find the trend and the model's parameters anew."""
        trials, epochs, values = self._data(runs, finished)
        self._reference = Reference(values)
        if fit:
            self._trend = self._mean_curve(runs)
        logs = np.log(epochs.astype(float))
        expected = np.interp(logs, self._logs, self._trend)
        seen = Observations(runs.rows[trials], logs / self._whole, trials, self._reference.score(values) - expected)
        if fit:
            count = len(trials)
            some = np.arange(count) if count <= MOST_FITTED else np.sort(rng.choice(count, MOST_FITTED, replace=False))
            self._model.fit(seen.take(some))
        running = np.flatnonzero(runs.state[: runs.count] == State.RUNNING)[-MOST_RUNNING:]
        if len(running):  # they are believed to arrive where they are expected
            progress = np.log(runs.target[running].astype(float)) / self._whole
            seen = seen.and_also(Observations(runs.rows[running], progress, running, runs.forecast[running]))
        self._model.condition(seen)
        self._observed = set(trials.tolist())

    def choose(self, rng: np.random.Generator, runs: Runs, floor: int, best: float) -> Choice:
        """The candidate that promises most for the time on offer, which is drawn from the levels."""
        known = np.array(runs.order)
        paused = np.array([number for number in runs.paused if number in self._observed], dtype=np.int64)
        if len(paused) > MOST_PAUSED:
            order = np.lexsort((-runs.epoch[paused], -runs.last[paused]))
            paused = paused[order[:MOST_PAUSED]]
        fresh = self._candidates(rng, runs, known)
        rows = np.vstack([runs.rows[paused], self._cube.encode(fresh)])
        names = np.concatenate([paused, -1 - np.arange(len(fresh))])
        typical = float(np.exp(np.median(np.log(runs.seconds[known]))))
        seconds = np.concatenate([runs.seconds[paused], self._durations(runs, known, rows[len(paused) :])])
        offer = self._levels[int(rng.integers(len(self._levels)))] * typical
        begun = np.concatenate([runs.epoch[paused], np.zeros(len(fresh))])
        reach = np.minimum(begun + np.maximum(offer / seconds, 1.0), self._levels[-1])
        reach[len(paused) :] = np.maximum(reach[len(paused) :], floor)
        mean, deviation = self._predict(rows, reach, names)
        threshold = float(self._reference.score(np.array([best]))[0])
        gain = expected_improvement(mean, deviation, threshold)
        gain *= np.minimum(1.0, PATIENCE * offer / ((reach - begun) * seconds))
        order = np.argsort(-gain, kind="stable")
        first = int(order[0])
        why = self._reasons(
            float(mean[first]), float(deviation[first]), float(reach[first]), float(gain[first]), threshold
        )
        if first < len(paused):
            trial = int(paused[first])
            target = next((level for level in self._levels if level > runs.epoch[trial]), self._levels[-1])
            return Choice(
                trial, np.empty((0, len(self._cube))), target, self._score(runs.rows[trial], target, trial), why
            )
        new = [index - len(paused) for index in order if index >= len(paused)]
        return Choice(None, fresh[new], floor, self._score(rows[first], floor, -1), why)

    def _score(self, row: Floats, epoch: int, trial: int) -> float:
        """What is expected there, less the mean curve: as a running trial enters the model."""
        mean, _ = self._model.predict(row[None], np.array([math.log(epoch) / self._whole]), np.array([trial]))
        return float(mean[0])

    def _predict(self, rows: Floats, epochs: Floats, trials: Integers) -> tuple[Floats, Floats]:
        logs = np.log(epochs)
        mean, deviation = self._model.predict(rows, logs / self._whole, trials)
        return mean + np.interp(logs, self._logs, self._trend), deviation

    def _reasons(self, mean: float, deviation: float, reach: float, gain: float, threshold: float) -> dict[str, Any]:
        """The forecast in the objective's own (oriented) values: where its scores lie among those seen."""
        low, middle, high = (float(ndtr(mean + width * deviation)) for width in (-1.645, 0.0, 1.645))
        return {
            "epoch": round(reach),
            "forecast": [self._reference.value(share) for share in (low, middle, high)],
            "chance": float(1 - ndtr((threshold - mean) / deviation)),
            "gain": gain,
            "noise": self._model.noise,
        }

    def _candidates(self, rng: np.random.Generator, runs: Runs, known: Integers) -> Points:
        order = known[np.argsort(-runs.best[known], kind="stable")]
        good = runs.points[order[: max(5, int(GOOD * len(order)))]]
        some = CANDIDATES // 4
        return np.vstack(
            [
                self._cube.random(rng, CANDIDATES - 2 * some),
                self._cube.around(rng, good[:4], some),
                self._cube.around(rng, good, some),
            ]
        )

    def _data(self, runs: Runs, finished: Sequence[int]) -> tuple[Integers, Integers, Floats]:
        """What the model sees: curves of the best and of full runs, the last values of the next best and of a sample.

        The sample is a fixed one of all the rest, so that the model keeps the whole space in view.
        """
        known = np.array(runs.order)
        order = known[np.argsort(-runs.best[known], kind="stable")]
        whole = order[:CURVES].tolist()
        whole += [number for number in finished[-FULL_CURVES:] if number not in whole]
        points = [(number, *point) for number in whole for point in _thinned(runs, number)]
        rest = order[~np.isin(order, whole)]
        room = max(0, MOST_POINTS - len(points))
        top, others = rest[: room // 2], rest[room // 2 :]
        sample = others[np.argsort(runs.draw[others], kind="stable")][: room - len(top)]
        lone = np.concatenate([top, sample])
        trials = np.concatenate([np.array([point[0] for point in points], dtype=np.int64), lone])
        epochs = np.concatenate([np.array([point[1] for point in points], dtype=np.int64), runs.epoch[lone]])
        values = np.concatenate([np.array([point[2] for point in points]), runs.last[lone]])
        return trials, np.maximum(epochs, 1), values

    def _mean_curve(self, runs: Runs) -> Floats:
        """From the increments within trials, so that it matters less who was let go on; shrunk."""
        steps: dict[int, list[float]] = {level: [] for level in self._levels}
        for number in runs.order[-TREND_TRIALS:]:
            curve = [(level, runs.levels[level][number]) for level in self._levels if number in runs.levels[level]]
            if len(curve) > 1:
                found = self._reference.score(np.array([value for _, value in curve]))
                for (level, _), step in zip(curve[1:], np.diff(found), strict=True):
                    steps[level].append(float(step))
        means = [max(0.0, sum(one) / (len(one) + 2.0)) for one in steps.values()]
        return np.cumsum([0.0, *means[1:]])

    def _durations(self, runs: Runs, known: Integers, rows: Floats) -> Floats:
        """Seconds of an epoch of new configurations: ridge regression of their logarithms."""
        logs = np.log(runs.seconds[known[-DURATION_TRIALS:]])
        if len(known) < 5:
            return np.full(len(rows), math.exp(float(np.median(logs))))
        inputs = runs.rows[known[-DURATION_TRIALS:]] - 0.5
        center = logs.mean()
        weights = np.linalg.solve(inputs.T @ inputs + np.eye(inputs.shape[1]), inputs.T @ (logs - center))
        every = np.log(runs.seconds[known])
        return np.asarray(np.exp(np.clip(center + (rows - 0.5) @ weights, every.min(), every.max())))


def _thinned(runs: Runs, number: int) -> list[tuple[int, float]]:
    """A few points of a curve, the last among them."""
    curve = runs.curve(number)
    if runs.straight[number]:
        curve = curve[::-1][::2][::-1]
    return curve if len(curve) <= CURVE_POINTS else curve[::-1][::2][::-1]
