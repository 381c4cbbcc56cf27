"""Which way a parameter drives the score and the gap, and which two act together.

How much each matters is in ped_anova.py; this says the direction.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from goodfit.search_spaces.parameters import Int, shown
from goodfit.service.diagnosis.curve import Floats
from goodfit.service.diagnosis.health.surface import Surface
from goodfit.service.diagnosis.health.table import FEWEST, Column, Table
from goodfit.service.diagnosis.statistics import kruskal_p, ranks, student_sf

CLEAR = 0.01  # p value from which a direction is reported: there are two for each of some ten parameters
TOGETHER = 0.05  # chance of one false interaction or more among all pairs
MATTERS = 0.05  # of what the parameters by themselves leave unexplained


@dataclass(frozen=True, slots=True)
class Direction:
    """How a target goes with one parameter.

    Attributes:
        target: "score" or "gap".
        shape: of a number "higher", "lower" or "middle": where the target is better (a smaller gap is better); of a
            choice "choice"; "unclear" where the data do not say.
        correlation: Spearman's, of the number with the target, positive where the target grows; None for a choice.
        best: the best choice, or the middle value that is best; None elsewhere.
        p: chance of it.
        text: "higher learning_rate: larger gap".
    """

    parameter: str
    target: str
    shape: str
    correlation: float | None
    best: Any
    p: float
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Interaction:
    """The two parameters whose effect on the score depends most on each other.

    `share` is what their products explain of what the parameters by themselves leave; `p` counts all pairs.
    """

    parameters: tuple[str, str]
    share: float
    p: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "parameters": list(self.parameters)}


def directions(table: Table) -> tuple[Direction, ...]:
    """Score and gap by each parameter."""
    judged = table.judged
    score = np.where(np.isfinite(table.loss), table.loss, np.inf)
    gap = np.array([math.nan if trial.gap is None else trial.gap for trial in table.trials], dtype=float)
    found: list[Direction] = []
    for target, values, chosen in (("score", score, judged), ("gap", gap, np.isfinite(gap) & ~table.broken)):
        for column in table.columns:
            there = chosen & column.active
            if int(np.sum(there)) >= FEWEST:
                found += _direction(table, column, column.unit[there], values[there], target)
    return tuple(found)


def strongest_interaction(table: Table) -> Interaction | None:
    """The pair whose products add most to the fit of the score (surface.py); None where none does beyond chance."""
    judged = table.judged
    if int(np.sum(table.scored)) < FEWEST or len(table.columns) < 2:
        return None
    surface = Surface(table.columns, judged, table.normal_scores(judged))
    if not surface.usable:
        return None
    pairs = list(itertools.combinations(surface.names, 2))
    effects = ((surface.together(*pair), pair) for pair in pairs)
    found = [
        (effect.p * len(pairs), -effect.share, pair)
        for effect, pair in effects
        if effect is not None and effect.share >= MATTERS and effect.p * len(pairs) < TOGETHER
    ]
    if not found:
        return None
    p, share, pair = min(found)
    return Interaction(pair, -share, p)


def _direction(table: Table, column: Column, unit: Floats, loss: Floats, target: str) -> Iterator[Direction]:
    if float(np.ptp(ranks(loss))) <= 0 or float(np.ptp(unit)) <= 0:
        return
    name, metric = column.name, table.facts.objective.metric
    worse, better, good = {
        "score": (f"worse {metric}", f"better {metric}", f"best {metric}"),
        "gap": ("larger gap", "smaller gap", "smallest gap"),
    }[target]
    if column.is_choice:
        groups = {int(code): loss[unit == code] for code in np.unique(unit)}
        p = kruskal_p(list(groups.values()))
        placed = ranks(loss)
        best = min(groups, key=lambda code: float(np.mean(placed[unit == code])))
        value = column.value(best)
        clear = p < CLEAR
        text = f"{name} {shown(value)}: {good}" if clear else f"{name}: no clear effect on the {target}"
        yield Direction(name, target, "choice" if clear else "unclear", None, value if clear else None, p, text)
        return
    correlation, p = _spearman(unit, loss)
    vertex = _vertex(unit, loss)
    if target == "score" and vertex is not None and abs(correlation) < 0.5:
        middle = column.value(vertex)
        middle = round(middle) if isinstance(column.parameter, Int) else float(f"{middle:.2g}")
        text = f"{name} near {shown(middle)}: {good}"
        yield Direction(name, target, "middle", _signed(table, correlation, target), middle, CLEAR, text)
    elif p < CLEAR:
        shape = "lower" if correlation > 0 else "higher"
        text = f"higher {name}: {worse if correlation > 0 else better}"
        yield Direction(name, target, shape, _signed(table, correlation, target), None, p, text)
    else:
        text = f"{name}: no clear effect on the {target}"
        yield Direction(name, target, "unclear", _signed(table, correlation, target), None, p, text)


def _signed(table: Table, correlation: float, target: str) -> float:
    """The correlation with the metric itself, which may be one that goes up."""
    return (table.sign if target == "score" else 1.0) * correlation


def _spearman(unit: Floats, loss: Floats) -> tuple[float, float]:
    """The rank correlation and its two-sided chance by Student's t."""
    x, y = (placed - placed.mean() for placed in (ranks(unit), ranks(loss)))
    correlation = float(x @ y / math.sqrt(float(x @ x) * float(y @ y)))
    rest = max(1e-12, 1 - correlation**2)
    return correlation, 2 * student_sf(abs(correlation) * math.sqrt((len(x) - 2) / rest), len(x) - 2)


def _vertex(unit: Floats, loss: Floats) -> float | None:
    """Where a parabola through the ranks is lowest, if it is one beyond chance and lies well inside the range."""
    if len(np.unique(unit)) < 3:
        return None
    placed = ranks(loss)
    design = np.column_stack([np.ones_like(unit), unit, unit**2])
    fit, *_ = np.linalg.lstsq(design, placed, rcond=None)
    if fit[2] <= 0:
        return None
    left = placed - design @ fit
    variance = float(left @ left) / (len(unit) - 3) * float(np.linalg.pinv(design.T @ design)[2, 2])
    if variance > 0 and student_sf(float(fit[2]) / math.sqrt(variance), len(unit) - 3) > CLEAR / 2:
        return None
    vertex = float(-fit[1] / (2 * fit[2]))
    return vertex if 0.1 < vertex < 0.9 else None
