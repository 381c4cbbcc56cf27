"""One attempt at a trial, as a worker makes it, and what it sent: for tests of trainers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from goodfit.trainers.data import Data
from goodfit.trainers.messages import Assignment, Ended, Message, Pack, Reported
from goodfit.trainers.trial import Config, Trial
from goodfit.trainers.worker.worker import Worker

Curve = list[tuple[int, Mapping[str, float]]]


class Line:
    """A channel that records, and asks each trial to stop once it has reported `stop_after`.

    Args:
        stop_after: an epoch.
        pauses: whether a trial that waits after its `pause_at` is asked to stop, too; else it goes on.
    """

    def __init__(self, stop_after: int | None = None, *, pauses: bool = False) -> None:
        self.messages: list[Message] = []
        self._stop_after, self._pauses, self._paused = stop_after, pauses, False

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def stop_asked(self, trial: int) -> bool:
        if self._paused:
            return True
        return self._stop_after is not None and any(report.epoch >= self._stop_after for report in self.reports)

    def may_go_on(self, trial: int, epoch: int) -> bool:
        self._paused = self._pauses
        return not self.stop_asked(trial)

    @property
    def reports(self) -> list[Reported]:
        return [message for message in self.messages if isinstance(message, Reported)]

    @property
    def curve(self) -> Curve:
        return [(report.epoch, report.metrics) for report in self.reports]

    @property
    def ended(self) -> Ended:
        (ended,) = [message for message in self.messages if isinstance(message, Ended)]
        return ended


def assign(folder: Path, **changes: Any) -> Assignment:
    """An assignment that maximizes val/accuracy over three epochs, without data."""
    plain = {
        "study": "a-study",
        "trial": 7,
        "attempt": 1,
        "trainer": "mlp",
        "params": {},
        "data": None,
        "seed": 11,
        "epochs": 3,
        "metric": "val/accuracy",
        "direction": "maximize",
        "folder": folder,
    }
    return Assignment(**{**plain, **changes})


def attempt(
    folder: Path, *, stop_after: int | None = None, pauses: bool = False, capture: bool = False, **changes: Any
) -> Line:
    """One attempt at a trial by a worker; what it sent."""
    line = Line(stop_after, pauses=pauses)
    Worker(line, clock(), capture=capture).run(Pack((assign(folder, **changes),)))
    return line


def handle(folder: Path, line: Line, data: Data | None = None, **changes: Any) -> Trial:
    """The handle that a trainer would get."""
    return Trial(assign(folder, **changes), Config(), data, line, clock())


def clock() -> Callable[[], float]:
    """A clock that moves a second each time it is read."""
    ticks = itertools.count(1_000.0)
    return lambda: next(ticks)
