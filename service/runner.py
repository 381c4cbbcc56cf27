"""One study's loop: perform the scheduler's actions, feed back what comes of them.

A turn takes all that has come (messages of workers, timers, the user), lets the scheduler decide,
writes what changed in one transaction, and only then lets workers start or stop. The runner sees
ports alone, and its clock is passed in.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from goodfit.search_spaces.growing import OtherRange, grown
from goodfit.search_spaces.parse import from_list, to_list
from goodfit.search_spaces.space import Space
from goodfit.service import scheduler as sc
from goodfit.service.allocation import Numbered, OneByOne
from goodfit.service.diagnosis import Diagnosis, diagnose_trial
from goodfit.service.json_values import Values
from goodfit.service.packed import packed
from goodfit.service.ports import ALONE, Allocator, Executor, Leases, Queue, Sampler, Sharing, Tracker, Trials
from goodfit.service.progress import Progress, progress_of
from goodfit.service.records import (
    FINISHED,
    Batch,
    Lease,
    Report,
    Study,
    StudyState,
    Trial,
    TrialState,
    Verdict,
    Version,
    is_candidate,
)
from goodfit.trainers.messages import Assignment, Best, Ended, Pack

TICK = 0.5  # seconds between looks at the timers
RENEWALS = 6  # in one lease time
LOOK_SECONDS = 0.25  # between two looks at what the running trials' curves say, for who watches
LOOK_SHARE = 0.02  # of the time that these looks take at most, however many trials run
GRACE_SECONDS = 10.0  # for a trial that was told to stop, before its worker is ended


@dataclass(frozen=True, slots=True)
class Limits:
    """The times a study may take, in seconds; None: no limit."""

    study: float | None = None
    trial: float | None = None
    grace: float = GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class Terms:
    """What a study's spec says to its runner: see Runner."""

    plan: sc.Plan
    limits: Limits
    sampler: Sampler | Allocator
    assign: Callable[[Trial], Assignment]


class RunnerStore(Trials, Leases, Queue, Protocol):
    """What a runner needs of the store."""


