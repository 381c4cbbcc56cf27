"""The executor inside this process: one trial at a time, no Ray.

For tests, and for `goodfit run --executor local`, where a debugger and print() reach the trainer.
There is nothing to share, and no more than this process to give to a trial that needs more.
A thread cannot be killed: a trial that does not end is abandoned with its thread, and another
thread takes its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Set

from goodfit.service.ports import Sharing
from goodfit.trainers.messages import Ended, Message, Outcome, Pack
from goodfit.trainers.worker.worker import Host, Setup


class LocalExecutor:
    """Runs packs one after the other in a thread of this process."""

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.time) -> None:
        self._setup = setup
        self._clock = clock
        self._host = self._new_host()
        self._trials: set[int] = set()

    def _new_host(self) -> Host:
        return Host(self._setup, self._clock, capture=False)

    @property
    def slots(self) -> int:
        return 1

    @property
    def pending(self) -> Set[int]:
        return frozenset()

    def share_among(self, sharing: Sharing) -> None:
        """Does nothing: no other study has this process."""

    def launch(self, pack: Pack) -> None:
        if pack.share > 1:
            for assignment in pack.assignments:
                self._host.send(Ended(assignment.trial, assignment.attempt, Outcome.OOM, "this process has no more"))
            return
        self._trials = {assignment.trial for assignment in pack.assignments}
        self._host.launch(pack)

    def go_on(self, trial: int, until: int | None) -> None:
        self._host.go_on(trial, until)

    def stop(self, trial: int) -> None:
        self._host.stop(trial)

    def kill(self, trial: int) -> None:
        if trial in self._trials:
            self._host.stop(trial)
            self._host = self._new_host()

    def wait(self, seconds: float) -> list[Message]:
        return self._host.poll(seconds)

    def close(self) -> None:
        for trial in self._trials:
            self._host.stop(trial)
