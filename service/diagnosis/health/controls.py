"""Did the search win anything: over random configurations, over a trivial model, over the trainer's defaults?

All three say that something is missing, so each asks first how much luck alone would have given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from goodfit.service.diagnosis.curve import Floats, late_noise
from goodfit.service.diagnosis.health.finding import Finding, Severity, number
from goodfit.service.diagnosis.health.noise import MOST_CURVES, Noise
from goodfit.service.diagnosis.health.selection_bias import best_of, variance_of_best
from goodfit.service.diagnosis.health.table import FEWEST, FEWEST_COMPLETE, Table
from goodfit.service.diagnosis.statistics import binomial_ppf, ranks
from goodfit.service.records import TrialState

FEWEST_CONTROLS = 5
WINS = 0.75  # chance that a searched trial beats a random one; of TPE late on it was 0.85 and more on a smooth bowl
ONE_SIDED_95 = 1.645
HALF = 0.5  # of the pairs are won by what is as good as the others
SURE = 0.95  # that the luckiest of all goes reaches no further
NO_BETTER = 0.02  # of the baseline (of an accuracy: of its distance to 0 or 1): less is nothing, however steady


def no_better_than_random(table: Table) -> Iterator[Finding]:
    """A finding if the later searched trials do not beat the random ones (Mann and Whitney 1947).

    Failed trials are in it, as the worst: not to fail is worth something.
    """
    controls = np.array([trial.number in table.facts.controls for trial in table.trials], dtype=bool)
    searched = np.flatnonzero(~controls)
    later = searched[len(searched) // 2 :]
    if int(np.sum(controls)) < FEWEST_CONTROLS or len(later) < FEWEST_CONTROLS:
        return
    loss = np.where(np.isfinite(table.loss), table.loss, np.inf)
    wins, error = _chance_to_win(loss[later], loss[controls])
    if wins + ONE_SIDED_95 * error >= WINS:
        return
    low, high = (min(max(wins + side * 1.96 * error, 0.0), 1.0) for side in (-1, 1))
    verdict = "no better" if low <= HALF else "little better"
    text = (
        f"The search did {verdict} than random: its later {len(later)} trials beat one of {int(np.sum(controls))} "
        f"random ones in {100 * wins:.0f}% of the pairs ({100 * low:.0f}% to {100 * high:.0f}%). "
        "The scores may hardly depend on the space as it is, or there were too few trials to learn from."
    )
    numbers = {"wins": wins, "low": low, "high": high, "controls": int(np.sum(controls)), "searched": len(later)}
    yield Finding("no_better_than_random", Severity.WARNING, text, None, None, numbers)


def no_better_than_chance(table: Table) -> Iterator[Finding]:
    """A finding if the best score is what a trivial model gets with luck, as on labels that mean nothing.

    A score is the best of its trial's epochs, and the best trial the best of all trials, so luck had as many
    goes as there were epochs in all.
    """
    baseline, scored = table.facts.baseline, table.contending
    if baseline is None or not math.isfinite(baseline) or not np.any(scored):
        return
    best = float(np.min(table.loss[scored]))
    lead = table.sign * baseline - best
    goes = max(1, sum(len(curve) for curve in table.curves.values()), int(np.sum(scored)))
    reach = _luck_at_the_baseline(table, baseline, goes)
    size = min(baseline, 1 - baseline) if _is_accuracy(table) else abs(baseline)
    if lead > max(reach, NO_BETTER * size):
        return
    metric = table.facts.objective.metric
    text = (
        f"No better than chance: the best {metric} is {table.shown(best)}, and a trivial model gets {number(baseline)}"
    )
    if lead > reach:
        text += ", a lead too small to mean anything"
    elif lead > 0:
        text += f"; the best of {goes} scores reaches {table.shown(table.sign * baseline - reach)} by luck alone"
    text += ". Do not use the winner: look at the data, the labels and the split first."
    numbers = {"best": table.sign * best, "baseline": baseline, "lead": lead, "luck": reach, "goes": goes}
    yield Finding("no_better_than_chance", Severity.SERIOUS, text, None, None, numbers)


def no_better_than_defaults(table: Table, noise: Noise | None) -> Iterator[Finding]:
    """A finding if the best score leads that of the trainer's defaults by no more than luck would give."""
    facts, trials = table.facts, table.trials
    scored = table.contending
    at = next((index for index, trial in enumerate(trials) if trial.number == facts.default_trial), None)
    if not facts.tried_defaults or at is None or not scored[at]:
        return
    count, complete = int(np.sum(scored)), int(np.sum(table.complete & scored))
    if count < FEWEST or complete < FEWEST_COMPLETE or trials[at].state is not TrialState.COMPLETE:
        return
    best, default = float(np.min(table.loss[scored])), float(table.loss[at])
    gain = default - best
    sigma = noise.sigma if noise else 0.0
    luck = (best_of(count - 1) + ONE_SIDED_95 * math.sqrt(1 + variance_of_best(count - 1))) * sigma
    if gain > luck:
        return
    text = (
        f"Tuning gained nothing that luck would not give: the trainer's defaults (trial {facts.default_trial}) got "
        f"{table.shown(default)}, "
    )
    if gain > 0:
        text += (
            f"the best of {count} trials {table.shown(best)}, and with a noise of {number(sigma)} the best of as many "
            f"equal ones leads by up to {number(luck)}. Keep the defaults, or search where more can be gained."
        )
    else:
        early, were = count - complete, "was" if count - complete == 1 else "were"
        aside = f", {early} of which {were} not trained to the end," if early else ""
        which = "with a score" if np.all(scored == table.scored) else "that keep the constraints"
        text += f"and none of the other {count - 1} trials {which}{aside} did better. "
        text += "Keep them, or search where more can be gained."
    edit = facts.confirm_more if gain > 0 else None
    numbers = {"default": table.sign * default, "best": table.sign * best, "gain": gain, "luck": luck}
    yield Finding("no_better_than_defaults", Severity.WARNING, text, None, edit, numbers)


