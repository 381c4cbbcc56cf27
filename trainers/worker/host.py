"""A worker in a thread of its own, so that reports travel while it trains, whichever executor hosts it."""

from __future__ import annotations

import math
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from goodfit.trainers.environment import take
from goodfit.trainers.messages import Assignment, Message, Pack
from goodfit.trainers.training.packing.hub import FIRST
from goodfit.trainers.worker.failures import describe
from goodfit.trainers.worker.worker import Setup, Worker

Word = tuple[str, tuple[Any, ...]]  # what a host is told: one of its methods, and its arguments
LINGER = 0.05  # seconds after which what was sent is handed out, though trials are still at their turns


class Host:
    """A worker in a thread of its own, with a box for what it sends.

    Args:
        setup: what to import and load before the first pack comes.
        clock: seconds since the epoch.
        capture: send what trainers print to their trials' logs: for a process of its own.
    """

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.time, *, capture: bool = True) -> None:
        self._arrived: list[Assignment] = []
        self._sent: list[Message] = []
        self._complete = False  # whether the turn in which it was sent is over
        self._failure: BaseException | None = None  # that has ended the thread; no trial's own
        self._room = FIRST  # that it has said it has
        self._out = threading.Condition()  # on what was sent, and the failure
        self._stops: set[int] = set()
        self._targets: dict[int, int] = {}  # trial -> the epoch after which it waits
        self._word = threading.Condition()  # on all three
        self._setup = setup
        if capture:  # another process needs its own environment
            take(os.environ, setup.withheld)
        self._worker = Worker(self, clock, time.monotonic, capture=capture, own_process=capture)
        threading.Thread(target=self._serve, name="goodfit-worker", daemon=True).start()

    def _serve(self) -> None:
        try:
            self._take_turns()
        except BaseException as error:  # noqa: BLE001 - of Goodfit: whoever asks next is told
            traceback.print_exc()
            with self._out:
                self._failure = error
                self._out.notify_all()

    def _take_turns(self) -> None:
        self._worker.warm_up(self._setup)
        hub = self._worker.hub
        while not hub.abandoned:
            with self._word:
                self._word.wait_for(lambda: self._arrived or hub.can_go_on or hub.abandoned)
                arrived, self._arrived = self._arrived, []
            for assignment in arrived:
                self._worker.start(assignment)
            hub.take_turns()
            with self._out:
                self._complete = True
                self._out.notify_all()
            hub.train()

    def launch(self, pack: Pack) -> None:
        """Train a pack, with the trials that are there."""
        with self._word:
            for assignment in pack.assignments:
                self._stops.discard(assignment.trial)
                self._aim(assignment.trial, assignment.pause_at)
            self._arrived += pack.assignments
            self._word.notify_all()

    def abandon(self) -> None:
        """Let none of its trials go on; one that runs, and cannot be ended, ends at its next epoch."""
        with self._word:
            self._worker.hub.abandoned = True
            self._word.notify_all()

    def stop(self, trial: int) -> None:
        """Ask a trial to end at its next epoch."""
        with self._word:
            self._stops.add(trial)
            self._word.notify_all()

    def go_on(self, trial: int, until: int | None) -> None:
        """Let a trial train on, and wait again after an epoch; None: to its end."""
        with self._word:
            self._aim(trial, until)
            self._word.notify_all()

    def _aim(self, trial: int, until: int | None) -> None:
        if until is None:
            self._targets.pop(trial, None)
        else:
            self._targets[trial] = until

    def poll(
        self, seconds: float, words: Sequence[Word] = (), until: Callable[[], bool] = lambda: False
    ) -> list[Message]:
        """Do what it is told, and wait for what is sent; what comes of one turn of the trials comes together.

        So does what comes within LINGER of a turn that lasts.

        Args:
            seconds: nothing is said after these.
            words: what it is told.
            until: what else ends the wait, after a turn of the trials.

        Raises:
            RuntimeError: the worker's own thread has failed, and its trials go on no more.
        """
        for name, arguments in words:
            getattr(self, name)(*arguments)
        with self._out:
            if self._out.wait_for(lambda: self._sent or self._failure or until(), seconds):
                self._out.wait_for(lambda: self._complete or self._failure, LINGER)
            messages, self._sent = self._sent, []
            if self._failure is not None and not messages:
                raise RuntimeError(f"the worker failed: {describe(self._failure)}") from self._failure
            return messages

    def answer(self, seconds: float, words: bytes) -> bytes:
        """As `poll`, for another process; also once more trials are worth having at once, or fewer.

        Args:
            seconds: as there.
            words: as there, pickled. All of it is plain, and Ray's own pickler takes 0.1 ms more on either side.

        Returns:
            The messages, and how many trials are worth having at once, pickled.
        """
        hub = self._worker.hub
        messages = self.poll(seconds, pickle.loads(words), lambda: hub.room != self._room)  # noqa: S301 - of our engine
        self._room = hub.room
        return pickle.dumps((messages, self._room))

    def send(self, message: Message) -> None:
        with self._out:
            if not self._sent:
                self._complete = False
                self._out.notify_all()
            self._sent.append(message)

    def stop_asked(self, trial: int) -> bool:
        return trial in self._stops

    def may_go_on(self, trial: int, epoch: int) -> bool:
        self._worker.hub.wait_until(lambda: trial in self._stops or self._targets.get(trial, math.inf) > epoch)
        return trial not in self._stops

    def pid(self) -> int:
        """The process it lives in."""
        return os.getpid()
