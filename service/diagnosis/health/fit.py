"""Do the models fit? The share of overfit trials among all and among the best, and of those cut short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from goodfit.service.diagnosis.advice import LATE
from goodfit.service.diagnosis.health.finding import Edit, Finding, Severity, percent
from goodfit.service.diagnosis.health.table import FEWEST, Table, top_count
from goodfit.service.diagnosis.statistics import binomial_sf
from goodfit.service.diagnosis.verdict import FEWEST as FEWEST_EPOCHS
from goodfit.service.records import Trial, Verdict

HALF = 0.5  # of the trials: from there on it is the study that overfits, not a trial of it
TOLERATED = 0.2  # of the best trials: a search for the best of many finds some that trained a little too long
CHANCE = 0.05  # of as many from a tolerated share
REGULARIZERS = ("dropout", "weight_decay", "l1", "label_smoothing")


def overfit_trials(table: Table) -> Iterator[Finding]:
    """A finding if most of all trials, or of the best, overfit."""
    judged = [index for index, trial in enumerate(table.trials) if trial.verdict is not None]
    if len(judged) < FEWEST:
        return
    best = [
        index for index in table.ranked(table.complete & table.contending) if table.trials[index].verdict is not None
    ]
    best = best[: top_count(len(judged))]
    counts = tuple(_count(table, group, Verdict.OVERFIT) for group in (judged, best))
    in_all = _beyond(counts[0], len(judged), HALF)
    in_best = counts[1] > HALF * len(best) and _beyond(counts[1], len(best), TOLERATED)
    if not (in_all or in_best):
        return
    text = f"{counts[0]} of {len(judged)} trials ({percent(counts[0], len(judged))}) overfit"
    text += f", and {counts[1]} of the best {len(best)}: " if len(best) > 1 else ": "
    edit = _more_regularization(table, best)
    if in_best:
        text += "most of the best went on past their best epoch. Regularize more, or take more data or a smaller net."
    else:
        text += "most trials went on past their best epoch"
        text += ", though most of the best did not." if counts[1] < HALF * len(best) else "."
        if table.facts.patience is None:
            edit = Edit({"training.patience": max(3, table.facts.epochs // 5)})
    numbers = {"overfit": counts[0], "judged": len(judged), "best_overfit": counts[1], "best": len(best)}
    yield Finding("overfit", Severity.WARNING if in_best else Severity.INFO, text, None, edit, numbers)


def cut_short(table: Table) -> Iterator[Finding]:
    """A finding if most of the best trials were still improving at their last epoch."""
    best = [
        index for index in table.ranked(table.complete & table.contending) if table.trials[index].verdict is not None
    ]
    best = best[: top_count(len(table.trials))]
    if int(np.sum(table.scored)) < FEWEST or len(best) < 5 or table.facts.folds:
        return
    # A trial of fewer epochs is unfinished because nothing can be said of its trend.
    whole = [index for index in best if table.trials[index].epochs >= max(table.facts.epochs, FEWEST_EPOCHS)]
    count = _count(table, [index for index in whole if _best_late(table.trials[index])], Verdict.UNFINISHED)
    if count <= HALF * len(best) or not _beyond(count, len(best), TOLERATED):
        return
    text = (
        f"{count} of the best {len(best)} trials were still improving when they ended: "
        f"{table.facts.epochs} epochs are too few to rank the configurations by."
    )
    edit = Edit({"training.epochs": 2 * table.facts.epochs})
    yield Finding("cut_short", Severity.WARNING, text, None, edit, {"unfinished": count, "best": len(best)})


def _best_late(trial: Trial) -> bool:
    """Whether its objective was best near its end: a loss may go on falling where an accuracy has settled."""
    return trial.best_epoch is None or trial.best_epoch >= LATE * trial.epochs


def _count(table: Table, indices: list[int], verdict: Verdict) -> int:
    return sum(table.trials[index].verdict is verdict for index in indices)


def _beyond(count: int, total: int, tolerated: float) -> bool:
    """Whether a count is more than a tolerated share gives by chance."""
    return total > 0 and binomial_sf(count - 1, total, tolerated) < CHANCE


def _more_regularization(table: Table, best: list[int]) -> Edit | None:
    """The searched regularizer, its range begun where the best overfit trials' middle is."""
    changes: dict[str, Any] = {}
    for column in table.columns:
        unit = column.unit[best]
        middle = float(np.nanmedian(unit)) if np.any(~np.isnan(unit)) else 1.0
        if column.name in REGULARIZERS and not column.is_choice and middle < HALF:
            changes[f"space.{column.name}.low"] = float(f"{column.value(max(middle, 0.1)):.2g}")
    return Edit(changes) if changes else None
