"""Searches on families of made-up learning curves, each with a difficulty of its own.

    python -m benchmarks.families --families power5,late100 --methods auto,random

- power: power laws whose end, height and speed depend on the configuration; epochs cost up to 8 times as much for some.
- crossing: the better the end, the slower the start.
- late: good configurations gain in the last third, as after a drop of the learning rate.
- overfitting: curves rise to a peak, which lies elsewhere for each configuration, and fall.
- junk: a third of the space or more learns nothing.
- noise: the configuration makes no difference.
- categorical: 3 numbers and 3 choices; a part of the space diverges.

The number is that of the epochs. Each family has several landscapes, with their optima in other places.
"""

from __future__ import annotations

import argparse
import functools
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.search.measure import Settings, add_options, main
from benchmarks.search.task import Floats, Reference, Task, WholeCurve
from goodfit.search_spaces.parameters import Choice, Float, Parameter
from goodfit.search_spaces.space import Space
from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.objective import MAXIMIZE, Objective
from goodfit.service.sampler.cube import Cube

EPOCHS = (5, 100)
REFERENCES = 600
SECONDS = 100.0  # a median epoch
NOISE = 0.01  # of each epoch, and of each curve
SLOWEST = 8.0  # times the fastest epoch, in the families where it differs
CHOICES = (2, 4, 6)  # values of the choices of `categorical`
OBJECTIVE = Objective("val/score", MAXIMIZE)


@dataclass(frozen=True)
class Landscape:
    """How good each configuration of one task is.

    Attributes:
        numbers: how many numeric parameters there are.
        choices: of how many values the others are.
        optimum, weights, interactions: of the numbers' bowl.
        merits: of each value of each choice.
        phase: shifts the speeds and the junk.
    """

    numbers: int
    choices: tuple[int, ...]
    optimum: Floats
    weights: Floats
    interactions: Floats
    merits: Sequence[Floats]
    phase: int

    @classmethod
    def drawn(cls, rng: np.random.Generator, numbers: int, choices: tuple[int, ...]) -> Landscape:
        return cls(
            numbers,
            choices,
            rng.uniform(0.15, 0.85, numbers),
            rng.dirichlet(np.full(numbers, 1.5)) * numbers,
            rng.normal(size=(numbers, numbers)) * 0.5,
            [rng.normal(size=count) * 0.5 for count in choices],
            int(rng.integers(1 << 30)),
        )

    @property
    def space(self) -> Space:
        numbers: list[Parameter] = [Float(f"x{index}", 0.0, 1.0) for index in range(self.numbers)]
        choices = [Choice(f"c{index}", tuple(range(count))) for index, count in enumerate(self.choices)]
        return Space((*numbers, *choices))

    def quality(self, numbers: Floats, choices: Sequence[int]) -> float:
        """Above 0, at most 1: the best."""
        distance = (numbers - self.optimum) * 2
        bowl = float((self.weights * distance**2).sum() + 0.3 * (distance @ self.interactions @ distance) ** 2)
        lost = sum(
            0.4 * float(merits.max() - merits[value]) for merits, value in zip(self.merits, choices, strict=True)
        )
        return float(np.exp(-0.6 * bowl - lost))

    def speed(self, numbers: Floats) -> float:
        """In [0, 1]: a property of its own that has nothing to do with the quality."""
        return float(0.5 + 0.5 * np.sin(7 * numbers[0] + 5 * numbers[1] + self.phase % 7))


@dataclass(frozen=True)
class Point:
    """What a curve is made of: the configuration, its quality and speed, and the share of the epochs that is done."""

    numbers: Floats
    quality: float
    speed: float
    phase: int
    done: Floats
    rng: np.random.Generator = field(repr=False)


def _power(at: Point) -> Floats:
    power = 0.4 + 1.2 * at.numbers[1]
    lacking: Floats = (0.2 + 0.6 * at.speed) * ((1 + 9 * at.done) ** -power - 10**-power)
    return at.quality - lacking


def _crossing(at: Point) -> Floats:
    rate = 1.5 + 25 * (1 - at.quality) * (0.3 + 0.7 * at.speed)
    reached: Floats = (1 - np.exp(-at.done * rate)) / (1 - np.exp(-rate))
    return at.quality * reached


def _late(at: Point) -> Floats:
    late: Floats = 1 / (1 + np.exp(-(at.done - 0.7) * 25))
    return 0.35 * (1 - 0.5 * np.exp(-6 * at.done)) + (at.quality - 0.4) * 0.6 * late + 0.15 * at.speed * (1 - late)


def _overfitting(at: Point) -> Floats:
    peak = 0.15 + 0.9 * at.numbers[2]
    rising: Floats = at.quality * (1 - np.exp(-5 * at.done / peak))
    falling: Floats = 0.5 * np.maximum(at.done - peak, 0) * (0.3 + at.speed)
    return rising - falling


