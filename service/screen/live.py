"""What a person watches while a study runs: a live view on a terminal, plain lines elsewhere.

Progress goes to standard error, so that standard output stays for the answer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goodfit.service.records import TrialState
from goodfit.service.screen.words import cause, duration, number, verdict_text
from goodfit.trainers.readable import readable, readable_stream

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.text import Text

    from goodfit.service.progress import Progress, TrialProgress

REFRESH = 0.25  # seconds between two pictures
CATCH_UP_REFRESH = 3.0  # between two lines about MLflow


@dataclass(frozen=True, slots=True)
class Scale:
    """What a trial's progress is measured in: its objective, and how many reports of which unit it makes."""

    metric: str
    reports: int
    unit: str = "epoch"  # or fold


class Plain:
    """One line for each trial that ends, and now and then one for those that run."""

    def __init__(self, scale: Scale, log: Callable[[TrialProgress], str | None], console: Console) -> None:
        self._scale, self._log, self._console = scale, log, console

    def __call__(self, progress: Progress) -> None:
        for trial in progress.settled:
            done = sum(progress.states.values())
            total = f"{done} of {progress.budget}" if progress.budget else f"{done}"
            total += f", {progress.paused} paused" if progress.paused else ""
            best = f", best {number(progress.best.value)} (trial {progress.best.number})" if progress.best else ""
            self._print(f"{trial_line(trial, self._scale, self._log)}  [{total}{best}]")

    def phase(self, text: str | None) -> None:
        """Say what is waited for; None: nothing is any more."""
        if text is not None:
            self._print(f"{text} ...")

    def _print(self, line: str) -> None:
        """As rich prints a plain text, without its laying out, which takes ten times as long."""
        try:
            print(readable(line).expandtabs(), file=self._console.file, flush=True)
        except BrokenPipeError:
            self._console.on_broken_pipe()

    def close(self) -> None:
        """Nothing is left on the screen that must be taken away."""


