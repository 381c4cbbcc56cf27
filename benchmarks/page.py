"""docs/benchmarks.md: the figures that `make bench` kept last, with a plot where a line says more than a row.

python -m benchmarks.page    writes the page again of what was kept
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.figures import kept_files, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"
Kept = Mapping[str, Mapping[str, Any]]  # a benchmark's figures, by name
Plot = Callable[["Axes", Kept], None]

INTRODUCTION = """\
# What Goodfit costs

`make bench` measures this again, all systems side by side in one run, and writes the page. Each figure is the median of
its runs, with their standard deviation; where there was one run, it has none.
"""


class Section(NamedTuple):
    """What the page says of a benchmark.

    Attributes:
        title: its heading.
        text: what is measured, where the time goes, and what was not measured.
        plot: draws its figures.
    """

    title: str
    text: str
    plot: Plot | None = None


def draw(file: Path, plot: Callable[[Axes], None], *, height: float = 3.6) -> None:
    """A plot as an SVG file: the same bytes for the same figures."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    file.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": "goodfit", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, height), layout="constrained")
        FigureCanvasSVG(figure)
        plot(figure.subplots())
        figure.savefig(file, metadata={"Date": None})


def _bars(axes: Axes, rows: Mapping[str, Mapping[str, Any]], label: str) -> None:
    """One bar for each name, from the top."""
    names = list(rows)
    bars = axes.barh(
        names, [rows[name]["value"] for name in names], xerr=[rows[name]["spread"] or 0.0 for name in names]
    )
    axes.bar_label(bars, labels=[f" {rows[name]['value']:.3g}" for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(label)


def _overheads(axes: Axes, kept: Kept) -> None:
    rows = {name.removesuffix(": a trial"): one for name, one in kept.items() if name.endswith(": a trial")}
    _bars(axes, rows, "milliseconds a trial")
    axes.set_xscale("log")


def _searches(axes: Axes, kept: Kept) -> None:
    rows = {name.removesuffix(": the search"): one for name, one in kept.items() if name.endswith(": the search")}
    _bars(axes, rows, "seconds of the search")


def _together(axes: Axes, kept: Kept) -> None:
    _lines(axes, kept, re.compile(r"(?P<line>.+): (?P<at>\d+) together"))
    axes.set_xlabel("trials together")
    axes.set_ylabel("times as fast as one by one")
    axes.axhline(1.0, linewidth=0.8, color="gray")


def _growing(axes: Axes, kept: Kept) -> None:
    of_time = {name: one for name, one in kept.items() if one["unit"] == "ms"}
    _lines(axes, of_time, re.compile(r"(?P<at>[\d,]+) trials: (?P<line>.+)"))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("trials in the study")
    axes.set_ylabel("milliseconds of CPU a trial")


def _lines(axes: Axes, kept: Kept, form: re.Pattern[str]) -> None:
    """A line for each name, of the figures whose names have this form."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for name, one in kept.items():
        if found := form.fullmatch(name):
            lines.setdefault(found["line"], []).append((int(found["at"].replace(",", "")), one["value"]))
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set_xscale("log", base=2)
    axes.legend(fontsize=8)


SECTIONS: Mapping[str, Section] = {
    "engine": Section(
        "A trial beside its training",
        "Trials that train nothing, with 8 parameters and 5 reports, for 2 workers where there are workers. "
        "Goodfit's time ends when its store has everything; its mirror writes MLflow meanwhile, the peers "
        "have no MLflow. Most of it is the one process that decides: its Python between two messages, a "
        "commit of the store for each group of them, and the verdict. `python -m benchmarks.engine`",
        _overheads,
    ),
    "asha": Section(
        "A study to its best configuration",
        "Small nets on digits, by random search with ASHA (rungs at 3, 9, 27 and 81 epochs), with 2 workers "
        "of one thread, and every metric of every epoch in MLflow at the end. The search is timed from its "
        "first trial to the end of the last, the process with its start and what is left for MLflow. Goodfit "
        "trains the trials of a worker together; `pack: 1` has that off. `python -m benchmarks.asha`",
        _searches,
    ),
    "packs": Section(
        "Trials together",
        "Epochs of as many trials as one batched model, beside the same trials one by one, in one process on "
        "one thread by CPU time. One by one is as a worker trains a trial that is alone; beside it stand the "
        "model's own layers with torch's fused optimizer. What is left of the time is arithmetic on the "
        "padding of narrower nets, and the optimizers' passes over memory. A GPU was not measured: none was "
        "at hand. `python -m benchmarks.packs`",
        _together,
    ),
    "pack auto": Section(
        "What `pack: auto` decides",
        "How many times as long trials take one by one as with `pack: auto`, where a worker measures, and decides "
        "by it which epochs it trains together: in one process, on one thread, by CPU time. The ways take "
        "turns, epoch by epoch. Epochs are of 11 batches, and few: 40 of 2 trials, 20 of 8, 8 of 32. So measuring "
        "weighs more than in most studies. "
        "`python -m benchmarks.pack_auto`",
    ),
    "growth": Section(
        "As a study grows",
        "CPU time a trial, to propose it, to record it with its reports, and to take up a study that was "
        "interrupted, for each of its trials; and the memory of the process that does all this. `python -m "
        "benchmarks.growth`",
        _growing,
    ),
    "start-up": Section("The start", "`python -m benchmarks.startup`"),
    "commands": Section("The commands", "On a study of 10,000 trials. `python -m benchmarks.commands`"),
    "mirror": Section(
        "MLflow",
        "What a trial costs the process that mirrors it; and of a study whose trials sleep for 5 s, 24 at once, how "
        "long after its end MLflow has all of it and the run has ended. `python -m benchmarks.mirror`",
    ),
    "data path": Section("Pictures", "Read from their files while a net trains. `python -m benchmarks.data_path`"),
    "rebuild": Section("Taking up a study of 10,000 trials", "`python -m benchmarks.rebuild`"),
    "service": Section("The service", "On 500 studies with 100,000 trials. `python -m benchmarks.api`"),
    "confirmation": Section("Confirmation", "`python -m benchmarks.confirmation`"),
}


def write(results: Mapping[str, Any], page: Path) -> None:
    """Write the page, and its plots into a folder beside it.

    Args:
        results: of a file of figures.
        page: the file.
    """
    machine = results["machine"]
    lines = [
        INTRODUCTION,
        f"Version {results['version']}, measured up to {results['date']} on {machine['cores']} cores, "
        f"{machine['system']}, Python {machine['python']}.",
        "",
    ]
    for name, section in SECTIONS.items():
        if name in results["benchmarks"]:
            lines += [*_section(name, section, results["benchmarks"][name], page), ""]
    missing = [section.title for name, section in SECTIONS.items() if name not in results["benchmarks"]]
    if missing:
        lines += ["## Not measured with this version", "", *(f"- {title}" for title in missing)]
    page.write_text("\n".join(lines).rstrip() + "\n")


def _section(name: str, section: Section, measured: Mapping[str, Any], page: Path) -> Iterator[str]:
    kept: Kept = measured["figures"]
    yield from (f"## {section.title}", "", textwrap.fill(section.text, 120, break_on_hyphens=False), "")
    if measured["load"] > 1:
        yield from (f"The machine was not quiet: its load was {measured['load']} before.", "")
    if (plot := section.plot) is not None:
        file = page.with_suffix("") / f"{name.replace(' ', '-')}.svg"
        draw(file, lambda axes: plot(axes, kept))
        yield from (f"![{section.title}]({file.relative_to(page.parent)})", "")
    yield from ("| | measured | ± | runs |", "|---|---|---|---|")
    for title, one in kept.items():
        spread = "" if one["spread"] is None else f"{one['spread']:.2g}"
        yield f"| {title} | {one['value']:.4g} {one['unit']} | {spread} | {one['runs']} |"


if __name__ == "__main__":
    write(read(kept_files()[-1]), PAGE)
