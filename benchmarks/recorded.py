"""Searches on learning curves of our own trainers, recorded in benchmarks/data/ (by benchmarks/grow_curves.py).

    python -m benchmarks.recorded --tasks mlp-digits-step --methods auto,random --budget 2.5

A configuration is proposed once: a search that has been through all of them ends.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.search.measure import Settings, add_options, main
from benchmarks.search.recordings import FOLDER, Recording
from benchmarks.search.task import Task
from goodfit.service.errors import InputError, did_you_mean


@functools.lru_cache(maxsize=4)
def load(folder: Path, name: str) -> Task:
    """A task by its name, "mlp-digits-step/val/accuracy"."""
    file, _, metric = name.partition("/")
    return Recording.read(folder / f"{file}.npz").task(file, metric)


def tasks_in(folder: Path, files: Sequence[str] | None = None, least: int = 1) -> list[str]:
    """The names of the tasks in a folder: each file with each of its metrics.

    Args:
        folder: of the files.
        files: their names, without endings; None: all.
        least: files with fewer configurations are left out.
    """
    known = sorted(path.stem for path in folder.glob("*.npz"))
    for name in files or ():
        if name not in known:
            raise InputError(f"--tasks: no recorded curves {name!r}: {did_you_mean(name, known)}")
    recordings = {name: Recording.read(folder / f"{name}.npz") for name in files or known}
    return [
        f"{name}/{metric}" for name, one in recordings.items() if len(one.points) >= least for metric in one.metrics
    ]


def run(arguments: Sequence[str] | None = None) -> int:
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorded", description=about)
    parser.add_argument("--data", type=Path, default=FOLDER, metavar="DIR", help="folder of the recorded curves")
    parser.add_argument("--tasks", metavar="A,B", help="files without their endings; default: all there are")
    add_options(parser)
    parser.set_defaults(budget=2.5)

    def prepare(given: argparse.Namespace) -> Settings:
        files = [name.strip() for name in given.tasks.split(",")] if given.tasks else None
        tasks = tasks_in(given.data, files)
        if not tasks:
            raise InputError(
                f"--data: {given.data} has no recorded curves; `python -m benchmarks.grow_curves` makes them"
            )
        return Settings.of(given, "Recorded curves", functools.partial(load, given.data.resolve()), tasks)

    return main(parser, prepare, arguments)


if __name__ == "__main__":
    sys.exit(run())
