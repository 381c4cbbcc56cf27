"""A study that runs in the cell of a notebook: a table that changes, and the curve of the best value."""

from __future__ import annotations

import html
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from goodfit.service.records import TrialState
from goodfit.service.screen.live import Scale, trial_line
from goodfit.service.screen.words import duration, number
from goodfit.trainers.readable import readable

if TYPE_CHECKING:
    from goodfit.service.progress import Progress, TrialProgress
    from goodfit.service.screen.shown import LogPlace

REFRESH = 0.5  # seconds between two pictures
WIDTH, HEIGHT = 480, 120  # of the curve, in pixels
FRAME = 640  # height of a study's page, in pixels
MOST_POINTS = 500  # trials in the curve, the last ones
MOST_RUNNING = 16  # trials in the table
MOST_NOTES = 8  # failures and notices, the last ones
COLOURS = {  # legible on a light and on a dark page
    "good_fit": "#2e9e4f",
    "overfit": "#c98a00",
    "underfit": "#3b82d6",
    "diverged": "#d64545",
    "unfinished": "#1899a8",
}

Show = Callable[[str, str | None], str]  # shows HTML in a new place, or anew in the place with this name; the name


class Notebook:
    """The output of the cell that runs.

    Args:
        show: puts HTML there; None: by IPython.
    """

    def __init__(self, show: Show | None = None) -> None:
        self._show = show or _display

    def say(self, line: str) -> None:
        print(readable(line), flush=True)

    @contextmanager
    def waiting_for(self, text: str) -> Iterator[None]:
        place = self._show(f"<i>{_safe(text)} ...</i>", None)
        try:
            yield
        finally:
            self._show("", place)

    def view(self, scale: Scale, log: LogPlace) -> NotebookView:
        return NotebookView(scale, log, self._show)


class NotebookView:
    """A picture of the study in the cell, drawn anew twice a second.

    Args:
        scale: what a trial's progress is measured in.
        log: where a trial's log is.
        show: puts HTML into the cell.
        clock: seconds.
    """

    def __init__(self, scale: Scale, log: LogPlace, show: Show, clock: Callable[[], float] = time.monotonic) -> None:
        self._scale, self._log, self._show, self._clock = scale, log, show, clock
        self._place = show("<i>starting the workers ...</i>", None)
        self._phase: str | None = None
        self._values: list[tuple[int, float, str]] = []  # number, value and verdict of the trials that have ended
        self._bests: list[float] = []  # the best value when each of them had ended
        self._notes: list[str] = []
        self._last: Progress | None = None
        self._drawn = -math.inf

    def __call__(self, progress: Progress) -> None:
        self._last = progress
        for trial in progress.settled:
            self._take(trial, progress)
        now = self._clock()
        if now - self._drawn >= REFRESH:
            self._drawn = now
            self._draw()

    def phase(self, text: str | None) -> None:
        self._phase = text
        self._draw()

    def close(self) -> None:
        self._phase = None
        self._draw()

    def _take(self, trial: TrialProgress, progress: Progress) -> None:
        if trial.state is TrialState.FAILED or trial.message:
            self._notes.append(trial_line(trial, self._scale, self._log))
        if trial.confirms is None and trial.value is not None and math.isfinite(trial.value):
            self._values.append((trial.number, trial.value, trial.verdict or ""))
            best = progress.best.value if progress.best is not None else None
            self._bests.append(trial.value if best is None else best)
        del self._values[:-MOST_POINTS], self._bests[:-MOST_POINTS], self._notes[:-MOST_NOTES]

    def _draw(self) -> None:
        self._show("".join(self._parts()), self._place)

    def _parts(self) -> Iterator[str]:
        yield '<div style="font-family: system-ui, sans-serif; font-size: 13px; line-height: 1.5">'
        if self._last is not None:
            yield self._head(self._last)
            yield curve_picture(self._values, self._bests)
            yield self._table(self._last)
        if self._phase is not None:
            yield f"<i>{_safe(self._phase)} ...</i>"
        if self._last is not None and self._last.closing:
            yield "<i>saving the running trials ...</i>"
        yield "".join(f"<div>{_safe(note)}</div>" for note in self._notes)
        yield "</div>"

    def _head(self, progress: Progress) -> str:
        done = sum(progress.states.values())
        parts = [f"{done} of {progress.budget} trials" if progress.budget else f"{done} trials"]
        parts += [f"{_safe(label.lower())} {count}" for label, count in progress.states.items() if label != "COMPLETE"]
        parts += [f"paused {progress.paused}"] if progress.paused else []
        parts += [_verdict(name, count) for name, count in progress.verdicts.items()]
        parts.append(duration(progress.seconds))
        line = f"<div><b>{_safe(progress.study)}</b> &nbsp; {' &nbsp; '.join(parts)}</div>"
        if progress.best is None:
            return line
        best = f"{_safe(self._scale.metric)} <b>{number(progress.best.value)}</b> (trial {progress.best.number})"
        return f"{line}<div>best {best}</div>"

    def _table(self, progress: Progress) -> str:
        if not progress.running:
            return ""
        head = "".join(f"<th>{_safe(one)}</th>" for one in ("trial", self._scale.unit, "last", "best", "verdict"))
        rows = "".join(f"<tr>{self._cells(trial)}</tr>" for trial in progress.running[:MOST_RUNNING])
        more = len(progress.running) - MOST_RUNNING
        rest = f"<div>and {more} more that run</div>" if more > 0 else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{rest}"

    def _cells(self, trial: TrialProgress) -> str:
        name = f"{trial.number}" if trial.confirms is None else f"{trial.number}, confirms {trial.confirms}"
        bar = f'<progress value="{trial.epochs}" max="{self._scale.reports}"></progress>'
        far = f"{bar} {trial.epochs}/{self._scale.reports}"
        verdict = _verdict(trial.verdict) if trial.epochs and trial.verdict else ""
        cells = (name, far, number(trial.last_value), number(trial.value), verdict)
        return "".join(f"<td>{cell}</td>" for cell in cells)


