"""Many studies, side by side in processes: mean regrets by method, their errors, and what is gained over the others."""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.search.methods import METHODS
from benchmarks.search.study import POINTS, Run, run_study
from benchmarks.search.task import Task
from goodfit.service.errors import InputError, did_you_mean

BASE = "auto"  # what the others are held against, where it is measured
DEFAULT = ("auto", "random", "tpe", "random+asha1")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # each process computes on one core


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        source: where the tasks come from.
        make: a task of its name; it is pickled, and called in other processes.
        tasks: their names.
        methods: by their names.
        facts: more to be said of the source.
        jobs: how many studies run at once.
        points: shares of the budget at which regret is read, ascending.
        pack: how many trials each worker trains at once.
        pack_speed: how many times as fast as one after the other.
    """

    source: str
    make: Callable[[str], Task]
    tasks: Sequence[str]
    methods: Sequence[str]
    workers: int
    budget: float
    seeds: Sequence[int]
    facts: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 1
    points: Sequence[float] = POINTS
    pack: int = 1
    pack_speed: float = 1.0

    @classmethod
    def of(
        cls,
        given: argparse.Namespace,
        source: str,
        make: Callable[[str], Task],
        tasks: Sequence[str],
        facts: Mapping[str, Any] | None = None,
    ) -> Settings:
        """By the options of a command line."""
        methods = known_methods(given.methods)
        for option in ("workers", "budget", "seeds", "jobs", "pack", "pack_speed"):
            if not getattr(given, option) > 0:
                raise InputError(f"--{option}: {getattr(given, option)} is not above 0")
        seeds = range(given.first_seed, given.first_seed + given.seeds)
        facts = {**(facts or {}), **({"pack": given.pack, "its speed": given.pack_speed} if given.pack > 1 else {})}
        packs = {"pack": given.pack, "pack_speed": given.pack_speed}
        return cls(source, make, tasks, methods, given.workers, given.budget, seeds, facts, given.jobs, **packs)

    def describe(self) -> dict[str, Any]:
        """As it is kept beside the figures."""
        return {
            "source": self.source,
            **self.facts,
            "tasks": list(self.tasks),
            "workers": self.workers,
            "budget": self.budget,
            "seeds": list(self.seeds),
            "points": list(self.points),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A method's regrets at points of the budget, over tasks.

    Attributes:
        means, errors: the means over tasks, and their standard errors.
        behind: how much more BASE has, with the standard error of the difference; empty of BASE itself.
        trials: in a study, the mean.
    """

    means: tuple[float, ...]
    errors: tuple[float, ...]
    behind: tuple[tuple[float, float], ...]
    trials: float


