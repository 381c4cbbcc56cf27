"""An executor: a process for each trial that trains at once, on this machine, without Ray.

Each process has a `Host`, which loads trainer and data once and runs one trial after the other. What crosses the pipes
are Goodfit's messages: plain values.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Set
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from goodfit.trainers.messages import Ended, Message, Outcome, Pack
from goodfit.trainers.worker.host import Host
from goodfit.trainers.worker.worker import Setup

# Each is a fork of a process that has imported what all need; no lock of a thread of this one goes along.
_START = multiprocessing.get_context("forkserver")
_START.set_forkserver_preload(["goodfit.trainers.worker.host"])
_LOOK = 0.05  # seconds between two looks at what a process was told and what its trial has sent


def serve(pipe: Connection, setup: Setup) -> None:
    """What a process does until it is ended."""
    host = Host(setup)
    while True:
        for message in host.poll(_LOOK):
            pipe.send(message)
        while pipe.poll():
            told = pipe.recv()
            if isinstance(told, Pack):
                host.launch(told)
            elif isinstance(told, tuple):
                host.go_on(*told)
            else:
                host.stop(told)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    attempts: dict[int, int] = field(default_factory=dict)  # the trials it has, with their attempts


class ProcessPool:
    """Made once for a run of a study, by `goodfit run FILE --executor processes`.

    Args:
        setup: what every trial of the study shares.
        resources: of one trial, as the study says; `parallel` is how many processes there are, "auto": one a core.
    """

    def __init__(self, setup: Setup, resources: Any) -> None:
        self._setup = setup
        count = multiprocessing.cpu_count() if resources.parallel == "auto" else resources.parallel
        self._workers = [self._start() for _ in range(count)]
        self._unsent: list[Message] = []

    def _start(self) -> _Worker:
        mine, theirs = _START.Pipe()
        process = _START.Process(target=serve, args=(theirs, self._setup), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, mine)

    @property
    def slots(self) -> int:
        return len(self._workers)

    @property
    def pending(self) -> Set[int]:
        return frozenset()

    def share_among(self, sharing: Any) -> None:
        """Does nothing: no other study has these processes."""

    def launch(self, pack: Pack) -> None:
        if pack.share > 1:
            for one in pack.assignments:
                self._unsent.append(Ended(one.trial, one.attempt, Outcome.OOM, "a process has no more to give"))
            return
        worker = next(worker for worker in self._workers if not worker.attempts)
        worker.attempts = {one.trial: one.attempt for one in pack.assignments}
        worker.pipe.send(pack)

    def go_on(self, trial: int, until: int | None) -> None:
        for worker in self._workers:
            if trial in worker.attempts:
                worker.pipe.send((trial, until))

    def stop(self, trial: int) -> None:
        for worker in self._workers:
            if trial in worker.attempts:
                worker.pipe.send(trial)

    def kill(self, trial: int) -> None:
        for place, worker in enumerate(self._workers):
            if trial in worker.attempts:
                self._end(worker)
                self._workers[place] = self._start()

    def wait(self, seconds: float) -> list[Message]:
        found, self._unsent = self._unsent, []
        ready = wait([worker.pipe for worker in self._workers], 0 if found else seconds)
        for place, worker in enumerate(self._workers):
            if worker.pipe not in ready:
                continue
            try:
                while worker.pipe.poll():
                    found.append(worker.pipe.recv())
            except EOFError:  # the process has died
                found += [
                    Ended(trial, attempt, Outcome.LOST, f"the process ended with code {worker.process.exitcode}")
                    for trial, attempt in worker.attempts.items()
                ]
                self._end(worker)
                worker = self._workers[place] = self._start()
            self._settle(place, worker, found)
        return found

    def _settle(self, place: int, worker: _Worker, found: list[Message]) -> None:
        """Free a worker of the trials that have ended; another takes its place where one of them has worn it out."""
        for message in found:
            if isinstance(message, Ended) and worker.attempts.pop(message.trial, None) is not None and message.worn:
                self._end(worker)
                self._workers[place] = self._start()

    def close(self) -> None:
        for worker in self._workers:
            for trial in worker.attempts:
                worker.pipe.send(trial)
        until = time.monotonic() + 2.0
        for worker in self._workers:
            while worker.attempts and time.monotonic() < until and worker.pipe.poll(0.1):
                message = worker.pipe.recv()
                if isinstance(message, Ended):
                    worker.attempts.pop(message.trial, None)
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
