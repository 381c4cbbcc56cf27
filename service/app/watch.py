"""A study's progress read from the store, for whoever watches it from outside its runner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goodfit.service.app.homes import spec_of
from goodfit.service.app.liveness import live_state
from goodfit.service.progress import Progress, progress_of
from goodfit.service.records import FINISHED, Study, StudyState, Trial, TrialState, Verdict

if TYPE_CHECKING:
    from goodfit.service.ports import Records, Tally
    from goodfit.service.spec import StudySpec

SHOWN = 50  # running trials, at most
PAGE = 500

_OPEN = (str(TrialState.RUNNING), str(TrialState.QUEUED))
_PAUSED = str(TrialState.PAUSED)


class Watcher:
    """Looks at one study again and again; each look says what has settled since the one before."""

    def __init__(self, store: Records, name: str) -> None:
        self._store, self._name = store, name
        self._study: int | None = None  # its id, once it was seen: another study may get its name
        self._spec: StudySpec | None = None
        self._kept: Mapping[str, Any] = {}  # of which that was read
        self._open: set[int] = set()  # trials that had not ended at the last look
        self._paused: set[int] | None = None  # trials that were paused at the last look
        self._next: int | None = None  # the first number of the search that the last look did not know
        self._confirmed: dict[int, TrialState] = {}
        self._verdicts: dict[int, tuple[int, Verdict]] = {}  # running trial -> (epoch, what its curve said then)

    def look(self, now: float) -> Progress:
        """How far the study is; UnknownStudy once it is removed."""
        study = self._store.study(self._name) if self._study is None else self._store.study_by_id(self._study)
        self._study = study.id
        if self._spec is None or study.spec != self._kept:  # it may be edited while it is watched
            self._spec, self._kept = spec_of(study), study.spec
        spec = self._spec
        tally = self._store.tally(study.id)
        top = self._store.top(study.id, study.objective, 1)
        reachable = top[0].value if top else None
        running, settled = self._trials(study, tally)
        return progress_of(
            replace(study, state=live_state(self._store, study, now)),
            budget=spec.planned_trials(),
            limit=None if spec.budget.minutes is None else spec.budget.minutes * 60.0,
            states=tally.states,
            verdicts=tally.verdicts,
            paused=tally.states.get(_PAUSED, 0),
            running=[(trial, self._verdict(study, trial, reachable)) for trial in running[:SHOWN]],
            settled=settled,
            best=top[0] if top else None,
            closing=study.stop_asked and study.state is StudyState.RUNNING,
            waits_for=study.waits_for if not study.state.at_rest else None,
        )

    def _trials(self, study: Study, tally: Tally) -> tuple[list[Trial], list[Trial]]:
        """The trials that run, and those that have ended since the last look."""
        known = sum(tally.states.values())
        begun = self._store.page_of_trials(study.id, labels=_OPEN, limit=PAGE)
        settled = list(self._ended(study, {trial.number for trial in begun}, tally.states.get(_PAUSED, 0)))
        if self._next is None:
            self._next = known
            list(self._new(study, known))  # of a search that went on after a confirmation: numbers beyond their count
        else:
            settled += self._new(study, self._next)
        self._open = {trial.number for trial in begun}
        running = [trial for trial in begun if trial.state is TrialState.RUNNING]
        if self._spec is not None and self._spec.confirm is not None:
            again = [trial for trial in self._store.confirming(study.id) if trial.confirms is not None]
            running += [trial for trial in again if trial.state is TrialState.RUNNING]
            settled += [
                trial
                for trial in again
                if trial.state in FINISHED and self._confirmed.get(trial.number, trial.state) not in FINISHED
            ]
            self._confirmed = {trial.number: trial.state for trial in again}
        return running, settled

    def _ended(self, study: Study, begun: set[int], paused: int) -> Iterator[Trial]:
        """Of the trials that had not ended at the last look, those that have now.

        Most of a long study's trials may be paused: each is read again only where fewer are than there were.
        """
        if self._paused is None:
            self._paused = set(self._numbers(study, (_PAUSED,)))
        gone = self._open - begun
        self._paused -= begun
        if len(self._paused | gone) > paused:
            gone |= self._paused
        for number in sorted(gone):
            trial = self._store.trial(study.id, number)
            self._paused.discard(number)
            if trial is not None and trial.state in FINISHED:
                yield trial
            elif trial is not None and trial.state is TrialState.PAUSED:
                self._paused.add(number)

    def _numbers(self, study: Study, labels: Sequence[str]) -> Iterator[int]:
        after = -1
        while page := self._store.page_of_trials(study.id, labels=labels, after=after, limit=PAGE, parts=()):
            yield from (trial.number for trial in page)
            after = page[-1].number

    def _new(self, study: Study, first: int) -> Iterator[Trial]:
        """Trials that began and ended between two looks."""
        after = first - 1
        while page := self._store.page_of_trials(study.id, after=after, limit=PAGE):
            yield from (trial for trial in page if trial.state in FINISHED)
            if self._paused is not None:
                self._paused |= {trial.number for trial in page if trial.state is TrialState.PAUSED}
            after = page[-1].number
            self._next = after + 1

    def _verdict(self, study: Study, trial: Trial, reachable: float | None) -> Verdict | None:
        """What a running trial's curve says; looked at once an epoch."""
        from goodfit.service.diagnosis import diagnose_trial

        if not trial.epochs or self._spec is None:
            return None
        epochs, verdict = self._verdicts.get(trial.number) or (0, None)
        if verdict is None or epochs != trial.epochs:
            curve = self._store.reports(study.id, trial.number)
            verdict = diagnose_trial(curve, study.objective, reachable=reachable, params=trial.params).verdict
            self._verdicts[trial.number] = (trial.epochs, verdict)
        return verdict