def _junk(at: Point) -> Floats:
    if np.sin(9 * at.numbers[2] + 4 * at.numbers[3] + at.phase % 5) < -0.3:
        return np.full_like(at.done, 0.02 * (at.numbers[1] - 0.5))
    lacking: Floats = 0.5 * (1 + 20 * at.done) ** -0.7
    return at.quality - lacking


def _noise(at: Point) -> Floats:
    lacking: Floats = 0.5 * (1 + 9 * at.done) ** -0.8
    return 0.8 - lacking + at.rng.normal() * 0.05


def _categorical(at: Point) -> Floats:
    lacking: Floats = 0.5 * (1 + 15 * at.done) ** -(0.5 + at.numbers[0])
    return at.quality - lacking


FAMILIES: dict[str, Callable[[Point], Floats]] = {
    "power": _power,
    "crossing": _crossing,
    "late": _late,
    "overfitting": _overfitting,
    "junk": _junk,
    "noise": _noise,
    "categorical": _categorical,
}
COSTLY = ("power", "overfitting", "junk")  # epochs differ in length
NAMES = tuple(f"{family}{epochs}" for epochs in EPOCHS for family in FAMILIES)


def task_of(family: str, epochs: int, landscape: int) -> Task:
    """One landscape of a family."""
    rng = np.random.default_rng([landscape, epochs, list(FAMILIES).index(family)])
    land = _drawn(family, rng)
    return _task(family, epochs, land, f"{family}{epochs}/{landscape}", rng)


def landscape_of(family: str, epochs: int, landscape: int) -> Landscape:
    """The landscape of that task."""
    return _drawn(family, np.random.default_rng([landscape, epochs, list(FAMILIES).index(family)]))


def task_on(family: str, epochs: int, land: Landscape, seed: int) -> Task:
    """A task of a family on any landscape."""
    return _task(family, epochs, land, f"{family}{epochs}", np.random.default_rng(seed))


def _drawn(family: str, rng: np.random.Generator) -> Landscape:
    categorical = family == "categorical"
    return Landscape.drawn(rng, 3 if categorical else 5, CHOICES if categorical else ())


def _task(family: str, epochs: int, land: Landscape, name: str, rng: np.random.Generator) -> Task:
    categorical = family == "categorical"
    space = land.space

    def curve(params: Mapping[str, Any]) -> WholeCurve:
        numbers = np.array([params[f"x{index}"] for index in range(land.numbers)])
        choices = [params[f"c{index}"] for index in range(len(land.choices))]
        own = np.random.default_rng(zlib.crc32(repr((land.phase, numbers.tolist(), choices)).encode()))
        done = np.arange(1, epochs + 1) / epochs
        at = Point(numbers, land.quality(numbers, choices), land.speed(numbers), land.phase, done, own)
        values = FAMILIES[family](at) + own.normal(size=epochs) * NOISE + own.normal() * NOISE
        if categorical and numbers[0] + numbers[1] > 1.5:
            values[max(1, epochs // 4) :] = np.nan
        slow = SLOWEST ** numbers[-1] if family in COSTLY else 1.0
        return WholeCurve(values, np.full(epochs, SECONDS * slow))

    cube = Cube(space)
    curves = [curve(cube.params(point)) for point in cube.random(rng, REFERENCES)]
    reference = Reference.of(
        OBJECTIVE, np.array([one.values for one in curves]), np.array([one.durations for one in curves])
    )
    return Task(name, space, epochs, OBJECTIVE, reference, curve)


@functools.lru_cache(maxsize=4)
def load(name: str) -> Task:
    """A task by its name, "power100/0"."""
    family, _, landscape = name.partition("/")
    kind = family.rstrip("0123456789")
    return task_of(kind, int(family[len(kind) :]), int(landscape))


def run(arguments: Sequence[str] | None = None) -> int:
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families", description=about)
    parser.add_argument("--families", metavar="A,B", default=",".join(NAMES), help="default: all (%(default)s)")
    parser.add_argument("--landscapes", type=int, default=2, help="of each family (default: %(default)s)")
    add_options(parser)

    def prepare(given: argparse.Namespace) -> Settings:
        names = [name.strip() for name in given.families.split(",")]
        for name in names:
            if name not in NAMES:
                raise InputError(f"--families: no family {name!r}: {did_you_mean(name, NAMES)}")
        tasks = [f"{name}/{landscape}" for name in names for landscape in range(given.landscapes)]
        return Settings.of(given, "Families", load, tasks, {"families": ", ".join(names)})

    return main(parser, prepare, arguments)


if __name__ == "__main__":
    sys.exit(run())
