"""Trains random configurations of our own trainers, and keeps their learning curves for the benchmark of searches.

    python -m benchmarks.grow_curves --only mlp-digits --configurations 300

Each file of benchmarks/data/ has the curves of one trainer with one schedule of the learning rate. Configurations are
those of a fixed seed, so a file that has 100 of them grows to 300 with the first 100 as they were. An epoch's time is
CPU time, which other work on the machine changes little; one time is kept for each configuration, the median.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.search.recordings import FOLDER, Recording
from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int, Parameter
from goodfit.search_spaces.space import Space
from goodfit.service.sampler.cube import Cube
from goodfit.trainers.messages import Assignment, DataSpec, Message, Pack, Reported
from goodfit.trainers.worker.worker import Setup, Worker

SCHEDULES = ("constant", "cosine", "step")
SEED = 12
SAVE_EVERY = 20  # configurations


@dataclass(frozen=True, slots=True)
class Source:
    """What is trained.

    Attributes:
        trainer: by its name in the registry.
        data: a built-in data set.
        epochs: of a full training.
        metrics: that are kept.
        space: what is drawn, besides the schedule.
    """

    trainer: str
    data: str
    epochs: int
    metrics: tuple[str, ...]
    space: tuple[Parameter, ...]

    def space_with(self, schedule: str) -> Space:
        return Space((*self.space, Fixed("schedule", schedule)))


SOURCES = {
    "mlp-digits": Source(
        *("mlp", "digits", 30, ("val/accuracy", "val/loss")),
        (
            Float("learning_rate", 1e-4, 1e-1, log=True),
            Choice("batch_size", (32, 64, 128)),
            Choice("optimizer", ("adamw", "sgd")),
            Float("momentum", 0.5, 0.99, when={"optimizer": "sgd"}),
            Float("weight_decay", 1e-6, 1.0, log=True),
            Float("dropout", 0.0, 0.6),
            Int("depth", 1, 3),
            Int("width", 8, 64, log=True),
            Choice("activation", ("relu", "gelu", "tanh", "silu")),
        ),
    ),
    "cnn-digits": Source(
        *("cnn", "digits", 20, ("val/accuracy", "val/loss")),
        (
            Float("learning_rate", 1e-4, 1e-1, log=True),
            Choice("batch_size", (64, 128)),
            Choice("optimizer", ("adamw", "sgd")),
            Float("momentum", 0.8, 0.99, when={"optimizer": "sgd"}),
            Float("weight_decay", 1e-5, 1e-1, log=True),
            Float("dropout", 0.0, 0.5),
            Int("width", 4, 16, log=True),
            Choice("residual", (True, False)),
        ),
    ),
    "transformer-eeg": Source(
        *("transformer", "eeg", 20, ("val/mae", "val/loss")),
        (
            Float("learning_rate", 1e-4, 1e-2, log=True),
            Choice("batch_size", (32, 64)),
            Float("weight_decay", 1e-3, 1.0, log=True),
            Float("dropout", 0.0, 0.6),
            Int("depth", 1, 2),
            Choice("width", (8, 16, 32)),
            Choice("heads", (1, 2, 4)),
            Choice("positions", ("learned", "rotary")),
            Choice("pooling", ("mean", "first")),
        ),
    ),
}


class Times:
    """The channel of a worker: keeps the reports, and the CPU time of each."""

    def __init__(self) -> None:
        self.reports: list[tuple[float, Reported]] = []
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)
        if isinstance(message, Reported):
            self.reports.append((time.process_time(), message))

    def stop_asked(self, trial: int) -> bool:  # noqa: ARG002 - the port's
        return False

    def may_go_on(self, trial: int, epoch: int) -> bool:  # noqa: ARG002 - the port's
        return True


def grow(name: str, schedule: str, configurations: int, folder: Path) -> None:
    """Train what a file lacks, and write it from time to time."""
    source, file = SOURCES[name], folder / f"{name}-{schedule}.npz"
    space = source.space_with(schedule)
    cube = Cube(space)
    points = cube.random(np.random.default_rng(SEED), configurations).astype(np.float16)
    points[points >= 1.0] = 0.0  # of numbers that round up
    found = Recording.read(file) if file.is_file() else None
    values = [] if found is None else list(found.values)
    seconds = [] if found is None else list(found.seconds)
    times = Times()
    worker = Worker(times, capture=False, own_process=False)
    worker.warm_up(Setup(source.trainer, DataSpec(source.data)))
    with tempfile.TemporaryDirectory(prefix="goodfit-curves-") as scratch:
        for number in range(len(values), configurations):
            times.reports.clear()
            params = cube.params(points[number].astype(np.float64))
            worker.run(Pack((_assignment(source, number, params, Path(scratch)),)))
            if not times.reports:
                raise RuntimeError(f"{name}: {params} reported nothing: {times.messages[-1]}")
            values.append(_values(source, times))
            seconds.append(_epoch_seconds(times))
            if (number + 1) % SAVE_EVERY == 0 or number + 1 == configurations:
                kept = points[: len(values)].astype(np.float64)
                Recording(space, source.epochs, source.metrics, kept, np.array(values), np.array(seconds)).write(file)
                print(f"{file.name}: {number + 1} configurations", flush=True)


def _assignment(source: Source, number: int, params: dict[str, object], scratch: Path) -> Assignment:
    metric = source.metrics[-1]
    folder = scratch / f"{number:05d}"
    return Assignment(
        *("curves", number, 1, source.trainer, params, DataSpec(source.data), number, source.epochs, metric),
        direction="minimize",
        folder=folder,
        checkpoint_epochs=source.epochs,
    )


def _values(source: Source, times: Times) -> np.ndarray:
    """Epochs as rows, metrics as columns; NaN after a divergence."""
    rows = np.full((source.epochs, len(source.metrics)), np.nan)
    for _, report in times.reports:
        rows[report.epoch - 1] = [report.metrics[metric] for metric in source.metrics]
    return rows


def _epoch_seconds(times: Times) -> float:
    ends = [at for at, _ in times.reports]
    return statistics.median(np.diff(ends).tolist()) if len(ends) > 1 else float("nan")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grow_curves", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=sorted(SOURCES), help="repeat for several; default: all")
    parser.add_argument("--schedule", action="append", choices=SCHEDULES, help="repeat for several; default: all")
    parser.add_argument("--configurations", type=int, default=300, help="in each file (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the files (default: benchmarks/data)")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in given.only or SOURCES:
        for schedule in given.schedule or SCHEDULES:
            grow(name, schedule, given.configurations, given.folder)


if __name__ == "__main__":
    main()
