"""`watch`, `submit --wait` and `logs`: a study seen from outside its runner."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from goodfit.service.app import how_it_failed
from goodfit.service.errors import GoodfitError, Interrupted, StudyFailed
from goodfit.service.records import FINISHED, StudyState
from goodfit.service.screen.live import Live, Plain, Scale, say

if TYPE_CHECKING:
    from goodfit.service.client import StudyHandle
    from goodfit.service.progress import Progress, TrialProgress

LOOK_SECONDS = 1.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
TRIALS = 10  # whose logs are shown where no trial runs


def watch(study: StudyHandle) -> Progress:
    """Show a study until it is over; its last progress."""
    from goodfit.service.screen.console import SafeConsole

    console = SafeConsole(stderr=True)
    view = _view(study, console.is_terminal)(console)
    last: Progress | None = None
    waits: str | None = None
    try:
        for last in study.watch():
            if last.waits_for and last.waits_for != waits:
                waits = last.waits_for
                say(f"study {study.name} {waits}" if waits.startswith("wait") else f"study {study.name} waits: {waits}")
            view(last)
    finally:
        view.close()
    if last is None:
        raise GoodfitError(f"study {study.name} could not be watched")
    return last


def raise_unless_done(study: StudyHandle, last: Progress) -> None:
    """The exit code says how the study ended."""
    if last.state is StudyState.FAILED:
        raise StudyFailed(how_it_failed(study.record, last.states, study.hint))
    if last.state is not StudyState.DONE:
        resume = study.hint(f"resume {study.name}")
        raise Interrupted(
            f"study {study.name} is {last.state}: {last.message or 'it was stopped'}; go on with {resume}"
        )


def _view(study: StudyHandle, live: bool) -> Callable[..., Live | Plain]:
    spec = study.spec
    scale = Scale(spec.objective.metric, spec.reports, "fold" if spec.folds else "epoch")

    def log(trial: TrialProgress) -> str:
        return f"`goodfit logs {study.name} {trial.number}`"

    if live:
        return lambda console: Live(scale, log, console, starting=f"study {study.name} ...")
    return lambda console: Plain(scale, log, console)


def logs(study: StudyHandle, trial: int | None, *, follow: bool, sleep: Callable[[float], None] = time.sleep) -> None:
    """Print the log of a trial, or those of the trials that run."""
    readers: dict[int, _Reader] = {}
    while True:
        over = study.listed.state.at_rest
        numbers = [trial] if trial is not None else _shown(study, first=not readers)
        for number in numbers:
            readers.setdefault(number, _Reader(study, number, prefixed=trial is None))
        for number, reader in list(readers.items()):
            reader.read()
            if trial is not None:
                over = over or study.one(number).state in FINISHED
        if not follow or over:
            break
        sleep(LOOK_SECONDS)
    for reader in readers.values():
        reader.end()
    if not any(reader.printed for reader in readers.values()):
        what = f"trial {trial}" if trial is not None else "its trials"
        say(
            f"study {study.name}: nothing is logged of {what}; with `--executor local`, what trainers print goes to "
            "the terminal of `goodfit run`"
        )


def _shown(study: StudyHandle, *, first: bool) -> list[int]:
    """The trials that run; in the beginning the last ones, where none does."""
    running = [trial.number for trial in study.pages("RUNNING")]
    if running or not first:
        return running
    count = sum(study.listed.tally.states.values())
    return list(range(max(0, count - TRIALS), count))


class _Reader:
    """Prints what is new in a trial's log, in whole lines."""

    def __init__(self, study: StudyHandle, number: int, *, prefixed: bool) -> None:
        self._study, self._number, self._prefixed = study, number, prefixed
        self._next = 0
        self._rest = ""
        self.printed = False

    def read(self) -> None:
        while True:
            piece = self._study.read_log(self._number, self._next)
            if piece.next == self._next:
                return
            self._next = piece.next
            *lines, self._rest = (self._rest + piece.text).split("\n")
            for line in lines:
                self._print(line)

    def end(self) -> None:
        if self._rest:
            self._print(self._rest)
            self._rest = ""

    def _print(self, line: str) -> None:
        self.printed = True
        before = f"trial {self._number}: " if self._prefixed else ""
        sys.stdout.write(f"{before}{_plain(line)}\n")
        sys.stdout.flush()


def _plain(line: str) -> str:
    """A line without colours, and what a progress bar wrote over itself as it was last."""
    return _COLOURS.sub("", line.rstrip("\r").rpartition("\r")[2])


@contextlib.contextmanager
def left_alone(study: StudyHandle) -> Iterator[None]:
    """Ctrl-C ends the watching, and nothing else."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"study {study.name} keeps running; `goodfit watch {study.name}` follows it")
        raise
