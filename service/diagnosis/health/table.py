"""A study as arrays: scores, curves and parameters, made once and read by every check.

Scores are *oriented* as in curve.py: less is better, whatever the metric's direction. No check is made here.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int, same
from goodfit.search_spaces.space import Space
from goodfit.service.diagnosis.curve import Floats
from goodfit.service.diagnosis.health.finding import Edit
from goodfit.service.diagnosis.statistics import ranks
from goodfit.service.objective import Objective
from goodfit.service.records import Failure, Report, Trial, TrialState, Verdict

Flags = NDArray[np.bool_]
ENDED = frozenset({TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED})
FEWEST_COMPLETE = 5  # trials trained to their end, that it takes to distinguish a winner from luck
FEWEST = 10  # scored trials that anything is concluded from: the best tenth of fewer is no trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a study beside its trials.

    Attributes:
        objective: what the study optimizes.
        epochs: reports that a full trial makes.
        folds: whether the reports are folds, which have no early and late.
        pruning: the method; "none" where trials are not pruned.
        patience: of early stopping; None: off.
        budget: of trials; None: limited by time alone.
        different: how many configurations the space has, each tried once; None: no limit.
        tried_defaults: whether a trial has the trainer's defaults, and nothing else.
        default_trial: its number.
        controls: numbers of the trials whose configuration was drawn at random beside a searching method.
        unpruned: numbers of the trials that pruning had to leave alone.
        noise: standard deviation of the objective between seeds of one configuration, where it was measured.
        baseline: the objective of a trivial model: the majority class, the mean.
        rows: of the validation split; with an accuracy it tells how far luck alone goes.
        confirm: how many configurations the study trains again, on how many seeds; None: none.
        foldable: whether the study could average over folds.
    """

    objective: Objective
    epochs: int
    folds: bool = False
    pruning: str = "none"
    patience: int | None = None
    budget: int | None = None
    different: int | None = None
    tried_defaults: bool = False
    default_trial: int = 0
    controls: frozenset[int] = frozenset()
    unpruned: frozenset[int] = frozenset()
    noise: float | None = None
    baseline: float | None = None
    rows: int | None = None
    confirm: tuple[int, int] | None = None
    foldable: bool = True

    @property
    def confirm_more(self) -> Edit:
        """Confirmation on more seeds than the study has, of no fewer configurations."""
        top, seeds = self.confirm or (0, 0)
        return Edit({"confirm": {"top": max(3, top), "seeds": max(5, seeds + 2)}})


@dataclass(frozen=True, slots=True)
class Column:
    """One searched parameter over the ended trials.

    Attributes:
        parameter: as the space has it.
        unit: a number's place in its range from 0 to 1, in the logarithm where the range is; a choice's
            index; NaN where the parameter is not active.
    """

    parameter: Float | Int | Choice
    unit: Floats

    @property
    def name(self) -> str:
        return self.parameter.name

    @property
    def active(self) -> Flags:
        return ~np.isnan(self.unit)

    @property
    def is_choice(self) -> bool:
        return isinstance(self.parameter, Choice)

    def value(self, unit: float) -> Any:
        """The parameter's value at a place in its range, or of a choice's index."""
        item = self.parameter
        if isinstance(item, Choice):
            return item.choices[int(unit)]
        if item.log:
            return math.exp(math.log(item.low) + unit * (math.log(item.high) - math.log(item.low)))
        return item.low + unit * (item.high - item.low)


