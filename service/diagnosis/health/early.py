"""Can pruning be trusted? Early scores against final scores, over the trials that ran to their end.

Kendall's tau says how many more pairs of trials an early epoch puts in their final order than in the wrong
one: tau 0.4 is 7 of 10 right. Trials that were pruned have no final score. What is left are those that looked good
early, and among these tau is lower than among all; trials that are never pruned give the true one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from goodfit.service.diagnosis.curve import Floats
from goodfit.service.diagnosis.health.finding import Edit, Finding, Severity
from goodfit.service.diagnosis.health.table import Table
from goodfit.service.diagnosis.statistics import kendall_tau
from goodfit.service.records import TrialState

FEWEST_PAIRED = 8  # trials that a rank correlation needs
TRUSTED = 0.4  # tau: 7 of 10 pairs in the right order; half the trials can go, and the best seldom does
TRUSTED_SURVIVORS = 0.2  # tau among survivors alone, which selection on the early score lowers
SAFE = 0.6  # tau: 8 of 10
EARLY = 1 / 3  # of the epochs: pruning later saves too little to bother
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8)  # of the epochs, at which tau is reported
FIELLER = 0.437  # variance of atanh(tau) times n - 4: Fieller, Hartley and Pearson (1957)
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class EarlyScore:
    """Kendall's tau between the best score up to an epoch and the final one, with its 95% interval."""

    epoch: int
    tau: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class EarlyScores:
    """How early a trial's final rank is known.

    Attributes:
        epochs: by epoch, ascending.
        trials: how many ran to their end.
        biased: only survivors of pruning are among them; then tau is a lower limit.
        pruned_from: the first epoch at which a trial was pruned; None where none was.
    """

    epochs: tuple[EarlyScore, ...]
    trials: int
    biased: bool
    pruned_from: int | None

    def at(self, epoch: int) -> EarlyScore:
        """What is known at an epoch: the last one reported up to it, or the first."""
        before = [score for score in self.epochs if score.epoch <= epoch]
        return before[-1] if before else self.epochs[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        fields = asdict(self)
        fields["epochs"] = [asdict(score) for score in self.epochs]
        return fields


def compare_early_scores(table: Table) -> EarlyScores | None:
    """Rank correlations by epoch; None where too few trials ran to their end, or there is no early and late."""
    facts = table.facts
    if facts.folds or facts.epochs < 2:
        return None
    pruned = [trial for trial in table.trials if trial.state is TrialState.PRUNED]
    pruned_from = min((trial.prune_at or trial.epochs for trial in pruned), default=None)
    numbers = [table.trials[index].number for index in np.flatnonzero(table.complete & ~table.broken)]
    controls = [number for number in numbers if number in facts.unpruned]
    biased = bool(pruned) and len(controls) < FEWEST_PAIRED
    curves = [
        table.curves[number] for number in (controls if pruned and not biased else numbers) if number in table.curves
    ]
    if len(curves) < FEWEST_PAIRED:
        return None
    longest = max(len(curve) for curve in curves)
    epochs = {max(1, round(part * longest)) for part in SHARES} | ({pruned_from} if pruned_from else set())
    best = _best_so_far(curves, longest)
    scores = (_score(epoch, best) for epoch in sorted(epochs) if epoch < longest)
    known = tuple(score for score in scores if score is not None)
    return EarlyScores(known, len(curves), biased, pruned_from) if known else None


def pruning_trust(early: EarlyScores | None, table: Table) -> Iterator[Finding]:
    """A finding if pruning judges too early, or if it is off and could be on."""
    if early is None:
        return
    if early.pruned_from is not None:
        yield from _misled(early, early.pruned_from, table.facts.pruning)
    elif table.facts.pruning == "none":
        yield from _could_prune(early, table)


def _misled(early: EarlyScores, epoch: int, method: str) -> Iterator[Finding]:
    score = early.at(epoch)
    if score.epoch != epoch:  # too few trials have a score there, or it is the last epoch
        return
    if score.high >= (TRUSTED_SURVIVORS if early.biased else TRUSTED):
        return
    text = (
        f"Pruning begins at epoch {epoch}, where a trial's rank says little of its final one: tau = {score.tau:.2f} "
        f"({score.low:.2f} to {score.high:.2f}) over {early.trials} trials that ran to their end."
    )
    if early.biased:
        text += " These are survivors of pruning, which lowers tau; trials that are never pruned would tell."
    later = _from_there_on(early, epoch + 1, TRUSTED)
    change: dict[str, Any] = {"pruning": {"method": "none"}}
    if later is not None:
        option = {"asha": "min_resource", "hyperband": "min_resource"}.get(method, "n_warmup_steps")
        change = {f"pruning.{option}": later.epoch}
        if method == "patient":  # which has no such option itself
            change = {"pruning": {"method": "median", "n_warmup_steps": later.epoch}}
        text += f" From epoch {later.epoch} on it can be trusted."
    yield Finding("early_scores_mislead", Severity.WARNING, text, None, Edit(change), early.to_dict())


def _could_prune(early: EarlyScores, table: Table) -> Iterator[Finding]:
    latest = max(1, math.floor(EARLY * table.facts.epochs))
    safe = _from_there_on(early, 1, SAFE)
    if safe is None or safe.epoch > latest or table.facts.epochs < 6:
        return
    text = (
        f"Pruning would have been safe from epoch {safe.epoch} of {table.facts.epochs}: the ranks then and at the end "
        f"agree (tau = {safe.tau:.2f}, {safe.low:.2f} to {safe.high:.2f}, {early.trials} trials). It saves time "
        "for more trials."
    )
    edit = Edit({"pruning": {"method": "median", "n_warmup_steps": safe.epoch}})
    yield Finding("could_prune", Severity.INFO, text, None, edit, early.to_dict())


def _from_there_on(early: EarlyScores, first: int, trusted: float) -> EarlyScore | None:
    """The first score from an epoch on after which no later one, nor itself, is below what is trusted."""
    found = None
    for score in reversed(early.epochs):
        if score.epoch < first or score.low < trusted:
            break
        found = score
    return found


def _best_so_far(curves: list[Floats], longest: int) -> Floats:
    """Of each curve the best up to each epoch; a shorter one keeps its last; NaN before its first."""
    padded = np.full((len(curves), longest), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: len(curve)] = curve
    best: Floats = np.fmin.accumulate(padded, axis=1)
    return best


def _score(epoch: int, best: Floats) -> EarlyScore | None:
    then, final = best[:, epoch - 1], best[:, -1]
    both = np.isfinite(then) & np.isfinite(final)
    count = int(np.sum(both))
    if count < FEWEST_PAIRED:
        return None
    tau = kendall_tau(then[both], final[both])
    if not math.isfinite(tau):  # all scores are equal
        return None
    middle = math.atanh(min(max(tau, -0.999), 0.999))
    error = NORMAL_95 * math.sqrt(FIELLER / (count - 4))
    return EarlyScore(epoch, tau, math.tanh(middle - error), math.tanh(middle + error))
