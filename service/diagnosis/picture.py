"""The learning curves of one trial as a self-contained SVG, and as a line for the terminal.

Written directly, since a plotting library costs 100 ms a picture and one is drawn for every
trial. The picture brings its own background, so it reads on light and dark pages; the colours
are those of Okabe and Ito (2008), told apart by colour-blind readers.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from goodfit.service.diagnosis.axes import Point, Scale, epoch_scale, epoch_ticks, label, run_length, thin, value_scale
from goodfit.service.diagnosis.finding import Diagnosis
from goodfit.service.objective import Objective
from goodfit.service.records import Report

TRAIN, VALIDATION, BEST, ONSET = "#0072B2", "#D55E00", "#007A5A", "#9A4F84"
INK, MUTED, GRID, PAPER = "#1b1f24", "#57606a", "#e4e7eb", "#ffffff"
VERDICT_COLOURS = {
    "good_fit": "#007A5A",
    "overfit": "#B84A00",
    "underfit": "#0072B2",
    "diverged": "#9A4F84",
    "unfinished": "#57606a",
}
PANEL_WIDTH, PANEL_HEIGHT = 370.0, 240.0
LEFT, RIGHT, BETWEEN, BELOW = 62.0, 20.0, 66.0, 48.0
LINE = 17.0  # pixels between lines of text
STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px}"
    ".curve{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}"
)
BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class _Panel:
    """One metric on both splits; points with NaN or infinite values are kept, to show the break."""

    name: str
    train: list[Point]
    validation: list[Point]
    best: int | None  # epoch marked as the best
    onset: int | None

    def finite(self) -> list[Point]:
        return [point for point in (*self.train, *self.validation) if math.isfinite(point[1])]

    def broken(self) -> list[float]:
        """Epochs at which either split was NaN or infinite."""
        return sorted({epoch for epoch, value in (*self.train, *self.validation) if not math.isfinite(value)})


def learning_curve_svg(
    reports: Sequence[Report],
    objective: Objective,
    diagnosis: Diagnosis | Mapping[str, Any] | None,
    title: str,
) -> str:
    """Draw a trial's loss and, where it is another metric, its objective, on both splits.

    Long curves are thinned to the lowest and highest value of each run of epochs, validation over
    more than two decades is drawn on a log axis (training that goes to zero is not reason enough: a
    log axis would flatten the rise that matters), and a NaN or infinity breaks the line and is marked
    with a cross at the bottom.

    Args:
        reports: of one trial, ordered by epoch.
        objective: of the study; its direction stands on its panel.
        diagnosis: gives best epoch, onset, verdict and reason; None draws the curves alone.
        title: the heading.
    """
    facts: Mapping[str, Any] = diagnosis.to_dict() if isinstance(diagnosis, Diagnosis) else diagnosis or {}
    metric = objective.metric
    panels = _panels(reports, metric, facts)
    width = LEFT + len(panels) * PANEL_WIDTH + (len(panels) - 1) * BETWEEN + RIGHT
    head, top = _head(title, facts, width)
    epochs = [report.epoch for report in reports] or [1]
    parts = [*head]
    for number, panel in enumerate(panels):
        left = LEFT + number * (PANEL_WIDTH + BETWEEN)
        x = epoch_scale(min(epochs), max(epochs), left, left + PANEL_WIDTH)
        heading = f"{panel.name} ({objective.direction})" if panel.name == _short(metric) else panel.name
        parts += _draw(panel, x, top, heading)
    height = top + PANEL_HEIGHT + BELOW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}"><title>{_text(title)}</title><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>{"".join(parts)}</svg>\n'
    )


def sparkline(values: Sequence[float | None], width: int = 24) -> str:
    """A curve as one line of block characters; the mean of each run of epochs, a cross for NaN, space for None."""
    if width < 1:
        raise ValueError(f"a sparkline needs a width of at least 1, not {width}")
    count = min(width, len(values))
    cells = [values[len(values) * cell // count : len(values) * (cell + 1) // count] for cell in range(count)]
    levels = [_mean(cell) for cell in cells]
    finite = [level for level in levels if level is not None and math.isfinite(level)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_block(level, low, high) for level in levels)


def _mean(cell: Sequence[float | None]) -> float | None:
    """The mean of a run's finite values; NaN where it has only broken ones, None where it has none."""
    there = [value for value in cell if value is not None]
    finite = [value for value in there if math.isfinite(value)]
    if finite:
        return sum(value / len(finite) for value in finite)
    return math.nan if there else None


