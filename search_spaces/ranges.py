"""Ranges of numbers: what can be wrong with one, its steps and its evenly spaced points."""

from __future__ import annotations

import decimal
import functools
import math

from goodfit.search_spaces.scalars import shown

MAX_POINTS = 10_000  # of one parameter: they are listed
MAX_STEPS = 2**53  # these are only counted

Problems = list[tuple[str, str]]  # which argument, and what is wrong with it


def range_problems(
    low: float, high: float, *, log: bool, step: float | None, points: int | None, whole: bool = False
) -> Problems:
    """What is wrong with a range, by argument; `whole`: of whole numbers."""
    problems: Problems = [
        (name, f"{name} is {end}, not a finite number")
        for name, end in (("low", low), ("high", high))
        if not math.isfinite(end)
    ]
    plain_step = 1 if whole else None
    if low > high:
        problems.append(("low", f"low {shown(low)} is above high {shown(high)}"))
    elif not problems and not math.isfinite(high - low):
        problems.append(("high", f"{shown(low)} to {shown(high)} is too wide a range"))
    if log and low <= 0:
        problems.append(("low", f"log needs low above 0, not {shown(low)}; raise low or leave log out"))
    if log and step != plain_step and not whole:
        problems.append(("step", "step and log exclude each other; for a grid of a log range give points"))
    if step is not None and step <= 0:
        problems.append(("step", f"step must be above 0, not {shown(step)}"))
    elif step is not None and step != plain_step and _too_wide(step, low, high):
        problems.append(("step", f"step {shown(step)} does not fit between {shown(low)} and {shown(high)}"))
    elif step is not None and low < high and (high - low) / step > MAX_STEPS:
        problems.append(("step", f"step {shown(step)} is too small between {shown(low)} and {shown(high)}"))
    problems += _points_problems(low, high, points, with_step=step != plain_step, whole=whole)
    return problems


def _too_wide(step: float, low: float, high: float) -> bool:
    return math.isfinite(high - low) and low < high and exact(step) > exact(high) - exact(low)


def _points_problems(low: float, high: float, points: int | None, *, with_step: bool, whole: bool) -> Problems:
    if points is None:
        return []
    if with_step:
        return [("points", "points and step exclude each other; keep one")]
    if points < 1:
        return [("points", f"points must be at least 1, not {points}")]
    if points > MAX_POINTS:
        return [("points", f"points must be at most {MAX_POINTS}, not {points}")]
    if points == 1 and low < high:
        return [("points", "points must be at least 2: both ends are among them")]
    if whole and low <= high and points > high - low + 1:
        return [("points", f"there are only {int(high - low + 1)} whole numbers for {points} points")]
    return []


def range_text(low: float, high: float, *, log: bool, step: float | None) -> str:
    """A range in words: 0.001 to 0.1, log."""
    text = f"{shown(low)} to {shown(high)}"
    return text + (", log" if log else "") + (f" by {shown(step)}" if step is not None else "")


def exact(number: float) -> decimal.Decimal:
    """The decimal that the user wrote: 0.1 is a tenth, so that 0.1 + 2 * 0.1 is 0.3."""
    return decimal.Decimal(str(number))


def _between(low: float, high: float, share: float) -> float:
    return low * (1 - share) + high * share


@functools.lru_cache(maxsize=256)
def spaced(low: float, high: float, points: int, log: bool) -> tuple[float, ...]:
    """`points` numbers from low to high, both included, evenly spaced or evenly in the logarithm."""
    if points == 1 or low == high:
        return (low,)
    values = [low]
    for index in range(1, points - 1):
        share = index / (points - 1)
        exact = math.exp(_between(math.log(low), math.log(high), share)) if log else _between(low, high, share)
        values.append(min(max(float(f"{exact:.12g}"), low), high))  # 0.001, not 0.0010000000000000002
    return tuple(dict.fromkeys([*values, high]))
