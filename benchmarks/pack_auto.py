"""How many times as long trials take one by one as with `pack: auto`: in one process, on one thread, by CPU time.

With `pack: auto` a worker's hub measures, and decides by it which epochs it trains together; what it measures is in.
One by one is as a worker trains a trial that is alone.
Epochs are short, and few: in most studies less of the time goes into measuring, so less can be lost by it.

Wanted: 0.95 at least, whatever the trials.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks import packs
from benchmarks.figures import Figures, run
from goodfit.trainers.data import Data, load
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.training.packing.hub import Hub, run_epoch
from goodfit.trainers.training.packing.work import EpochWork, train_alone
from goodfit.trainers.worker import memory
from goodfit.trainers.worker.isolation.trials import start_thread

RUNS = 5
EPOCHS = {2: 40, 8: 20, 32: 8}  # of each trial, by how many trials there are
DATA = DataSpec("digits", validation=0.1, test=0.72)  # 325 rows to train on: 11 batches
CASES: Mapping[str, tuple[str, Callable[[random.Random], dict[str, Any]]]] = {
    **packs.CASES,
    # 113,000 weights: not far below the most that a net in a pack may have.
    "mlp, width 300, depth 2": ("mlp", lambda _: {"width": 300, "depth": 2}),
}


def ratios(case: str, size: int, data: Data, runs: int) -> list[float]:
    """Of each run: the CPU time of one by one by that of `pack: auto`; each run draws trials of its own."""
    trainer, draw = CASES[case]
    found = []
    for number in range(runs):
        drawn = random.Random(100 * size + number)
        params = [draw(drawn) | {"learning_rate": 10 ** drawn.uniform(-4, -2)} for _ in range(size)]
        works, same = (
            [packs.work_of(trainer, data, each, seed, EPOCHS[size]) for seed, each in enumerate(params)] for _ in "12"
        )
        found.append(_ratio(works, same))
    return found


def _ratio(works: Sequence[EpochWork], same: Sequence[EpochWork]) -> float:
    """Epochs one by one and those of a hub take turns: what else the machine does makes both of them longer."""
    epochs = EPOCHS[len(works)]
    hub = Hub(start_thread)
    for work in works:
        hub.start(partial(_trial, work, epochs))
    began, seconds = time.process_time(), [0.0, 0.0]
    for epoch in itertools.count(1):
        if epoch <= epochs:
            for work in same:
                train_alone(dataclasses.replace(work, epoch=epoch))
        middle = time.process_time()
        hub.take_turns()
        hub.train()
        ended = time.process_time()
        seconds = [seconds[0] + middle - began, seconds[1] + ended - middle]
        began = ended
        if epoch >= epochs and hub.is_idle:
            break
    return seconds[0] / seconds[1]


def _trial(work: EpochWork, epochs: int) -> None:
    for epoch in range(1, epochs + 1):
        run_epoch(dataclasses.replace(work, epoch=epoch))


def main(figures: Figures, runs: int = RUNS, largest: int = max(EPOCHS)) -> None:
    torch.set_num_threads(1)
    memory.keep()  # as in a worker
    data, medians = load(DATA), dict[str, float]()
    for case in CASES:
        ratios(case, min(EPOCHS), data, 1)  # pays for what is made once
        for size in EPOCHS:
            if size > largest:
                continue
            name, found = f"{case}: {size} trials", ratios(case, size, data, runs)
            figures.add(name, found, "")
            medians[name] = statistics.median(found)
            print(f"  {name:<56} {medians[name]:6.2f} x  of {' '.join(f'{one:.2f}' for one in found)}", flush=True)
    least = min(medians, key=medians.__getitem__)
    print(f"  the least of all: {medians[least]:.2f} x, {least}")


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=RUNS, help="of each case, by how many trials there are")
    parser.add_argument("--largest", type=int, choices=EPOCHS, default=max(EPOCHS), help="the most trials")


if __name__ == "__main__":
    run("pack auto", main, _options)