def _chance_to_win(some: Floats, others: Floats) -> tuple[float, float]:
    """How often one of `some` is below one of `others`, ties half, and the standard error.

    DeLong, DeLong and Clarke-Pearson (1988); at least one pair, for where all pairs agree.
    """
    first, second = len(some), len(others)
    placed = ranks(np.concatenate([some, others]))
    beaten = (second - (placed[:first] - ranks(some))) / second  # of the others, by each of some
    beating = (placed[first:] - ranks(others)) / first  # of some, that beat each of the others
    variance = float(np.var(beaten, ddof=1)) / first + float(np.var(beating, ddof=1)) / second
    return float(np.mean(beaten)), math.sqrt(max(variance, 1 / (first * second) ** 2))


def _luck_at_the_baseline(table: Table, baseline: float, goes: int) -> float:
    """How far above a trivial model's score the best of many goes: by seeds, by epochs, and by the rows measured on."""
    late = [late_noise(curve[np.isfinite(curve)].tolist()) for curve in list(table.curves.values())[:MOST_CURVES]]
    sigma = max(table.facts.noise or 0.0, float(np.median(late)) if late else 0.0)
    reach = (best_of(goes) + ONE_SIDED_95 * math.sqrt(variance_of_best(goes))) * sigma
    rows = table.facts.rows
    if not _is_accuracy(table):
        return reach
    by_rows = binomial_ppf(SURE ** (1 / goes), rows, baseline) / rows - baseline if rows else 0.0
    return min(max(reach, by_rows), 1 - baseline)  # there is no more than all


def _is_accuracy(table: Table) -> bool:
    """Whether the objective is a share of rows, whose luck is binomial."""
    return table.facts.objective.metric.endswith("accuracy") and 0 <= (table.facts.baseline or 0.0) <= 1
