"""One curve, measured: level, best, end, noise and slope. No verdict is made here, and no file read.

All numbers here are *oriented*: less is better, whatever the metric's direction, so that the
rule in verdict.py is written once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEAN_ABS_TO_SIGMA = 1.2533  # a normal sample's mean absolute deviation, as a standard deviation
SPIKE = 4.0  # times the median bend: not noise but a spike, and left out of the noise
MEDIAN_ERROR = 1.2533  # a median's standard error over a mean's, for a normal sample
SHORTEST = 5  # points that can be smoothed; with less each stands for itself
WIDEST = 25  # epochs in the widest running median; wider smooths no better and costs time
FEW = 50  # numbers that Python sorts as fast as numpy
SURE_CLIMB = 4.0  # standard errors of a trend since the best epoch; one more than usual, since that epoch was chosen
FOR_A_LINE = 5  # points or fewer lie too close to a line by chance
SWING = 0.4  # of a rise
SWINGS = 2  # one is double descent, or a step of the learning rate


@dataclass(frozen=True, slots=True)
class Curve:
    """The finite points of one oriented curve and what was measured on them.

    Attributes:
        epochs: the epoch of each point, from 1.
        values: the points.
        level: their running median: what the curve does, without single spikes.
        best_at: index of the first lowest level.
        lowest_at: index of the first lowest point.
        noise: standard deviation from epoch to epoch in the later half, around the trend.
        tail: how many points the end is judged by.
        end: the median of those points.
        distance: epochs between the middles of the halves of the window that the slope is measured on.
        slope: change an epoch at the end, between the medians of the window's two halves; positive is worse.
    """

    epochs: NDArray[np.int64]
    values: Floats
    level: Floats = field(init=False)
    best_at: int = field(init=False)
    lowest_at: int = field(init=False)
    noise: float = field(init=False)
    tail: int = field(init=False)
    end: float = field(init=False)
    distance: float = field(init=False)
    slope: float = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.values)
        level = _running_median(self.values, _width(count))
        object.__setattr__(self, "level", level)
        object.__setattr__(self, "best_at", int(np.argmin(level)) if count else 0)
        object.__setattr__(self, "lowest_at", int(np.argmin(self.values)) if count else 0)
        object.__setattr__(self, "noise", late_noise(self.values))
        object.__setattr__(self, "tail", 1 if count < SHORTEST else max(3, count // 10))
        object.__setattr__(self, "end", _median(self.values[-self.tail :]) if count else math.nan)
        object.__setattr__(self, "distance", self._distance())
        object.__setattr__(self, "slope", self._slope())

    @classmethod
    def of(cls, values: Floats) -> Curve:
        """The curve of an array in which epoch i is at index i - 1 and NaN means no point."""
        there = np.flatnonzero(np.isfinite(values))
        return cls(there + 1, values[there])

    def __len__(self) -> int:
        return len(self.values)

    @property
    def start(self) -> float:
        return float(self.values[0])

    @property
    def best(self) -> float:
        """The lowest level."""
        return float(self.level[self.best_at])

    @property
    def rise(self) -> float:
        """How much worse the end is than the best, levels both."""
        return max(0.0, self.end - self.best)

    @property
    def span(self) -> float:
        """What was won from the first epoch to the best level."""
        return max(0.0, self.start - self.best)

    @property
    def rise_error(self) -> float:
        """Standard error of `rise`, from the noise and the points in its two medians."""
        return self.noise * MEDIAN_ERROR * math.sqrt(1 / self.tail + 1 / min(_width(len(self)), self.tail))

    @property
    def chance_rise(self) -> float:
        """The rise that noise alone may show: three standard errors and the luck of the lowest.

        The lowest of m equal, independent levels lies about sqrt(2 ln m) errors below their mean.
        """
        levels = max(1.0, len(self) / _width(len(self)))
        return (3.0 + math.sqrt(2.0 * math.log(levels))) * self.rise_error

    @property
    def surely_worse(self) -> float:
        """How many times over the rise passes a test for chance; above 1 it is real.

        Either of two: that of the levels, `chance_rise`, or that of a straight line through all points
        since the best level, which sees a slow rise in much noise.
        """
        return max(ratio(self.rise, self.chance_rise), ratio(self._climb, SURE_CLIMB)) if self.rise > 0 else 0.0

    @property
    def _climb(self) -> float:
        """The slope since the best level, its own points left out, in standard errors."""
        begin = self.best_at + _width(len(self)) // 2 + 1
        if len(self) - begin < SHORTEST - 1:
            return 0.0
        centred = self.epochs[begin:] - _mean(self.epochs[begin:])
        return ratio(float(centred @ self.values[begin:]) / math.sqrt(float(centred @ centred)), self.noise)

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest level."""
        return int(self.epochs[self.best_at])

    @property
    def onset(self) -> int:
        """The first epoch after the last one as good as the best, within the noise or a twentieth of the rise.

        The running median may leave the best level before the lowest point that it was taken over; the onset does not.
        """
        good = np.flatnonzero(self.level <= self.best + max(2 * self.rise_error, self.rise / 20))
        last = int(good[-1])
        if last < self.lowest_at <= last + _width(len(self)) // 2:
            last = self.lowest_at
        return int(self.epochs[min(last + 1, len(self) - 1)])

    @property
    def rise_lasts(self) -> bool:
        """Whether the whole tail (2 points of fewer than 15) is beyond half the rise: no spike or two."""
        good = np.flatnonzero(self.level <= self.best + self.rise / 2)
        return len(self) - 1 - int(good[-1]) >= (2 if len(self) < 15 else self.tail)

    @property
    def past_its_peak(self) -> bool:
        """Whether less than half is left of the largest rise after the best epoch."""
        return self.rise < (float(np.max(self.level[self.best_at :])) - self.best) / 2

    @property
    def wanders(self) -> bool:
        """Whether the level rose by a good part of `rise`, beyond noise, and fell again as far, several times over."""
        least, rising, times = max(SWING * self.rise, self.chance_rise), False, 0
        turn = float(self.level[0]) if len(self) else 0.0  # the highest of a rise, the lowest of a fall
        for value in self.level.tolist():
            if rising:
                turn = max(turn, value)
                back = turn - value >= least
                times += back
            else:
                turn = min(turn, value)
                back = value - turn >= least
            if back:
                rising, turn = not rising, value
        return times >= SWINGS

    @property
    def window(self) -> int:
        """How many points the slope at the end is measured on: the last third; of a short curve up to 8."""
        return min(len(self), max(5, min(8, 2 * len(self) // 5), len(self) // 3))

    def _slope(self) -> float:
        half = self.window // 2
        if half == 0:
            return 0.0
        first, last = self.values[-self.window :][:half], self.values[-half:]
        return (_median(last) - _median(first)) / self.distance

    @property
    def slope_error(self) -> float:
        """Standard error of `slope`."""
        half = self.window // 2
        return self.noise * MEDIAN_ERROR * math.sqrt(2 / half) / self.distance if half else 0.0

    def _distance(self) -> float:
        half = self.window // 2
        return _mean(self.epochs[-half:]) - _mean(self.epochs[-self.window :][:half]) if half else math.nan

    @property
    def gain(self) -> float:
        """What a fifth more epochs would win if the slope at the end stayed; an upper bound, it rarely does."""
        return -self.slope * float(self.epochs[-1]) / 5 if len(self) else 0.0

    @property
    def yardstick(self) -> float:
        """What a rise or a gain is compared with: the geometric mean of the best level and the span.

        Neither serves alone. The level is nothing to go by when the loss is near zero; the span
        depends on the first epoch, which may be wild (a regression that starts at 1,000) or
        nearly final (a pretrained net). So each is kept from vanishing beside the other.
        """
        level = abs(self.best)
        return math.sqrt(max(level, self.span / 100) * max(self.span, level / 10))

    def level_at(self, epoch: int) -> float:
        """The level at the last point up to `epoch`, or at the first point."""
        return float(self.level[max(0, int(np.searchsorted(self.epochs, epoch, side="right")) - 1)])


def ratio(part: float, whole: float) -> float:
    """Divide, where nothing of nothing is nothing and something of nothing is infinite."""
    if whole > 0:
        return part / whole
    return math.inf if part > 0 else 0.0


def _width(count: int) -> int:
    """Points in the running median: a tenth of the curve, odd, from 3; 1 where there are too few."""
    return 1 if count < SHORTEST else min(WIDEST, max(3, count // 10 | 1))


def _running_median(values: Floats, width: int) -> Floats:
    """Centred running median; at the borders of what there is."""
    if width == 1:
        return values
    half = width // 2
    level = values.copy()
    if len(values) > FEW:
        windows = np.lib.stride_tricks.sliding_window_view(values, width)
        level[half:-half] = np.partition(windows, half, axis=1)[:, half]
    else:
        numbers = values.tolist()
        level[half:-half] = [sorted(numbers[at : at + width])[half] for at in range(len(numbers) - width + 1)]
    for index in (*range(half), *range(len(values) - half, len(values))):
        level[index] = _median(values[max(0, index - half) : index + half + 1])
    return level


def _median(values: Floats) -> float:
    """As numpy's, without its checks: those cost more than the sorting of few values."""
    ordered = sorted(values.tolist()) if len(values) <= FEW else np.sort(values)
    half = len(values) // 2
    return float(ordered[half]) if len(values) % 2 else float(ordered[half - 1] + ordered[half]) / 2


def _mean(values: NDArray[Any]) -> float:
    """Likewise."""
    return float(values.sum()) / len(values)


def late_noise(values: Floats) -> float:
    """Noise in the later half, around its trend: the smaller of two estimates.

    Second differences leave any smooth trend at zero, but make too much of a zigzag; what is left
    around a straight line is right there, and too much for a bent trend.
    """
    late = values[min(len(values) // 2, max(0, len(values) - 10)) :]
    size = float(np.max(np.abs(late), initial=0.0))
    if len(late) < 3 or size == 0.0:
        return 0.0
    late = late / size  # so that squares stay finite
    bends = np.abs(np.diff(late, n=2)) / math.sqrt(6.0)  # the second difference of white noise has variance 6
    typical = _median(bends)
    kept = bends[bends <= SPIKE * typical] if typical > 0 else bends
    jagged = MEAN_ABS_TO_SIGMA * _mean(kept)
    return size * (min(jagged, _around_line(late)) if len(late) > FOR_A_LINE else jagged)


def _around_line(values: Floats) -> float:
    """Standard deviation around the straight line of least squares."""
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    centred = values - _mean(values)
    left = centred - steps * (float(steps @ centred) / float(steps @ steps))
    return math.sqrt(float(left @ left) / (len(values) - 2))
