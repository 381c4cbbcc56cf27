"""Where things go on a plot: scales, ticks, and thinning. No SVG is written here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DECADES = 2.0  # a positive metric that spans more is drawn on a log axis
MOST_POINTS = 600  # drawn for one line; a panel is about 360 pixels wide
BELOW, ABOVE = 0.06, 0.18  # room around the values, as a share of their span
LARGEST = 1e307  # values beyond are drawn at the border: the span of a scale must be finite
SMALLEST = 1e-290  # a span below is drawn as none: a share of it would vanish

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear or logarithmic map from [low, high] to [start, end] pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Three to seven round numbers within the scale."""
        return _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high)


def value_scale(values: Sequence[float], start: float, end: float, deciding: Sequence[float] = ()) -> Scale:
    """A scale that holds all values; logarithmic where the deciding ones (all, if none are named) span DECADES.

    There is more room above than below: the marks have their names there.
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    least, most = min(deciding or values, default=0.0), max(deciding or values, default=1.0)
    if low > 0 and math.log10(most) - math.log10(least) > DECADES:
        span = math.log10(high) - math.log10(low)
        bottom, top = math.log10(low) - BELOW * span, math.log10(high) + ABOVE * span
        return Scale(10 ** max(-307.0, bottom), 10 ** min(307.0, top), start, end, log=True)
    low, high = (min(max(value, -LARGEST), LARGEST) for value in (low, high))
    span = high - low if high - low > SMALLEST else max(abs(high), SMALLEST) if high else 1.0
    return Scale(low - BELOW * span, high + ABOVE * span, start, end)


def epoch_scale(first: int, last: int, start: float, end: float) -> Scale:
    """A scale over epochs; a single epoch lies in the middle."""
    return Scale(first, last, start, end) if last > first else Scale(first - 0.5, first + 0.5, start, end)


def epoch_ticks(scale: Scale) -> list[int]:
    """Round whole epochs within the scale."""
    return sorted({int(tick) for tick in _linear_ticks(scale.low, scale.high) if tick == int(tick) and tick >= 1})


def label(tick: float) -> str:
    """A tick's number as short as it can be read."""
    if tick and not 1e-4 <= abs(tick) < 1e5:
        mantissa, _, exponent = f"{tick:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{tick:.6g}"


def run_length(count: int, most: int = MOST_POINTS) -> int:
    """How many epochs `thin` draws as two points; 1 where it draws each."""
    return 1 if count <= most else math.ceil(count / (most // 2))


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points: of each run of epochs the lowest and the highest, so that no spike is lost."""
    if len(points) <= most:
        return list(points)
    size = run_length(len(points), most)
    kept: list[Point] = []
    for begin in range(0, len(points), size):
        run = points[begin : begin + size]
        low, high = min(run, key=_value), max(run, key=_value)
        kept += [low] if low is high else sorted((low, high))
    return kept


def _value(point: Point) -> float:
    return point[1]


def _linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low, high]
    raw = span / 7
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((power * factor for factor in (1, 2, 5) if power * factor >= raw), power * 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(number * step, digits) if digits < 300 else number * step for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, every second or third where there would be more than seven."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / 7))
    return [10.0**power for power in range(first, last + 1, step)]