@dataclass(frozen=True, slots=True)
class Table:
    """The ended trials of a search, by number; cancelled ones and those that confirm others are left out.

    Attributes:
        loss: the score, less is better; NaN where there is none, as for every failed trial.
        broken: failed, or judged diverged.
        curves: the objective by trial number, oriented; index 0 is epoch 1, NaN where it was not reported.
    """

    facts: Facts
    sign: float
    trials: tuple[Trial, ...]
    loss: Floats
    broken: Flags
    columns: tuple[Column, ...]
    curves: Mapping[int, Floats] = field(repr=False)

    @classmethod
    def of(cls, trials: Sequence[Trial], reports: Iterable[Report], space: Space, facts: Facts) -> Table:
        """The table of a study's records."""
        sign = facts.objective.sign
        searched = (trial for trial in trials if trial.state in ENDED and trial.confirms is None)
        ended = tuple(sorted(searched, key=lambda trial: trial.number))
        loss = np.array([_score(trial) * sign for trial in ended], dtype=float)
        broken = np.array([trial.state is TrialState.FAILED or trial.verdict is Verdict.DIVERGED for trial in ended])
        columns = tuple(_columns(space, ended))
        return cls(
            facts,
            sign,
            ended,
            loss,
            broken.astype(bool),
            columns,
            _curves(reports, {trial.number for trial in ended}, facts.objective.metric, sign),
        )

    @property
    def scored(self) -> Flags:
        """Trials with a score."""
        return np.isfinite(self.loss)

    @property
    def complete(self) -> Flags:
        """Scored trials that were trained to their end."""
        complete: Flags = np.array([trial.state is TrialState.COMPLETE for trial in self.trials], dtype=bool)
        return np.logical_and(self.scored, complete)

    @property
    def feasible(self) -> Flags:
        """Trials that keep the study's constraints; all where it has none."""
        return np.array([trial.feasible for trial in self.trials], dtype=bool)

    @property
    def contending(self) -> Flags:
        """Scored trials that keep the constraints, of which one is the best; all scored ones where none does."""
        able = np.logical_and(self.scored, self.feasible)
        return able if np.any(able) else self.scored

    @property
    def judged(self) -> Flags:
        """Scored trials, and those whose configuration made training diverge: no score is worse."""
        lost: Flags = np.array([trial.failure is Failure.NAN for trial in self.trials], dtype=bool)
        return np.logical_or(self.scored, lost)

    def ranked(self, chosen: Flags) -> list[int]:
        """Indices of the chosen trials, best first; among equals the earlier."""
        indices = np.flatnonzero(chosen)
        return [int(index) for index in indices[np.argsort(self.loss[indices], kind="stable")]]

    def normal_scores(self, chosen: Flags) -> Floats:
        """The chosen trials' losses as normal scores (van der Waerden): no outlier rules a fit of ranks."""
        loss = np.where(np.isfinite(self.loss), self.loss, np.inf)[chosen]
        normal: Floats = special.ndtri(ranks(loss) / (len(loss) + 1))
        return normal

    def shown(self, loss: float) -> str:
        """An oriented score as its metric would print it."""
        return f"{self.sign * loss + 0.0:.4g}"


def top_count(trials: int) -> int:
    """How many trials are "the best" of so many: a tenth, at least 5."""
    return max(5, math.ceil(trials / 10))


def _score(trial: Trial) -> float:
    scored = trial.state is not TrialState.FAILED and trial.value is not None and math.isfinite(trial.value)
    return float(trial.value) if scored and trial.value is not None else math.nan


def _columns(space: Space, trials: Sequence[Trial]) -> Iterator[Column]:
    for item in space:
        if isinstance(item, Fixed) or item.cardinality == 1:
            continue
        unit = np.array([_unit(item, trial.params.get(item.name), item.name in trial.params) for trial in trials])
        if np.any(~np.isnan(unit)):
            yield Column(item, unit)


def _unit(item: Float | Int | Choice, value: Any, there: bool) -> float:
    """A value's place; NaN for one that the space does not hold, as of a trial from an older space."""
    if not there:
        return math.nan
    if isinstance(item, Choice):
        return float(next((index for index, choice in enumerate(item.choices) if same(choice, value)), math.nan))
    if not item.contains(value):
        return math.nan
    if item.log:
        return (math.log(value) - math.log(item.low)) / (math.log(item.high) - math.log(item.low))
    return float((value - item.low) / (item.high - item.low))


def _curves(reports: Iterable[Report], trials: Container[int], metric: str, sign: float) -> dict[int, Floats]:
    points: dict[int, dict[int, float]] = {}
    for report in reports:
        value = report.metrics.get(metric)
        if value is not None and report.trial in trials:
            points.setdefault(report.trial, {}).setdefault(report.epoch, value)
    curves: dict[int, Floats] = {}
    for trial, values in points.items():
        curve = np.full(max(values), np.nan)
        curve[np.fromiter(values, dtype=np.int64, count=len(values)) - 1] = list(values.values())
        curves[trial] = np.where(np.isfinite(curve), sign * curve, np.nan)
    return curves
