"""The executor inside this process: one trial at a time, or the few of a pack, no Ray.

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
from goodfit.trainers.worker.host import Host
from goodfit.trainers.worker.worker import Setup


class LocalExecutor:
    """Runs packs in a thread of this process.

    Args:
        setup: what all trials share.
        clock: seconds since the epoch.
        pack: how many trials share the thread.
    """

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.time, pack: int = 1) -> None:
        self._setup = setup
        self._clock = clock
        self._pack = pack
        self._host = self._new_host()
        self._trials: dict[int, int] = {}  # number -> attempt

    def _new_host(self) -> Host:
        return Host(self._setup, self._clock, capture=False)

    @property
    def slots(self) -> int:
        return self._pack

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
        self._trials |= {assignment.trial: assignment.attempt for assignment in pack.assignments}
        self._host.launch(pack)

    def go_on(self, trial: int, until: int | None) -> None:
        self._host.go_on(trial, until)

    def stop(self, trial: int) -> None:
        self._host.stop(trial)

    def kill(self, trial: int) -> None:
        """Abandon the trial with its thread; those that shared it go on in another."""
        if trial not in self._trials:
            return
        self._host.stop(trial)
        self._host.abandon()
        self._host = self._new_host()
        del self._trials[trial]
        for other, attempt in self._trials.items():
            text = f"its worker was ended because of trial {trial}"
            self._host.send(Ended(other, attempt, Outcome.PREEMPTED, text))

    def wait(self, seconds: float) -> list[Message]:
        try:
            messages = self._host.poll(seconds)
        except RuntimeError as error:  # the thread has failed: a fault of Goodfit's
            messages = [Ended(trial, attempt, Outcome.LOST, str(error)) for trial, attempt in self._trials.items()]
            self._host = self._new_host()
        for message in messages:
            if isinstance(message, Ended):
                self._trials.pop(message.trial, None)
        return messages

    def close(self) -> None:
        for trial in self._trials:
            self._host.stop(trial)
