"""From the trials that trained the best configurations again to the winner, and to the order of `best`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from goodfit.service.diagnosis.choice import Candidate, Choice, choose
from goodfit.service.objective import Objective
from goodfit.service.records import FINISHED, Trial, TrialState, is_candidate, ranked


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What fresh seeds came to on the test split (or, of a trainer without data, on their own validation).

    Attributes:
        mean: of the objective, over the seeds that ended.
        std: between the seeds; None of one alone.
        seeds: how many ended.
    """

    mean: float
    std: float | None
    seeds: int

    @classmethod
    def of(cls, scores: Sequence[float]) -> Confirmed | None:
        """None where no seed ended."""
        found = [score for score in scores if math.isfinite(score)]
        if not found:
            return None
        return cls(statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None, len(found))


def candidates_of(trials: Iterable[Trial], metric: str) -> list[Candidate]:
    """The configurations that were trained again, in the order of the search's ranking.

    Args:
        trials: all of a study.
        metric: the objective, "val/accuracy".
    """
    everything = {trial.number: trial for trial in trials}
    again: dict[int, list[Trial]] = {}
    for trial in everything.values():
        if trial.confirms is not None and trial.state is not TrialState.CANCELLED:  # which says nothing of it
            again.setdefault(trial.confirms, []).append(trial)
    return [
        Candidate(
            number,
            scores=tuple(_number(one.value if one.state is TrialState.COMPLETE else None) for one in group),
            gap=everything[number].gap,
            size=next((one.size for one in group if one.size is not None), None),
            seconds=_seconds(group),
            tests=tuple(_test(one, metric) for one in group if one.test is not None or one.state in FINISHED)
            if any(one.test is not None for one in group)
            else (),
        )
        for number, group in again.items()
        if number in everything
    ]


def seed_noise(candidates: Iterable[Candidate]) -> float | None:
    """Standard deviation of the objective between the seeds of one configuration, pooled; None where none has two."""
    squares, freedom = 0.0, 0
    for candidate in candidates:
        found = [score for score in candidate.scores if math.isfinite(score)]
        if len(found) > 1:
            squares += statistics.variance(found) * (len(found) - 1)
            freedom += len(found) - 1
    return math.sqrt(squares / freedom) if freedom else None


def contenders_of(trials: Sequence[Trial], objective: Objective) -> list[Candidate]:
    """The candidates of which one wins a confirmation: those that keep the constraints.

    Others were trained again to be compared alone. None before its end, and where there was none or every seed failed.
    """
    again = [trial for trial in trials if trial.confirms is not None]
    if not again or any(trial.state not in FINISHED for trial in again):
        return []
    able = {trial.number for trial in trials if is_candidate(trial)}
    found = [one for one in candidates_of(trials, objective.metric) if one.trial in able]
    return found if any(math.isfinite(score) for one in found for score in one.judged) else []


def winner_of(trials: Sequence[Trial], objective: Objective) -> Choice | None:
    """The winner of a confirmation; None before its end, and where there was none or every seed failed."""
    contenders = contenders_of(trials, objective)
    return choose(contenders, objective) if contenders else None


def best_first(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """The search's complete trials: the confirmed winner, the others that were confirmed, then by value."""
    choice = winner_of(trials, objective)
    places = {} if choice is None else {standing.trial: place for place, standing in enumerate(choice.standings, 1)}
    if choice is not None:
        places[choice.trial] = 0
    order = ranked(trials, objective)
    return sorted(order, key=lambda trial: places.get(trial.number, math.inf))


def on_test(metric: str) -> str:
    """The objective's name where it is of the test split: test/accuracy of val/accuracy."""
    return f"test/{metric.removeprefix('val/')}"


def _test(trial: Trial, metric: str) -> float:
    return _number((trial.test or {}).get(metric.removeprefix("val/")))


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _seconds(group: Sequence[Trial]) -> float | None:
    """Of training, the mean of the seeds that ended."""
    spent = [max(0.0, trial.ended - trial.started) for trial in group if trial.ended and trial.started]
    return statistics.fmean(spent) if spent else None
