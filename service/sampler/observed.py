"""A study's trials as a model of one value a trial sees them: ranked, the pruned and the paused ones included.

Only the order of trials counts. Those trained to their end come first, by their value; then those that ended or wait
earlier, the later the better and by their value there, as Optuna's TPE has it; then those that break a constraint, or
whose loss is not a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as State

Reached = Mapping[int, tuple[int, float]]  # of a trial that was paused: its last epoch that counts, the value there
Order = tuple[int, float, float]  # less is better


@dataclass(frozen=True, slots=True)
class Observed:
    """What a model learns from.

    Attributes:
        trials: in the order of their numbers, each COMPLETE; its value is its normal score, less is better.
        pending: trials of which nothing is known yet.
    """

    trials: Sequence[FrozenTrial]
    pending: Sequence[FrozenTrial]


def observed(trials: Sequence[FrozenTrial], signs: Sequence[float], reached: Reached) -> Observed:
    """The trials with their ranks as values.

    Args:
        trials: as Optuna has them, in the order of their numbers.
        signs: of each objective: 1, or -1 where it is maximized. Of several, complete trials are ranked by fronts.
        reached: by a trial's number, of those that were paused.
    """
    from goodfit.service.sampler.scores import scores  # SciPy: not for studies that do without

    fronts = _fronts(trials, signs) if len(signs) > 1 else {}
    known: list[tuple[FrozenTrial, Order]] = []
    pending: list[FrozenTrial] = []
    for trial in trials:
        if trial.number in fronts:
            order: Order | None = (0, 0.0, float(fronts[trial.number]))
        else:
            order = order_of(trial, signs[0], reached.get(trial.number))
        if order is not None:
            known.append((trial, order))
        elif trial.state is State.RUNNING:
            pending.append(trial)
    place = {order: index for index, order in enumerate(sorted({order for _, order in known}))}
    values = scores(np.array([place[order] for _, order in known], dtype=float))
    ranked = [as_complete(trial, float(value)) for (trial, _), value in zip(known, values, strict=True)]
    return Observed(ranked, pending)


def standings(stops: Mapping[int, Mapping[int, float]], sign: float) -> dict[int, float]:
    """How good trials are that stop on the way: the mean of their normal scores at each epoch where they stopped.

    Each is held against those that stopped there, too, so that it counts for nothing how far a trial was trained.

    Args:
        stops: by epoch, the values of the trials by their numbers.
        sign: 1, or -1 where the objective is maximized.
    """
    from goodfit.service.sampler.scores import scores

    found: dict[int, list[float]] = {}
    for _, values in sorted(stops.items()):
        losses = np.nan_to_num(np.array([sign * value for value in values.values()]), nan=np.inf)
        for number, score in zip(values, scores(losses), strict=True):
            found.setdefault(number, []).append(float(score))
    return {number: sum(own) / len(own) for number, own in found.items()}


def as_complete(trial: FrozenTrial, value: float, notes: Mapping[str, object] | None = None) -> FrozenTrial:
    """A trial of this configuration that ended with this value, with no more than these notes."""
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=State.COMPLETE,
        value=value,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete or trial.datetime_start,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={},
        system_attrs=dict(notes or {}),
        intermediate_values={},
    )


def _fronts(trials: Sequence[FrozenTrial], signs: Sequence[float]) -> dict[int, int]:
    """By the number of a complete trial that breaks nothing: how many others are better in all objectives."""
    whole = [
        trial
        for trial in trials
        if trial.state is State.COMPLETE and not any(b > 0 for b in trial.constraints.values())
    ]
    values = np.array([trial.values for trial in whole]).reshape(len(whole), len(signs)) * np.array(signs)
    no_worse = (values[None] <= values[:, None]).all(-1) & (values[None] < values[:, None]).any(-1)
    return {trial.number: int(count) for trial, count in zip(whole, no_worse.sum(1), strict=True)}


def order_of(trial: FrozenTrial, sign: float, reached: tuple[int, float] | None = None) -> Order | None:
    """Where a trial stands among others; None where nothing is known of it."""
    if broken := sum(by for by in trial.constraints.values() if by > 0):
        return 2, 0.0, broken
    if trial.state is State.COMPLETE and trial.value is not None:
        return 0, 0.0, sign * trial.value
    if trial.state is State.PRUNED and trial.value is not None:
        return 1, -float(trial.last_step or 0), sign * trial.value
    if trial.state in (State.PRUNED, State.RUNNING) and reached is not None and not math.isnan(reached[1]):
        return 1, -float(reached[0]), sign * reached[1]
    return None
