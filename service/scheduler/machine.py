"""The scheduler of one study: a pure state machine, (state, event) -> actions.

It decides what is asked of the sampler, which trial starts, stops, is tried again, and when the
study is over. It has no clock, no I/O and no randomness: times come in with the events, and what
it wants done goes out as actions, which the runner performs in their order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from service.records import Failure, Report, StudyState, Trial, TrialState, better, trial_seed
from service.scheduler.words import (
    Action,
    Ask,
    Close,
    CloseAsked,
    Event,
    Judge,
    Judged,
    Keep,
    Kill,
    Launch,
    Overtime,
    Plan,
    Proposed,
    Reason,
    Record,
    Settle,
    Slots,
    Stop,
    Turn,
    Unresponsive,
)
from trainers.messages import Ended, Outcome, Reported

_FAILURES = {
    Outcome.ERROR: Failure.ERROR,
    Outcome.UNUSABLE: Failure.ERROR,
    Outcome.NAN: Failure.NAN,
    Outcome.OOM: Failure.OOM,
}


class Scheduler:
    """One study's decisions.

    Args:
        plan: what the study file asks for.
        trials: what the store has already; a trial RUNNING there has lost its worker with the
            runner before this one. Such deaths are not the trials' own, so their count begins anew.
    """

    def __init__(self, plan: Plan, trials: Iterable[Trial] = ()) -> None:
        self.plan = plan
        self.trials = {trial.number: replace(trial, losses=0) for trial in trials}
        self.slots = 0
        self.closing: Reason | None = None
        self.closed = False
        self._message: str | None = None
        self._queue: deque[int] = deque()
        self._running: set[int] = set()
        self._overtime: set[int] = set()
        self._asked: int | None = None
        self._exhausted = False

    @property
    def running(self) -> list[Trial]:
        """The trials that a worker has now, in the order of their numbers."""
        return [self.trials[number] for number in sorted(self._running)]

    def start(self, now: float) -> list[Action]:
        """Take up what the store has: the first call, once."""
        actions: list[Action] = []
        for number in sorted(self.trials):
            trial = self.trials[number]
            if trial.state is TrialState.RUNNING and trial.prune_at is not None:
                actions += self._settle(trial, TrialState.PRUNED, now)
            elif trial.state is TrialState.RUNNING:
                actions += self._requeue(trial, front=False)
            elif trial.state is TrialState.QUEUED:
                self._queue.append(number)
        if any(self._reaches_target(trial) for trial in self.trials.values()):
            actions += self._close(Reason.TARGET, None, now)
        return actions

    def step(self, event: Event, now: float) -> list[Action]:
        """What follows from one event at time `now`, in seconds."""
        match event:
            case Reported():
                return self._on_reported(event)
            case Ended():
                return self._on_ended(event, now)
            case Judged():
                return self._on_judged(event)
            case Proposed():
                return self._on_proposed(event)
            case Slots(count):
                self.slots = count
                return []
            case Turn():
                return self._on_turn(now)
            case Overtime(trial):
                return self._on_overtime(trial)
            case Unresponsive(trial):
                return self._on_unresponsive(trial, now)
            case CloseAsked(reason, message):
                return self._close(reason, message, now)

    def _on_reported(self, event: Reported) -> list[Action]:
        trial = self._current(event.trial, event.attempt)
        if trial is None or trial.prune_at is not None or event.epoch != trial.epochs + 1:
            return []
        value = event.metrics[self.plan.metric]
        changes: dict[str, Any] = {"epochs": event.epoch, "last_value": value, "losses": 0}
        if not math.isnan(value) and (trial.value is None or better(value, trial.value, self.plan.direction)):
            changes |= {"value": value, "best_epoch": event.epoch}
        trial = self._put(replace(trial, **changes))
        report = Report(trial.number, event.epoch, event.metrics, event.at)
        actions: list[Action] = [Record(trial), Keep(report, value)]
        if self.plan.prune and not event.final:
            actions.append(Judge(trial.number, event.epoch))
        return actions

    def _on_judged(self, event: Judged) -> list[Action]:
        trial = self.trials[event.trial]
        if not event.prune or event.trial not in self._running or trial.prune_at is not None:
            return []
        trial = self._put(replace(trial, prune_at=event.epoch))
        return [Record(trial), Stop(trial.number)]

    def _on_ended(self, event: Ended, now: float) -> list[Action]:
        trial = self._current(event.trial, event.attempt)
        if trial is None:
            return []
        self._running.discard(trial.number)
        if trial.prune_at is not None:
            return self._settle(trial, TrialState.PRUNED, now)
        match event.outcome:
            case Outcome.COMPLETE:
                return self._complete(trial, now)
            case Outcome.STOPPED:
                return self._stopped(trial, now)
            case Outcome.LOST:
                return self._lost(trial, event.message, now)
            case Outcome.NO_DISK:
                return [*self._requeue(trial, front=True), *self._close(Reason.NO_DISK, event.message, now)]
        failed = self._settle(trial, TrialState.FAILED, now, failure=_FAILURES[event.outcome], message=event.message)
        if event.outcome is Outcome.UNUSABLE:
            failed += self._close(Reason.UNUSABLE, event.message, now)
        return failed

    def _complete(self, trial: Trial, now: float) -> list[Action]:
        actions = self._settle(trial, TrialState.COMPLETE, now)
        if self._reaches_target(self.trials[trial.number]):
            actions += self._close(Reason.TARGET, None, now)
        return actions

    def _stopped(self, trial: Trial, now: float) -> list[Action]:
        if trial.number in self._overtime:
            self._overtime.discard(trial.number)
            message = f"past training.minutes after {trial.epochs} of {self.plan.epochs} epochs"
            return self._settle(trial, TrialState.FAILED, now, failure=Failure.TIMEOUT, message=message)
        if self.closing is None or self.closing.saves:
            return self._requeue(trial, front=True)
        return self._settle(trial, TrialState.CANCELLED, now)

    def _lost(self, trial: Trial, message: str | None, now: float) -> list[Action]:
        trial = self._put(replace(trial, losses=trial.losses + 1))
        if trial.losses > self.plan.retries:
            text = f"its worker died {trial.losses} times in a row: {message or 'no word from it'}"
            return self._settle(trial, TrialState.FAILED, now, failure=Failure.LOST, message=text)
        if self.closing is not None and not self.closing.saves:
            return self._settle(trial, TrialState.CANCELLED, now)
        return self._requeue(trial, front=True)

    def _on_proposed(self, event: Proposed) -> list[Action]:
        self._asked = None
        if event.params is None:
            self._exhausted = True
            return []
        trial = self._put(Trial(event.number, event.params, trial_seed(self.plan.seed, event.number)))
        self._queue.append(trial.number)
        return [Record(trial)]

    def _on_turn(self, now: float) -> list[Action]:
        """Fill the free slots: first with what waits, then with new trials, one Ask at a time."""
        if self.closed:
            return []
        actions: list[Action] = []
        while not self.closing and self._queue and len(self._running) < self.slots:
            number = self._queue.popleft()
            trial = self.trials[number]
            changes = {"attempts": trial.attempts + 1, "started": trial.started or now}
            trial = self._put(trial.to(TrialState.RUNNING, **changes))
            self._running.add(number)
            actions += [Record(trial), Launch(trial)]
        if self._may_ask():
            self._asked = len(self.trials)
            actions.append(Ask(self._asked))
        elif not self._running and self._asked is None and (self.closing or self._spent()):
            actions += self._finish()
        return actions

    def _may_ask(self) -> bool:
        free = len(self._running) < self.slots
        return free and not (self.closing or self._queue or self._asked is not None or self._spent())

    def _spent(self) -> bool:
        """Whether no trial is left to start."""
        at_budget = self.plan.trials is not None and len(self.trials) >= self.plan.trials
        return not self._queue and (self._exhausted or at_budget)

    def _on_overtime(self, number: int) -> list[Action]:
        if number not in self._running or number in self._overtime:
            return []
        self._overtime.add(number)
        return [Stop(number)]

    def _on_unresponsive(self, number: int, now: float) -> list[Action]:
        if number not in self._running:
            return []
        trial = self.trials[number]
        ended = Ended(number, trial.attempts, Outcome.STOPPED)
        return [Kill(number), *self._on_ended(ended, now)]

    def _close(self, reason: Reason, message: str | None, now: float) -> list[Action]:
        if self.closing is not None or self.closed:
            return []
        self.closing, self._message = reason, message
        actions: list[Action] = [Stop(number) for number in sorted(self._running)]
        if not reason.saves:
            for number in list(self._queue):
                actions += self._settle(self.trials[number], TrialState.CANCELLED, now)
            self._queue.clear()
        return actions

    def _finish(self) -> list[Action]:
        self.closed = True
        match self.closing:
            case Reason.INTERRUPT | Reason.NO_DISK:
                return [Close(StudyState.INTERRUPTED, self._message)]
            case Reason.STOP:
                return [Close(StudyState.STOPPED, self._message)]
            case Reason.UNUSABLE:
                return [Close(StudyState.FAILED, self._message)]
        if any(trial.state is TrialState.COMPLETE for trial in self.trials.values()):
            return [Close(StudyState.DONE)]
        return [Close(StudyState.FAILED, "no trial was trained to its end")]

    def _settle(self, trial: Trial, state: TrialState, now: float, **changes: Any) -> list[Action]:
        return [Settle(self._put(trial.to(state, ended=now, **changes)))]

    def _requeue(self, trial: Trial, *, front: bool) -> list[Action]:
        trial = self._put(trial.to(TrialState.QUEUED))
        if front:
            self._queue.appendleft(trial.number)
        else:
            self._queue.append(trial.number)
        return [Record(trial)]

    def _put(self, trial: Trial) -> Trial:
        self.trials[trial.number] = trial
        return trial

    def _current(self, number: int, attempt: int) -> Trial | None:
        """The trial, if this attempt at it is the one that runs; a word from an older one is late."""
        trial = self.trials.get(number)
        if trial is None or number not in self._running or trial.attempts != attempt:
            return None
        return trial

    def _reaches_target(self, trial: Trial) -> bool:
        target = self.plan.target
        if target is None or trial.value is None or trial.state is not TrialState.COMPLETE:
            return False
        return trial.value == target or better(trial.value, target, self.plan.direction)
