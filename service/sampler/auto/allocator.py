"""AutoAllocator: what the runner asks; between it and the search stand the study's records.

A new configuration comes from the search's model, from what is given (the defaults, `start_from`), from controls, or at
random; all but the first are drawn by the sampler that this one is made over, which also knows what was proposed
before. With a method of its own (`random`, `bayesian`, ...) that sampler draws every configuration, and the search
decides of pauses alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from goodfit.search_spaces.space import Space
from goodfit.service.objective import INFEASIBLE, Objective
from goodfit.service.ports import NO_METRICS, Proposal
from goodfit.service.records import FINISHED, Decision, Failure, Params, Report, Seen, Trial, TrialState, is_control
from goodfit.service.sampler.auto.runs import Arm, State
from goodfit.service.sampler.auto.search import AutoSearch, Step
from goodfit.service.sampler.cube import Cube, Points
from goodfit.service.sampler.search import OptunaSampler

TARGET, COMPLETE, PRUNED, DIVERGED, LOST = "target", "complete", "pruned", "diverged", "lost"  # of Seen
_ENDS = {
    COMPLETE: (TrialState.COMPLETE, None),
    PRUNED: (TrialState.PRUNED, None),
    DIVERGED: (TrialState.FAILED, Failure.NAN),
    LOST: (TrialState.FAILED, Failure.LOST),
}
CAREFUL_TRIALS, CAREFUL_CORRELATION = 8, 0.5  # before a trial that cannot be paused is ended

BEYOND = 1e-6 * INFEASIBLE  # values from here on are of trials that break the constraints, or lie between such

# Where a new trial's configuration comes from, if the sampler does not say; else from the study's own search method.
CONTROL, RANDOM = "control", "random"
CURVES, FINALS = "curves", "finals"  # a model of all curves, or of final values alone


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question of the runner.

    Attributes:
        number: of the next new trial.
        workers: how many trials may run at once.
        closing: where no new trial may start: so many trials are to be trained to their end.
        after: the trial that holds the worker still.
        stays: whether that one cannot be paused.
        left: how many epochs the budget still has.
    """

    number: int
    workers: int
    closing: int | None
    after: int | None
    stays: bool
    left: float = math.inf


