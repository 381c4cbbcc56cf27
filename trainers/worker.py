"""One worker's work, whichever executor hosts it: load the data once, run assignments.

Every way in which a trainer can end becomes one Ended message; the traceback goes to the
trial's log file and the message names it.
"""

from __future__ import annotations

import contextlib
import errno
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trainers.errors import BadTrainer, MetricMissing, TrainersError
from trainers.messages import Assignment, DataSpec, Ended, Outcome, Pack
from trainers.registry import Trainer, resolve
from trainers.trial import Channel, NotANumber, Trial, sow

if TYPE_CHECKING:
    from trainers.data import Data


class Worker:
    """Keeps what lives longer than a trial: imported trainers and loaded data."""

    def __init__(self, channel: Channel, clock: Callable[[], float] = time.time, *, capture: bool = True) -> None:
        """`capture` sends what trainers print to their trials' logs: for a process of its own."""
        self._channel = channel
        self._clock = clock
        self._capture = capture
        self._data: tuple[DataSpec, Data] | None = None

    def warm_up(self, trainer: str, data: DataSpec | None) -> None:
        """Import and load what the first assignment will need."""
        resolve(trainer)
        self._load(data)

    def run(self, pack: Pack) -> None:
        """Train a pack, sending every report and one Ended for each assignment."""
        for assignment in pack.assignments:
            self._channel.send(self._run(assignment))

    def _run(self, assignment: Assignment) -> Ended:
        log = _LazyFile(assignment.log)
        message = None
        try:
            with _captured(log) if self._capture else contextlib.nullcontext():
                outcome = self._train(assignment)
        except BaseException as error:  # whatever a trainer raises ends its trial, not the worker
            outcome, message = _outcome(error), _told(error)
            if outcome is not Outcome.NAN:
                stamp = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")
                log.write(f"--- attempt {assignment.attempt}, {stamp}\n{traceback.format_exc()}")
        return Ended(assignment.trial, assignment.attempt, outcome, message)

    def _train(self, assignment: Assignment) -> Outcome:
        trainer: Trainer = resolve(assignment.trainer)
        data = self._load(assignment.data)
        trial = Trial(assignment, trainer.configure(assignment.params), data, self._channel, self._clock)
        sow(assignment.seed, 0)
        trainer(trial)
        trial.save()
        if not trial.finished and self._channel.stop_asked(assignment.trial):
            return Outcome.STOPPED
        if not trial.epoch:
            raise BadTrainer("the trainer ended without one trial.report(train=..., val=...)")
        return Outcome.COMPLETE

    def _load(self, spec: DataSpec | None) -> Data | None:
        if spec is None:
            return None
        if self._data is None or self._data[0] != spec:
            from trainers.data import load

            self._data = (spec, load(spec))
        return self._data[1]


def _outcome(error: BaseException) -> Outcome:
    if isinstance(error, NotANumber):
        return Outcome.NAN
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Outcome.OOM
    if isinstance(error, MetricMissing):
        return Outcome.UNUSABLE
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Outcome.NO_DISK
    return Outcome.ERROR


def _told(error: BaseException) -> str:
    """The error in one line: its type, its first line, and where in the user's code it rose."""
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, (TrainersError, NotANumber)):
        return first
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/site-packages/" not in frame.filename]
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else text


class _LazyFile:
    """A text file that is made at the first write: most trials print nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, text: str) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            return file.write(text)

    def flush(self) -> None:
        """Every write is on its way when it returns."""

    def isatty(self) -> bool:
        return False


@contextlib.contextmanager
def _captured(log: _LazyFile) -> Iterator[None]:
    """Send what a trainer prints to its trial's log."""
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):  # type: ignore[type-var]
        yield
