"""What a trial costs as a study grows: to propose, to record and to resume it, and the memory that the study takes.

For each number of finished trials a process of its own makes a study of so many (as `commands.py` has it), takes it up
again, and adds a few trials. Milliseconds are of CPU, those of taking it up for each trial that there was; what a trial
costs MLflow's mirror is measured in `mirror.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import commands
from benchmarks.figures import Figures, run
from goodfit.service.app import open_home
from goodfit.service.records import Batch, TrialState
from goodfit.service.sampler import OptunaSampler, sampler_of
from goodfit.service.settings import Settings

SIZES = (100, 1_000, 10_000, 100_000)
ADDED = 30  # trials, of which the median counts
METHODS = ("random", "bayesian")


def measure(size: int, folder: Path) -> dict[str, float]:
    """Milliseconds a trial, and megabytes, by what is measured."""
    store = open_home(Settings(folder), create=True)
    commands.fill(store, size)
    study = store.study(commands.NAME)
    lease = store.acquire(study.id, "bench:1:1", time.time(), 1e9, lambda _: True)
    found: dict[str, float] = {}
    for method in METHODS:
        began = time.process_time()
        trials, reports = store.trials(study.id), store.reports(study.id)
        sampler = _sampler(method)
        sampler.rebuild(trials, reports)
        found[f"resume, {method}"] = 1e3 * (time.process_time() - began) / size
        found[f"ask, {method}"] = _asked(sampler, size)
        del trials, reports, sampler
    draw, batches = random.Random(1), []
    for number in range(size, size + ADDED):
        trial, curve = commands.trial(number, draw)
        batches.append(Batch(trials={number: trial}, reports=curve))
    found["record"] = _median(lambda index: store.apply(lease, batches[index]))
    store.close()
    status = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return {**found, "memory": peak / 1024}


def _sampler(method: str) -> OptunaSampler:
    sampler = sampler_of(commands.spec().with_search(method=method), commands.NAME, {})
    if not isinstance(sampler, OptunaSampler):
        raise TypeError(f"{method} is searched by {sampler}")
    return sampler


def _asked(sampler: OptunaSampler, size: int) -> float:
    """A proposal, and the end of its trial."""

    def turn(index: int) -> None:
        params = sampler.ask(size + index)
        trial, _ = commands.trial(size + index, random.Random(index))
        sampler.tell(replace(trial, params=params or {}, state=TrialState.COMPLETE, value=trial.value or 0.5))

    return _median(turn)


def _median(turn: Callable[[int], object]) -> float:
    taken = []
    for index in range(ADDED):
        began = time.process_time()
        turn(index)
        taken.append(time.process_time() - began)
    return 1e3 * statistics.median(taken)


def main(figures: Figures, sizes: Sequence[int] = SIZES) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as folder:
            command = [sys.executable, "-m", "benchmarks.growth", "--measure", str(size), folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        for name, value in found.items():
            figures.add(f"{size:,} trials: {name}", value, "MB" if name == "memory" else "ms")
        print(f"  {size:>7,} trials: " + ", ".join(f"{name} {value:.2f}" for name, value in found.items()), flush=True)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(int(sys.argv[2]), Path(sys.argv[3]))))
    else:
        run("growth", main, _options)
