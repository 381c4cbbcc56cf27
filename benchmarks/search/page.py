"""docs/searches.md, of the figures that were kept: tables, what leads where, and a plot for each section."""

from __future__ import annotations

import functools
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.page import draw
from benchmarks.search.measure import BASE, counted, with_error
from benchmarks.search.methods import METHODS
from benchmarks.search.sections import SECTIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOTTED = 7  # methods in a plot: BASE and those that end best
INTRODUCTION = """\
# Searches compared

What `search: auto` with `pruning: auto` wins, and where it does not, beside other methods. Each study is run by
Goodfit's own runner, scheduler and samplers, in virtual time: only the training is replaced, by learning curves that
are known. `make bench-search` measures and writes this page; `python -m benchmarks.lcbench`, `benchmarks.families` and
`benchmarks.recorded` measure single parts of it.

**Regret** is (best of the random configurations - best value so far) / (best - median of them): 0 is as good as the
best of 600 random configurations (of all that are recorded, for recorded curves), each trained to its end; 1 is as good
as their median; below 0 is better than all of them. It counts as 2 at most. The best value so far is taken over all
trials and epochs. **Budgets** are given in median full trainings for each worker, and regret is read at an eighth, a
quarter, half and all of them. To take a paused trial up again on a worker costs half a median epoch; to go on where a
trial waits costs nothing, nor does pruning. Means are over tasks, after the seeds of each; errors are standard errors
over tasks. "auto minus method" is the mean of the differences by task: below 0, auto is ahead.

**LCBench** is the training of multilayer perceptrons on tables for 52 epochs, as a surrogate model predicts it; the
tasks here are those that Goodfit was developed on. It is smooth, which flatters searches by a model. The **families**
are made-up curves, each with a difficulty of its own (`benchmarks/families.py`). The **recorded curves** are trainings
of Goodfit's own trainers on built-in data, with three schedules of the learning rate (`benchmarks/grow_curves.py`); a
proposal there gets the nearest configuration that is recorded and was not proposed before.

"""


def write(results: Path, page: Path) -> None:
    """Write the page of all figures in a folder, and its plots beside it."""
    files = {name: results / f"{name}.json" for name in SECTIONS}
    kept = {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}
    lines = [INTRODUCTION]
    for name, found in kept.items():
        plot = page.with_suffix("") / f"{name}.svg"
        draw(plot, functools.partial(_plot, found))
        lines += _section(SECTIONS[name].title, found, str(plot.relative_to(page.parent)))
    lines += ["## Methods", "", "| method | what it is |", "|---|---|"]
    used = [method for method in METHODS if any(method in found["methods"] for found in kept.values())]
    lines += [f"| {method} | {METHODS[method].text} |" for method in used]
    missing = [section.title for name, section in SECTIONS.items() if name not in kept]
    unused = [method for method in METHODS if method not in used]
    lines += ["", "## Not measured", "", *[f"- {title}" for title in missing]]
    lines += [f"- methods: {', '.join(unused)}"] if unused else []
    page.write_text("\n".join(lines).rstrip() + "\n")


def _section(title: str, found: Mapping[str, Any], plot: str) -> list[str]:
    settings = found["settings"]
    order = sorted(found["methods"], key=lambda method: (method != BASE, found["methods"][method][-1]))
    points = " | ".join(f"{point:g}" for point in settings["points"])
    tasks, seeds, workers = len(settings["tasks"]), len(settings["seeds"]), settings["workers"]
    lines = [
        *(f"## {title}", ""),
        f"{counted(tasks, 'task')}, {counted(seeds, 'seed')}, {counted(workers, 'worker')}, "
        f"{settings['budget']:g} median full trainings a worker; measured {found['date']}.",
        *("", f"![Regret along the budget]({plot})", ""),
        *(f"| method | {points} | trials |", "|---" * (len(settings["points"]) + 2) + "|"),
    ]
    for method in order:
        errors = found["errors"][method]
        cells = " | ".join(with_error(*pair) for pair in zip(found["methods"][method], errors, strict=True))
        lines.append(f"| {method} | {cells} | {found['trials'][method]:.0f} |")
    behind = found["auto_minus"]
    if behind:
        lines += ["", f"| {BASE} minus method | {points} |", "|---" * (len(settings["points"]) + 1) + "|"]
        lines += [
            f"| {method} | {' | '.join(with_error(mean, error, '+') for mean, error in behind[method])} |"
            for method in order
            if method in behind
        ]
        lines += ["", *_leads(found)]
    return [*lines, *_by_group(found), ""]


def _leads(found: Mapping[str, Any]) -> list[str]:
    """How auto stands to the best competitor of each point, and to the best of each task."""
    others = [method for method in found["methods"] if method in found["auto_minus"]]
    sentences = []
    for place, point in enumerate(found["settings"]["points"]):
        best = min(others, key=lambda method: found["methods"][method][place])
        mean, error = found["auto_minus"][best][place]
        sentences.append(f"{point:g}: {with_error(mean, error, sign='+')} ({best})")
    return [f"{BASE} minus the best other method of each point, chosen afterwards: {'; '.join(sentences)}."]


def _by_group(found: Mapping[str, Any]) -> list[str]:
    """A table by family, or by file, where tasks belong together."""
    groups: dict[str, list[str]] = {}
    for task in found["settings"]["tasks"]:
        groups.setdefault(task.partition("/")[0], []).append(task)
    if max(map(len, groups.values())) < 2 or BASE not in found["by_task"]:
        return []
    points = found["settings"]["points"]
    heads = " | ".join(f"{point:g}" for point in points)
    lines = ["", f"{BASE}, and in brackets the best other method there, chosen afterwards:", ""]
    lines += [f"| tasks | {heads} |", "|---" * (len(points) + 1) + "|"]
    for group, tasks in groups.items():
        cells = []
        for place in range(len(points)):
            means = {method: _mean(by_task, tasks, place) for method, by_task in found["by_task"].items()}
            mine = means.pop(BASE)
            best = min(means, key=lambda method: means[method]) if means else BASE
            cells.append(f"{mine:.3f} ({means[best]:.3f}, {best})" if means else f"{mine:.3f}")
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return lines


def _mean(by_task: Mapping[str, Sequence[float]], tasks: Sequence[str], place: int) -> float:
    return statistics.fmean(by_task[task][place] for task in tasks)


def _plot(found: Mapping[str, Any], axes: Axes) -> None:
    """Regret along the budget, with a band of one standard error around BASE."""
    points = found["settings"]["points"]
    order = sorted(found["methods"], key=lambda method: (method != BASE, found["methods"][method][-1]))
    for method in order[:PLOTTED]:
        values = found["methods"][method]
        axes.plot(points, values, marker="o", label=method, linewidth=2.5 if method == BASE else 1.2)
        if method == BASE:
            errors = [error or 0.0 for error in found["errors"][method]]
            low = [value - error for value, error in zip(values, errors, strict=True)]
            high = [value + error for value, error in zip(values, errors, strict=True)]
            axes.fill_between(points, low, high, alpha=0.2)
    axes.set_xscale("log", base=2)
    axes.set_xticks(points, [f"{point:g}" for point in points])
    axes.set_xlabel("share of the budget")
    axes.set_ylabel("mean normalized regret")
    axes.legend(fontsize=8)
