"""How much faster epochs are trained together than one by one: side by side in one process, on one thread, by CPU time.

An epoch is its training and its metrics; the reports and what a worker does beside them are left out. One by one is as
a worker trains a trial that is alone; beside it, in brackets, by the model's own layers and torch's fused optimizer.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.figures import Figures, run
from goodfit.testing.attempts import Line, assign, clock
from goodfit.trainers.data import Data, load
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.registry import resolve
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.training.loop import Tensors, Training, default_loss
from goodfit.trainers.training.packing.work import EpochWork, train_alone, train_by_its_layers, train_together
from goodfit.trainers.trial import Trial
from goodfit.trainers.worker import memory

RUNS, EPOCHS = 5, 20
SIZES = (1, 2, 4, 8, 16, 32, 64)
ACTIVATIONS, OPTIMIZERS = ("relu", "gelu", "tanh", "silu"), ("sgd", "adam", "adamw")


def _unequal(low: int, high: int) -> Callable[[random.Random], dict[str, Any]]:
    """Widths evenly spread by their logarithm, and all else that may differ in a pack."""
    return lambda drawn: {
        "width": _evenly(drawn, low, high),
        "depth": drawn.choice((1, 2)),
        "activation": drawn.choice(ACTIVATIONS),
        "optimizer": drawn.choice(OPTIMIZERS),
        "dropout": drawn.uniform(0, 0.5),
    }


def _evenly(drawn: random.Random, low: int, high: int) -> int:
    return round(math.exp(drawn.uniform(math.log(low), math.log(high))))


def _blocks(drawn: random.Random) -> dict[str, Any]:
    """Blocks whose every width can have 2 or 4 heads."""
    shape = {"width": 4 * drawn.randint(4, 8), "heads": drawn.choice((2, 4)), "depth": drawn.choice((1, 2))}
    return {**shape, "activation": drawn.choice(ACTIVATIONS), "optimizer": drawn.choice(OPTIMIZERS)}


CASES: Mapping[str, tuple[str, Callable[[random.Random], dict[str, Any]]]] = {
    "mlp, width 32, depth 2": ("mlp", lambda _: {"width": 32, "depth": 2}),
    "mlp, widths 16 to 64, depths 1 to 2": ("mlp", _unequal(16, 64)),
    "cnn, width 8, depth 2": ("cnn", lambda _: {"width": 8, "depth": 2}),
    "cnn, widths 4 to 16, depths 1 to 2": ("cnn", _unequal(4, 16)),
    "rnn, gru, width 32": ("rnn", lambda _: {"width": 32}),
    "rnn, lstm, width 32": ("rnn", lambda _: {"width": 32, "cell": "lstm"}),
    "transformer, width 16, depth 1": ("transformer", lambda _: {"width": 16, "heads": 2}),
    "transformer, widths 16 to 32, depths 1 to 2": ("transformer", _blocks),
    "rnn, gru, widths 16 to 64": ("rnn", lambda drawn: {"width": _evenly(drawn, 16, 64)}),
}


def work_of(trainer: str, data: Data, params: Mapping[str, Any], seed: int, epochs: int = EPOCHS) -> EpochWork:
    """The first epoch of a trial, on the CPU."""
    found, device = resolve(trainer), torch.device("cpu")
    assignment = assign(Path("nowhere"), seed=seed, epochs=epochs)
    trial = Trial(assignment, found.configure(dict(params)), data, Line(), clock())
    seed_generators(seed, 0)
    if found.build is None:
        raise TypeError(f"trainer {trainer} builds no model")
    training = Training(found.build(trial.config, data.facts), trial, data.facts, default_loss(data.task))
    training.packs = found.packs_on(data.kind)
    train, validation = Tensors.of(data.train, device), Tensors.of(data.validation, device)
    return EpochWork(training, seed, 1, train, train, validation, data.facts)


def ratios(trainer: str, draw: Callable[[random.Random], dict[str, Any]], size: int) -> tuple[list[float], list[float]]:
    """Of each epoch: the CPU time of one by one, and of that by the models' own layers, by the time of together."""
    data, drawn = load(DataSpec("digits")), random.Random(size)
    params = [draw(drawn) | {"learning_rate": 10 ** drawn.uniform(-4, -2)} for _ in range(size)]
    lone, own, packed = ([work_of(trainer, data, each, seed) for seed, each in enumerate(params)] for _ in range(3))
    together = _seconds(train_together, packed)
    alone = [_seconds(lambda works: train_alone(works[0]), [work]) for work in lone]
    by_layers = [_seconds(lambda works: train_by_its_layers(works[0]), [work]) for work in own]
    by_alone, by_own = (
        [sum(times) / seconds for *times, seconds in zip(*each, together, strict=True)] for each in (alone, by_layers)
    )
    return by_alone, by_own


def _seconds(train: Callable[[list[EpochWork]], object], works: Sequence[EpochWork]) -> list[float]:
    """CPU time of each epoch but the first, which warms up: one after the other, as a worker trains them."""
    times = [time.process_time()]
    for epoch in range(1, RUNS + 2):
        train([dataclasses.replace(work, epoch=epoch) for work in works])
        times.append(time.process_time())
    return [after - before for before, after in itertools.pairwise(times)][1:]


def main(figures: Figures, largest: int = SIZES[-1], cases: str = "") -> None:
    torch.set_num_threads(1)
    memory.keep()  # as in a worker
    for case, (trainer, draw) in CASES.items():
        for size in SIZES:
            if size > largest or (cases and trainer not in cases.split(",")):
                continue
            alone, by_layers = ratios(trainer, draw, size)
            figures.add(f"{case}: {size} together", alone, "")
            figures.add(f"{case}: {size} together, beside their own layers", by_layers, "")
            print(
                f"  {case:<36} {size:>3} together {statistics.median(alone):6.2f} x  +- {statistics.stdev(alone):.2f}"
                f"  (their own layers {statistics.median(by_layers):.2f} +- {statistics.stdev(by_layers):.2f})",
                flush=True,
            )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="the most trials that are trained together")
    parser.add_argument("--cases", default="", help="of these trainers alone, with commas")


if __name__ == "__main__":
    run("packs", main, _options)
