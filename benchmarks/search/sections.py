"""What `make bench-search` measures, section by section."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import families, lcbench, recorded
from benchmarks.search.measure import Settings
from benchmarks.search.recordings import FOLDER
from benchmarks.search.study import LONG_POINTS, POINTS
from benchmarks.search.task import Task

LANDSCAPES = 6  # of each family
ENOUGH = 100  # recorded configurations: with fewer a search comes to the end of them


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        data: the folder of LCBench's surrogate; None: its sections are left out.
        cache: keeps what is predicted of it.
        methods: by their names.
        seeds: how many.
        tasks: at most so many in each section; None: all.
        jobs: studies run at once.
    """

    data: Path | None
    cache: Path
    methods: Sequence[str]
    seeds: int
    tasks: int | None
    jobs: int

    def settings(
        self,
        source: str,
        make: Callable[[str], Task],
        tasks: Sequence[str],
        workers: int,
        budget: float,
        points: Sequence[float] = POINTS,
        **facts: str,
    ) -> Settings:
        """Of a section."""
        chosen = list(tasks)[: self.tasks]
        return Settings(
            source=source,
            make=make,
            tasks=chosen,
            methods=self.methods,
            workers=workers,
            budget=budget,
            seeds=range(self.seeds),
            facts=facts,
            jobs=self.jobs,
            points=points,
        )


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement.

    Attributes:
        title: of its part of the page.
        settings: None where what it needs is not there.
    """

    title: str
    settings: Callable[[Options], Settings | None]


def _lcbench(
    metric: str, workers: int, budget: float, points: Sequence[float] = POINTS
) -> Callable[[Options], Settings | None]:
    def settings(options: Options) -> Settings | None:
        if options.data is None:
            return None
        lcbench.require(options.data)
        make = functools.partial(lcbench.load, options.data.resolve(), metric, options.cache)
        return options.settings("LCBench", make, lcbench.DEVELOPMENT, workers, budget, points, metric=metric)

    return settings


def _families(epochs: int, budget: float) -> Callable[[Options], Settings | None]:
    names = [f"{family}{epochs}/{landscape}" for landscape in range(LANDSCAPES) for family in families.FAMILIES]
    return lambda options: options.settings("Families", families.load, names, 8, budget, epochs=str(epochs))


def _recorded(workers: int, budget: float) -> Callable[[Options], Settings | None]:
    make = functools.partial(recorded.load, FOLDER)

    def settings(options: Options) -> Settings | None:
        tasks = recorded.tasks_in(FOLDER, least=ENOUGH)
        return options.settings("Recorded curves", make, tasks, workers, budget)

    return settings


SECTIONS = {
    "lcbench-accuracy-1": Section("LCBench, accuracy, 1 worker", _lcbench("val_accuracy", 1, 40.0, LONG_POINTS)),
    "lcbench-cross-entropy-1": Section(
        "LCBench, cross-entropy, 1 worker", _lcbench("val_cross_entropy", 1, 40.0, LONG_POINTS)
    ),
    "lcbench-accuracy-8": Section("LCBench, accuracy, 8 workers", _lcbench("val_accuracy", 8, 10.0)),
    "lcbench-cross-entropy-8": Section("LCBench, cross-entropy, 8 workers", _lcbench("val_cross_entropy", 8, 10.0)),
    "lcbench-accuracy-8-long": Section(
        "LCBench, accuracy, 8 workers, 40 trainings", _lcbench("val_accuracy", 8, 40.0, LONG_POINTS)
    ),
    "lcbench-cross-entropy-8-long": Section(
        "LCBench, cross-entropy, 8 workers, 40 trainings", _lcbench("val_cross_entropy", 8, 40.0, LONG_POINTS)
    ),
    "lcbench-accuracy-32": Section("LCBench, accuracy, 32 workers", _lcbench("val_accuracy", 32, 10.0)),
    "lcbench-cross-entropy-32": Section("LCBench, cross-entropy, 32 workers", _lcbench("val_cross_entropy", 32, 10.0)),
    "lcbench-accuracy-32-long": Section(
        "LCBench, accuracy, 32 workers, 40 trainings", _lcbench("val_accuracy", 32, 40.0, LONG_POINTS)
    ),
    "lcbench-cross-entropy-32-long": Section(
        "LCBench, cross-entropy, 32 workers, 40 trainings", _lcbench("val_cross_entropy", 32, 40.0, LONG_POINTS)
    ),
    "families-5": Section("Families of made-up curves, 5 epochs", _families(5, 10.0)),
    "families-100": Section("Families of made-up curves, 100 epochs", _families(100, 5.0)),
    "recorded-4": Section("Recorded curves of our own trainers, 4 workers", _recorded(4, 2.5)),
    "recorded-1": Section("Recorded curves of our own trainers, 1 worker", _recorded(1, 10.0)),
}
