"""How much of the budget went to trials that failed or diverged, and where in the space they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from goodfit.search_spaces.parameters import Float, Int, shown
from goodfit.search_spaces.scalars import shortened
from goodfit.service.diagnosis.curve import Floats
from goodfit.service.diagnosis.health.finding import Edit, Finding, Severity, percent
from goodfit.service.diagnosis.health.table import Column, Flags, Table
from goodfit.service.diagnosis.statistics import binomial_sf, hypergeometric_sf
from goodfit.service.records import Failure, Trial, TrialState

TOLERATED = 0.1  # of the trials: the price of a range that reaches to where training breaks
CHANCE = 0.05  # of as many from a tolerated share
HALF = 0.5  # of the trials: then most of the budget was lost
CLEAR = 0.01  # chance of a split as clean as this one, over all splits that were tried

_WORDS = {
    "diverged": "diverged",
    Failure.NAN: "diverged",
    Failure.OOM: "ran out of memory",
    Failure.TIMEOUT: "ran out of time",
    Failure.LOST: "lost the worker",
    Failure.ERROR: "raised an error",
}


@dataclass(frozen=True, slots=True)
class Split:
    """The one question on one parameter that best tells lost trials from the others.

    Attributes:
        threshold: of a number, between the two sides; None for a choice.
        above: whether the lost trials lie above it.
        choice: of a choice, the index that the lost trials have.
        lost, tried: trials on the lost side; `elsewhere_*` on the other.
        p: chance of it; of the best split times the number of splits tried.
        tried_splits: how many it is the best of.
    """

    column: Column
    threshold: float | None
    above: bool
    choice: int | None
    lost: int
    tried: int
    elsewhere_lost: int
    elsewhere_tried: int
    p: float
    tried_splits: int = 1

    @property
    def text(self) -> str:
        """learning_rate above 0.03."""
        if self.threshold is None:
            return f"{self.column.name} {shortened(shown(self.column.value(self.choice or 0)))}"
        if isinstance(self.column.parameter, Int):  # the threshold itself is on the lower side
            return f"{self.column.name} {'above' if self.above else 'up to'} {int(self.threshold)}"
        return f"{self.column.name} {'above' if self.above else 'below'} {shown(self.threshold)}"


def lost_trials(table: Table) -> Iterator[Finding]:
    """A finding if more trials were lost than a space costs that reaches to where training breaks."""
    count, lost = len(table.trials), int(np.sum(table.broken))
    if not lost or binomial_sf(lost - 1, count, TOLERATED) >= CHANCE:
        return
    kinds = Counter(_WORDS[_kind(trial)] for trial, broken in zip(table.trials, table.broken, strict=True) if broken)
    counts = ", ".join(f"{number} {words}" for words, number in kinds.most_common())
    text = f"{lost} of {count} trials ({percent(lost, count)}) failed or diverged: {counts}."
    split = best_split(table, table.broken)
    numbers: dict[str, Any] = {"lost": lost, "trials": count, "kinds": dict(kinds)}
    edit = _other_remedy(table, kinds)
    if split is not None:
        text += (
            f" Where: {split.text}, {split.lost} of {split.tried}; "
            f"elsewhere {split.elsewhere_lost} of {split.elsewhere_tried}."
        )
        edit = _without(split) or edit
        numbers["where"] = {"text": split.text, "lost": split.lost, "tried": split.tried, "p": split.p}
    elif (message := _message(table)) is not None:
        text += message
    severity = Severity.SERIOUS if lost > HALF * count else Severity.WARNING
    yield Finding("lost_trials", severity, text, split.column.name if split else None, edit, numbers)


def best_split(table: Table, bad: Flags) -> Split | None:
    """The cleanest split; None where none is cleaner than chance among so many would be.

    Of every parameter all thresholds, or all choices, are tried (Breiman et al. 1984, CART); the winner's chance is
    Fisher's exact test times the number of splits.
    """
    if not np.any(bad) or np.all(bad):
        return None
    found = [
        split
        for column in table.columns
        for split in (_choices if column.is_choice else _thresholds)(
            column, column.unit[column.active], bad[column.active]
        )
    ]
    best = min(found, key=lambda split: split.p, default=None)
    if best is None:
        return None
    chance = min(1.0, best.p * sum(split.tried_splits for split in found))
    return replace(best, p=chance) if chance < CLEAR else None


def _thresholds(column: Column, unit: Floats, bad: Flags) -> list[Split]:
    """The cleanest threshold of a number."""
    order = np.argsort(unit, kind="stable")
    place, ill = unit[order], np.cumsum(bad[order])
    cuts = np.flatnonzero(np.diff(place) > 0)
    if not len(cuts):
        return []
    count, total = len(place), int(ill[-1])
    below, below_bad = cuts + 1, ill[cuts]
    above, above_bad = count - below, total - below_bad
    chances = np.concatenate(
        [
            hypergeometric_sf(below_bad - 1, count, total, below),
            hypergeometric_sf(above_bad - 1, count, total, above),
        ]
    )
    at = int(np.argmin(chances))
    upper, cut = at >= len(cuts), at % len(cuts)
    sides = ((int(below_bad[cut]), int(below[cut])), (int(above_bad[cut]), int(above[cut])))
    (lost, tried), (elsewhere_lost, elsewhere_tried) = sides[::-1] if upper else sides
    threshold = _between(column, float(place[cuts[cut]]), float(place[cuts[cut] + 1]))
    p = float(chances[at])
    return [Split(column, threshold, upper, None, lost, tried, elsewhere_lost, elsewhere_tried, p, 2 * len(cuts))]


def _choices(column: Column, unit: Floats, bad: Flags) -> list[Split]:
    """One choice against all others, for each."""
    splits = []
    count, total = len(unit), int(np.sum(bad))
    for index in np.unique(unit):
        has = unit == index
        lost, tried = int(np.sum(bad & has)), int(np.sum(has))
        if tried < count:
            p = float(hypergeometric_sf(lost - 1, count, total, tried)[0])
            splits.append(Split(column, None, False, int(index), lost, tried, total - lost, count - tried, p))
    return splits


def _between(column: Column, low: float, high: float) -> float:
    """The roundest number between two places, both excluded or at the lower value of a whole-numbered range."""
    first, last = column.value(low), column.value(high)
    if isinstance(column.parameter, Int):
        return float(round(first))
    middle = column.value((low + high) / 2)
    for digits in range(1, 12):
        rounded = float(f"{middle:.{digits}g}")
        if first < rounded < last:
            return rounded
    return float(middle)


def _without(split: Split) -> Edit | None:
    """The space without the lost side; None where too little would be left of it."""
    item = split.column.parameter
    key = f"space.{item.name}"
    if split.threshold is None:
        left = [choice for index, choice in enumerate(getattr(item, "choices", ())) if index != split.choice]
        return Edit({key: left}) if left else None
    if isinstance(item, Int):
        end = int(split.threshold) if split.above else int(split.threshold) + 1
        return Edit({f"{key}.{'high' if split.above else 'low'}": end})
    if isinstance(item, Float) and item.step is not None:
        steps = (split.threshold - item.low) / item.step
        return Edit({f"{key}.{'high' if split.above else 'low'}": item.grid_value(int(steps) + (not split.above))})
    return Edit({f"{key}.{'high' if split.above else 'low'}": split.threshold})


def _other_remedy(table: Table, kinds: Counter[str]) -> Edit | None:
    """Where no part of the space is to blame: what the kind of loss asks for."""
    diverged = kinds.most_common(1)[0][0] == _WORDS[Failure.NAN]
    unclipped = all("clip_norm" in trial.params and not trial.params["clip_norm"] for trial in table.trials)
    return Edit({"fixed.clip_norm": 1.0}) if diverged and unclipped else None


def _kind(trial: Trial) -> Failure | str:
    return trial.failure or "diverged" if trial.state is TrialState.FAILED else "diverged"


def _message(table: Table) -> str | None:
    said = Counter(trial.message for trial in table.trials if trial.state is TrialState.FAILED and trial.message)
    if not said:
        return None
    first, count = said.most_common(1)[0]
    which = "The message" if len(said) == 1 else "The most common message" if count > 1 else "One of the messages"
    return f" {which}: {first}"
