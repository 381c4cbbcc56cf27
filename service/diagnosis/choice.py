"""Which of the confirmed configurations wins: the mean over fresh seeds, its error, and how ties are broken.

The rule of one standard error (Breiman et al. 1984, CART): what is within the best one's error of the best is as
good, and among equals the one that fits better wins, then the cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from goodfit.service.errors import InputError
from goodfit.service.objective import Objective


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration retrained on fresh seeds.

    Attributes:
        trial: the trial it comes from.
        scores: the objective of each seed; NaN for one that failed.
        gap: of the trial, in the objective's unit, positive is worse; None where it is not known.
        size: parameters of the model; None where it is not known.
        seconds: of training, where the size is not known.
        tests: the score of each seed on the test split; empty where there is none.
    """

    trial: int
    scores: tuple[float, ...]
    gap: float | None = None
    size: int | None = None
    seconds: float | None = None
    tests: tuple[float, ...] = ()

    @property
    def judged(self) -> tuple[float, ...]:
        """What it is compared by: the test split, which no search has seen; else its scores."""
        return self.tests or self.scores


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a candidate came in.

    Attributes:
        mean: over the seeds that ended; NaN where none did.
        error: standard error of the mean; None where one seed each is all there is.
        failed: seeds that gave no number.
        tied: whether it cannot be distinguished from the best mean.
    """

    trial: int
    mean: float
    error: float | None
    seeds: int
    failed: int
    tied: bool
    gap: float | None = None
    size: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The winner, why it is, and how the others stand, best mean first."""

    trial: int
    mean: float
    error: float | None
    reason: str
    standings: tuple[Standing, ...]
    tested: bool = True  # whether on the test split; else on the validation split of the fresh seeds

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        fields = asdict(self)
        fields["standings"] = [
            asdict(standing) | ({} if math.isfinite(standing.mean) else {"mean": None}) for standing in self.standings
        ]
        return fields


def choose(candidates: Sequence[Candidate], objective: Objective, noise: float | None = None) -> Choice:
    """The winner of a confirmation.

    A configuration that failed on fewer of its seeds comes before any that failed on more, and one
    without any score after all others. The seeds' spread is pooled over all candidates: of three seeds
    alone it is known to half its size.
    Gaps are compared with the same error as means, since they are measured in the same unit.

    Args:
        candidates: with at least one finite score among them.
        objective: that the scores are of.
        noise: standard deviation between seeds, where the candidates have one seed each.

    Raises:
        InputError: no candidate, one twice, or all seeds failed.
    """
    sign = objective.sign
    if not candidates:
        raise InputError("there is no candidate to confirm")
    if len({candidate.trial for candidate in candidates}) < len(candidates):
        raise InputError("a trial is among the candidates twice; give all its seeds in one")
    if not any(_finite(candidate.judged) for candidate in candidates):
        raise InputError("every seed of every candidate failed: nothing is confirmed; look at the trials' logs")
    deviation = _pooled([_finite(candidate.judged) for candidate in candidates])
    standings = sorted(
        (_standing(candidate, deviation if deviation is not None else noise) for candidate in candidates),
        key=lambda standing: (
            not math.isfinite(standing.mean),
            standing.failed,
            _worst(sign * standing.mean),
            standing.trial,
        ),
    )
    best = standings[0]
    reach = best.error or 0.0
    ranked = tuple(
        replace(standing, tied=standing.failed == best.failed and sign * (standing.mean - best.mean) <= reach)
        for standing in standings
    )
    tied, others = ([one for one in ranked if one.tied is wanted] for wanted in (True, False))
    winner, reason = _tie_break(tied, reach, others)
    tested = any(candidate.tests for candidate in candidates)
    return Choice(winner.trial, winner.mean, winner.error, reason, ranked, tested)


def _alone(best: Standing, others: Sequence[Standing]) -> str:
    """Why the only candidate that is as good as the best wins."""
    mean = f"{best.mean:.4g}"
    if not others:
        return f"is the only configuration that was confirmed; its mean is {mean}"
    if any(other.failed > best.failed for other in others):
        return f"has the best mean, {mean}, of those that failed on the fewest seeds"
    within = "no other is within its error" if best.error is not None else "the error of it is not known"
    return f"has the best mean, {mean}, and {within}"


def _tie_break(tied: Sequence[Standing], reach: float, others: Sequence[Standing]) -> tuple[Standing, str]:
    """The best fitting of equals, then the cheapest, then the best mean."""
    best = tied[0]
    if len(tied) == 1:
        return best, f"trial {best.trial} {_alone(best, others)}"
    among = f"{len(tied)} candidates have the same mean"
    if reach > 0:
        among = f"{len(tied)} candidates are within one standard error ({reach:.2g}) of the best mean"
    gaps = [max(0.0, standing.gap) if standing.gap is not None else math.inf for standing in tied]
    least = min(gaps)
    fitting = [standing for standing, gap in zip(tied, gaps, strict=True) if gap <= least + reach or math.isinf(least)]
    if len(fitting) == 1:
        known = "known " if math.inf in gaps else ""
        return fitting[0], f"{among}; trial {fitting[0].trial} has the smallest {known}gap, {least:.2g}"
    costs = [_cost(standing, fitting) for standing in fitting]
    cheapest = min(costs)
    cheap = [standing for standing, cost in zip(fitting, costs, strict=True) if cost <= cheapest]
    if len(cheap) == 1:
        alike = "their gaps are not known" if math.isinf(least) else f"{len(fitting)} have as small a gap"
        return cheap[0], f"{among}; {alike}, and trial {cheap[0].trial} is the cheapest"
    return cheap[0], f"{among}; gap and cost decide nothing, and trial {cheap[0].trial} has the best mean of them"


def _cost(standing: Standing, among: Sequence[Standing]) -> float:
    """Parameters where all say them, else seconds where all say them; nothing where neither."""
    for name in ("size", "seconds"):
        if all(getattr(other, name) is not None for other in among):
            return float(getattr(standing, name))
    return 0.0


def _standing(candidate: Candidate, deviation: float | None) -> Standing:
    scores = _finite(candidate.judged)
    mean = math.fsum(scores) / len(scores) if scores else math.nan
    error = deviation / math.sqrt(len(scores)) if scores and deviation is not None else None
    failed = len(candidate.judged) - len(scores) if candidate.judged else 1
    gap = candidate.gap if candidate.gap is None or math.isfinite(candidate.gap) else None
    return Standing(candidate.trial, mean, error, len(scores), failed, False, gap, candidate.size, candidate.seconds)


def _pooled(groups: Sequence[Sequence[float]]) -> float | None:
    """Standard deviation within the groups, over all of them; None where none has two scores."""
    freedom = sum(len(group) - 1 for group in groups if group)
    if freedom < 1:
        return None
    squares = 0.0
    for group in groups:
        if group:
            mean = math.fsum(group) / len(group)
            squares += math.fsum((score - mean) ** 2 for score in group)
    return math.sqrt(squares / freedom)


def _finite(scores: Sequence[float]) -> list[float]:
    return [float(score) for score in scores if math.isfinite(score)]


def _worst(number: float) -> float:
    return number if math.isfinite(number) else math.inf
