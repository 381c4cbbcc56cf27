"""The trials that TPE learns from: of a long study a part, so that a proposal costs the same after 10,000 as after 300.

TPE compares its best trials, at most 25, with all others, and its cost grows with the number of these. The best are all
shown to it, and some of the others, evenly by age: their density stays what it is, and so do the weights by which TPE
forgets old ones. docs/architecture.md has what that saves.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_left, insort
from collections.abc import Collection, Container, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as State

from goodfit.service.sampler.tpe import Rows

BEST = 25  # as many as TPE ever takes for good
FINISHED = 250  # of all others; with fewer TPE would take fewer for good
RUNNING = 64  # half of them the newest: of a search that pauses, the older ones may wait for long

Order = tuple[int, float, float, int]  # less is better
Names = frozenset[str]


class TpeStorage(InMemoryStorage):
    """Trials in memory, and a study beside them whose trials are those that are shown to TPE."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: Sequence[FrozenTrial] = ()
        self.shown_study: int | None = None  # its id

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[State] | None = None
    ) -> list[FrozenTrial]:
        if study_id != self.shown_study:
            return super().get_all_trials(study_id, deepcopy, states)
        trials = [trial for trial in self.shown if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials


class TpeTrials:
    """Which trials of a study are shown to TPE.

    Args:
        signs: of each objective: 1, or -1 where it is maximized.

    Attributes:
        rows: the parameters of all of them.
    """

    def __init__(self, signs: Sequence[float]) -> None:
        self.rows = Rows()
        self._signs = signs
        self._trials: dict[int, FrozenTrial] = {}  # by number
        self._ranked: list[Order] = []  # those that have ended with something to learn from; the number comes last
        self._beaten = _Beaten() if len(signs) > 1 else None  # the complete ones, in place of that
        self._finished: dict[Names, list[int]] = {}  # by the names of their parameters: their numbers, ascending
        self._running: dict[Names, list[int]] = {}
        self._names: dict[int, Names] = {}  # of the running ones

    def note(self, trial: FrozenTrial) -> None:
        """Take in a trial that is new, has ended, or has other parameters than before."""
        number, names = trial.number, frozenset(trial.params)
        self._trials[number] = trial
        self.rows.put(trial)
        if (before := self._names.pop(number, None)) is not None:
            numbers = self._running[before]
            del numbers[bisect_left(numbers, number)]
        if trial.state is State.RUNNING:
            self._names[number] = names
            insort(self._running.setdefault(names, []), number)
        elif trial.state in (State.COMPLETE, State.PRUNED):
            insort(self._finished.setdefault(names, []), number)
            broken = sum(by for by in trial.constraints.values() if by > 0)
            if self._beaten is not None and trial.state is State.COMPLETE and not broken:
                self._beaten.add(number, [sign * value for sign, value in zip(self._signs, trial.values, strict=True)])
            else:
                insort(self._ranked, (*_order(trial, broken, self._signs[0]), number))

    def shown(self, names: Collection[str]) -> list[FrozenTrial]:
        """The trials from which these parameters are drawn jointly."""
        return [self._trials[number] for number in self.numbers(names)]

    def numbers(self, names: Collection[str]) -> list[int]:
        """Their numbers."""
        with_them, without = _parted(self._finished, frozenset(names))
        finished = _thinned(with_them, FINISHED)
        finished += _thinned(without, FINISHED - len(finished))
        running, _ = _parted(self._running, frozenset(names))
        most = max(RUNNING, FINISHED - len(finished))
        newest = sorted(number for numbers in running for number in numbers[-(most // 2) :])[-(most // 2) :]
        older = [numbers[: bisect_left(numbers, newest[0])] for numbers in running] if newest else []
        best = self._beaten.least(BEST) if self._beaten is not None else []
        best += [order[-1] for order in self._ranked[: BEST - len(best)]]
        return sorted({*best, *finished, *newest, *_thinned(older, most - len(newest))})


class _Beaten:
    """Trials of several objectives, and of each how many others are better in all of them."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._losses: NDArray[np.float64] = np.empty((0, 0))
        self._by: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def add(self, number: int, losses: Sequence[float]) -> None:
        count, own = len(self._numbers), np.array(losses)
        if count == len(self._losses):  # doubled, so that what is added costs the same
            self._losses = np.resize(self._losses, (2 * count + 16, len(own)))
            self._by = np.resize(self._by, len(self._losses))
        others = self._losses[:count]
        self._by[:count] += _better(own, others)
        self._by[count] = _better(others, own).sum()
        self._losses[count] = own
        self._numbers.append(number)

    def least(self, most: int) -> list[int]:
        """The numbers of the best, as many or fewer."""
        order = np.argsort(self._by[: len(self._numbers)], kind="stable")[:most]
        return [self._numbers[index] for index in order]


def _better(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((one <= other).all(-1) & (one < other).any(-1))


def _order(trial: FrozenTrial, broken: float, sign: float) -> tuple[int, float, float]:
    """As TPE sorts trials: complete by value, pruned by epoch and value, then those that break constraints."""
    if broken:
        return 2, 0.0, broken
    if trial.state is State.COMPLETE:
        return 0, 0.0, sign * (trial.value or 0.0)
    epoch = trial.last_step
    if epoch is None:
        return 1, math.inf, 0.0
    value = trial.intermediate_values[epoch]
    return 1, -float(epoch), math.inf if math.isnan(value) else sign * value


def _parted(by_names: dict[Names, list[int]], names: Names) -> tuple[list[list[int]], list[list[int]]]:
    """The trials that have all of these parameters, and the others."""
    having = [numbers for own, numbers in by_names.items() if names <= own]
    return having, [numbers for own, numbers in by_names.items() if not names <= own]


def _thinned(lists: Iterable[Sequence[int]], most: int) -> list[int]:
    """At most so many of all, evenly from each."""
    lists = [numbers for numbers in lists if numbers]
    total = sum(map(len, lists))
    if total <= most:
        return [number for numbers in lists for number in numbers]
    return [
        numbers[index * len(numbers) // share]
        for numbers in lists
        if (share := most * len(numbers) // total)
        for index in range(share)
    ]
