"""One curve, measured: level, best, end, noise and slope. No verdict is made here, and no file read.

All numbers here are *oriented*: less is better, whatever the metric's direction, so that the
rule in verdict.py is written once.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEAN_ABS_TO_SIGMA = 1.2533  # a normal sample's mean absolute deviation, as a standard deviation
SPIKE = 4.0  # times the median bend: not noise but a spike, and left out of the noise
BEND_SIGMA = math.sqrt(6.0)  # standard deviation of the second difference of white noise of variance 1
MEDIAN_ERROR = 1.2533  # a median's standard error over a mean's, for a normal sample
SHORTEST = 5  # points that can be smoothed; with less each stands for itself
WIDEST = 25  # epochs in the widest running median; wider smooths no better and costs time
FEW = 50  # numbers that Python sorts as fast as numpy
SEQUENTIAL = 7  # numbers at most that numpy adds one after the other
SURE_CLIMB = 4.0  # standard errors of a trend since the best epoch; one more than usual, since that epoch was chosen
FOR_A_LINE = 5  # points or fewer lie too close to a line by chance
SWING = 0.4  # of a rise
SWINGS = 2  # one is double descent, or a step of the learning rate


@dataclass(frozen=True)
class Curve:
    """The finite points of one oriented curve and what is measured on them, once and when it is needed.

    Plain lists: most curves are so short that an array costs more than it saves.

    Attributes:
        epochs: the epoch of each point, from 1.
        values: the points.
    """

    epochs: Sequence[int]
    values: Sequence[float]

    @cached_property
    def level(self) -> Sequence[float]:
        """The running median of the points: what the curve does, without single spikes."""
        return _running_median(self.values, _width(len(self)))

    @cached_property
    def best_at(self) -> int:
        """Index of the first lowest level."""
        return _first_lowest(self.level)

    @cached_property
    def lowest_at(self) -> int:
        """Index of the first lowest point."""
        return _first_lowest(self.values)

    @cached_property
    def noise(self) -> float:
        """Standard deviation from epoch to epoch in the later half, around the trend."""
        return late_noise(self.values)

    @cached_property
    def tail(self) -> int:
        """How many points the end is judged by."""
        return 1 if len(self) < SHORTEST else max(3, len(self) // 10)

    @cached_property
    def end(self) -> float:
        """The median of those points."""
        return _median(self.values[-self.tail :]) if self.values else math.nan

    def __len__(self) -> int:
        return len(self.values)

    @property
    def start(self) -> float:
        return self.values[0]

    @cached_property
    def best(self) -> float:
        """The lowest level."""
        return self.level[self.best_at]

    @cached_property
    def rise(self) -> float:
        """How much worse the end is than the best, levels both."""
        return max(0.0, self.end - self.best)

    @cached_property
    def span(self) -> float:
        """What was won from the first epoch to the best level."""
        return max(0.0, self.start - self.best)

    @cached_property
    def rise_error(self) -> float:
        """Standard error of `rise`, from the noise and the points in its two medians."""
        return self.noise * MEDIAN_ERROR * math.sqrt(1 / self.tail + 1 / min(_width(len(self)), self.tail))

    @cached_property
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
        epochs = np.array(self.epochs[begin:])
        centred = epochs - _mean(self.epochs[begin:])
        return ratio(float(centred @ self.values[begin:]) / math.sqrt(float(centred @ centred)), self.noise)

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest level."""
        return self.epochs[self.best_at]

    @property
    def onset(self) -> int:
        """The first epoch after the last one as good as the best, within the noise or a twentieth of the rise.

        The running median may leave the best level before the lowest point that it was taken over; the onset does not.
        """
        last = self._last_within(max(2 * self.rise_error, self.rise / 20))
        if last < self.lowest_at <= last + _width(len(self)) // 2:
            last = self.lowest_at
        return self.epochs[min(last + 1, len(self) - 1)]

    @property
    def rise_lasts(self) -> bool:
        """Whether the whole tail (2 points of fewer than 15) is beyond half the rise: no spike or two."""
        return len(self) - 1 - self._last_within(self.rise / 2) >= (2 if len(self) < 15 else self.tail)

    def _last_within(self, distance: float) -> int:
        """Index of the last level no further than this above the best."""
        highest = self.best + distance
        return max(index for index, level in enumerate(self.level) if level <= highest)

    @property
    def past_its_peak(self) -> bool:
        """Whether less than half is left of the largest rise after the best epoch."""
        return self.rise < (max(self.level[self.best_at :]) - self.best) / 2

    @property
    def wanders(self) -> bool:
        """Whether the level rose by a good part of `rise`, beyond noise, and fell again as far, several times over."""
        least, rising, times = max(SWING * self.rise, self.chance_rise), False, 0
        turn = self.level[0] if self.level else 0.0  # the highest of a rise, the lowest of a fall
        for value in self.level:
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

    @cached_property
    def window(self) -> int:
        """How many points the slope at the end is measured on: the last third; of a short curve up to 8."""
        return min(len(self), max(5, min(8, 2 * len(self) // 5), len(self) // 3))

    @cached_property
    def slope(self) -> float:
        """Change an epoch at the end, between the medians of the window's two halves; positive is worse."""
        half = self.window // 2
        if half == 0:
            return 0.0
        first, last = self.values[-self.window :][:half], self.values[-half:]
        return (_median(last) - _median(first)) / self._distance

    @cached_property
    def slope_error(self) -> float:
        """Standard error of `slope`."""
        half = self.window // 2
        return self.noise * MEDIAN_ERROR * math.sqrt(2 / half) / self._distance if half else 0.0

    @cached_property
    def _distance(self) -> float:
        """Epochs between the middles of the halves of the window."""
        half = self.window // 2
        return _mean(self.epochs[-half:]) - _mean(self.epochs[-self.window :][:half]) if half else math.nan

    @property
    def gain(self) -> float:
        """What a fifth more epochs would win if the slope at the end stayed; an upper bound, it rarely does."""
        return -self.slope * self.epochs[-1] / 5 if self.epochs else 0.0

    @cached_property
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
        return self.level[max(0, bisect.bisect_right(self.epochs, epoch) - 1)]


def ratio(part: float, whole: float) -> float:
    """Divide, where nothing of nothing is nothing and something of nothing is infinite."""
    if whole > 0:
        return part / whole
    return math.inf if part > 0 else 0.0


def _width(count: int) -> int:
    """Points in the running median: a tenth of the curve, odd, from 3; 1 where there are too few."""
    return 1 if count < SHORTEST else min(WIDEST, max(3, count // 10 | 1))


def _first_lowest(values: Sequence[float]) -> int:
    return values.index(min(values)) if values else 0


def _running_median(values: Sequence[float], width: int) -> Sequence[float]:
    """Centred running median; at the borders of what there is."""
    if width == 1:
        return values
    half, count = width // 2, len(values)
    if count > FEW:
        windows = np.lib.stride_tricks.sliding_window_view(np.array(values), width)
        middle = np.partition(windows, half, axis=1)[:, half].tolist()
    else:
        middle = [sorted(values[at : at + width])[half] for at in range(count - width + 1)]
    first = [_median(values[: index + half + 1]) for index in range(half)]
    last = [_median(values[index - half :]) for index in range(count - half, count)]
    return [*first, *middle, *last]


def _median(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _mean(values: Sequence[float]) -> float:
    """As numpy's, to the last bit, without an array for a few."""
    if len(values) > SEQUENTIAL:
        return float(np.sum(values)) / len(values)
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def late_noise(values: Sequence[float]) -> float:
    """Noise in the later half, around its trend: the smaller of two estimates.

    Second differences leave any smooth trend at zero, but make too much of a zigzag; what is left
    around a straight line is right there, and too much for a bent trend.
    """
    late = values[min(len(values) // 2, max(0, len(values) - 10)) :]
    size = max(map(abs, late), default=0.0)
    if len(late) < 3 or size == 0.0:
        return 0.0
    late = [value / size for value in late]  # so that squares stay finite
    steps = [after - before for before, after in itertools.pairwise(late)]
    bends = [abs(after - before) / BEND_SIGMA for before, after in itertools.pairwise(steps)]
    typical = _median(bends)
    kept = [bend for bend in bends if bend <= SPIKE * typical] if typical > 0 else bends
    jagged = MEAN_ABS_TO_SIGMA * _mean(kept)
    return size * (min(jagged, _around_line(np.array(late))) if len(late) > FOR_A_LINE else jagged)


def _around_line(values: Floats) -> float:
    """Standard deviation around the straight line of least squares."""
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    centred = values - float(values.sum()) / len(values)
    left = centred - steps * (float(steps @ centred) / float(steps @ steps))
    return math.sqrt(float(left @ left) / (len(values) - 2))
