"""A cluster in virtual time: its workers are events on a clock that jumps from one to the next.

An epoch costs what its curve says. A trial that goes on at its gate (`go_on`) costs nothing more; one that is launched
again after a pause costs `resume_seconds` first. A trial that is told to stop after a report has not begun the next
epoch: stopping is free, as for a trainer that asks after each report whether it goes on.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.search.task import Curve
from goodfit.service.ports import Sharing
from goodfit.service.records import Batch, Decision, Lease, Report, Trial
from goodfit.trainers.messages import Assignment, Ended, Message, Outcome, Pack, Reported
from goodfit.trainers.trial.meter import usual_seconds

SHORTEST_EPOCH = 1e-6  # seconds: time never stands still


@dataclass(slots=True)
class _Training:
    """A trial on a worker."""

    assignment: Assignment
    curve: Curve
    epoch: int
    pause_at: int | None
    event: int = -1  # the one that ends the epoch that runs; -1: it waits at its gate
    seconds: list[float] = field(default_factory=list)  # of its epochs


class VirtualCluster:
    """An executor.

    Args:
        workers: how many there are.
        curve: of a configuration.
        epochs: of a full training.
        end: when time is over: nothing that would come later does.
        resume_seconds: that it costs to take up a paused trial.
        pack: how many trials each of them trains at once.
        pack_speed: how many times as fast as one after the other.
    """

    def __init__(
        self,
        workers: int,
        curve: Callable[[Mapping[str, Any]], Curve],
        *,
        epochs: int,
        end: float = math.inf,
        resume_seconds: float = 0.0,
        pack: int = 1,
        pack_speed: float = 1.0,
    ) -> None:
        self.slots = workers * pack
        self._slowness = pack / pack_speed
        self.now = 0.0
        self.history: list[tuple[float, float]] = []  # when each value of the objective was reported
        self.launches = self.resumes = 0
        self._curve, self._epochs, self._end, self._resume_seconds = curve, epochs, end, resume_seconds
        self._trainings: dict[int, _Training] = {}  # by trial
        self._events: list[tuple[float, int, int]] = []  # when, a number of its own, the trial
        self._numbers = itertools.count()
        self._ready: list[Message] = []
        self._curves: dict[int, Curve] = {}

    @property
    def pending(self) -> frozenset[int]:
        """Every worker is there at once."""
        return frozenset()

    def share_among(self, sharing: Sharing) -> None:
        """All of it is one study's."""

    def launch(self, pack: Pack) -> None:
        (assignment,) = pack.assignments
        curve = self._curves.setdefault(assignment.trial, self._curve(assignment.params))
        training = _Training(assignment, curve, assignment.reported, assignment.pause_at)
        self._trainings[assignment.trial] = training
        self.launches += 1
        self.resumes += assignment.reported > 0
        self._train(training, self._resume_seconds if assignment.reported else 0.0)

    def _train(self, training: _Training, delay: float = 0.0) -> None:
        training.event = next(self._numbers)
        seconds = max(SHORTEST_EPOCH, training.curve.seconds(training.epoch + 1) * self._slowness)
        heapq.heappush(self._events, (self.now + delay + seconds, training.event, training.assignment.trial))

    def go_on(self, trial: int, until: int | None) -> None:
        training = self._trainings[trial]
        if training.event >= 0:
            raise RuntimeError(f"trial {trial} was told to go on, but does not wait")
        training.pause_at = until
        self._train(training)

    def stop(self, trial: int) -> None:
        training = self._trainings.pop(trial, None)
        if training is not None:
            self._ready.append(Ended(trial, training.assignment.attempt, Outcome.STOPPED))

    def kill(self, trial: int) -> None:
        self._trainings.pop(trial, None)

    def wait(self, seconds: float) -> list[Message]:
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        while self._events and not self._is_current(self._events[0]):
            heapq.heappop(self._events)
        if not self._events or self._events[0][0] > self._end:
            self.now = self._end if self._events else self.now + seconds
            return []
        at, _, trial = heapq.heappop(self._events)
        self.now = at
        return self._end_of_epoch(self._trainings[trial])

    def _is_current(self, event: tuple[float, int, int]) -> bool:
        """Whether the trial still trains what the event ends."""
        training = self._trainings.get(event[2])
        return training is not None and training.event == event[1]

    def _end_of_epoch(self, training: _Training) -> list[Message]:
        training.epoch += 1
        trial, attempt, epoch = training.assignment.trial, training.assignment.attempt, training.epoch
        value = training.curve.value(epoch)
        training.seconds.append(training.curve.seconds(epoch))
        self.history.append((self.now, value))
        diverged, complete = math.isnan(value), epoch >= self._epochs
        metrics = {training.assignment.metric: value}
        report = Reported(
            trial, attempt, epoch, metrics, self.now, diverged or complete, usual_seconds(training.seconds)
        )
        if diverged or complete:
            del self._trainings[trial]
            return [report, Ended(trial, attempt, Outcome.NAN if diverged else Outcome.COMPLETE)]
        training.event = -1
        if training.pause_at is None or epoch < training.pause_at:
            self._train(training)
        return [report]

    def close(self) -> None:
        """Nothing runs."""


class NoTracker:
    """Nobody is told."""

    def wake(self) -> None:
        """Nobody looks."""


class NoStore:
    """A store that is empty and stays so: what a study needs to go on it has in memory."""

    def trials(self, study_id: int) -> Sequence[Trial]:  # noqa: ARG002 - the port's
        return ()

    def reports(self, study_id: int, trial: int | None = None) -> Sequence[Report]:  # noqa: ARG002 - the port's
        return ()

    def decisions(self, study_id: int) -> Sequence[Decision]:  # noqa: ARG002 - the port's
        return ()

    def apply(self, lease: Lease, batch: Batch) -> None:
        """Keep nothing."""

    def renew(self, lease: Lease, now: float, ttl: float) -> bool:  # noqa: ARG002 - the port's
        return False
