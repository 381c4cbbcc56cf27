"""Ranges and distributions of other tools as the parameters of a study file. What is lost comes as sentences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Say = Callable[[str], None]
Range = dict[str, Any]
WIDTH = 3.0  # standard deviations on each side of a normal distribution's middle: 99.7% of it


def even(low: float, high: float, *, whole: bool = False, log: bool = False, step: float | None = None) -> Range:
    """Evenly drawn numbers, on a logarithmic scale with `log`."""
    kind: Range = {"type": "int" if whole else "float", "low": low, "high": high}
    if whole:
        kind |= {"low": math.ceil(low - 1e-9), "high": math.floor(high + 1e-9)}
    if log:
        kind["log"] = True
    if step is not None and not (whole and step == 1):
        kind["step"] = int(step) if whole else step
    return kind


def quantized(low: float, high: float, q: float, say: Say, *, log: bool = False) -> Range:
    """Numbers drawn between two ends and rounded to multiples of q."""
    first, last = round(low / q), round(high / q)
    whole = float(q).is_integer()
    if log:
        if q != 1:
            say(f"a logarithmic range has no steps here: its values are not rounded to {q:g}")
        return even(max(first * q, 1) if whole else low, last * q if whole else high, whole=whole, log=True)
    digits = max(0, 12 - math.floor(math.log10(abs(q))))
    ends = (first * q, last * q) if whole else (round(first * q, digits), round(last * q, digits))
    return even(*ends, whole=whole, step=q)


def normal(mean: float, deviation: float, say: Say, *, log: bool = False, q: float | None = None) -> Range:
    """A normal distribution, of the logarithm with `log`: its middle, drawn evenly."""
    low, high = mean - WIDTH * deviation, mean + WIDTH * deviation
    kind = "log-normal" if log else "normal"
    ends = (math.exp(low), math.exp(high)) if log else (low, high)
    say(f"a {kind} distribution is drawn evenly here, from {ends[0]:.4g} to {ends[1]:.4g}: the middle 99.7% of it")
    low, high = (float(f"{end:.6g}") for end in ends)
    return quantized(low, high, q, say, log=log) if q is not None else even(low, high, log=log)


def stepped_back(low: int, high: int, log: bool = False, step: int = 1) -> Range:
    """Whole numbers below `high`, which is left out: as Python counts."""
    return even(low, high - 1, whole=True, log=log, step=step)