class Results:
    """Runs by method, task and seed."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, dict[int, Run]]] = {}

    def add(self, method: str, task: str, seed: int, run: Run) -> None:
        self._runs.setdefault(method, {}).setdefault(task, {})[seed] = run

    def row(self, method: str) -> Row:
        runs = self._runs[method]
        by_task = [self._means(method, task) for task in runs]
        behind: tuple[tuple[float, float], ...] = ()
        if BASE in self._runs and method != BASE:
            pairs = [(self._means(BASE, task), self._means(method, task)) for task in runs]
            differences = [[mine - theirs for mine, theirs in zip(*pair, strict=True)] for pair in pairs]
            behind = tuple(_mean_and_error(column) for column in zip(*differences, strict=True))
        columns = [_mean_and_error(column) for column in zip(*by_task, strict=True)]
        trials = statistics.fmean(run.trials for seeds in runs.values() for run in seeds.values())
        means, errors = zip(*columns, strict=True)
        return Row(means, errors, behind, trials)

    def by_task(self) -> dict[str, dict[str, list[float]]]:
        """By method and task the regrets at the points, over seeds."""
        return {method: {task: self._means(method, task) for task in tasks} for method, tasks in self._runs.items()}

    def _means(self, method: str, task: str) -> list[float]:
        """Over seeds."""
        regrets = [self._runs[method][task][seed].regrets for seed in sorted(self._runs[method][task])]
        return [statistics.fmean(column) for column in zip(*regrets, strict=True)]


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and its standard error; NaN of one value."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.fmean(values), error


def known_methods(text: str) -> list[str]:
    """The methods of a list with commas that can be run; those that cannot are left out, and it is said why."""
    methods = [name.strip() for name in text.split(",") if name.strip()]
    for name in methods:
        if name not in METHODS:
            raise InputError(f"--methods: no method {name!r}: {did_you_mean(name, METHODS)}")
        if METHODS[name].lacking:
            print(f"{name} is left out: it {METHODS[name].lacking}", file=sys.stderr)
    found = [name for name in methods if not METHODS[name].lacking]
    if not found:
        raise InputError("--methods: none is left to be measured")
    return found


def measure(settings: Settings, note: Callable[[str], None] = lambda _: None) -> Results:
    """Run all studies.

    Args:
        settings: what is measured.
        note: called with a line after each study.
    """
    results = Results()
    started = time.monotonic()
    works = [(method, task, seed) for task in settings.tasks for method in settings.methods for seed in settings.seeds]
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    context = multiprocessing.get_context("spawn")  # libraries in it read how many threads they may have
    with ProcessPoolExecutor(settings.jobs, mp_context=context) as pool:
        waiting = {pool.submit(_run, settings, *work): work for work in works}
        for count, done in enumerate(as_completed(waiting), start=1):
            method, task, seed = waiting[done]
            results.add(method, task, seed, done.result())
            note(f"{count}/{len(works)} {method} {task} seed {seed} after {time.monotonic() - started:.0f} s")
    return results


def _run(settings: Settings, method: str, task: str, seed: int) -> Run:
    return run_study(
        settings.make(task),
        METHODS[method],
        workers=settings.workers,
        budget=settings.budget,
        seed=seed,
        points=settings.points,
        pack=settings.pack,
        pack_speed=settings.pack_speed,
    )


def heading(settings: Settings) -> list[str]:
    """What was measured, in sentences."""
    facts = "".join(f", {key} {value}" for key, value in settings.facts.items())
    return [
        f"{settings.source}{facts}: {counted(len(settings.tasks), 'task')}, {counted(len(settings.seeds), 'seed')}, "
        f"{counted(settings.workers, 'worker')}, {settings.budget:g} median full trainings a worker.",
        "Mean normalized regret at shares of the budget, ± its standard error over tasks; lower is better. "
        f"{BASE} minus method: the mean of the differences by task; below 0 {BASE} is ahead.",
    ]


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 task", "2 tasks"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def tables(results: Results, settings: Settings) -> list[str]:
    """The lines of two Markdown tables: regrets with their standard errors, and how much more BASE has."""
    rows = {method: results.row(method) for method in settings.methods}
    points = " | ".join(f"{point:g}" for point in settings.points)
    lines = [f"| method | {points} | trials |", "|---" * (len(settings.points) + 2) + "|"]
    for method, row in rows.items():
        cells = " | ".join(with_error(*pair) for pair in zip(row.means, row.errors, strict=True))
        lines.append(f"| {method} | {cells} | {row.trials:.0f} |")
    behind = {method: row.behind for method, row in rows.items() if row.behind}
    if behind:
        lines += ["", f"| {BASE} minus method | {points} |", "|---" * (len(settings.points) + 1) + "|"]
        lines += [
            f"| {method} | {' | '.join(with_error(*pair, sign='+') for pair in pairs)} |"
            for method, pairs in behind.items()
        ]
    return lines


def with_error(mean: float, error: float | None, sign: str = "") -> str:
    """A mean with its standard error, where there is one."""
    return f"{mean:{sign}.3f}" + (f" ± {error:.3f}" if error is not None and math.isfinite(error) else "")


def document(settings: Settings, results: Results) -> dict[str, Any]:
    """What `--json` writes."""
    rows = {method: results.row(method) for method in settings.methods}
    return {
        "methods": {method: list(row.means) for method, row in rows.items()},
        "errors": {method: [_finite(error) for error in row.errors] for method, row in rows.items()},
        "auto_minus": {
            method: [[mean, _finite(error)] for mean, error in row.behind] for method, row in rows.items() if row.behind
        },
        "trials": {method: row.trials for method, row in rows.items()},
        "by_task": results.by_task(),
        "settings": settings.describe(),
    }


def _finite(value: float) -> float | None:
    return value if value == value else None


def add_options(parser: argparse.ArgumentParser) -> None:
    """What all benchmarks of searches take."""
    listed = "; ".join(f"{name}: {method.text}" for name, method in METHODS.items())
    parser.add_argument("--methods", default=",".join(DEFAULT), metavar="M,N", help=listed.replace("%", "%%"))
    parser.add_argument("--workers", type=int, default=8, help="how many there are (default: %(default)s)")
    parser.add_argument("--pack", type=int, default=1, help="trials that each of them trains at once")
    parser.add_argument(
        "--pack-speed", type=float, default=1.0, help="how many times as fast as one after the other; 1: for the search"
    )
    parser.add_argument(
        "--budget", type=float, default=10.0, help="of a worker, in median full trainings (default: %(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=0, help="the seeds count on from here")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="studies run at once, in processes")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")


def main(
    parser: argparse.ArgumentParser,
    prepare: Callable[[argparse.Namespace], Settings],
    arguments: Sequence[str] | None = None,
) -> int:
    """The command line of a source of tasks: measure, print and keep; the exit code."""
    given = parser.parse_args(arguments)
    try:
        settings = prepare(given)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    results = measure(settings, lambda line: print(line, file=sys.stderr, flush=True))
    print("\n".join([*heading(settings), "", *tables(results, settings)]))
    if given.json is not None:
        given.json.write_text(json.dumps(document(settings, results), indent=1) + "\n")
    return 0
