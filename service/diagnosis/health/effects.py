"""Does a parameter have an effect at all? One that has none costs trials and can be fixed.

That nothing was seen is no proof: with few trials nothing can be seen. A parameter is called without
effect only where the data speak against an effect that matters (the upper limit of what it explains), where
it was tried all over its range, and where it does not matter through another parameter either.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from goodfit.service.diagnosis.health.finding import Edit, Finding, Severity
from goodfit.service.diagnosis.health.surface import Effect, Surface
from goodfit.service.diagnosis.health.table import FEWEST, Column, Flags, Table

MATTERS = 0.1  # of what the other parameters leave unexplained: a tenth of the variance, a third of its root
SEEN = 0.1  # p value: a hint of an effect, and no more, already speaks against "no effect"
TOGETHER = 0.05  # chance of one false interaction or more among a parameter's pairs
IMPORTANT = 0.1  # importance by the sampler's own measure, which sees what a parabola does not
SPREAD = 0.35  # of the range, between the quartiles: 0.5 where drawn evenly, less where a search went for what it likes
PER_CHOICE = 5  # trials that each choice must have had


def without_effect(table: Table, importances: dict[str, float] | None = None) -> Iterator[Finding]:
    """A finding for each parameter that the score does not depend on."""
    judged = table.judged
    if int(np.sum(table.scored)) < FEWEST:
        return
    everywhere = Surface(table.columns, judged, table.normal_scores(judged))
    best = table.ranked(table.scored)[0]
    for column in table.columns:
        if not _tried_all_over(column, judged) or (importances or {}).get(column.name, 0.0) > IMPORTANT:
            continue
        surface = everywhere if np.all(column.active[judged]) else _where_active(table, column)
        effect = surface.main(column.name) if surface.usable else None
        if effect is None or effect.most > MATTERS or effect.p < SEEN or _matters_with_another(surface, column.name):
            continue
        yield _finding(table, column, judged, effect, best)


def _where_active(table: Table, column: Column) -> Surface:
    """The fit over the trials that have the parameter: over all, what it does to a few would look like nothing."""
    chosen = table.judged & column.active
    return Surface(table.columns, chosen, table.normal_scores(chosen))


def _tried_all_over(column: Column, judged: Flags) -> bool:
    unit = column.unit[judged & column.active]
    if len(unit) < FEWEST:
        return False
    if column.is_choice:
        _, counts = np.unique(unit, return_counts=True)
        return len(counts) == column.parameter.cardinality and int(np.min(counts)) >= PER_CHOICE
    low, high = np.quantile(unit, (0.25, 0.75))
    return bool(high - low >= SPREAD)


def _matters_with_another(surface: Surface, name: str) -> bool:
    others = [other for other in surface.names if other != name]
    found = (surface.together(name, other) for other in others)
    return any(effect is not None and effect.p < TOGETHER / len(others) for effect in found)


def _finding(table: Table, column: Column, judged: Flags, effect: Effect, best: int) -> Finding:
    count = int(np.sum(judged & column.active))
    trial = table.trials[best]
    others = len(table.columns) > 1
    left = "what the other parameters leave" if others else "the variation"
    text = (
        f"{column.name} has no effect on {table.facts.objective.metric} that {count} trials would show: it explains "
        f"{100 * effect.share:.1f}% of {left}, at most {100 * effect.most:.0f}% (95%)."
    )
    edit = None
    if others and column.name in trial.params:
        edit = Edit({f"fixed.{column.name}": trial.params[column.name]})
        text += " Fix it, and the trials go to what matters."
    numbers = {"share": effect.share, "most": effect.most, "p": effect.p, "trials": count}
    return Finding("no_effect", Severity.INFO, text, column.name, edit, numbers)