def _block(level: float | None, low: float, high: float) -> str:
    if level is None:
        return " "
    if not math.isfinite(level):
        return "\N{MULTIPLICATION SIGN}"
    share = (level / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
    return BLOCKS[min(len(BLOCKS) - 1, int(share * len(BLOCKS)))]


def _panels(reports: Sequence[Report], metric: str, facts: Mapping[str, Any]) -> list[_Panel]:
    """The loss, and the objective where it is another metric; the objective alone where there is no loss."""
    reported = {name for report in reports for name in report.metrics}
    objective = _short(metric)
    names = [objective] if reported.isdisjoint({"train/loss", "val/loss"}) else ["loss", objective]
    panels = []
    for name in dict.fromkeys(names):
        validation = metric if name == metric else f"val/{name}"  # a metric without a split stands for validation
        judged = facts.get("judged_by") in {validation, f"train/{name}", "validation"}
        onset = facts.get("onset") if judged else None
        train = _points(reports, f"train/{name}")
        panels.append(_Panel(name, train, _points(reports, validation), facts.get("best_epoch"), onset))
    return panels


def _short(metric: str) -> str:
    """A metric without its split: "accuracy" for "val/accuracy"."""
    split, _, name = metric.partition("/")
    return name if split in {"train", "val"} and name else metric


def _points(reports: Sequence[Report], name: str) -> list[Point]:
    return [(float(report.epoch), report.metrics[name]) for report in reports if name in report.metrics]


def _head(title: str, facts: Mapping[str, Any], width: float) -> tuple[list[str], float]:
    """Title, verdict and reason, and the y at which the panels begin."""
    y = 28.0
    parts = [f'<text x="20" y="{y:.0f}" fill="{INK}" style="font-size:15px;font-weight:600">{_text(title)}</text>']
    verdict = str(facts.get("verdict") or "")
    if verdict:
        y += 27
        badge = 14 + 7.4 * len(verdict)
        parts.append(
            f'<rect x="20" y="{y - 14:.0f}" width="{badge:.0f}" height="20" rx="10" '
            f'fill="{VERDICT_COLOURS.get(verdict, MUTED)}"/>'
            f'<text class="verdict" x="{20 + badge / 2:.0f}" y="{y:.0f}" fill="{PAPER}" text-anchor="middle" '
            f'style="font-weight:600">{_text(verdict.replace("_", " "))}</text>'
        )
        numbers = [
            f"{name} {_percent(facts[name])}" for name in ("severity", "confidence") if facts.get(name) is not None
        ]
        parts.append(f'<text x="{30 + badge:.0f}" y="{y:.0f}" fill="{MUTED}">{", ".join(numbers)}</text>')
        y += 5
    for line in textwrap.wrap(str(facts.get("reason") or ""), max(20, int((width - 40) / 6.4))):
        y += LINE
        parts.append(f'<text class="reason" x="20" y="{y:.0f}" fill="{INK}">{_text(line)}</text>')
    return parts, y + 42


def _percent(number: float) -> str:
    """A share in whole percent, and never certainty where there is none."""
    return "over 99%" if 0.995 <= number < 1 else f"{number:.0%}"


def _draw(panel: _Panel, x: Scale, top: float, heading: str) -> Iterator[str]:
    """One panel, from the grid up to the marks."""
    bottom = top + PANEL_HEIGHT
    judged = [value for _, value in panel.validation if math.isfinite(value)]
    y = value_scale([value for _, value in panel.finite()], bottom, top, judged)
    yield f'<g class="panel" data-metric="{_text(panel.name, quoted=True)}">'
    yield from _legend(panel, x, top - 12, heading + (", log scale" if y.log else ""))
    yield from _grid(panel, x, y)
    if not panel.finite():
        note = "no finite value" if panel.broken() else "not reported"
        yield _written(note, (x.start + x.end) / 2, top + PANEL_HEIGHT / 2)
    yield from _gap(panel, x, y)
    yield from _line("train", panel.train, TRAIN, x, y)
    yield from _line("validation", panel.validation, VALIDATION, x, y)
    yield from _marks(panel, x, y)
    for epoch in panel.broken()[:50]:  # more would only be one black bar
        yield (
            f'<path class="broken" d="M{x(epoch) - 4:.1f} {bottom - 12:.1f}l8 8m0 -8l-8 8" stroke="{ONSET}" '
            f'stroke-width="1.8"><title>NaN or infinite at epoch {epoch:.0f}</title></path>'
        )
    yield "</g>"


def _legend(panel: _Panel, x: Scale, y: float, heading: str) -> Iterator[str]:
    yield f'<text x="{x.start:.0f}" y="{y:.0f}" fill="{INK}" style="font-weight:600">{_text(heading)}</text>'
    right = x.end
    for name, points, colour in (("validation", panel.validation, VALIDATION), ("training", panel.train, TRAIN)):
        if points:
            yield f'<text x="{right:.0f}" y="{y:.0f}" fill="{INK}" text-anchor="end">{name}</text>'
            start = right - 6.6 * len(name) - 22
            yield f'<path d="M{start:.0f} {y - 4:.0f}h16" stroke="{colour}" stroke-width="2.4"/>'
            right = start - 12


def _grid(panel: _Panel, x: Scale, y: Scale) -> Iterator[str]:
    for tick in y.ticks() if panel.finite() else ():
        yield f'<path d="M{x.start:.1f} {y(tick):.1f}H{x.end:.1f}" stroke="{GRID}"/>'
        yield _written(label(tick), x.start - 8, y(tick) + 4, "y-tick", "end")
    yield f'<path d="M{x.start:.1f} {y.start:.1f}H{x.end:.1f}" stroke="{MUTED}"/>'
    for epoch in epoch_ticks(x):
        yield f'<path d="M{x(epoch):.1f} {y.start:.1f}v4" stroke="{MUTED}"/>'
        yield _written(str(epoch), x(epoch), y.start + 17, "x-tick")
    run = run_length(max(len(panel.train), len(panel.validation)))
    axis = "epoch" if run == 1 else f"epoch (drawn: the lowest and highest of each {run})"
    yield _written(axis, (x.start + x.end) / 2, y.start + 35)


def _written(text: str, x: float, y: float, kind: str = "note", anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" fill="{MUTED}" text-anchor="{anchor}">{_text(text)}</text>'


def _gap(panel: _Panel, x: Scale, y: Scale) -> Iterator[str]:
    """The area between the curves, wherever both are finite."""
    train = dict(panel.train)
    both = [(e, train.get(e, math.nan) if math.isfinite(value) else math.nan) for e, value in panel.validation]
    validation = dict(panel.validation)
    for run in _runs(both):
        if len(run) > 1:
            there = thin(run)
            back = thin([(epoch, validation[epoch]) for epoch, _ in run])[::-1]
            yield f'<polygon class="gap" points="{_pixels((*there, *back), x, y)}" fill="{VALIDATION}" opacity="0.1"/>'


def _line(split: str, points: Sequence[Point], colour: str, x: Scale, y: Scale) -> Iterator[str]:
    for run in _runs(points):
        if len(run) == 1:
            epoch, value = run[0]
            yield f'<circle class="{split}" cx="{x(epoch):.1f}" cy="{y(value):.1f}" r="2.5" fill="{colour}"/>'
        else:
            yield f'<polyline class="curve {split}" points="{_pixels(thin(run), x, y)}" stroke="{colour}"/>'


def _marks(panel: _Panel, x: Scale, y: Scale) -> Iterator[str]:
    """Upright lines at the best epoch and the onset, and a ring on the curve at the best epoch."""
    marks = ((panel.best, BEST, "best", 14.0), (panel.onset, ONSET, "onset", 30.0))
    for epoch, colour, name, down in marks:
        if epoch is None:
            continue
        at = x(epoch)
        side, shift = ("start", 6) if at < (x.start + x.end) / 2 else ("end", -6)
        yield (
            f'<path class="{name}" d="M{at:.1f} {y.end:.1f}V{y.start:.1f}" stroke="{colour}" stroke-width="1.4" '
            f'stroke-dasharray="{"5 4" if name == "best" else "1.5 3.5"}"/>'
            f'<text x="{at + shift:.1f}" y="{y.end + down:.0f}" fill="{colour}" text-anchor="{side}" '
            f'style="font-weight:600;paint-order:stroke;stroke:{PAPER};stroke-width:3px">{name} {epoch}</text>'
        )
    value = dict(panel.validation or panel.train).get(float(panel.best or 0), math.nan)
    if panel.best is not None and math.isfinite(value):
        yield (
            f'<circle class="best" cx="{x(panel.best):.1f}" cy="{y(value):.1f}" r="4.5" fill="{PAPER}" '
            f'stroke="{BEST}" stroke-width="2"/>'
        )


def _runs(points: Sequence[Point]) -> Iterator[list[Point]]:
    """The stretches between NaN and infinite values."""
    run: list[Point] = []
    for point in points:
        if math.isfinite(point[1]):
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _pixels(points: Sequence[Point], x: Scale, y: Scale) -> str:
    return " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in points)


def _text(text: str, *, quoted: bool = False) -> str:
    """Text that XML can hold: escaped, and without the control characters that it forbids."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return escape(printable, {'"': "&quot;"} if quoted else {})
