"""Series: what each channel adds, and at which steps.

By gradients every number of a window is a part of its own. For the methods that need outputs alone a window is cut into
runs of steps of each channel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.errors import DataProblem
from goodfit.trainers.explaining.explanation import Explanation
from goodfit.trainers.explaining.games import Game
from goodfit.trainers.explaining.models import meaning_of
from goodfit.trainers.explaining.rows import among_active, by_outputs, checks_of, one_by_one, row_of
from goodfit.trainers.explaining.shapley import Attribution

if TYPE_CHECKING:
    from goodfit.trainers.explaining.explaining import Task

MOST_PARTS = 64  # runs of steps of all channels, where that leaves one for each channel
MOST_CHANNELS = 1000  # for methods that need outputs alone
BASELINES = 10  # windows of the background that stand for absent parts


class _Series:
    """Windows as games of runs of steps of each channel."""

    def __init__(self, task: Task) -> None:
        self.task = task
        steps, channels = task.material.rows.x.shape[1:]
        facts = task.model.facts
        self.channels = facts.features or tuple(f"x{place}" for place in range(channels))
        runs = max(1, min(steps, MOST_PARTS // channels))
        run = np.arange(steps) * runs // steps
        self.players = run[:, None] * channels + np.arange(channels)
        self.count = runs * channels
        self.method = task.request.method or ("kernel" if task.why_no_gradients else "gradient")
        if self.method == "gradient":
            task.torch_model("gradient")
        elif channels > MOST_CHANNELS:
            raise DataProblem(
                f"method {self.method} takes up to {MOST_CHANNELS} channels, not {channels}; give gradient"
            )
        elif task.request.method is None:
            task.note(f"{task.why_no_gradients}; so it is explained by its outputs")
        background = task.material.background.x
        self.baselines = background[np.unique(np.linspace(0, len(background) - 1, BASELINES).round().astype(int))]

    def game(self, place: int) -> Game:
        """The game of a window."""
        return Game(self.task.outputs, self.task.material.rows.x[place], self.baselines, self.players, self.count)

    def explain(self, place: int) -> tuple[Attribution, np.ndarray]:
        """The attribution of the runs, and the map (steps, channels) of the output that is explained."""
        game, output = self.game(place), int(self.task.places[place])
        if self.method != "gradient":
            found = among_active(game, lambda one: by_outputs(self.task, self.method, one))
            sizes = np.bincount(self.players.reshape(-1), minlength=self.count)
            return found, (found.values[:, output] / sizes)[self.players]
        from goodfit.trainers.explaining.gradients import integrated

        model = self.task.torch_model("gradient")
        path = integrated(model, game.row, game.baselines, output, self.task.outputs.check)
        values = self.sums(path.values)[:, None]
        ends = np.array([path.base]), np.array([path.prediction])
        return Attribution(values, *ends, coalitions=path.points, span=path.span), path.values

    def sums(self, cells: np.ndarray) -> np.ndarray:
        """What a map has in each run."""
        return np.bincount(self.players.reshape(-1), weights=cells.reshape(-1), minlength=self.count)


def explain_series(task: Task) -> Explanation:
    """The attributions of some windows by channel and by step."""
    series = _Series(task)
    meaning = meaning_of(task.model.facts)
    found = one_by_one(task, series.explain)
    outputs = [int(task.places[place]) for place in range(len(found))]
    rows = [
        replace(row_of(task, place, one, cells.sum(axis=0)), maps={series.method: cells})
        for place, (one, cells) in enumerate(found)
    ]
    games = [series.game(place) for place in range(len(rows))]
    values = [series.sums(cells) for _, cells in found]
    checks = checks_of(task, series.method, [one for one, _ in found], games, values, outputs)
    return Explanation(
        family="series",
        method=series.method,
        methods=(series.method,),
        unit=meaning.unit,
        outputs=meaning.names,
        output=task.output,
        parts=tuple(series.channels),
        rows=tuple(rows),
        checks=tuple(checks),
        notes=tuple(task.notes),
    )
