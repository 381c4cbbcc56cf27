"""The search that needs no choosing: which trial a free worker trains next, and up to which epoch.

Trials are trained in parts, up to levels (all epochs, half of them, a quarter, ...); one that has come to its target is
paused, and taken up again where that is worth more than a new configuration. Three arms share the workers' time, and
all that is seen:

- MODEL: a Gaussian process over configurations and epochs holds new configurations and paused trials against each
  other, by the improvement to be expected from the same amount of time.
- RANKS: random configurations, of which the better half goes on at each level: asynchronous successive halving (Li et
  al., A System for Massively Parallel Hyperparameter Tuning, 2020). It looks where the model does not.
- FULL: trials that run to their end without a pause. They tell how early values and late ones are related.

The arms' shares follow from who has improved the best value, and lean to FULL where early ranks say little of late
ones; the same correlations say how far a new configuration is trained first. What decides is the order of values alone.

Nothing here is drawn from a state that lives on: each decision has a generator of its own, made of the seed and the
number of the decision, and models are fitted from their priors. So `adopt` brings a new object to where an earlier one
stood, given the same observations and the decisions that were taken.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodfit.service.sampler.auto.curves import Curves
from goodfit.service.sampler.auto.finals import Finals
from goodfit.service.sampler.auto.ranks import first_level, levels_of, rank_correlations
from goodfit.service.sampler.auto.runs import Arm, Runs, State
from goodfit.service.sampler.cube import Cube, Points

Floats = NDArray[np.float64]

SHARES = np.array([0.65, 0.2, 0.15])  # of the arms, before there is anything to go by
CREDIT = 0.9  # what is left of an improvement's credit at the next one
LEAN = 0.6  # more for FULL, at most, where early ranks say nothing
FIRST_FIT, GROWTH = 6, 1.2  # how many trials there are when the model is first fitted, and its factor from fit to fit
FINALS_FROM = 4  # values at the end, from which on the model of these proposes
OFTEN_UNTIL = 20  # values at the end: up to so many, each changes how far ranks are trusted
RANDOM_EVERY = 4  # of the configurations that run straight to their end, one is random
PLATEAU_GAIN = 0.1  # share of the noise below which a gain is none
PLATEAU_TRIALS, PLATEAU_DECISIONS = 20, 10  # seen, and decisions in a row, before that ends a search
RECENT = 200  # trials of which an epoch's median time is taken
FIRST_RUNS = 8.0  # epochs: where a full run is no longer, one in eight workers begins with one


@dataclass(frozen=True, slots=True)
class Step:
    """What a free worker does next.

    Attributes:
        arm: who decided.
        target: the epoch up to which it trains.
        number: the trial that goes on; None: a new one.
        point: of a new configuration; None: whichever comes first of what is given or random.
        straight: whether a new trial runs to its end without a pause.
        score: what the model expects it to have at the target.
        why: what it was decided by, in plain values.
    """

    arm: Arm
    target: int
    number: int | None = None
    point: Points | None = None
    straight: bool = False
    score: float = 0.0
    why: Mapping[str, Any] = field(default_factory=dict)


class AutoSearch:
    """Decides for one study; values are oriented: larger is better.

    Args:
        cube: the space.
        epochs: of a full run.
        seed: of the study.
        pauses: whether trials may be paused; else each runs to its end.
        last_counts: whether a trial's last value is its best, as with folds.
        decays: whether the learning rate is known to decay.
        is_new: whether a point's configuration was never proposed.
    """

    def __init__(
        self,
        cube: Cube,
        *,
        epochs: int,
        seed: int,
        pauses: bool = True,
        last_counts: bool = False,
        decays: bool = False,
        is_new: Callable[[Points], bool] = lambda _: True,
    ) -> None:
        self._cube, self._seed, self._epochs = cube, seed, epochs
        self._last_counts, self._decays, self._is_new = last_counts, decays, is_new
        self.levels = levels_of(epochs) if pauses else (epochs,)
        self.runs = Runs(self.levels, len(cube), len(cube.columns))
        self._start = min(self.levels, key=lambda level: abs(math.log(level / max(1.0, epochs / 16))))
        self.floor = self._start  # up to where a new configuration is trained first
        self.reliability = 0.5  # rank correlation of the values at the first floor with those at the end
        self._learned = False  # whether from the study's own curves
        self._whole = False  # whether no trial is paused any more
        self._curves, self._finals = Curves(cube, self.levels), Finals(cube, epochs)
        self._next_fit, self._stale = FIRST_FIT, True
        self._best = -math.inf
        self._owed: Floats | None = None  # time owed to the arms, in epochs of median length
        self._wins = np.zeros(len(Arm))  # how often each has improved the best value; old ones count less
        self._full_turns = 0
        self._ended = 1  # how many had ended when ranks were last measured
        self._finished: list[int] = []  # straight ones
        self._halving: dict[int, list[tuple[float, int]]] = {level: [] for level in self.levels}
        self._epochs_run = 0
        self._prepared: tuple[int, Arm, Floats] | None = None
        self._flat = 0  # decisions of the model in a row that expected less than the noise

    def report(self, number: int, epoch: int, value: float | None) -> None:
        """An epoch of a trial that is to be observed next; None: it does not measure the objective."""
        self._prepared = None
        self._epochs_run += epoch - int(self.runs.epoch[number])
        self.runs.take(number, epoch, value, last_counts=self._last_counts)

    def observe(self, number: int, state: State, seconds: float = math.nan, *, complete: bool = False) -> None:
        """A trial has come to its target, or to its end. `complete`: to its own."""
        self._prepared = None
        runs = self.runs
        if complete:
            runs.complete(number)
            if runs.straight[number]:
                self._finished.append(number)
        runs.observe(number, state, seconds)
        if runs.ranked[number] and state is not State.LOST:
            self._rank(number)
        if runs.best[number] > self._best:
            if math.isfinite(self._best):
                self._wins *= CREDIT
                self._wins[runs.arm[number]] += 1.0
            self._best = float(runs.best[number])

    def _rank(self, number: int) -> None:
        for level, seen in self._halving.items():
            value = self.runs.levels[level].get(number)
            if value is not None:
                place = bisect.bisect_left(seen, (-value, number))
                if seen[place : place + 1] != [(-value, number)]:
                    seen.insert(place, (-value, number))

    def decide(self, index: int, workers: int) -> Step:
        """What the next free worker does; `index` counts the decisions."""
        rng = np.random.default_rng([self._seed, index])
        arm, _ = self._prepare(index, workers)
        match arm:
            case Arm.FULL:
                return self._full(rng)
            case Arm.RANKS:
                return self._by_ranks()
            case Arm.MODEL if self._is_late():
                return self._to_the_end(rng, Arm.MODEL)
            case Arm.MODEL:
                return self._by_curves(rng)

    def adopt(self, index: int, workers: int, step: Step, point: Points | None = None) -> int:
        """Do what was decided; the number of the trial.

        Args:
            index: of the step.
            workers: as they were then.
            step: of `decide`, or one that was taken before.
            point: of a new trial, as its configuration came out.
        """
        _, shares = self._prepare(index, workers)
        runs = self.runs
        number = step.number
        if number is None:
            if point is None:
                raise ValueError("a new trial needs its point")
            draw = float(np.random.default_rng([self._seed, index, 1]).random())
            number = runs.add(point, self._cube.encode(point)[0], draw)
            runs.straight[number], runs.ranked[number] = step.straight, step.arm is Arm.RANKS
            runs.start[number] = step.target
            runs.seconds[number] = self._typical()
        epochs = step.target - int(runs.epoch[number])
        cost = epochs * float(runs.seconds[number]) / self._typical()
        owed = self._owed_with(workers)
        owed += shares * cost
        owed[step.arm] -= cost
        self._full_turns += step.arm is Arm.FULL
        if "gain" in step.why:
            self._flat = self._flat + 1 if step.why["gain"] < PLATEAU_GAIN * step.why["noise"] else 0
        runs.arm[number], runs.state[number], runs.target[number] = step.arm, State.RUNNING, step.target
        runs.forecast[number] = step.score
        return number

    def end(self, number: int) -> None:
        """A trial that waits at its target ends there."""
        self.runs.state[number] = State.OVER

    def unpause(self) -> None:
        """From here on every trial trains to its end, those that are paused, too."""
        self._whole, self.floor = True, self._epochs
        paused = self.runs.paused
        self.runs.state[paused], self.runs.target[paused] = State.RUNNING, self._epochs

    def _prepare(self, index: int, workers: int) -> tuple[Arm, Floats]:
        """Whose turn it is, the arms' shares, and what that arm knows; once for each decision."""
        if self._prepared is not None and self._prepared[0] == index:
            return self._prepared[1:]
        rng = np.random.default_rng([self._seed, index, 2])
        ended = len(self.runs.levels[self._epochs])
        if self._ended < ended <= OFTEN_UNTIL:
            self._ended = ended
            self._measure_ranks(workers)
        shares = self._shares()
        arm = self._turn(shares, workers)
        due = len(self.runs.order) >= self._next_fit
        if arm is Arm.MODEL:
            if due:
                self._next_fit = math.ceil(len(self.runs.order) * GROWTH) + 2
                self._measure_ranks(workers)
                self._stale = True
            if self._is_late():
                self._finals.prepare(rng, self.runs)
            else:
                self._curves.prepare(rng, self.runs, self._finished, fit=self._stale)
                self._stale = False
        elif arm is Arm.FULL and self._proposes_finals():
            self._finals.prepare(rng, self.runs)
        self._prepared = index, arm, shares
        return arm, shares

    def _shares(self) -> Floats:
        doubt = max(0.0, 1.0 - 2.0 * self.reliability)
        base = SHARES * (1 - LEAN * doubt) + np.array([0.0, 0.0, LEAN * doubt])
        weight = 3.0 + 10.0 * doubt
        shares = np.clip((weight * base + self._wins) / (weight + self._wins.sum()), 0.5 * base, 1.0)
        return np.asarray(shares / shares.sum())

    def _turn(self, shares: Floats, workers: int) -> Arm:
        owed = self._owed_with(workers)
        if owed[Arm.FULL] + shares[Arm.FULL] * workers * self._epochs >= self._epochs:
            return Arm.FULL
        if len(self.runs.order) < 3 or owed[Arm.RANKS] > 0:
            return Arm.RANKS
        return Arm.MODEL

    def _owed_with(self, workers: int) -> Floats:
        if self._owed is None:
            at_once = min(1.0, FIRST_RUNS / self._epochs) * self._epochs * workers / 8.0
            self._owed = np.array([0.0, 0.0, at_once])
        return self._owed

    def _typical(self) -> float:
        recent = self.runs.order[-RECENT:]
        return float(np.median(self.runs.seconds[recent])) if recent else 1.0

    def _is_late(self) -> bool:
        """Whether nothing before the end tells how good a trial is, as far as is known."""
        return self.floor == self._epochs and len(self.runs.levels[self._epochs]) >= FINALS_FROM

    def _proposes_finals(self) -> bool:
        """Whether the next full run is a proposal by final values: not one in so many, which is random."""
        turn = self._full_turns + 1
        return len(self.runs.levels[self._epochs]) >= FINALS_FROM and turn % RANDOM_EVERY != 1

    def _full(self, rng: np.random.Generator) -> Step:
        """Alternately the best paused trial and a new configuration, to the end."""
        if self._full_turns % 2 == 1 and not (self.floor == self._epochs and len(self.levels) > 1):
            paused = self.runs.paused
            if len(paused):
                best = int(paused[np.argmax(self.runs.last[paused])])
                return Step(Arm.FULL, self._epochs, best)
        if self._proposes_finals():
            return self._to_the_end(rng, Arm.FULL)
        return Step(Arm.FULL, self._epochs, straight=True)

    def _to_the_end(self, rng: np.random.Generator, arm: Arm) -> Step:
        point, why = self._first_new(*self._finals.propose(rng, self._best))
        return Step(arm, self._epochs, point=point, straight=True, why=why)

    def _by_ranks(self) -> Step:
        """The better half of its own trials goes on, from the highest level down; else a new one is drawn."""
        for place in range(len(self.levels) - 2, -1, -1):
            level, seen = self.levels[place], self._halving[self.levels[place]]
            for value, number in seen[: len(seen) // 2]:
                at_level = self.runs.epoch[number] == level and self.runs.state[number] == State.PAUSED
                if at_level and value < math.inf:
                    return Step(Arm.RANKS, self.levels[place + 1], number)
        return Step(Arm.RANKS, self.floor)

    def _by_curves(self, rng: np.random.Generator) -> Step:
        choice = self._curves.choose(rng, self.runs, self.floor, self._best)
        point, why = (None, choice.why) if choice.trial is not None else self._first_new(choice.points, choice.why)
        return Step(Arm.MODEL, choice.target, choice.trial, point, score=choice.score, why=why)

    @property
    def is_flat(self) -> bool:
        """Whether nothing above the noise is to be gained, as the model has found several times in a row."""
        enough = len(self.runs.order) >= PLATEAU_TRIALS and len(self.runs.levels[self._epochs]) >= FINALS_FROM
        return enough and self._flat >= PLATEAU_DECISIONS

    def closing(self, finals: int) -> Step | None:
        """The last steps of a study that takes no new trials: the better half at each level goes on, as ranks say.

        At least `finals` trials come to their end, where there are so many. None: none is worth going on with.
        """
        runs = self.runs
        for place in range(len(self.levels) - 2, -1, -1):
            level, seen = self.levels[place], runs.levels[self.levels[place]]
            order = sorted(seen, key=lambda number: (-seen[number], number))
            for number in order[: len(order) // 2]:
                if runs.epoch[number] == level and runs.state[number] == State.PAUSED and seen[number] > -math.inf:
                    return Step(Arm.RANKS, self.levels[place + 1], number)
        paused = runs.paused
        if len(paused) and len(runs.levels[self._epochs]) + self._coming < finals:
            return Step(Arm.FULL, self._epochs, int(paused[np.argmax(runs.last[paused])]))
        return None

    def due(self, finals: int, left: float, workers: int) -> Step | None:
        """The best paused trial, to its end, where the budget has but enough left for `finals` of them; else None.

        Not before half of the budget is trained, nor where it lasts for none: then it goes to the search.

        Args:
            finals: so many trials are to be trained to their end.
            left: how many epochs the budget still has.
            workers: that share them.
        """
        runs, paused = self.runs, self.runs.paused
        missing = finals - len(runs.levels[self._epochs]) - self._coming
        if missing <= 0 or not len(paused) or left > self._epochs_run:
            return None
        best = paused[np.lexsort((paused, -runs.last[paused]))][:missing]
        lacking = self._epochs - runs.epoch[best]
        affordable = best[lacking <= left]
        scarce = left < lacking.sum() + self._epochs or left / workers < 1.25 * lacking.max()
        return Step(Arm.FULL, self._epochs, int(affordable[0])) if scarce and len(affordable) else None

    @property
    def _coming(self) -> int:
        """How many trials train to their end now."""
        runs = self.runs
        running = runs.state[: runs.count] == State.RUNNING
        return int((running & (runs.target[: runs.count] >= self._epochs)).sum())

    def standing(self, number: int) -> tuple[int, int, int]:
        """A trial's rank, from 1, among how many, at which epoch: those seen at the last level that it has reached."""
        level = max((one for one in self.levels if one <= self.runs.epoch[number]), default=self.levels[0])
        seen = self.runs.levels[level]
        own = seen.get(number, -math.inf)
        return 1 + sum(value > own for value in seen.values()), len(seen), level

    def evidence(self) -> dict[str, Any]:
        """What decisions go by, in plain values.

        Returns:
            floor: up to where a new configuration is trained first.
            reliability: the rank correlation of values at epoch `reliability_at` with those at the end; `learned`
                from the study's curves, or assumed.
            ended: how many trials have a value at the end.
            best: the best value so far; missing where there is none.
        """
        found = {
            "floor": self.floor,
            "reliability": self.reliability,
            "reliability_at": self._start,
            "learned": self._learned,
            "ended": len(self.runs.levels[self._epochs]),
        }
        return {**found, "best": self._best} if math.isfinite(self._best) else found

    def _first_new(self, points: Points, why: Mapping[str, Any]) -> tuple[Points | None, Mapping[str, Any]]:
        """The first whose configuration was never proposed; None where all were: a random one is drawn then.

        With it what is expected of it, where it is the one of which that is known: the very first.
        """
        place = next((place for place, point in enumerate(points) if self._is_new(point)), None)
        return (None, {}) if place is None else (points[place], why if place == 0 else {})

    def _measure_ranks(self, workers: int) -> None:
        """Learn from the study's own curves what early ranks are worth, and so how far to train at first."""
        correlation = rank_correlations(self.levels, self.runs.levels, decays=self._decays)
        spent = max(1.0, self._epochs_run) + workers * self._epochs * 0.25
        self.floor = first_level(self.levels, correlation, spent)
        last = self.levels[-2] if len(self.levels) > 1 else self._epochs
        if len(self.runs.levels[last].keys() & self.runs.levels[self._epochs].keys()) < 2:
            quarter = max((level for level in self.levels if level <= self._epochs / 4), default=1)
            self.floor = min(self.floor, max(self._start, quarter))
        self.floor = self._epochs if self._whole else self.floor
        self.reliability, self._learned = float(correlation[self._start]), True
