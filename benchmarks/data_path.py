"""What it costs that a folder of images is decoded: training on it beside the same training from memory.

20,000 JPEGs of 256 pixels a side lie in a folder. The cache of the node is made of them once, and timed; then a second
process opens it and reads all of it: the proportional set sizes of both (/proc/PID/smaps_rollup, Linux) say whether it
has a copy of its own. After that each pass trains the same small convolutional net for an epoch of some of the images,
on all cores: from memory, where they lie as the floats that the net takes; from the cache, read ahead; and decoded each
time, read ahead (as with GOODFIT_CACHE=0). The passes take turns, and each is compared with the one from memory beside
it, so that a busy machine slows all of them alike.

    python -m benchmarks.data_path [--pictures 20000] [--rows 1024] [--rounds 5] [--folder DIR] [--json OUT]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.figures import Figures, run
from goodfit.trainers.ahead import ahead, usable_cpus
from goodfit.trainers.messages import DataSpec
from goodfit.trainers.node_cache import CacheSpec

if TYPE_CHECKING:
    from torch import nn

    from goodfit.trainers.data import Data
    from goodfit.trainers.training.loop import Tensors, Training

SIDE = 256
MEMORY, CACHE, FILES = "from memory", "from the cache", "decoded each time"
WAYS = (MEMORY, CACHE, FILES)


def main(
    figures: Figures, pictures: int = 20_000, rows: int = 1024, rounds: int = 5, folder: Path | None = None
) -> None:
    """Measure and print.

    Args:
        figures: get what was measured.
        pictures: how many JPEGs there are.
        rows: how many of them an epoch trains on.
        rounds: epochs of each way.
        folder: that has the JPEGs, or gets them; None: they are made for this run.
    """
    with tempfile.TemporaryDirectory(prefix="goodfit-data-path-") as scratch:
        source, home = folder or Path(scratch, "pictures"), Path(scratch, "home")
        home.mkdir()
        if not source.is_dir():
            make_pictures(source, pictures)
        workers(figures, source, home)
        rates = measure(source, home, rows, rounds)
        for way in WAYS:
            figures.add(f"images a second, {way}", rates[way], "1/s")
        for way in (CACHE, FILES):
            shares = [one / other for one, other in zip(rates[way], rates[MEMORY], strict=True)]
            figures.add(f"{way}, of the rate from memory", shares, "")
    for name, one in figures.found.items():
        spread = "" if one.spread is None else f" ± {one.spread:g}"
        print(f"  {name:<44} {one.value:>10g}{spread} {one.unit}")


def make_pictures(folder: Path, count: int) -> None:
    """JPEGs of two classes, which differ by the half that is the lighter one."""
    from PIL import Image

    labels = ("left", "right")
    for label in labels:
        (folder / label).mkdir(parents=True)

    def make(number: int) -> None:
        random, right = np.random.default_rng(number), number % 2
        small = random.integers(0, 200, (16, 16, 3))
        small[:, 8 * right : 8 * right + 8] += 40
        picture = Image.fromarray(small.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / labels[right] / f"{number:06d}.jpg", quality=85)

    threads = usable_cpus()
    for _ in ahead(make, range(count), threads, 4 * threads):
        pass


def workers(figures: Figures, folder: Path, home: Path) -> None:
    """What it takes that one process makes the cache, and that another opens it."""
    began = perf_counter()
    with reader(folder, home) as first:
        figures.add("the first worker: makes the cache, reads all", perf_counter() - began, "s")
        cached = sum(path.stat().st_size for path in (home / "cache").rglob("pixels"))
        figures.add("pixels in the cache", cached / 1e6, "MB")
        alone = set_size(first)
        figures.add("memory of one worker that has read all (PSS)", alone / 1e6, "MB")
        began = perf_counter()
        with reader(folder, home) as second:
            figures.add("the second worker: opens the cache, reads all", perf_counter() - began, "s")
            added = set_size(first) + set_size(second) - alone
            figures.add("memory that a second one adds (PSS)", added / 1e6, "MB")


@contextlib.contextmanager
def reader(folder: Path, home: Path) -> Iterator[int]:
    """A process that has loaded the folder as a worker does, and has read all of its pixels; its id."""
    command = [sys.executable, "-m", "benchmarks.data_path", "--reads", str(folder), str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the reading process has ended before it had read all")
        try:
            yield process.pid
        finally:
            process.communicate()


def read_all(folder: Path, home: Path) -> None:
    """What the process of `reader` does; it ends with its input."""
    data = loaded(folder, CacheSpec(home / "cache"))
    for split in (data.train, data.validation):
        for start in range(0, len(split), 64):
            split.x[start : start + 64]
    print("has read all", flush=True)
    sys.stdin.read()


def loaded(folder: Path, cache: CacheSpec | None, scale: str = "standard") -> Data:
    """The data, read as a worker with this cache reads them."""
    from goodfit.trainers.data import load
    from goodfit.trainers.data.kinds.image_folder import image_files
    from goodfit.trainers.data.reading import node

    node.use(cache)
    image_files.cache_clear()
    return load(replace(DataSpec(str(folder)), scale=scale))


def set_size(process: int) -> int:
    """Its proportional set size in bytes: what is shared counts in parts."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def measure(folder: Path, home: Path, rows: int, rounds: int) -> dict[str, list[float]]:
    """Images a second of each way, by rounds."""
    import torch

    torch.set_num_threads(usable_cpus())
    ways = {way: prepared(way, folder, home, rows) for way in WAYS}
    found: dict[str, list[float]] = {way: [] for way in ways}
    for epoch, (way, (training, part)) in itertools.product(range(1, rounds + 2), ways.items()):
        began = perf_counter()
        training.epoch(epoch, part)
        if epoch > 1:  # the first warms up
            found[way].append(rows / (perf_counter() - began))
    return found


def prepared(way: str, folder: Path, home: Path, rows: int) -> tuple[Training, Tensors]:
    """A net and the rows that it trains on."""
    import torch

    from goodfit.testing.attempts import Line, handle
    from goodfit.trainers.builtin.cnn import CNNConfig, cnn
    from goodfit.trainers.training.loop import Tensors, Training, default_loss

    data = loaded(folder, None if way == FILES else CacheSpec(home / "cache"), "none" if way == FILES else "standard")
    part = Tensors.of(data.train, torch.device("cpu")).take(torch.arange(rows))
    first = part.x[: rows if way == MEMORY else 1]  # decides where its pixels come from
    trial = handle(home, Line(), epochs=1000)
    trial.config = CNNConfig(width=8, depth=3)
    model: nn.Module | None = cnn.build(trial.config, data.facts) if cnn.build is not None else None
    if model is None:
        raise RuntimeError("cnn declares how its model is built")
    training = Training(model, trial, data.facts, default_loss(data.facts.task))
    return training, replace(part, x=first) if way == MEMORY else part


def options(parser: argparse.ArgumentParser) -> None:
    """How much is measured."""
    parser.add_argument("--pictures", type=int, default=20_000, help="how many JPEGs there are")
    parser.add_argument("--rows", type=int, default=1024, help="how many of them an epoch trains on")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each way")
    parser.add_argument("--folder", type=Path, help="has the JPEGs, or gets them")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--reads"]:
        read_all(Path(sys.argv[2]), Path(sys.argv[3]))
        sys.exit()
    run("data path", main, options)
