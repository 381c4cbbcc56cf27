"""Processes that outlive the program that started them: known again by pid and start time, ended to the last child.

A pid alone may be another's by tomorrow; with its start time it is one process for ever. What a service
started in its turn inherits the stack's mark in its environment, which finds also those that left its group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "GOODFIT_STACK_ID"
POLL_SECONDS = 0.05

_children: list[subprocess.Popen[bytes]] = []  # of this program: they are to be waited for by it


@dataclass(frozen=True, slots=True)
class Started:
    """A process of ours: it leads a session and a group of its own."""

    pid: int
    since: float  # seconds since the epoch, as the system tells it

    @property
    def alive(self) -> bool:
        """Whether it is this very process that has the pid, and it is no zombie."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.since and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    @property
    def known(self) -> bool:
        """Whether the system still has it, if only as a zombie that nobody has waited for."""
        try:
            return psutil.Process(self.pid).create_time() == self.since
        except psutil.NoSuchProcess:
            return False

    def send(self, signum: int) -> None:
        """To it and its group; to nobody when it has ended."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signum)


def start(command: Sequence[str], environment: Mapping[str, str], log: Path, user: int | None) -> Started:
    """Start a program of PATH in a session of its own, with its output appended to a log.

    Raises:
        OSError: there is no such program, or it cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - a list of arguments of the compose file; no shell
            list(command),
            env=dict(environment),
            cwd="/",  # nothing is read from, or left in, the place where somebody typed `make stack`
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    _children.append(process)
    return Started(process.pid, psutil.Process(process.pid).create_time())


def reap() -> None:
    """Let those of `start` that have ended go, so that none stays a zombie while this program lives."""
    _children[:] = [child for child in _children if child.poll() is None]


def wait_until_gone(processes: Sequence[Started], seconds: float) -> list[Started]:
    """Those that are still there after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        reap()
        left = [process for process in processes if process.alive]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(POLL_SECONDS)


def wait_until_forgotten(process: Started, seconds: float) -> None:
    """Wait so long for whoever is the parent of one that has ended to take notice of it."""
    deadline = time.monotonic() + seconds
    while process.known and time.monotonic() < deadline:
        reap()
        time.sleep(POLL_SECONDS)


def marked(mark: str) -> list[Started]:
    """All processes of a stack, whoever started them: those that inherited its mark."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(Started(process.pid, process.create_time()))
    return found


def end_marked(mark: str, seconds: float = 10.0) -> int:
    """SIGKILL whatever of a stack is left; how many there were."""
    left = marked(mark)
    for process in left:
        if process.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
    wait_until_gone(left, seconds)
    return len(left)
