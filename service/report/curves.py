"""The learning curves that a report draws, thinned so that the page stays small.

All curves together have at most MOST_NUMBERS numbers: of a long curve each run of epochs keeps the
epochs of its lowest and highest value, so that no spike is lost; of a study with more than
MOST_TRIALS trials the best and an even choice of the others are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.service.objective import Objective
from goodfit.service.records import Report, Trial, ranked

MOST_NUMBERS = 160_000  # of about 7 bytes each: 1.1 MB
MOST_TRIALS = 1_000
MOST_EPOCHS = 160  # of one curve; a panel is 300 to 700 pixels wide
FEWEST_EPOCHS = 12
BEST = 50  # trials whose curves are drawn in any case
BROKEN = "x"  # in the place of a NaN or an infinity; null: not reported


def curves_of(trials: Sequence[Trial], reports: Sequence[Report], objective: Objective) -> dict[str, Any]:
    """Training and validation curves by trial number.

    Args:
        trials: of the search.
        reports: at least of those in `drawn_of`, ordered by trial and epoch.
        objective: of the study.

    Returns:
        `metrics`: the names drawn, the objective last; `trials`: by number `e`, the epochs (one number where they
        are 1 to n), and `m`, a list by metric of [training, validation]; `drawn` of `total` trials have curves.
    """
    by_trial: dict[int, list[Report]] = {trial.number: [] for trial in trials}
    for report in reports:
        if report.trial in by_trial:
            by_trial[report.trial].append(report)
    with_curves = [trial for trial in trials if trial.epochs]
    chosen = drawn_of(trials, objective)
    drawn = [trial for trial in trials if trial.number in chosen and by_trial[trial.number]]
    pairs = _pairs(reports, objective.metric)
    most = min(MOST_EPOCHS, max(FEWEST_EPOCHS, MOST_NUMBERS // max(1, 2 * len(pairs) * len(drawn))))
    curves = {
        str(trial.number): _curve(by_trial[trial.number], trial, pairs, objective.metric, most) for trial in drawn
    }
    return {"metrics": list(pairs), "trials": curves, "drawn": len(drawn), "total": len(with_curves)}


def _pairs(reports: Sequence[Report], metric: str) -> dict[str, tuple[str, str]]:
    """By the name that is shown: the training and the validation metric; the loss, then the objective."""
    reported = {name for report in reports for name in report.metrics}
    split, _, name = metric.partition("/")
    objective = name if split in {"train", "val"} and name else metric
    pairs = {} if reported.isdisjoint({"train/loss", "val/loss"}) else {"loss": ("train/loss", "val/loss")}
    pairs.pop(objective, None)
    pairs[objective] = (f"train/{objective}", metric)
    return pairs


def drawn_of(trials: Sequence[Trial], objective: Objective) -> set[int]:
    """The numbers of the trials of a search whose curves are drawn."""
    trials = [trial for trial in trials if trial.epochs and trial.confirms is None]
    if len(trials) <= MOST_TRIALS:
        return {trial.number for trial in trials}
    best = {trial.number for trial in ranked(trials, objective)[:BEST]}
    others = [trial.number for trial in trials if trial.number not in best]
    room = MOST_TRIALS - len(best)
    return best | {others[len(others) * place // room] for place in range(room)}


def _curve(
    reports: Sequence[Report], trial: Trial, pairs: Mapping[str, tuple[str, str]], metric: str, most: int
) -> dict[str, Any]:
    kept = _kept(reports, trial, metric, most)
    epochs = [report.epoch for report in kept]
    plain = epochs == list(range(1, len(epochs) + 1))
    values = [[[_number(report.metrics.get(name)) for report in kept] for name in pair] for pair in pairs.values()]
    return {"e": len(epochs) if plain else epochs, "m": values}


def _kept(reports: Sequence[Report], trial: Trial, metric: str, most: int) -> list[Report]:
    """At most about `most` of the reports: first, last, best, and of each run the extremes and a break."""
    if len(reports) <= most:
        return list(reports)
    size = math.ceil(len(reports) / (most // 2))
    places = {0, len(reports) - 1}
    places |= {place for place, report in enumerate(reports) if report.epoch == trial.best_epoch}
    for begin in range(0, len(reports), size):
        run = [(reports[place].metrics.get(metric), place) for place in range(begin, min(begin + size, len(reports)))]
        finite = [(value, place) for value, place in run if value is not None and math.isfinite(value)]
        broken = [place for value, place in run if value is not None and not math.isfinite(value)]
        places |= {min(finite)[1], max(finite)[1]} if finite else {begin}
        places |= set(broken[:1])
    return [reports[place] for place in sorted(places)]


def _number(value: float | None) -> float | str | None:
    """Four digits: more than a picture shows."""
    if value is None:
        return None
    return float(f"{value:.4g}") if math.isfinite(value) else BROKEN