class Live:
    """A picture of the study, drawn anew a few times a second."""

    def __init__(
        self,
        scale: Scale,
        log: Callable[[TrialProgress], str | None],
        console: Console,
        starting: str = "starting the workers ...",
    ) -> None:
        from rich.live import Live as RichLive
        from rich.text import Text

        self._scale, self._log, self._console = scale, log, console
        self._live = RichLive(Text(starting), console=console, auto_refresh=False, transient=True)
        self._live.start(refresh=True)
        # What is printed beside the picture comes to Rich as text, in which it would read escapes.
        sys.stdout, sys.stderr = readable_stream(sys.stdout), readable_stream(sys.stderr)
        self._phase: str | None = None
        self._started = time.monotonic()
        self._first_done: int | None = None
        self._drawn = 0.0

    def __call__(self, progress: Progress) -> None:
        for trial in progress.settled:
            if trial.state is TrialState.FAILED or trial.message:
                self._console.print(trial_line(trial, self._scale, self._log), markup=False, highlight=False)
        now = time.monotonic()
        if now - self._drawn >= REFRESH:
            self._drawn = now
            self._live.update(self._picture(progress, now), refresh=True)

    def phase(self, text: str | None) -> None:
        """Show what is waited for, in one line that changes; None: nothing is any more."""
        from rich.text import Text

        self._phase = text
        if text is not None:
            self._live.update(Text(f"{text} ..."), refresh=True)

    def close(self) -> None:
        """Take the picture away; what was printed stays."""
        self._live.stop()

    def _picture(self, progress: Progress, now: float) -> Group:
        from rich.console import Group
        from rich.text import Text

        lines = [self._head(progress, now), *(self._running(trial) for trial in progress.running)]
        if self._phase is not None:
            lines.append(Text(f"{self._phase} ...", style="cyan"))
        if progress.closing:
            lines.append(Text("saving the running trials ... Ctrl-C again quits at once", style="yellow"))
        return Group(*lines)

    def _head(self, progress: Progress, now: float) -> Text:
        from rich.text import Text

        done = sum(progress.states.values())
        total = f"{done}/{progress.budget}" if progress.budget else f"{done}"
        parts = [Text.assemble((progress.study, "bold"), f"  {total} trials")]
        if done:
            parts.append(Text(f"pruned {progress.states.get('PRUNED', 0) / done:.0%}"))
        if progress.paused:
            parts.append(Text(f"paused {progress.paused}"))
        failed = sum(count for label, count in progress.states.items() if label.startswith("FAILED"))
        if failed:
            parts.append(Text(f"failed {failed}", "red"))
        parts += [verdict_text(*one) for one in sorted(progress.verdicts.items(), key=lambda item: -item[1])]
        parts.append(Text(duration(progress.seconds) + self._left(progress, done + progress.paused, now)))
        line = Text("  ").join(parts)
        if best := progress.best:
            line.append(f"\n  best {self._scale.metric} ")
            line.append(number(best.value), "bold").append(f" (trial {best.number})")
        return line

    def _left(self, progress: Progress, done: int, now: float) -> str:
        if self._first_done is None:
            self._first_done = done
        estimates = [] if progress.seconds_left is None else [progress.seconds_left]
        here = done - self._first_done
        if progress.budget and here:
            estimates.append((now - self._started) / here * (progress.budget - done))
        return f", about {duration(min(estimates))} left" if estimates else ""

    def _running(self, trial: TrialProgress) -> Text:
        from rich.text import Text

        scale = self._scale
        filled = round(16 * trial.epochs / scale.reports)
        bar = "█" * filled + "·" * (16 - filled)
        what = "trial" if trial.confirms is None else f"confirming trial {trial.confirms}, run"
        now = trial.verdict if trial.epochs else None
        verdict = verdict_text(now) if now else ""
        value = f"{scale.metric} {number(trial.last_value)}, best {number(trial.value)}" if trial.epochs else "starting"
        far = f"  {what} {trial.number:>4} {bar} {scale.unit} {trial.epochs}/{scale.reports}  {value}  "
        return Text.assemble(far, verdict)


@contextmanager
def waiting_for(text: str) -> Iterator[None]:
    """A line on a terminal while something is waited for; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from goodfit.service.screen.console import SafeConsole

    with SafeConsole(stderr=True).status(f"{text} ..."):
        yield


class CatchingUp:
    """Says how far MLflow is behind, every few seconds, once the study is over.

    Args:
        before: called once, before the first word.
    """

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self._before: Callable[[], None] | None = before
        self._said = time.monotonic()

    def __call__(self, behind: int) -> None:
        if self._before is not None:
            self._before()
            self._before = None
        now = time.monotonic()
        if behind and now - self._said >= CATCH_UP_REFRESH:
            self._said = now
            say(f"MLflow is catching up: {behind} trials behind (Ctrl-C: later, by `goodfit ui` or `goodfit resume`)")


def say(line: str) -> None:
    """A line for the person at the terminal."""
    print(line, file=sys.stderr, flush=True)


def trial_line(trial: TrialProgress, scale: Scale, log: Callable[[TrialProgress], str | None]) -> str:
    """A trial's end, in one line."""
    what = "trial" if trial.confirms is None else f"confirming trial {trial.confirms}, run"
    text = f"{what} {trial.number:>4} {trial.label:<9}"
    if trial.best_epoch:
        text += f" {scale.metric} {number(trial.value)} at {scale.unit} {trial.best_epoch} of {trial.epochs}"
    if trial.verdict and trial.state is not TrialState.FAILED:
        text += f"  {trial.verdict}"
    if not trial.feasible and trial.state is TrialState.COMPLETE:
        text += "  breaks the constraints"
    if trial.state is TrialState.FAILED:
        text += f"  {cause(trial.message, log(trial))}"
    elif trial.message:
        text += f"  {trial.message}"
    return text
