"""Was the search over when it ended? The best score so far, trial by trial, against luck and noise.

Among trials in random order the best is as likely the last as the first, and about every i-th trial sets a new
record at place i. So a late record alone does not mean that the search still improves, nor an early one
that it is over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import special

from goodfit.service.diagnosis.curve import Floats
from goodfit.service.diagnosis.health.finding import Edit, Finding, Severity, number
from goodfit.service.diagnosis.health.noise import Noise
from goodfit.service.diagnosis.health.table import Table
from goodfit.service.diagnosis.statistics import falling_p

LAST = 1 / 3  # of the trials: where a gain counts as late
CLEAR = 2.0  # standard deviations of the noise, that a late gain must be above
MATERIAL = 0.1  # of the scores' spread, likewise
CHANCE = 0.01  # of a trend, and of the records, in trials whose order means nothing
FEWEST = 15  # trials that a trend is read from
LONG = 30  # trials; fewer are no waste
BEGINNING = 1 / 3  # of the trials: as good as all of them, and the rest was wasted


def search_progress(table: Table, noise: Noise | None) -> Iterator[Finding]:
    """A finding if the search was still improving when it ended, or had been over for long."""
    chosen = np.flatnonzero(table.scored & ~table.broken)
    loss = table.loss[chosen]
    if len(loss) < FEWEST or float(np.ptp(loss)) <= 0:
        return
    sigma = noise.sigma if noise else 0.0
    yield from _still_improving(table, loss, sigma)
    if sigma > 0:
        yield from _saturated(table, loss, sigma)


def _still_improving(table: Table, loss: Floats, sigma: float) -> Iterator[Finding]:
    count, different = len(loss), table.facts.different
    if different is not None and len(table.trials) >= different:
        return  # there is nothing more to try
    before = count - math.ceil(LAST * count)
    gain = float(np.min(loss[:before]) - np.min(loss))
    if gain <= max(CLEAR * sigma, MATERIAL * float(np.std(loss))):
        return
    half = loss[count // 2 :]
    records = _records(loss)
    late = int(np.sum(records[count // 2 :]))
    if min(falling_p(half), _chance_of_records(count // 2, count, late)) > CHANCE:
        return
    text = (
        f"The search was still improving when it ended: the last third of {count} trials won "
        f"{number(gain)} (to {table.shown(float(np.min(loss)))}), with {late} new "
        f"{'best' if late == 1 else 'bests'} in the last half. More trials are likely to improve it further."
    )
    edit = Edit({"budget.trials": 2 * (table.facts.budget or len(table.trials))})
    yield Finding("still_improving", Severity.WARNING, text, None, edit, {"gain": gain, "records": late})


def _saturated(table: Table, loss: Floats, sigma: float) -> Iterator[Finding]:
    count = len(loss)
    enough = int(np.argmax(loss <= np.min(loss) + sigma)) + 1
    third = max(1, math.floor(BEGINNING * count))
    if count < LONG or enough > third or _expected_best(loss, third) > np.min(loss) + sigma:
        return
    text = (
        f"The search was over long before its end: after {enough} of {count} trials the best was within the noise "
        f"({number(sigma)}) of {table.shown(float(np.min(loss)))}, and in any order a third of the trials would have "
        "done. Spend the rest on a wider space, or on confirming the best on fresh seeds."
    )
    edit = Edit({"budget.trials": max(LONG // 2, 2 * enough)})
    yield Finding("saturated", Severity.INFO, text, None, edit, {"enough": enough, "trials": count, "noise": sigma})


def _records(loss: Floats) -> Floats:
    """1 where a trial beat all before it; the first counts as one."""
    before = np.concatenate([[math.inf], np.minimum.accumulate(loss)[:-1]])
    return (loss < before).astype(float)


def _chance_of_records(start: int, count: int, least: int) -> float:
    """Chance of `least` records or more after `start`: the i-th trial sets one with chance 1/i (Renyi 1962)."""
    chances = np.zeros(least + 1)
    chances[0] = 1.0
    for place in range(start + 1, count + 1):
        record = 1.0 / place
        chances[-1] += chances[-2] * record if least else 0.0
        chances[1:-1] = chances[1:-1] * (1 - record) + chances[:-2] * record
        chances[0] *= 1 - record
    return float(chances[-1]) if least else 1.0


def _expected_best(loss: Floats, some: int) -> float:
    """The best of `some` of the trials, drawn at random, on average."""
    ordered = np.sort(loss)
    count = len(ordered)
    # Of all draws, the i-th best is the best of C(count - i, some - 1).
    others = count - np.arange(1, count - some + 2).astype(float)
    ways = _log_choose(others, some - 1) - _log_choose(np.array([float(count)]), some)
    return float(np.exp(ways) @ ordered[: len(others)])


def _log_choose(of: Floats, some: int) -> Floats:
    ways: Floats = special.gammaln(of + 1.0) - special.gammaln(some + 1.0) - special.gammaln(of - some + 1.0)
    return ways
