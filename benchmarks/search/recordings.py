"""Learning curves that were recorded: files with the curves of random configurations of a space.

A search on them gets, for a configuration that it proposes, the nearest one that is recorded and was not proposed
before, and is told so: it learns what was really trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.task import Curve, Floats, Reference, Refused, Task, WholeCurve
from goodfit.search_spaces.parse import from_list, to_list
from goodfit.search_spaces.space import Space
from goodfit.service.errors import InputError, did_you_mean
from goodfit.service.objective import MAXIMIZE, MINIMIZE, Objective
from goodfit.service.sampler.cube import Cube

FOLDER = Path(__file__).parents[1] / "data"
SECONDS = 100.0  # a median epoch in the benchmark: far above what the search takes for noise


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file has.

    Attributes:
        space: that the configurations were drawn from.
        epochs: of a full training.
        metrics: that were recorded.
        points: the configurations, as points of the unit cube.
        values: by configuration, epoch and metric; NaN after a divergence.
        seconds: of an epoch, by configuration; NaN where it diverged at once.
    """

    space: Space
    epochs: int
    metrics: tuple[str, ...]
    points: Floats
    values: Floats
    seconds: Floats

    def write(self, file: Path) -> None:
        about = {"space": to_list(self.space), "epochs": self.epochs, "metrics": list(self.metrics)}
        np.savez_compressed(
            file,
            about=np.array(json.dumps(about)),
            points=self.points.astype(np.float16),
            values=self.values.astype(np.float16),
            seconds=self.seconds.astype(np.float32),
        )

    @classmethod
    def read(cls, file: Path) -> Recording:
        with np.load(file) as kept:
            about = json.loads(str(kept["about"]))
            arrays = [kept[name].astype(np.float64) for name in ("points", "values", "seconds")]
        return cls(from_list(about["space"]), about["epochs"], tuple(about["metrics"]), *arrays)

    def task(self, name: str, metric: str) -> Task:
        """The search for the best value of a metric."""
        if metric not in self.metrics:
            raise InputError(f"{name}: no metric {metric!r}: {did_you_mean(metric, self.metrics)}")
        cube = Cube(self.space)
        params = [cube.params(point) for point in self.points]
        rows = {_key(one): row for row, one in enumerate(params)}
        encoded = cube.encode(np.array([cube.point(one) for one in params]))
        values = self.values[:, :, self.metrics.index(metric)]
        typical = float(np.nanmedian(self.seconds))
        each = np.where(np.isnan(self.seconds), typical, self.seconds) * SECONDS / typical
        durations = np.repeat(each[:, None], self.epochs, axis=1)
        objective = Objective(metric, direction_of(metric))

        def curve(wanted: Mapping[str, Any]) -> Curve:
            row = rows[_key(wanted)]
            return WholeCurve(values[row], durations[row])

        def nearest(wanted: Mapping[str, Any], refused: Refused) -> dict[str, Any] | None:
            distances = ((encoded - cube.encode(cube.point(wanted))) ** 2).sum(axis=1)
            order = (params[row] for row in np.argsort(distances, kind="stable"))
            return next((dict(one) for one in order if not refused(one)), None)

        reference = Reference.of(objective, values, durations)
        return Task(f"{name}/{metric}", self.space, self.epochs, objective, reference, curve, nearest)


def direction_of(metric: str) -> str:
    """By its name: accuracies are maximized, losses and errors minimized."""
    return MAXIMIZE if metric.endswith("accuracy") else MINIMIZE


def _key(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)