@dataclass(frozen=True, slots=True)
class _Chosen:
    """An answer to it: a step, of a new trial its configuration; `ends`: the trial of the step ends where it is."""

    step: Step
    params: dict[str, Any] | None = None
    why: Mapping[str, Any] = field(default_factory=dict)
    ends: bool = False


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
        plateau: whether to begin no more trials once nothing above the noise is to be gained.
        decays: whether the learning rate of all trials is known to decay.
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
        plateau: bool = False,
        decays: bool = False,
    ) -> None:
        self._sampler, self._cube = sampler, Cube(space)
        self._objective, self._epochs, self._seed = objective, epochs, seed
        self._proposes, self._pauses, self._folds = proposes, pauses, folds
        self._finals, self._control, self._plateau = finals, control, plateau
        self.decays = decays
        self.start_over(had_pauses=False)

    def start_over(self, *, had_pauses: bool) -> None:
        """Forget everything. `had_pauses`: what is told next is of when the study had its trials paused."""
        self._search = AutoSearch(
            self._cube,
            epochs=self._epochs,
            seed=self._seed,
            pauses=self._pauses or had_pauses,
            last_counts=self._folds,
            decays=self.decays,
            is_new=self._is_new,
        )
        self._index = 0  # of the next decision
        self._told: set[int] = set()  # trials whose end was seen again
        self._chance = math.nan  # to beat the best value, at the model's last decision
        self._seen: list[Seen] = []  # since the last decision
        self._curves: dict[int, list[tuple[int, float]]] = {}  # of trials that train, as far as they were not observed

    def report(self, number: int, epoch: int, value: float, metrics: Mapping[str, float] = NO_METRICS) -> None:
        """An epoch that measures the objective."""
        self._curves.setdefault(number, []).append((epoch, self._objective.penalized(value, metrics)))
        self._sampler.report(number, epoch, value, metrics)

    def should_prune(self, number: int) -> bool:
        return self._sampler.should_prune(number)

    def judged_after(self, number: int, epoch: int) -> int | None:
        return self._sampler.judged_after(number, epoch)

    def reached(self, number: int, epoch: int, seconds: float) -> None:
        self._observe(Seen(number, epoch, None if math.isnan(seconds) else seconds, TARGET))

    def tell(self, trial: Trial) -> None:
        self._sampler.tell(trial)
        self._observe(Seen(trial.number, trial.epochs, None, _how(trial)))

    def _observe(self, seen: Seen) -> None:
        self._seen.append(seen)
        search, curve = self._search, self._curves.pop(seen.trial, [])
        counted = [one for one in curve if one[0] <= seen.epoch]
        later = curve[len(counted) :]
        for epoch, value in counted:
            search.report(seen.trial, epoch, -self._objective.sign * value)
        if later:
            self._curves[seen.trial] = later
        if seen.how == DIVERGED:
            search.report(seen.trial, max(1, seen.epoch), math.nan)
        else:
            search.report(seen.trial, seen.epoch, None)
        state = {TARGET: State.PAUSED, LOST: State.LOST}.get(seen.how, State.OVER)
        if counted:
            self._sampler.paused(seen.trial, *counted[-1])
        seconds = math.nan if seen.seconds is None else seen.seconds
        search.observe(seen.trial, state, seconds, complete=seen.how == COMPLETE)

    def next(
        self,
        number: int,
        workers: int,
        *,
        new: bool = True,
        after: int | None = None,
        stays: bool = False,
        left: float = math.inf,
    ) -> Proposal | None:
        new = new and not self._sampler.is_exhausted and self.ended() is None
        asked = _Asked(number, workers, None if new else self._finals, after, stays, left)
        chosen = self._choose(asked)
        if chosen is None:
            return None
        if chosen.params is not None:
            self._sampler.add(number, chosen.params)
        return self._adopt(asked, chosen)

    def see(self, seen: Seen, trial: Trial) -> None:
        """What a stored decision had seen, again; its epochs have been reported. One may end twice: trained again."""
        if seen.how != TARGET and seen.trial not in self._told:
            self._told.add(seen.trial)
            state, failure = _ENDS[seen.how]
            self._sampler.tell(replace(trial, number=seen.trial, state=state, failure=failure, epochs=seen.epoch))
        self._observe(seen)

    def ended(self) -> str | None:
        if not (self._plateau and self._search.is_flat):
            return None
        return f"no gain above the noise is to be expected: a chance of {self._chance:.1%} to beat the best value"

    def follow(self, decision: Decision, params: Params) -> None:
        """A stored decision as it was taken; what it had `seen` has been reported. `params`: of its trial."""
        if decision.new:
            self._sampler.add(decision.trial, params)
        self._repeat(decision, params)

    def derive(self, decision: Decision, params: Params) -> Proposal | None:
        """What is decided again where this decision was taken; after that, all goes on from the decision itself.

        Args:
            decision: the next one; what it had `seen` has been reported.
            params: of its trial.
        """
        why = decision.why
        number = decision.trial if decision.new else self._search.runs.count
        asked = _Asked(
            number,
            decision.workers,
            why.get("closing"),
            why.get("after"),
            bool(why.get("stays")),
            why.get("left", math.inf),
        )
        chosen = self._choose(asked)
        self.follow(decision, params)
        if chosen is None:
            return None
        trial, until = chosen.step.number, chosen.step.target if chosen.step.target < self._epochs else None
        return Proposal(number if trial is None else trial, chosen.params, until, prune=chosen.ends)

    def _choose(self, asked: _Asked) -> _Chosen | None:
        if asked.stays and asked.after is not None:
            return self._stays(asked.after)
        due = self._search.due(self._finals, asked.left, asked.workers)
        if due is not None:
            return _Chosen(due, why={"left": asked.left, "finals": self._finals})
        if asked.closing is not None:
            return self._close(asked.closing)
        given = self._given(asked.number)
        step = given or self._search.decide(self._index, asked.workers)
        if step.number is not None:
            return _Chosen(step)
        point = step.point if self._proposes else None
        params = self._sampler.propose(asked.number) if point is None else self._cube.params(point)
        if params is None:  # the space is exhausted
            return self._close(self._finals)
        modelled = point is not None
        source = self._source(asked.number, step, modelled=modelled)
        why: dict[str, Any] = {"source": source, "straight": step.straight}
        if asked.number < self._sampler.presets:
            why["given"] = self._sampler.preset(asked.number)
        if not modelled:
            return _Chosen(replace(step, why={}), params, why)  # what the model expected is of another configuration
        return _Chosen(step, params, {**why, **self._forecast(step)})

    def _close(self, finals: int) -> _Chosen | None:
        step = self._search.closing(finals)
        return None if step is None else _Chosen(step, why={"closing": finals})

    def _stays(self, number: int) -> _Chosen:
        """A trial that cannot be paused goes on, unless it is among the worse half and ranks can be trusted."""
        runs, levels = self._search.runs, self._search.levels
        rank, count, _ = self._search.standing(number)
        epoch = int(runs.epoch[number])
        if count >= CAREFUL_TRIALS and rank > count / 2 and self._search.reliability >= CAREFUL_CORRELATION:
            return _Chosen(Step(Arm.RANKS, epoch, number), ends=True)
        target = next((level for level in levels if level > epoch), self._epochs)
        return _Chosen(Step(Arm.RANKS, target, number))

    def _adopt(self, asked: _Asked, chosen: _Chosen) -> Proposal:
        step, params = chosen.step, chosen.params
        why = {**chosen.why, **self._evidence(asked, chosen)}
        if chosen.ends and step.number is not None:
            trial = step.number
            self._search.end(trial)
        else:
            point = None if params is None else self._cube.point(params)
            trial = self._search.adopt(self._index, asked.workers, step, point)
            self._chance = step.why.get("chance", self._chance)
        until = step.target if step.target < self._epochs or chosen.ends else None
        decision = Decision(self._index, trial, params is not None, until, asked.workers, tuple(self._seen), why)
        self._index, self._seen = self._index + 1, []
        return Proposal(trial, params, until, decision, chosen.ends)

    def _evidence(self, asked: _Asked, chosen: _Chosen) -> dict[str, Any]:
        """What is known where a decision is taken, in plain JSON values."""
        search, step = self._search, chosen.step
        why: dict[str, Any] = {"by": step.arm.name.lower(), "score": step.score, **search.evidence()}
        if step.number is not None:
            why |= self._forecast(step)
        if step.number not in (None, asked.after):
            why["own"] = self._standing(step.number)
        if asked.after is not None:
            why |= {"after": asked.after, **self._standing(asked.after)}
        if asked.stays:
            why |= {"stays": True, "ends": chosen.ends}
        if abs(why.get("best", 0.0)) >= BEYOND:
            del why["best"]  # none keeps the constraints yet
        if "best" in why:
            why["best"] *= -self._objective.sign
        return why

    def _standing(self, number: int) -> dict[str, int]:
        rank, count, level = self._search.standing(number)
        return {"rank": rank, "of": count, "at": level}

    def _given(self, number: int) -> Step | None:
        """What runs to its end: the trainer's defaults, the best of the earlier studies, controls.

        What else begins a study is compared like others.
        """
        if number in (self._sampler.defaults_at, self._sampler.earlier_at) or is_control(number, self._control):
            return Step(Arm.FULL, self._epochs, straight=True)
        return Step(Arm.RANKS, self._search.floor) if number < self._sampler.presets else None

    def _source(self, number: int, step: Step, *, modelled: bool) -> str:
        """Where a new trial's configuration comes from."""
        if is_control(number, self._control) and number >= self._sampler.presets:
            return CONTROL
        if modelled:
            return FINALS if step.straight else CURVES
        return self._sampler.origin(number) or (RANDOM if self._proposes else self._sampler.method)

    def _is_new(self, point: Points) -> bool:
        return not self._sampler.was_proposed(self._cube.params(point))

    def _forecast(self, step: Step) -> dict[str, Any]:
        """What the model expects, in the objective's own values."""
        why = dict(step.why)
        if any(abs(value) >= BEYOND for value in why.get("forecast", ())):
            del why["forecast"]  # it may break the constraints
        if "forecast" in why:
            why["forecast"] = sorted(-self._objective.sign * value for value in why["forecast"])
        return why

    def rebuild(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> None:
        self.start_over(had_pauses=any(one.until is not None for one in decisions))
        self._sampler.rebuild(trials, reports)
        by_number = {trial.number: trial for trial in trials}
        for report in reports:
            value = report.metrics.get(self._objective.metric)
            if value is not None:
                ranked = self._objective.penalized(value, report.metrics)
                self._curves.setdefault(report.trial, []).append((report.epoch, ranked))
        for decision in decisions:
            for seen in decision.seen:
                self._observe(seen)
            self._repeat(decision, by_number[decision.trial].params)
        for seen in self._unseen(trials, reports, decisions):
            self._observe(seen)
        self.unpause()

    def unpause(self) -> None:
        """Where trials are not paused, all train to their end, also those that were paused before an edit."""
        if not self._pauses:
            self._search.unpause()

    def _repeat(self, decision: Decision, params: Params) -> None:
        if decision.why.get("ends"):
            self._search.end(decision.trial)
        else:
            target = self._epochs if decision.until is None else decision.until
            step = Step(
                Arm[decision.why["by"].upper()],
                target,
                None if decision.new else decision.trial,
                straight=bool(decision.why.get("straight")),
                score=decision.why["score"],
                why=decision.why,
            )
            point = self._cube.point(params) if decision.new else None
            self._search.adopt(decision.index, decision.workers, step, point)
            self._chance = decision.why.get("chance", self._chance)
        self._index, self._seen = decision.index + 1, []

    def _unseen(self, trials: Sequence[Trial], reports: Sequence[Report], decisions: Sequence[Decision]) -> list[Seen]:
        """What had come after the last decision, in the order of the last reports."""
        seen = {one.trial: one for decision in decisions for one in decision.seen}
        last = {report.trial: report.at for report in reports}
        found = []
        for trial in sorted(trials, key=lambda trial: (last.get(trial.number, 0.0), trial.number)):
            before = seen.get(trial.number)
            if trial.state in FINISHED:
                if before is None or before.how != _how(trial):  # it was paused, or has been trained again
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