class Runner:
    """Runs one study to its end, or until it is interrupted.

    Args:
        store: where everything is written; `lease` is the right to.
        study: as the store has it, RUNNING from here on.
        plan: what the scheduler needs of the study file.
        limits: the study's and a trial's time.
        sampler: told everything that the store has; of an Allocator, trials may be paused.
        executor: with its workers.
        tracker: woken after each write.
        assign: makes a worker's assignment of a trial.
        terms: of an edited spec, which is taken up between two turns; None: edits wait for another runner.
        sharing: tells who shares the workers; asked at each renewal.
        full: says why no more may be kept where its files are; the study is saved then. None: there is room.
        note: called with each trial that has ended, once that is written.
        watch: called after each turn; None: nobody watches, and nothing is made ready for it.
        clock: seconds since the epoch, for stamps and leases.
        ticks: seconds that never go back, for periods and limits; None: the clock's.
        lease_seconds: how long a renewal of the lease holds.
    """

    def __init__(
        self,
        *,
        store: RunnerStore,
        lease: Lease,
        study: Study,
        plan: sc.Plan,
        limits: Limits,
        sampler: Sampler | Allocator,
        executor: Executor,
        tracker: Tracker,
        assign: Callable[[Trial], Assignment],
        terms: Callable[[Values], Terms] | None = None,
        sharing: Callable[[], Sharing] = lambda: ALONE,
        full: Callable[[], str | None] = lambda: None,
        note: Callable[[Trial], None] = lambda _: None,
        watch: Callable[[Progress], None] | None = None,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] | None = None,
        lease_seconds: float = 30.0,
    ) -> None:
        self._store, self._lease, self._study = store, lease, study
        self._plan, self._limits = plan, limits
        self._allocator = _numbered(sampler)
        self._terms = terms
        self._executor, self._tracker = executor, tracker
        self._assign, self._sharing, self._clock = assign, sharing, clock
        self._ticks = ticks or clock
        self._note, self._watch, self._full = note, watch, full
        self._lease_seconds = lease_seconds
        self._interrupts = 0
        self._stop_asked = False
        self._told_to_stop: dict[int, float] = {}  # trial -> since when
        self._launched: dict[int, float] = {}
        self._rungs: dict[int, int] = {}  # trial -> the epoch after which it waits to be judged
        self._closed: sc.Close | None = None
        self._settled: list[Trial] = []
        self._outward: list[sc.Launch | sc.GoOn | sc.Stop | sc.Kill] = []
        self._batch = Batch()
        self._renewed = -math.inf
        self._slots = 0
        self._waits: str | None = study.waits_for
        self._look_at = -math.inf
        self._seen: dict[int, Verdict] = {}  # running trial -> what its curve said at the last look
        self._space = from_list(study.spec.get("space") or []) if plan.open_space else Space(())
        trials = store.trials(study.id)
        reports = store.reports(study.id)
        self._scheduler = sc.Scheduler(plan, trials)
        self._curves = _unfinished_curves(trials, reports)
        searched = [trial for trial in trials if trial.confirms is None]
        self._allocator.rebuild(trials, reports, store.decisions(study.id))
        self._states = Counter(trial.label for trial in searched if trial.state in FINISHED)
        self._verdicts = Counter(str(trial.verdict) for trial in searched if trial.verdict)
        held = ((trial.diagnosis or {}).get("baselines") for trial in searched)
        self._baselines: Mapping[str, float] = next((one for one in held if one), {})  # of the last trial that told
        self._paused = {trial.number for trial in trials if trial.state is TrialState.PAUSED}
        self._best: Trial | None = None
        self._held_against_best: set[int] = set()  # trials whose diagnosis the best trial was there for
        for trial in searched:
            self._note_best(trial)

    def interrupt(self) -> None:
        """Save what is in flight and stop; a second call does not wait for the trials. Signal-safe."""
        self._interrupts += 1

    @property
    def over(self) -> bool:
        """Whether the study has closed."""
        return self._closed is not None

    @property
    def reason(self) -> sc.Reason | None:
        """Why it closed before its trials were spent; None where they were."""
        return self._scheduler.closing

    def run(self) -> Study:
        """Run until the study closes. Returns it as the store has it then."""
        started = self._clock()
        spent_before, began = self._study.seconds, self._ticks()
        self._study = self._study.to(
            StudyState.RUNNING, started=self._study.started or started, message=None, ended=None
        )
        self._batch.study = self._study
        self._turn(self._scheduler.start(started), [*self._timers(began), *self._room()])
        while self._closed is None:
            messages = self._executor.wait(TICK)
            now = self._ticks()
            self._study = replace(self._study, seconds=spent_before + now - began)
            actions = self._take_up_edits() if self._renew(now) else []
            self._turn(actions, [*self._room(), *messages, *self._timers(now)])
        return self._study

    def _edits(self) -> list[Version]:
        return self._store.pending(self._study.id) if self._terms is not None else []

    def _take_up_edits(self) -> list[sc.Action]:
        """Go by the newest version of the spec from here on; it is written with the first that follows from it."""
        versions = self._edits()
        if self._terms is None or not versions:
            return []
        spec, study = versions[-1].spec, self._study.id
        if self._plan.open_space:  # it has grown since
            spec = {**spec, "space": to_list(self._space)}
        terms = self._terms(spec)
        trials, decisions = self._store.trials(study), self._store.decisions(study)
        self._plan, self._limits, self._assign = terms.plan, terms.limits, terms.assign
        self._allocator = _numbered(terms.sampler)
        self._allocator.rebuild(trials, self._store.reports(study), decisions)
        self._study = self._batch.study = replace(self._study, spec=spec)
        self._batch.versions = [
            replace(version, from_trial=len(trials), from_decision=len(decisions))
            for version in (*versions[:-1], replace(versions[-1], spec=spec))
        ]
        return self._scheduler.revise(terms.plan, self._clock())

    def _room(self) -> list[sc.Event]:
        """How many trials may run at once, where that has changed."""
        before, self._slots = self._slots, self._executor.slots
        return [sc.Slots(self._slots)] if self._slots != before else []

    def _turn(self, actions: Iterable[sc.Action], events: Iterable[sc.Event]) -> None:
        now = self._clock()
        todo: deque[sc.Event] = deque()
        for action in actions:
            todo.extend(self._perform(action))
        self._drain(todo, now)
        for event in events:
            self._drain(deque([event]), now)
        filling = True
        while filling:  # each Ask is answered before the next Turn asks again
            asked = [self._perform(action) for action in self._scheduler.step(sc.Turn(), now)]
            answers = deque(event for events in asked for event in events)
            filling = bool(answers)
            self._drain(answers, now)
        self._commit()
        self._send_out(self._ticks())
        for trial in self._settled:
            self._note(trial)
        if self._watch is not None:
            self._watch(self._progress(self._ticks()))
        self._settled = []

    def _drain(self, todo: deque[sc.Event], now: float) -> None:
        while todo:
            for action in self._scheduler.step(todo.popleft(), now):
                todo.extend(self._perform(action))

    def _perform(self, action: sc.Action) -> Sequence[sc.Event]:
        """Do, or note for after the commit, what an action asks for; what it answers is an event."""
        match action:
            case sc.Ask() | sc.Judge() | sc.Examine():
                return [self._answer(action)]
            case sc.Keep(report, value):
                self._batch.reports.append(report)
                self._curves.setdefault(report.trial, []).append(report)
                if report.epoch >= self._rungs.get(report.trial, math.inf):
                    trial = self._scheduler.trials[report.trial]
                    self._outward.append(sc.GoOn(report.trial, self._next_rung(trial, report.epoch)))
                if value is not None and self._scheduler.trials[report.trial].confirms is None:
                    self._allocator.report(report.trial, report.epoch, value, report.metrics)
            case sc.Reach() | sc.Record() | sc.TakeOver() | sc.OpenTest():
                self._note_down(action)
            case sc.Learn():
                return self._learn(action)
            case sc.Settle(trial, ended):
                self._settle(trial, ended)
            case sc.Close():
                self._close(action)
            case sc.Launch() | sc.GoOn() | sc.Stop() | sc.Kill():
                self._outward.append(action)
        return []

    def _close(self, action: sc.Close) -> None:
        """Close the study, unless it was edited meanwhile."""
        if action.state is StudyState.DONE and self._edits():
            self._scheduler.reopen()
            self._renewed = -math.inf  # they are taken up next
            return
        message = action.message
        self._closed = action
        if action.state is StudyState.DONE:
            self._commit()  # without the study's end: whoever sees that, sees the last verdicts
            self._judge_again()
            message = message or self._allocator.ended()
        self._study = self._study.to(action.state, message=message, ended=self._clock())
        self._batch.study = self._study

    def _note_down(self, action: sc.Reach | sc.Record | sc.TakeOver | sc.OpenTest) -> None:
        match action:
            case sc.OpenTest():
                self._open_test()
            case sc.TakeOver(number, donor):
                curve = [replace(report, trial=number) for report in self._curves[donor]]
                self._curves[number], self._batch.curves[number] = [*curve], curve
            case sc.Reach(number, epoch, seconds):
                self._allocator.reached(number, epoch, seconds)
            case sc.Record(trial):
                self._batch.trials[trial.number] = trial
                (self._paused.add if trial.state is TrialState.PAUSED else self._paused.discard)(trial.number)

    def _learn(self, found: sc.Learn) -> Sequence[sc.Event]:
        """Take up a parameter that a trainer has asked for; no trial can succeed where its ranges are several."""
        try:
            space = grown(self._space, found.parameter)
        except OtherRange as error:
            return [sc.CloseAsked(sc.Reason.UNUSABLE, f"trial {found.trial}: {error}")]
        if space is not self._space:
            self._space, self._batch.space = space, to_list(space)
        if self._scheduler.trials[found.trial].confirms is None:
            self._allocator.suggested(found.trial, space, found.parameter["name"], found.value)
        return []

    def _open_test(self) -> None:
        """Note that the test split is opened: when first and by whom, and how often."""
        study = self._study
        if study.test_opened is None:
            study = replace(study, test_opened=self._clock(), test_opened_by=self._lease.owner)
        self._study = self._batch.study = replace(study, test_openings=study.test_openings + 1)

    def _answer(self, question: sc.Ask | sc.Judge | sc.Examine) -> sc.Event:
        match question:
            case sc.Ask():
                return self._propose(question)
            case sc.Judge(trial, epoch):
                return sc.Judged(trial, epoch, self._allocator.should_prune(trial))
            case sc.Examine(trial, epoch):
                return sc.Examined(trial, epoch, self._look(trial).verdict)

    def _propose(self, ask: sc.Ask) -> sc.Proposed:
        left, limit, seconds = ask.left, self._limits.study, self._study.seconds
        if limit is not None and seconds > 0:  # as many epochs as so far in the same time
            left = min(left, ask.trained * max(0.0, limit - seconds) / seconds)
        found = self._allocator.next(
            ask.number, max(1, self._slots), new=ask.new, after=ask.after, stays=ask.stays, left=left
        )
        if found is not None and found.decision is not None:
            self._batch.decisions.append(found.decision)
        return sc.Proposed(found, ask.after)

    def _look(self, number: int) -> Diagnosis:
        """What a running trial's curve says so far."""
        return self._diagnose(self._scheduler.trials[number], self._curves.get(number, []), self._baselines)

    def _settle(self, trial: Trial, ended: Ended | None) -> None:
        curve = self._curves.pop(trial.number, [])
        if ended is not None and ended.curve and trial.state is TrialState.COMPLETE:
            # The mean over the folds, by epoch: what was reported is by fold.
            curve = [Report(trial.number, epoch, metrics, 0.0) for epoch, metrics in enumerate(ended.curve, start=1)]
        if ended is not None and ended.baseline:
            self._baselines = ended.baseline
        trial = self._judged(trial, curve, self._baselines)
        self._held_against_best.add(trial.number)
        self._batch.trials[trial.number] = trial
        self._scheduler.trials[trial.number] = trial
        self._settled.append(trial)
        self._paused.discard(trial.number)
        if trial.confirms is None:
            self._allocator.tell(trial)
            self._states[trial.label] += 1
            self._verdicts[str(trial.verdict)] += 1
            self._note_best(trial)
        for kept in (self._launched, self._told_to_stop, self._rungs):
            kept.pop(trial.number, None)

    def _diagnose(self, trial: Trial, curve: Sequence[Report], baselines: Mapping[str, float]) -> Diagnosis:
        """What a curve says, held against the best trial so far and a trivial model."""
        return diagnose_trial(
            curve,
            self._plan.objective,
            reachable=self._best.value if self._best is not None else None,
            baselines=baselines,
            params=trial.params,
            pruned=trial.state is TrialState.PRUNED,
        )

    def _judged(self, trial: Trial, curve: Sequence[Report], baselines: Mapping[str, float]) -> Trial:
        found = self._diagnose(trial, curve, baselines)
        held = {"baseline": baselines.get(self._plan.objective.metric), "baselines": dict(baselines), **packed(curve)}
        return replace(trial, verdict=found.verdict, gap=found.gap, diagnosis=found.to_dict() | held)

    def _judge_again(self) -> None:
        """Hold every trial against the best of the whole study: the first ones had none to be held against.

        A trial with folds keeps its verdict: its curve by epoch is not in the store.
        """
        if self._plan.folds or self._best is None:
            return
        ended = [trial for trial in self._store.trials(self._study.id) if self._may_change(trial)]
        if not ended:
            return
        curves: dict[int, list[Report]] = {}
        for report in self._store.reports(self._study.id):
            curves.setdefault(report.trial, []).append(report)
        for trial in ended:
            held = (trial.diagnosis or {}).get("baselines") or self._baselines
            again = self._judged(trial, curves.get(trial.number, []), held)
            if again.diagnosis != trial.diagnosis:
                self._batch.trials[trial.number] = again
                if trial.confirms is None:
                    self._verdicts[str(trial.verdict)] -= 1
                    self._verdicts[str(again.verdict)] += 1
        self._verdicts = +self._verdicts

    def _may_change(self, trial: Trial) -> bool:
        """Whether the best trial or the baselines were not known yet when it was diagnosed."""
        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return False
        told = bool((trial.diagnosis or {}).get("baselines")) or not self._baselines
        return not (told and trial.number in self._held_against_best)

    def _note_best(self, trial: Trial) -> None:
        if not is_candidate(trial) or trial.value is None:
            return
        best = self._best
        if best is None or best.value is None or self._plan.objective.better(trial.value, best.value):
            self._best = trial
            self._held_against_best.clear()

    def _best_so_far(self) -> Best | None:
        best = self._best
        if best is None or best.value is None:
            return None
        return Best(best.number, best.value, best.params, best.notes or {})

    def _commit(self) -> None:
        if self._batch:
            self._store.apply(self._lease, self._batch)
            self._batch = Batch()
            self._tracker.wake()

    def _send_out(self, now: float) -> None:
        outward, self._outward = self._outward, []
        stopped = {action.trial for action in outward if isinstance(action, sc.Stop)}  # judged in this turn, say
        for action in outward:
            match action:
                case sc.Launch(trial):
                    self._launched[trial.number] = now
                    self._told_to_stop.pop(trial.number, None)
                    assignment = replace(self._assign(trial), best=self._best_so_far())
                    if (rung := self._next_rung(trial, trial.epochs)) is not None:
                        assignment = replace(assignment, pause_at=rung)
                    self._executor.launch(Pack((assignment,), trial.share))
                case sc.GoOn(trial, until):
                    if trial not in stopped and self._scheduler.trials[trial].state is TrialState.RUNNING:
                        self._executor.go_on(trial, until)
                case sc.Stop(trial):
                    self._told_to_stop.setdefault(trial, now)
                    self._executor.stop(trial)
                case sc.Kill(trial):
                    self._executor.kill(trial)

    def _next_rung(self, trial: Trial, epoch: int) -> int | None:
        """The epoch after which a trial waits to be judged, so that one to be pruned trains no further; None: none."""
        self._rungs.pop(trial.number, None)
        if not self._plan.prune or trial.confirms is not None or trial.until is not None:
            return None
        rung = self._allocator.judged_after(trial.number, epoch)
        if rung is None or rung >= self._plan.epochs:
            return None
        self._rungs[trial.number] = rung
        return rung

    def _renew(self, now: float) -> bool:
        """Keep the lease, and look at what comes with it; whether that was due."""
        if now - self._renewed < self._lease_seconds / RENEWALS:
            return False
        self._renewed = now
        self._stop_asked = self._store.renew(self._lease, self._clock(), self._lease_seconds)
        sharing = self._sharing()
        self._executor.share_among(sharing)
        self._note_waits(sharing)
        self._batch.study = self._study
        return True

    def _note_waits(self, sharing: Sharing) -> None:
        """Tell who looks from outside that there is no worker for it."""
        higher = ": studies of a higher priority come first" if sharing.comes_later else ""
        waits = None if self._slots else f"waits for workers{higher}"
        if waits != self._waits:
            self._store.note_waits({self._study.id: waits})
            self._waits = waits

    def _timers(self, now: float) -> list[sc.Event]:
        events: list[sc.Event] = []
        if self._interrupts:
            events.append(sc.CloseAsked(sc.Reason.INTERRUPT))
        if self._stop_asked:
            events.append(sc.CloseAsked(sc.Reason.STOP, "stopped by `goodfit stop`"))
        if (why := self._full()) is not None:
            events.append(sc.CloseAsked(sc.Reason.NO_DISK, why))
        if self._limits.study is not None and self._study.seconds >= self._limits.study:
            events.append(sc.CloseAsked(sc.Reason.TIME))
        self._launched.update(dict.fromkeys(self._executor.pending, now))
        for trial in self._scheduler.running:
            since = now - self._launched.get(trial.number, now)
            if self._limits.trial is not None and since >= self._limits.trial:
                events.append(sc.Overtime(trial.number))
        return events + self._out_of_grace(now)

    def _out_of_grace(self, now: float) -> list[sc.Event]:
        """Trials that were told to stop for good and have not; a pruned one may finish its epoch."""
        grace = 0.0 if self._interrupts > 1 else self._limits.grace
        events: list[sc.Event] = []
        for trial in self._scheduler.running:
            since = self._told_to_stop.get(trial.number)
            patient = trial.cut and self._scheduler.closing is None
            if since is not None and not patient and now - since >= grace:
                events.append(sc.Unresponsive(trial.number))
        return events

    def _progress(self, now: float) -> Progress:
        running = self._scheduler.running
        if now >= self._look_at:  # a look at a curve costs more than a report
            self._seen = {trial.number: self._look(trial.number).verdict for trial in running if trial.epochs}
            self._look_at = now + max(LOOK_SECONDS, (self._ticks() - now) / LOOK_SHARE)
        return progress_of(
            self._study,
            budget=self._plan.trials,
            limit=self._limits.study,
            states=self._states,
            verdicts=self._verdicts,
            paused=len(self._paused),
            running=[(trial, self._seen.get(trial.number)) for trial in running],
            settled=self._settled,
            best=self._best,
            closing=self._scheduler.closing is not None,
        )


def _numbered(sampler: Sampler | Allocator) -> Numbered:
    return Numbered(sampler if isinstance(sampler, Allocator) else OneByOne(sampler))


def _unfinished_curves(trials: Sequence[Trial], reports: Iterable[Report]) -> dict[int, list[Report]]:
    unfinished = {trial.number for trial in trials if trial.state not in FINISHED}
    curves: dict[int, list[Report]] = {number: [] for number in unfinished}
    for report in reports:
        if report.trial in unfinished:
            curves[report.trial].append(report)
    return curves