def curve_picture(values: Sequence[tuple[int, float, str]], bests: Sequence[float]) -> str:
    """Values by trial as points in the colours of their verdicts, and the best so far as a line, as SVG."""
    if len(values) < 2:
        return ""
    numbers = [one for one, _, _ in values]
    low, high = (_quantile(sorted(value for _, value, _ in values), share) for share in (0.02, 0.98))
    low, high = min(low, *bests), max(high, *bests)
    first, last = min(numbers), max(numbers)

    def x(one: int) -> float:
        return 6 + (WIDTH - 70) * (one - first) / max(1, last - first)

    def y(value: float) -> float:
        share = (min(max(value, low), high) - low) / ((high - low) or 1.0)
        return HEIGHT - 8 - (HEIGHT - 16) * share

    points = "".join(
        f'<circle cx="{x(one):.1f}" cy="{y(value):.1f}" r="2.5" fill="{COLOURS.get(verdict, "#8a8a8a")}" />'
        for one, value, verdict in values
    )
    line = " ".join(f"{x(one):.1f},{y(value):.1f}" for one, value in zip(_so_far(numbers), bests, strict=True))
    marks = "".join(
        f'<text x="{WIDTH - 58}" y="{y(value) + 4:.1f}" font-size="11" fill="currentColor">{number(value)}</text>'
        for value in dict.fromkeys((low, high))
    )
    best = f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.2" />'
    return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img">{points}{best}{marks}</svg>'


def _so_far(numbers: Sequence[int]) -> list[int]:
    """The highest number up to each place: trials do not end in the order of their numbers."""
    return list(itertools.accumulate(numbers, max))


def framed(title: str, page: str) -> str:
    """A whole HTML page within another one: it has its own styles and scripts, and touches nothing around it."""
    return (
        f"<div>{_safe(title)}</div>"
        f'<iframe sandbox="allow-scripts allow-downloads" style="width: 100%; height: {FRAME}px; border: 0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[round(share * (len(ordered) - 1))]


def _verdict(name: str, count: int | None = None) -> str:
    text = _safe(name) if count is None else f"{_safe(name)} {count}"
    return f'<span style="color: {COLOURS.get(name, "inherit")}">{text}</span>'


def _safe(text: str) -> str:
    return html.escape(readable(text))


def _display(content: str, place: str | None) -> str:
    """Show HTML by IPython."""
    import IPython.display

    shown: Any = IPython.display
    page = shown.HTML(content)
    if place is not None:
        shown.update_display(page, display_id=place)
        return place
    return str(shown.display(page, display_id=True).display_id)
