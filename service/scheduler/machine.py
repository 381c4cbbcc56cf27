"""The scheduler of one study: a pure state machine, (state, event) -> actions.

It decides what is asked of the sampler, which trial starts, stops, is tried again, and when the
study is over. It has no clock, no I/O and no randomness: times come in with the events, and what
it wants done goes out as actions, which the runner performs in their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from goodfit.service.ports import Exploit, Proposal
from goodfit.service.records import FINISHED, Failure, Report, Trial, TrialState, Verdict
from goodfit.service.scheduler.ending import closed, confirmations_due, is_at_budget, reaches_target
from goodfit.service.scheduler.epoch_budget import EpochBudget
from goodfit.service.scheduler.events import (
    MORE,
    Action,
    Ask,
    CloseAsked,
    Event,
    Examine,
    Examined,
    GoOn,
    Judge,
    Judged,
    Keep,
    Kill,
    Launch,
    Learn,
    OpenTest,
    Overtime,
    Plan,
    Proposed,
    Reach,
    Reason,
    Record,
    Settle,
    Slots,
    Stop,
    TakeOver,
    Turn,
    Unresponsive,
)
from goodfit.service.scheduler.failure_limit import Failures
from goodfit.service.scheduler.marks import data_at_end, marks_at_start
from goodfit.service.scheduler.progress import completed, confirming, given_up, proposed, reported
from goodfit.service.scheduler.workers import Workers
from goodfit.trainers.messages import Ended, EndSearch, Noted, Outcome, Reported, Suggested

_FAILURES = {
    Outcome.ERROR: Failure.ERROR,
    Outcome.UNUSABLE: Failure.ERROR,
    Outcome.NAN: Failure.NAN,
}

# How the worker of a trial that is being paused may end: the trial goes on later from what was saved of it.
_LETS_GO = (Outcome.STOPPED, Outcome.LOST, Outcome.PREEMPTED, Outcome.AWAY)


class Scheduler:
    """One study's decisions.

    Args:
        plan: what the study file asks for.
        trials: what the store has already; a trial RUNNING there has lost its worker with the
            runner before this one. Such deaths are not the trials' own, so their count begins anew.
    """

    def __init__(self, plan: Plan, trials: Iterable[Trial] = ()) -> None:
        self.trials = {trial.number: replace(trial, worker_deaths=0) for trial in trials}
        self.closing: Reason | None = None
        self.closed = False
        self._message: str | None = None
        self._workers = Workers()
        self._asked: int | None = None
        self._exhausted = False
        self._ended_by: int | None = None  # the trial whose trainer has ended the search
        self._searched = sum(trial.confirms is None for trial in self.trials.values())
        self._take(plan)

    def _take(self, plan: Plan) -> None:
        """Go by this plan from here on."""
        self.plan = plan
        self._failures = Failures(plan.failures, self.trials.values())
        self._epochs = EpochBudget(plan, self.trials.values())
        unconfirmed = any(trial.confirms is not None and trial.state not in FINISHED for trial in self.trials.values())
        self._confirming = unconfirmed and is_at_budget(plan, self._searched)

    @property
    def slots(self) -> int:
        """How many trials of the usual share may run at a time."""
        return self._workers.slots

    @property
    def running(self) -> list[Trial]:
        """The trials that a worker has now, in the order of their numbers."""
        return [self.trials[number] for number in self._workers.running]

    def _unfinished(self) -> list[Trial]:
        """The trials that may yet succeed, of those that have begun."""
        paused = [trial for trial in self.trials.values() if trial.state is TrialState.PAUSED]
        return self.running + paused

    def start(self, now: float) -> list[Action]:
        """Take up what the store has: the first call, once."""
        actions: list[Action] = []
        for number in sorted(self.trials):
            trial = self.trials[number]
            if trial.state is TrialState.RUNNING and trial.cut:
                actions += self._settle_cut(trial, now)
            elif trial.state is TrialState.RUNNING and trial.at_target:
                actions.append(Record(self._put(trial.to(TrialState.PAUSED))))
            elif trial.state is TrialState.RUNNING:
                actions += self._requeue(trial, front=False)
            elif trial.state is TrialState.QUEUED:
                self._workers.wait(number)
        return actions + self._unpause() + self._end_at_target(now)

    def revise(self, plan: Plan, now: float) -> list[Action]:
        """Go on by another plan: the study was edited. What runs goes on."""
        self._take(plan)
        self._exhausted, self._ended_by = False, None
        return self._unpause() + self._end_at_target(now)

    def reopen(self) -> None:
        """Go on where the study was about to close: it was edited just then."""
        self.closed, self.closing = False, None

    def _end_at_target(self, now: float) -> list[Action]:
        reached = any(reaches_target(self.plan, trial) for trial in self.trials.values())
        return self._close(Reason.TARGET, None, now) if reached else []

    def _pauses_no_more(self) -> bool:
        """Whether trials that wait at a target, from when the study had pauses, train to their end."""
        return not self.plan.pauses and self._epochs_left() > 0

    def _unpause(self) -> list[Action]:
        actions: list[Action] = []
        for trial in sorted(self.trials.values(), key=lambda trial: trial.number):
            if trial.state is TrialState.PAUSED and self.closing is None and self._pauses_no_more():
                actions += self._take_up(trial.number, None)
        return actions

    def step(self, event: Event, now: float) -> list[Action]:
        """What follows from one event at time `now`, in seconds."""
        match event:
            case Reported() | Suggested() | Noted() | EndSearch():
                return self._on_progress(event)
            case Ended():
                return self._on_ended(event, now)
            case Judged() | Examined():
                return self._on_answer(event)
            case Proposed():
                return self._on_proposed(event)
            case Slots(count):
                self._workers.slots = count
                return []
            case Turn():
                return self._on_turn(now)
            case Overtime(trial):
                return self._on_overtime(trial)
            case Unresponsive(trial):
                return self._on_unresponsive(trial, now)
            case CloseAsked(reason, message):
                return self._close(reason, message, now)

    def _on_progress(self, event: Reported | Suggested | Noted | EndSearch) -> list[Action]:
        match event:
            case Reported():
                return self._on_reported(event)
            case Suggested():
                return self._on_suggested(event)
            case Noted():
                return self._on_noted(event)
            case EndSearch():
                return self._on_end_search(event)

    def _on_reported(self, event: Reported) -> list[Action]:
        trial = self._current(event.trial, event.attempt)
        if trial is None or trial.cut or event.epoch != trial.epochs + 1:
            return []
        trial = self._put(reported(self.plan, trial, event))
        value = event.metrics.get(self.plan.objective.metric)
        self._epochs.note(trial)
        report = Report(trial.number, event.epoch, event.metrics, event.at, event.costs)
        actions: list[Action] = [Record(trial), Keep(report, value)]
        if value is not None and trial.confirms is None and not event.final:
            actions += [Judge(trial.number, event.epoch)] if self.plan.prune else []
            actions += [Examine(trial.number, event.epoch)] if self.plan.stop_on_overfit else []
        if trial.at_target and self.closing is None and self._pauses_no_more():
            actions += self._go_on(trial, Proposal(trial.number))
        elif trial.at_target and self.closing is None:
            self._exhausted = False
            actions.append(Reach(trial.number, event.epoch, event.seconds))
            if self._epochs_left() > 0:
                actions.append(self._ask(after=trial.number, stays=not event.resumable))
            else:
                actions.append(Stop(trial.number))
        return actions

    def _on_suggested(self, event: Suggested) -> list[Action]:
        """A trainer has asked for a parameter: it is one of the trial's from now on."""
        trial = self._current(event.trial, event.attempt)
        if trial is None:
            return []
        trial = self._put(replace(trial, params={**trial.params, event.parameter["name"]: event.value}))
        return [Record(trial), Learn(trial.number, event.value, event.parameter)]

    def _on_noted(self, event: Noted) -> list[Action]:
        trial = self._current(event.trial, event.attempt)
        if trial is None:
            return []
        return [Record(self._put(replace(trial, notes={**(trial.notes or {}), **event.notes})))]

    def _on_end_search(self, event: EndSearch) -> list[Action]:
        """No further trial begins, as with the budget of trials spent."""
        trial = self._current(event.trial, event.attempt)
        if trial is not None and trial.confirms is None and self._ended_by is None:
            self._ended_by = trial.number
        return []

    def _epochs_left(self) -> float:
        return self._epochs.left(self.trials[number] for number in self._workers)

    def _until(self, wanted: int | None, trained: int) -> int | None:
        return self._epochs.until(wanted, trained, self._epochs_left())

    def _ask(self, *, after: int | None = None, stays: bool = False) -> Ask:
        return Ask(len(self.trials), not self._has_all(), after, stays, self._epochs_left(), self._epochs.trained)

    def _has_all(self) -> bool:
        """Whether the search has all the trials that it is to have."""
        return self._ended_by is not None or is_at_budget(self.plan, self._searched)

    def _on_answer(self, event: Judged | Examined) -> list[Action]:
        trial = self.trials[event.trial]
        if event.trial not in self._workers or trial.cut:
            return []
        match event:
            case Judged(prune=True):
                trial = self._put(replace(trial, prune_at=event.epoch))
            case Examined(verdict=Verdict.OVERFIT):
                trial = self._put(replace(trial, stop_at=event.epoch))
            case _:
                return []
        return [Record(trial), Stop(trial.number)]

    def _on_ended(self, event: Ended, now: float) -> list[Action]:
        trial = self._current(event.trial, event.attempt)
        if trial is None:
            return []
        self._workers.end(trial.number)
        data = data_at_end(trial, event, self.plan.data)
        if data != trial.data:
            trial = self._put(replace(trial, data=data))
        trial = given_up(trial, event)
        self._exhausted = self._exhausted and not self.plan.pauses
        actions = self._after_end(trial, event, now)
        self._workers.to_resume.discard(trial.number)
        return actions

    def _after_end(self, trial: Trial, event: Ended, now: float) -> list[Action]:
        if trial.cut:
            return self._settle_cut(trial, now, event)
        if event.outcome in _LETS_GO and (trial.at_target or trial.number in self._workers.to_resume):
            return self._again(trial, now)
        return self._by_outcome(trial, event, now)

    def _by_outcome(self, trial: Trial, event: Ended, now: float) -> list[Action]:
        match event.outcome:
            case Outcome.COMPLETE:
                return self._complete(trial, event, now)
            case Outcome.STOPPED:
                return self._stopped(trial, now)
            case Outcome.LOST | Outcome.AWAY:
                return self._lost(trial, event, now)
            case Outcome.PREEMPTED:
                return self._again(trial, now)
            case Outcome.OOM:
                return self._out_of_memory(trial, event.message, now)
            case Outcome.NO_DISK:
                return self._no_disk(trial, event.message, now)
        failed = self._settle(trial, TrialState.FAILED, now, failure=_FAILURES[event.outcome], message=event.message)
        if event.outcome is Outcome.UNUSABLE:
            failed += self._close(Reason.UNUSABLE, event.message, now)
        return failed

    def _complete(self, trial: Trial, event: Ended, now: float) -> list[Action]:
        trial = self._put(trial.to(TrialState.COMPLETE, ended=now, **completed(trial, event)))
        self._failures.note(trial)
        actions: list[Action] = [Settle(trial, event)]
        if reaches_target(self.plan, self.trials[trial.number]):
            actions += self._close(Reason.TARGET, None, now)
        return actions

    def _stopped(self, trial: Trial, now: float) -> list[Action]:
        if trial.number in self._workers.overtime:
            self._workers.overtime.discard(trial.number)
            message = f"past training.minutes after {trial.epochs} of {self.plan.epochs} epochs"
            return self._settle(trial, TrialState.FAILED, now, failure=Failure.TIMEOUT, message=message)
        return self._again(trial, now)

    def _lost(self, trial: Trial, event: Ended, now: float) -> list[Action]:
        """Another attempt at a trial that lost its worker or, for a while, its files; not again and again."""
        trial = self._put(replace(trial, worker_deaths=trial.worker_deaths + 1))
        if trial.worker_deaths > self.plan.retries and event.outcome is Outcome.AWAY:
            return self._no_disk(trial, event.message, now)
        if trial.worker_deaths > self.plan.retries:
            text = f"its worker died {trial.worker_deaths} times in a row: {event.message or 'no word from it'}"
            return self._settle(trial, TrialState.FAILED, now, failure=Failure.LOST, message=text)
        return self._again(trial, now)

    def _no_disk(self, trial: Trial, message: str | None, now: float) -> list[Action]:
        """No trial can go on; this one can when the study is resumed."""
        return [*self._again(trial, now), *self._close(Reason.NO_DISK, message, now)]

    def _again(self, trial: Trial, now: float) -> list[Action]:
        """Have a trial go on whose worker is gone: later if it is at its target, else at once, if the study does."""
        if trial.at_target and self.closing is None and self._pauses_no_more():
            trial = self._put(replace(trial, until=self._until(None, trial.epochs)))
        if trial.at_target:
            self._workers.overtime.discard(trial.number)
            return [Record(self._put(trial.to(TrialState.PAUSED)))]
        resumed = trial.number in self._workers.to_resume
        if self._is_cancelled(trial):
            return self._cancel(trial, now, resumed=resumed)
        return self._requeue(trial, front=True, resumed=resumed)

    def _cancel(self, trial: Trial, now: float, *, resumed: bool) -> list[Action]:
        """The study ends without this trial; one that had been paused ends where it was left."""
        if self._counts_as_it_is(trial):
            return self._end_as_it_is(trial, now)
        if resumed:
            return self._settle(replace(trial, prune_at=trial.epochs), TrialState.PRUNED, now)
        return self._settle(trial, TrialState.CANCELLED, now)

    def _counts_as_it_is(self, trial: Trial) -> bool:
        """Whether it is a member of a population whose time is spent: none has been trained further than the others."""
        return self.plan.population and self.closing is Reason.TIME and trial.value is not None

    def _end_as_it_is(self, trial: Trial, now: float) -> list[Action]:
        """Take a member up once more, wherever it was, to end there."""
        for before, after in ((TrialState.PAUSED, TrialState.QUEUED), (TrialState.QUEUED, TrialState.RUNNING)):
            trial = trial.to(after) if trial.state is before else trial
        message = f"the time of the study was spent after {trial.epochs} of {self.plan.epochs} epochs"
        return self._settle(trial, TrialState.COMPLETE, now, message=message)

    def _is_cancelled(self, trial: Trial) -> bool:
        """Whether the study closes without this trial."""
        if self.closing is None or self.closing.saves:
            return False
        return trial.confirms is None or not self.closing.ends_search

    def _out_of_memory(self, trial: Trial, message: str | None, now: float) -> list[Action]:
        """Once more with a greater share; with that, or with none left to give, it has failed."""
        if trial.share < MORE and not self._is_cancelled(trial):
            return self._again(replace(trial, share=MORE, message=message), now)
        first = f"{trial.message}; with {trial.share:g} times the share: " if trial.share > 1 and trial.message else ""
        text = f"{first}{message or 'out of memory'}"
        return self._settle(trial, TrialState.FAILED, now, failure=Failure.OOM, message=text)

    def _on_proposed(self, event: Proposed) -> list[Action]:
        found, after = event.proposal, event.after
        self._asked = self._asked if after is not None else None
        if found is None:
            self._exhausted = True
            return [] if after is None else [Stop(after)]
        taken = [action for one in found.exploits for action in self._take_over(one)]
        if found.trial == after:
            return [*taken, *self._go_on(self.trials[after], found)]
        paused: list[Action] = [*taken] if after is None else [*taken, Stop(after)]
        if found.params is None:
            return [*paused, *self._take_up(found.trial, found.until)]
        trial = self._put(proposed(self.plan, found, self._searched, self._until(found.until, 0)))
        self._searched += 1
        self._workers.wait(trial.number)
        return [*paused, Record(trial)]

    def _take_over(self, exploit: Exploit) -> list[Action]:
        trial, donor = self.trials[exploit.trial], self.trials[exploit.donor]
        taken = self._put(trial.taking_over(donor, exploit.params))
        return [Record(taken), TakeOver(exploit.trial, exploit.donor)]

    def _go_on(self, trial: Trial, found: Proposal) -> list[Action]:
        """A trial that waits at its target trains on where it is, or ends there."""
        if found.prune:
            return [Record(self._put(replace(trial, prune_at=trial.epochs))), Stop(trial.number)]
        until = self._until(found.until, trial.epochs)
        return [Record(self._put(replace(trial, until=until))), GoOn(trial.number, until)]

    def _take_up(self, number: int, until: int | None) -> list[Action]:
        """A paused trial goes on; one whose worker is just letting it go does so then."""
        waiting = self.trials[number]
        trial = replace(waiting, until=self._until(until, waiting.epochs))
        if number in self._workers:
            self._workers.to_resume.add(number)
            return [Record(self._put(trial))]
        trial = self._put(trial.to(TrialState.QUEUED))
        self._workers.wait(number, resumed=True)
        return [Record(trial)]

    def _leave(self, now: float) -> list[Action]:
        """The search is over: what is paused ends where it was left."""
        paused = [trial for trial in self.trials.values() if trial.state is TrialState.PAUSED]
        return [
            action
            for trial in sorted(paused, key=lambda trial: trial.number)
            for action in self._cancel(trial, now, resumed=True)
        ]

    def _on_turn(self, now: float) -> list[Action]:
        """Fill the free slots: first with what waits, then with new trials, one Ask at a time."""
        if self.closed:
            return []
        actions: list[Action] = []
        while not self.closing and (first := self._workers.next(self.trials.__getitem__)) is not None:
            actions += self._launch(first, now)
        if self._may_ask():
            self._asked = len(self.trials)
            actions.append(self._ask())
        elif self._workers.is_idle and self._asked is None and (self.closing or self._spent()):
            if self.closing is None or not self.closing.saves:
                actions += self._leave(now)
            actions += self._confirm(now) or self._finish()
        return actions

    def _launch(self, trial: Trial, now: float) -> list[Action]:
        changes = {
            "attempts": trial.attempts + (not self._workers.resumes(trial.number)),
            "started": trial.started or now,
            **marks_at_start(trial, self.plan.code, self.plan.data),
        }
        trial = self._put(trial.to(TrialState.RUNNING, **changes))
        self._workers.start(trial)
        return [Record(trial), Launch(trial)]

    def _may_ask(self) -> bool:
        if self.closing or self._confirming or self._asked is not None:
            return False
        waiting = self._workers.waiting or self._workers.to_resume
        return self._workers.is_free and not waiting and self._epochs_left() > 0 and not self._spent()

    def _spent(self) -> bool:
        """Whether no trial is left to start."""
        at_budget = self._has_all() and not self.plan.pauses
        spent = self._exhausted or at_budget or self._confirming or self._epochs_left() <= 0
        return not self._workers.waiting and spent

    def _confirm(self, now: float) -> list[Action]:
        """Queue the confirmations, once the search is over; nothing where there are none to come.

        They are trials with numbers of their own, after those of the search so far, and not of its budget.
        """
        over = self.closing is None or self.closing.ends_search
        if self.plan.confirm is None or self._confirming or not over:
            return []
        due = confirmations_due(self.plan, self.trials.values())
        if not due and not self._workers.waiting:
            return []
        self._confirming, self.closing = True, None
        actions: list[Action] = [OpenTest()] if due else []
        for trial, seed in due:
            again = self._put(confirming(trial, len(self.trials), seed))
            self._workers.wait(again.number)
            actions.append(Record(again))
        return [*actions, *self._on_turn(now)]

    def _on_overtime(self, number: int) -> list[Action]:
        if number not in self._workers or number in self._workers.overtime:
            return []
        self._workers.overtime.add(number)
        return [Stop(number)]

    def _on_unresponsive(self, number: int, now: float) -> list[Action]:
        if number not in self._workers:
            return []
        trial = self.trials[number]
        ended = Ended(number, trial.attempts, Outcome.STOPPED)
        return [Kill(number), *self._on_ended(ended, now)]

    def _close(self, reason: Reason, message: str | None, now: float) -> list[Action]:
        if self.closing is not None or self.closed or (self._confirming and reason.ends_search):
            return []
        self.closing, self._message = reason, message
        ended = {number for number in self._workers if self._is_cancelled(self.trials[number])}
        stopped = [number for number in self._workers.running if reason.saves or number in ended]
        actions: list[Action] = [Stop(number) for number in stopped]
        for number in self._workers.waiting:
            if number in ended:
                actions += self._cancel(self.trials[number], now, resumed=self._workers.resumes(number))
        self._workers.drop(ended)
        return actions

    def _finish(self) -> list[Action]:
        self.closed = True
        message = self._message
        if message is None and self._ended_by is not None:
            message = f"the trainer of trial {self._ended_by} ended the search"
        return [closed(self.plan, self.closing, message, self.trials.values())]

    def _settle(self, trial: Trial, state: TrialState, now: float, **changes: Any) -> list[Action]:
        trial = self._put(trial.to(state, ended=now, **changes))
        self._failures.note(trial)
        actions: list[Action] = [Settle(trial)]
        if state is TrialState.FAILED and (why := self._failures.hopeless(trial, self._unfinished())):
            actions += self._close(Reason.FAILURES, why, now)
        return actions

    def _settle_cut(self, trial: Trial, now: float, ended: Ended | None = None) -> list[Action]:
        """A pruned trial, or one that was stopped for overfitting: that is as trained as it is to be."""
        state = TrialState.PRUNED if trial.prune_at is not None else TrialState.COMPLETE
        told = ended is not None and ended.outcome in (Outcome.COMPLETE, Outcome.STOPPED)
        message = ended.message if ended is not None and told else None
        trial = self._put(trial.to(state, ended=now, message=message))
        self._failures.note(trial)
        return [Settle(trial, ended)]

    def _requeue(self, trial: Trial, *, front: bool, resumed: bool = False) -> list[Action]:
        trial = self._put(trial.to(TrialState.QUEUED))
        self._workers.overtime.discard(trial.number)  # the next attempt has its own time
        self._workers.wait(trial.number, front=front, resumed=resumed)
        return [Record(trial)]

    def _put(self, trial: Trial) -> Trial:
        self.trials[trial.number] = trial
        return trial

    def _current(self, number: int, attempt: int) -> Trial | None:
        """The trial, if this attempt at it is the one that runs; a word from an older one is late."""
        trial = self.trials.get(number)
        if trial is None or number not in self._workers or trial.attempts != attempt:
            return None
        return trial
