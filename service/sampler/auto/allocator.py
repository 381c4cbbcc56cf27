"""AutoAllocator: what the runner asks; between it and the search stand the study's records.

A new configuration comes from the search's model, from what is given (the defaults, `start_from`), from controls, or at
random; all but the first are drawn by the sampler that this one is made over, which also knows what was proposed
before. With a method of its own (`random`, `bayesian`, ...) that sampler draws every configuration, and the search
decides of pauses alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from goodfit.search_spaces.space import Space
from goodfit.service.objective import Objective
from goodfit.service.ports import Proposal
from goodfit.service.records import FINISHED, Decision, Failure, Report, Seen, Trial, TrialState, is_control
from goodfit.service.sampler.auto.cube import Cube, Points
from goodfit.service.sampler.auto.runs import Arm, State
from goodfit.service.sampler.auto.search import AutoSearch, Step
from goodfit.service.sampler.search import OptunaSampler

TARGET, COMPLETE, PRUNED, DIVERGED, LOST = "target", "complete", "pruned", "diverged", "lost"  # of Seen
CAREFUL_TRIALS, CAREFUL_CORRELATION = 8, 0.5  # before a trial that cannot be paused is ended


class AutoAllocator:
    """Decides by an AutoSearch.

    Args:
        sampler: draws configurations, or knows those that were proposed.
        space: what is searched.
        objective: of the study.
        epochs: of a full run.
        seed: of the study.
        proposes: whether the search's model proposes configurations; else the sampler does.
        pauses: whether trials may be paused.
        folds: whether a report is a fold: then the last value counts, not the best.
        finals: so many trials are to be trained to their end, where the study lasts that long.
        control: share of the trials that are random and run to their end.
    """

    def __init__(
        self,
        sampler: OptunaSampler,
        space: Space,
        objective: Objective,
        *,
        epochs: int,
        seed: int,
        proposes: bool = True,
        pauses: bool = True,
        folds: bool = False,
        finals: int = 3,
        control: float = 0.0,
    ) -> None:
        self._sampler, self._cube = sampler, Cube(space)
        self._objective, self._epochs, self._seed = objective, epochs, seed
        self._proposes, self._pauses, self._folds = proposes, pauses, folds
        self._finals, self._control = finals, control
        self._reset()

    def _reset(self) -> None:
        self._search = AutoSearch(
            self._cube,
            epochs=self._epochs,
            seed=self._seed,
            pauses=self._pauses,
            last_counts=self._folds,
            is_new=self._is_new,
        )
        self._index = 0  # of the next decision
        self._seen: list[Seen] = []  # since the last decision
        self._curves: dict[int, list[tuple[int, float]]] = {}  # of trials that train, as far as they were not observed

    def report(self, number: int, epoch: int, value: float) -> None:
        """An epoch that measures the objective."""
        self._curves.setdefault(number, []).append((epoch, value))
        self._sampler.report(number, epoch, value)

    def should_prune(self, number: int) -> bool:
        return self._sampler.should_prune(number)

    def reached(self, number: int, epoch: int, seconds: float) -> None:
        self._observe(Seen(number, epoch, None if math.isnan(seconds) else seconds, TARGET))

    def tell(self, trial: Trial) -> None:
        self._sampler.tell(trial)
        self._observe(Seen(trial.number, trial.epochs, None, _how(trial)))

    def _observe(self, seen: Seen) -> None:
        self._seen.append(seen)
        search, curve = self._search, self._curves.pop(seen.trial, [])
        for epoch, value in curve:
            if epoch <= seen.epoch:
                search.report(seen.trial, epoch, -self._objective.sign * value)
        later = [one for one in curve if one[0] > seen.epoch]
        if later:
            self._curves[seen.trial] = later
        if seen.how == DIVERGED:
            search.report(seen.trial, max(1, seen.epoch), math.nan)
        else:
            search.report(seen.trial, seen.epoch, None)
        state = {TARGET: State.PAUSED, LOST: State.LOST}.get(seen.how, State.OVER)
        seconds = math.nan if seen.seconds is None else seen.seconds
        search.observe(seen.trial, state, seconds, complete=seen.how == COMPLETE)

    def next(
        self, number: int, workers: int, *, new: bool = True, after: int | None = None, stays: bool = False
    ) -> Proposal | None:
        if stays and after is not None:
            return self._stays(after, workers)
        step = self._given(number) if new else None
        if step is None:
            step = self._search.decide(self._index, workers) if new else self._search.closing(self._finals)
        params = None
        if step is not None and step.number is None:
            params = self._configuration(number, step)
            step = step if params is not None else self._search.closing(self._finals)  # the space is exhausted
        return None if step is None else self._adopt(step, workers, params, after)

    def _stays(self, number: int, workers: int) -> Proposal:
        """A trial that cannot be paused goes on, unless it is among the worse half and ranks can be trusted."""
        runs, levels = self._search.runs, self._search.levels
        rank, count = self._search.standing(number)
        if count >= CAREFUL_TRIALS and rank > count / 2 and self._search.reliability >= CAREFUL_CORRELATION:
            return Proposal(number, prune=True)
        target = next((level for level in levels if level > runs.epoch[number]), self._epochs)
        return self._adopt(Step(Arm.RANKS, target, number), workers, None, number)

    def _adopt(self, step: Step, workers: int, params: dict[str, Any] | None, after: int | None) -> Proposal:
        point = None if params is None else self._cube.point(params)
        standing = {} if after is None or not self._search.runs.count else self._standing(after)
        trial = self._search.adopt(self._index, workers, step, point)
        why = {"by": step.arm.name.lower(), "score": step.score, **self._forecast(step), **standing}
        until = step.target if step.target < self._epochs else None
        decision = Decision(self._index, trial, params is not None, until, workers, tuple(self._seen), why)
        self._index, self._seen = self._index + 1, []
        return Proposal(trial, params, until, decision)

    def _given(self, number: int) -> Step | None:
        """The trainer's defaults and controls run to their end; what else begins a study is compared like others."""
        if number == self._sampler.defaults_at or is_control(number, self._control):
            return Step(Arm.FULL, self._epochs, straight=True)
        return Step(Arm.RANKS, self._search.floor) if number < self._sampler.presets else None

    def _configuration(self, number: int, step: Step) -> dict[str, Any] | None:
        if step.point is None or not self._proposes:
            return self._sampler.ask(number)
        params = self._cube.params(step.point)
        self._sampler.add(number, params)
        return params

    def _is_new(self, point: Points) -> bool:
        return not self._sampler.was_proposed(self._cube.params(point))

    def _forecast(self, step: Step) -> dict[str, Any]:
        """What the model expects, in the objective's own values."""
        why = dict(step.why)
        if "forecast" in why:
            why["forecast"] = sorted(-self._objective.sign * value for value in why["forecast"])
        return {**why, "floor": self._search.floor, "reliability": self._search.reliability}

    def _standing(self, number: int) -> dict[str, Any]:
        rank, count = self._search.standing(number)
        return {"after": number, "rank": rank, "of": count}

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> None:
        self._reset()
        self._sampler.rebuild(trials, reports)
        by_number = {trial.number: trial for trial in trials}
        for report in reports:
            value = report.metrics.get(self._objective.metric)
            if value is not None:
                self._curves.setdefault(report.trial, []).append((report.epoch, value))
        for decision in decisions:
            for seen in decision.seen:
                self._observe(seen)
            self._repeat(decision, by_number[decision.trial])
        for seen in self._unseen(trials, reports, decisions):
            self._observe(seen)

    def _repeat(self, decision: Decision, trial: Trial) -> None:
        target = self._epochs if decision.until is None else decision.until
        step = Step(
            Arm[decision.why["by"].upper()],
            target,
            None if decision.new else decision.trial,
            straight=decision.new and decision.until is None,
            score=decision.why["score"],
        )
        point = self._cube.point(trial.params) if decision.new else None
        self._search.adopt(decision.index, decision.workers, step, point)
        self._index, self._seen = decision.index + 1, []

    def _unseen(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> list[Seen]:
        """What had come after the last decision, in the order of the last reports."""
        seen = {one.trial: one for decision in decisions for one in decision.seen}
        last = {report.trial: report.at for report in reports}
        found = []
        for trial in sorted(trials, key=lambda trial: (last.get(trial.number, 0.0), trial.number)):
            before = seen.get(trial.number)
            if trial.state in FINISHED:
                if before is None or before.how == TARGET:
                    found.append(Seen(trial.number, trial.epochs, None, _how(trial)))
            elif (
                trial.until is not None
                and trial.epochs >= trial.until
                and (before is None or before.epoch < trial.until)
            ):
                found.append(Seen(trial.number, trial.until, None, TARGET))
        return found


def _how(trial: Trial) -> str:
    """How a finished trial ended, for the search."""
    if trial.failure is Failure.NAN:
        return DIVERGED
    return {TrialState.COMPLETE: COMPLETE, TrialState.PRUNED: PRUNED}.get(trial.state, LOST)
