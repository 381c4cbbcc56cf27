"""Is the best at the edge of a range? Then a wider range may hold a better one.

One trial at an edge says little: with ten parameters that do nothing, the best trial is near an edge
of some of them. So three things must hold together: the best trial is in the outer quarter of a range,
so is the middle one of the best tenth, and the scores still improve towards that end beside all other
parameters and the order of the trials. Trials that diverged count as the worst, so a range that ends
where training breaks is not called too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from goodfit.search_spaces.parameters import Choice, Float, Int, shown
from goodfit.service.diagnosis.curve import Floats
from goodfit.service.diagnosis.health.finding import Edit, Finding, Severity, number
from goodfit.service.diagnosis.health.surface import Surface
from goodfit.service.diagnosis.health.table import FEWEST, Column, Table, top_count
from goodfit.service.diagnosis.statistics import student_cdf

Range = Float | Int

OUTER = 0.25  # of the range: near enough to its end to ask what lies beyond
HALF = 0.5  # of the range: where the slope towards the end is measured
CHANCE = 0.05  # of one false alarm or more in a whole study; shared among all ends
FEWEST_IN_HALF = 8  # trials that a slope is measured on
LOG_STEP = 1 / 3  # of a logarithmic range is added, within LOG_FACTORS
LOG_FACTORS = (3.0, 10.0)  # less changes nothing, more is another question
LINEAR_STEP = 0.5  # of any other range


def at_the_edge(table: Table) -> Iterator[Finding]:
    """A finding for each parameter whose best values lie at an end of its range."""
    judged = table.judged
    if int(np.sum(table.scored)) < FEWEST:
        return
    best = table.ranked(table.contending)[: top_count(int(np.sum(judged)))]
    order = np.arange(int(np.sum(judged))).astype(float)
    surface = Surface(table.columns, judged, table.normal_scores(judged), extra=order)
    if not surface.usable:
        return
    ranges = [(column, column.parameter) for column in table.columns if not isinstance(column.parameter, Choice)]
    for column, item in ranges:
        for upper in (True, False):
            place = column.unit if upper else 1 - column.unit
            new = _beyond(item, upper)
            if new is None or not _best_at_the_end(place[best]):
                continue
            p = _towards_the_end(place[judged], surface.without(column.name), CHANCE / (2 * len(ranges)))
            if p is not None:
                yield _finding(table, column, item, upper, best, p, new)


def _best_at_the_end(place: Floats) -> bool:
    """Whether the best trial and the middle one of the best are in the outer quarter."""
    there = place[~np.isnan(place)]
    return len(there) >= len(place) / 2 and there[0] >= 1 - OUTER and bool(np.median(there) >= 1 - OUTER)


def _towards_the_end(place: Floats, left: Floats, chance: float) -> float | None:
    """The p value of a score that improves over the half before the end; None where it does not."""
    levels = np.unique(place[~np.isnan(place)])
    within = place >= (HALF if np.sum(levels >= HALF) >= 3 else -1.0)
    outer = place >= 1 - OUTER
    if np.sum(within) < FEWEST_IN_HALF:
        return None
    slope, p = _slope(place[within], left[within])
    if slope >= 0 or p > chance:
        return None
    turned = len(np.unique(place[outer])) >= 3 and _slope(place[outer], left[outer])[0] > 0
    return None if turned else p


def _slope(place: Floats, left: Floats) -> tuple[float, float]:
    """The slope of a line and the chance of one as far below zero."""
    x, y = place - np.mean(place), left - np.mean(left)
    spread = float(x @ x)
    if spread <= 0 or len(x) < 3:
        return 0.0, 1.0
    slope = float(x @ y) / spread
    error = math.sqrt(float(np.sum((y - slope * x) ** 2)) / (len(x) - 2) / spread)
    if error <= 0:
        return slope, 0.0 if slope < 0 else 1.0
    return slope, student_cdf(slope / error, len(x) - 2)


def _beyond(item: Range, upper: bool) -> float | int | None:
    """The end of a wider range; None where nothing can lie beyond the end that it has."""
    end = item.high if upper else item.low
    least = 0.0 if item.low >= 0 else -math.inf  # a range without negative numbers means something without them
    most = (item.high + 1) / 2 if isinstance(item, Float) and item.high < 1 and not item.log else math.inf
    if isinstance(item, Float) and item.high == 1:
        most = 1.0  # a share, as dropout: there is no more than all
    if item.log:
        factor = min(max((item.high / item.low) ** LOG_STEP, LOG_FACTORS[0]), LOG_FACTORS[1])
        raw = end * factor if upper else end / factor
    else:
        raw = end + LINEAR_STEP * (item.high - item.low) * (1 if upper else -1)
    raw = min(max(raw, least), most)
    new = _on_step(item, end, raw)
    least_whole = 1 if isinstance(item, Int) and item.low >= 0 else least  # no layer, no unit: another question
    return new if (end < new <= most if upper else least_whole <= new < end) else None


def _on_step(item: Range, end: float, raw: float) -> float | int:
    """A number near `raw` that the range's steps meet, at least one step from its end."""
    if item.step is None:
        return float(f"{raw:.2g}") if item.log else float(f"{raw:.3g}")
    sign = 1 if raw > end else -1
    steps = max(1, math.floor(abs(raw - end) / item.step + 1e-9)) * sign
    return end + steps * item.step if isinstance(item, Int) else float(f"{end + steps * item.step:.10g}")


def _finding(table: Table, column: Column, item: Range, upper: bool, best: list[int], p: float, new: float) -> Finding:
    values = [table.trials[index].params[item.name] for index in best if not math.isnan(column.unit[index])]
    values_text = f"{number(min(values))} to {number(max(values))}" if min(values) < max(values) else number(values[0])
    end = item.high if upper else item.low
    which = f"the best {len(best)} trials have"
    if len(values) < len(best):
        which = f"{len(values)} of the best {len(best)} trials have it, at"
    text = (
        f"The best is near the {'upper' if upper else 'lower'} end of {item.name}: {which} "
        f"{values_text} of {item}, and the score still improves towards {shown(end)} (p = {number(p)}). "
        f"A better one may lie beyond: widen the range to {shown(new)}."
    )
    numbers = {"end": end, "best": values, "p": p, "proposed": new}
    edit = Edit({f"space.{item.name}.{'high' if upper else 'low'}": new})
    return Finding("edge", Severity.WARNING, text, item.name, edit, numbers)
