"""What a search by a model remembers of its trials: their points, how far each came, and their values at the levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHORTEST = 1.0  # seconds: what a shorter epoch takes is mostly noise, and all count alike
STEPS_IN_TWO = 2.0  # durations are kept in steps, so many in a factor of two, that noise does not decide


class Arm(IntEnum):
    """Who had a part of a trial trained."""

    MODEL = 0
    RANKS = 1
    FULL = 2


class State(IntEnum):
    """Where a trial stands."""

    RUNNING = 0
    PAUSED = 1
    OVER = 2  # trained to its end, or not worth going on with
    LOST = 3  # failed for a reason that says nothing of its configuration


class Runs:
    """A row for each trial, by number.

    Attributes:
        points, rows: the configurations, as points of the cube and encoded.
        epoch, target: the last epoch that counts, and up to where it trains now.
        best, last: the best value so far, and the last; larger is better, -inf: none, or not a number.
        seconds: of an epoch.
        state, arm: State and Arm.
        straight: whether it trains to its end without a pause.
        ranked: whether it is one of those that ranks alone promote.
        start: the level that it was first trained to.
        draw: a fixed number of its own in [0, 1), by which samples of the study are drawn.
        forecast: the normal score that it is expected to have at its target.
        order: numbers of those observed so far, in the order in which they first were.
        levels: level -> trial -> value there.
    """

    def __init__(self, levels: Sequence[int], parameters: int, columns: int) -> None:
        self.count = 0
        self.points, self.rows = np.empty((0, parameters)), np.empty((0, columns))
        self.epoch = self.target = self.start = np.empty(0, dtype=np.int64)
        self.state = self.arm = np.empty(0, dtype=np.int64)
        self.straight = self.ranked = self.measured = np.empty(0, dtype=bool)
        self.best = self.last = self.seconds = self.draw = self.forecast = np.empty(0)
        self.order: list[int] = []
        self._known: set[int] = set()
        self.levels: dict[int, dict[int, float]] = {level: {} for level in levels}

    def add(self, point: Floats, row: Floats, draw: float) -> int:
        """Take up a new trial; its number."""
        if self.count == len(self.epoch):
            self._grow()
        number = self.count
        self.count += 1
        self.points[number], self.rows[number], self.draw[number] = point, row, draw
        return number

    def _grow(self) -> None:
        room = max(64, len(self.epoch))
        for name in ("points", "rows", "epoch", "target", "start", "state", "arm", "straight", "ranked", "measured"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((room, *old.shape[1:]), dtype=old.dtype)]))
        for name, empty in (
            ("best", -math.inf),
            ("last", -math.inf),
            ("seconds", 1.0),
            ("draw", 0.0),
            ("forecast", 0.0),
        ):
            setattr(self, name, np.concatenate([getattr(self, name), np.full(room, empty)]))

    def take(self, number: int, epoch: int, value: float | None, *, last_counts: bool) -> None:
        """An epoch's value; None where it has none: then the one before it stands."""
        self.epoch[number] = epoch
        if value is not None:
            self.measured[number] = True
            self.last[number] = -math.inf if math.isnan(value) else value
            self.best[number] = self.last[number] if last_counts else max(self.best[number], self.last[number])
        if epoch in self.levels and self.measured[number]:
            self.levels[epoch][number] = float(self.last[number])

    def observe(self, number: int, state: State, seconds: float) -> None:
        """It has come to where a decision is taken on it, or to its end: from here on it is data.

        Args:
            number: the trial.
            state: where it stands now.
            seconds: of an epoch; NaN where they are not known.
        """
        self.state[number] = state
        if state is State.LOST:
            return
        if not math.isnan(seconds):
            steps = round(math.log2(max(seconds, SHORTEST)) * STEPS_IN_TWO)
            self.seconds[number] = 2.0 ** (steps / STEPS_IN_TWO)
        if number not in self._known and self.measured[number]:
            self._known.add(number)
            self.order.append(number)

    def complete(self, number: int) -> None:
        """It has come to its own end, maybe early: its last value is the one at all later levels, too."""
        for level, seen in self.levels.items():
            if level > self.epoch[number] and self.measured[number]:
                seen[number] = float(self.last[number])

    @property
    def paused(self) -> NDArray[np.int64]:
        """The numbers of the trials that are paused."""
        return np.flatnonzero(self.state[: self.count] == State.PAUSED)

    def curve(self, number: int) -> list[tuple[int, float]]:
        """Its values at the levels from its first one on, and where it ended before one."""
        seen = [(level, values[number]) for level, values in self.levels.items() if number in values]
        found = [(level, value) for level, value in seen if level >= self.start[number] or self.straight[number]]
        last = int(self.epoch[number])
        if not found or found[-1][0] < last:
            found.append((last, float(self.last[number])))
        return found
