"""How much too good the winner's score is: what luck gave it, and what fresh seeds and the test split say.

The winner's curse. Let a trial's score be y = t + e, with true values t of variance T and noise e of variance S,
both normal. Given the scores, the expected noise in each is S / (S + T) of its distance from the mean, so the noise
in the best of n is expected to be

    S / sqrt(S + T) * best_of(n),        best_of(n): expectation of the largest of n standard normals

(Smith and Winkler 2006, "The Optimizer's Curse"; Cawley and Talbot 2010, "On Over-fitting in Model Selection").
A score is also the best of its trial's epochs, which comes on top: the expectation is a lower limit.

Overtuning (Schneider, Bischl and Feurer 2025, "Overtuning in Hyperparameter Optimization", AutoML, PMLR 293): how much
worse the last incumbent's test error is than the best test error among all incumbents; relative, as a share of
what the first incumbent (the defaults) was behind that best. Above 1, tuning ended worse than it began.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from goodfit.service.diagnosis.choice import Candidate, Choice, Standing
from goodfit.service.diagnosis.health.finding import Finding, Severity, number
from goodfit.service.diagnosis.health.noise import Noise
from goodfit.service.diagnosis.health.selection_bias import best_of
from goodfit.service.diagnosis.health.table import FEWEST, FEWEST_COMPLETE, Facts
from goodfit.service.objective import Objective

CLEAR = 2.0  # standard errors, beyond which a difference is one
LARGE = 0.5  # of the lead over the middle trial: then most of what ranked it was luck
FEWEST_INCUMBENTS = 2


@dataclass(frozen=True, slots=True)
class Overtuning:
    """Overtuning over the incumbents whose test score is known.

    Attributes:
        amount: in the objective's unit; 0: the last incumbent is the best on the test split, too.
        relative: to the progress that was made; None where no incumbent beat the first.
        incumbents: how many have a test score.
        missing: how many have none.
        worse_than_first: whether tuning ended worse than it began, on the test split.
    """

    amount: float
    relative: float | None
    incumbents: int
    missing: int
    worse_than_first: bool


@dataclass(frozen=True, slots=True)
class Optimism:
    """How much too good the best validation score is; differences are positive where it was too good.

    Attributes:
        trial: the best by validation alone.
        validation: its score.
        trials: how many it is the best of.
        expected: what luck is expected to have given it; None where the noise is not known.
        deflated: the score without that.
        confirmed, confirmed_error: mean over fresh seeds and its standard error; None where it was not confirmed.
        found: how far the validation score was above the confirmed mean.
        test, test_error: mean on the test split, likewise.
        found_on_test: how far the validation score was above the test mean.
        overtuning: None where fewer than two incumbents have a test score, or the last one has none.
    """

    trial: int
    validation: float
    trials: int
    expected: float | None = None
    deflated: float | None = None
    confirmed: float | None = None
    confirmed_error: float | None = None
    found: float | None = None
    test: float | None = None
    test_error: float | None = None
    found_on_test: float | None = None
    overtuning: Overtuning | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def winners_curse(count: int, noise: float, spread: float) -> float:
    """Expected noise in the best of `count` scores.

    Args:
        count: of trials.
        noise: standard deviation of the noise.
        spread: standard deviation of the scores, noise and all; at least that of the noise.
    """
    return noise**2 / max(noise, spread) * best_of(count) if noise > 0 else 0.0


def overtuning(
    scores: Sequence[tuple[int, float]], tests: Mapping[int, float], objective: Objective
) -> Overtuning | None:
    """Overtuning of a search.

    Args:
        scores: trial number and validation score, in the order in which the trials were made.
        tests: the test score of each trial that has one; the incumbents' are read.
        objective: that the scores are of.
    """
    sign = objective.sign
    incumbents: list[int] = []
    best = math.inf
    for trial, score in scores:
        if math.isfinite(score) and sign * score < best:
            best = sign * score
            incumbents.append(trial)
    known = [sign * tests[trial] for trial in incumbents if math.isfinite(tests.get(trial, math.nan))]
    if len(known) < FEWEST_INCUMBENTS or not math.isfinite(tests.get(incumbents[-1], math.nan)):
        return None
    amount, progress = known[-1] - min(known), known[0] - min(known)
    return Overtuning(
        amount,
        amount / progress if progress > 0 else None,
        len(known),
        len(incumbents) - len(known),
        known[-1] > known[0],
    )


def measure_optimism(
    scores: Sequence[tuple[int, float]],
    objective: Objective,
    noise: Noise | None,
    candidates: Sequence[Candidate] = (),
    tests: Mapping[int, float] | None = None,
) -> Optimism | None:
    """How much too good the best validation score is; None without a score.

    Args:
        scores: trial number and validation score of the complete trials, in their order.
        objective: that the scores are of.
        noise: of the scores.
        candidates: what was confirmed.
        tests: test scores of further trials.
    """
    sign = objective.sign
    finite = [(trial, score) for trial, score in scores if math.isfinite(score)]
    if not finite:
        return None
    trial, validation = min(finite, key=lambda pair: (sign * pair[1], pair[0]))
    expected = winners_curse(len(finite), noise.sigma, noise.spread) if noise else None
    known = {candidate.trial: _mean(candidate.tests)[0] for candidate in candidates} | dict(tests or {})
    mine = next((candidate for candidate in candidates if candidate.trial == trial), Candidate(trial, ()))
    confirmed, confirmed_error = _mean(mine.scores)
    tested, test_error = _mean(mine.tests)
    if tested is None:
        tested = known.get(trial)
    return Optimism(
        trial,
        validation,
        len(finite),
        expected=expected,
        deflated=None if expected is None else validation + sign * expected,
        confirmed=confirmed,
        confirmed_error=confirmed_error,
        found=None if confirmed is None else sign * (confirmed - validation),
        test=tested,
        test_error=test_error,
        found_on_test=None if tested is None else sign * (tested - validation),
        overtuning=overtuning(finite, {key: value for key, value in known.items() if value is not None}, objective),
    )


def too_good(optimism: Optimism | None, scores: Sequence[float], facts: Facts) -> Iterator[Finding]:
    """A finding if fresh seeds do not give the best score again, or tuning ended worse on the test split."""
    if optimism is None:
        return
    found, error = optimism.found, optimism.confirmed_error
    if found is not None and optimism.confirmed is not None and error is not None and found > max(CLEAR * error, 0.0):
        sign = facts.objective.sign
        lead = float(np.median([sign * score for score in scores])) - sign * optimism.validation
        large = found > LARGE * lead
        text = (
            f"Trial {optimism.trial} scored {optimism.validation:.4g} and gets {optimism.confirmed:.4g} "
            f"(standard error {number(error)}) on fresh seeds: {number(found)} of it was luck"
        )
        if optimism.expected:
            text += f"; luck is expected to add {number(optimism.expected)} to the best of {optimism.trials} trials"
        edit = facts.confirm_more if large else None
        severity = Severity.WARNING if large else Severity.INFO
        yield Finding("optimism", severity, text + ".", None, edit, {"found": found, "expected": optimism.expected})
    over = optimism.overtuning
    if over is not None and over.worse_than_first:
        earlier = over.incumbents - 1
        best = "the earlier one" if earlier == 1 else f"the best of {earlier} earlier ones, and worse than the first"
        text = f"Overtuning: on the test split the winner by validation is {number(over.amount)} worse than {best}."
        yield Finding("overtuning", Severity.WARNING, text, None, None, asdict(over))


def confirmed_against_defaults(
    choice: Choice | None, objective: Objective, defaults: int = 0, complete: int = FEWEST_COMPLETE
) -> Iterator[Finding]:
    """A finding if the confirmed winner is not better than the confirmed defaults.

    Args:
        choice: among the confirmed; of fewer than two nothing is concluded.
        objective: that the scores are of.
        defaults: the number of the trial that has them.
        complete: how many trials were trained to their end; of fewer than 5 nothing is concluded.
    """
    standings = {standing.trial: standing for standing in choice.standings} if choice else {}
    if choice is None or defaults not in standings or len(standings) < 2 or complete < FEWEST_COMPLETE:
        return
    default, winner = standings[defaults], standings[choice.trial]
    sign = objective.sign
    if winner.trial == defaults:
        best = choice.standings[0].trial == defaults  # else another has a better mean, within its error
        text = (
            f"Tuning gained nothing{'' if best else ' that can be distinguished from luck'}: the defaults "
            f"(trial {defaults}) are the confirmed winner, {winner.mean:.4g}, "
            f"of {len(standings)} configurations that were trained again."
        )
    elif math.isfinite(default.mean) and sign * (default.mean - winner.mean) <= CLEAR * _error(default, winner):
        error = "is not known" if None in (default.error, winner.error) else number(_error(default, winner))
        text = (
            "Tuning gained nothing that can be distinguished from luck: the winner's confirmed mean is "
            f"{winner.mean:.4g}, that of the defaults (trial {defaults}) {default.mean:.4g}, and the standard error of "
            f"the difference {error}."
        )
    else:
        return
    numbers = {"winner": winner.mean, "default": default.mean, "error": _error(default, winner)}
    yield Finding("no_better_than_defaults", Severity.WARNING, text, None, None, numbers)


def few_complete(choice: Choice | None, trials: int, complete: int, pruned: int, facts: Facts) -> Iterator[Finding]:
    """A finding if pruning left fewer complete trials than a conclusion, or the confirmation, needs.

    Args:
        choice: among the confirmed; None where nothing was.
        trials: how many ended.
        complete: how many of them were trained to their end.
        pruned: how many of them were stopped early.
        facts: what else is known.
    """
    top = facts.confirm[0] if facts.confirm is not None and choice is not None else 0
    confirmed = len(choice.standings) if choice else 0
    text = f"Only {complete} of {trials} trials {'was' if complete == 1 else 'were'} trained to the end"
    text = text if complete else f"None of {trials} trials was trained to the end"
    if confirmed <= complete < min(top, trials):
        text += f", so {confirmed} and not {top} configurations were confirmed"
    elif not (pruned and trials >= FEWEST and complete < FEWEST_COMPLETE):
        return
    text += f" ({pruned} pruned): " if pruned else ": "
    text += "too few to tell the winner from luck. " if complete else "there is no winner. "
    text += "Prune later or less, or try more." if pruned else "Try more."
    numbers = {"complete": complete, "trials": trials, "pruned": pruned, "confirmed": confirmed, "top": top}
    yield Finding("few_complete", Severity.WARNING, text, None, None, numbers)


def _error(one: Standing, other: Standing) -> float:
    return math.hypot(one.error or 0.0, other.error or 0.0)


def _mean(scores: Sequence[float]) -> tuple[float | None, float | None]:
    finite = [score for score in scores if math.isfinite(score)]
    if not finite:
        return None, None
    error = float(np.std(finite, ddof=1)) / math.sqrt(len(finite)) if len(finite) > 1 else None
    return math.fsum(finite) / len(finite), error
