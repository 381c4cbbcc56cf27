"""Images: which pixels speak for the output: integrated gradients, Grad-CAM, occlusion, LIME, side by side.

What is taken away is replaced by the mean of its channel over training images. For occlusion, LIME and the deletion
check an image is a grid of patches, of single pixels where it is small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from goodfit.trainers.errors import DataProblem
from goodfit.trainers.explaining.explanation import Check, Explanation, RowExplained
from goodfit.trainers.explaining.games import Game
from goodfit.trainers.explaining.models import TorchModel, meaning_of
from goodfit.trainers.explaining.rows import by_outputs, checks_of, one_by_one
from goodfit.trainers.explaining.shapley import Attribution

if TYPE_CHECKING:
    from torch import nn

    from goodfit.trainers.explaining.explaining import Task

GRID = 14  # patches a side, at most


@dataclass(frozen=True)
class _Found:
    """What the methods gave for one image: the attribution of the patches, and the map of the pixels, by method."""

    patches: dict[str, Attribution]
    maps: dict[str, np.ndarray]
    prediction: float
    base: float


class _Images:
    """Images as games of their patches."""

    def __init__(self, task: Task) -> None:
        self.task = task
        background = task.material.background.x
        shape = task.material.rows.x.shape[1:]
        means = background.mean(axis=(0, *range(2, background.ndim)), dtype=np.float64)
        self.baseline = np.broadcast_to(means.reshape(-1, 1, 1), shape).astype(background.dtype)
        self.players, self.count = patches(shape)
        self.layer = self._layer()
        self.methods = self._methods()

    def _layer(self) -> nn.Module | None:
        from goodfit.trainers.explaining.gradients import last_convolution

        model = self.task.model
        return last_convolution(model, self.task.material.rows.x[0]) if isinstance(model, TorchModel) else None

    def _methods(self) -> list[str]:
        """Those that were asked for, or all that the model allows."""
        task = self.task
        if (asked := task.request.method) is not None:
            if asked in ("gradient", "gradcam"):
                task.torch_model(asked)
            if asked == "gradcam" and self.layer is None:
                raise DataProblem(
                    "method gradcam needs a torch.nn.Conv2d whose maps have more than one pixel, and the model has "
                    "none; give gradient, occlusion or lime"
                )
            return [asked]
        if task.why_no_gradients is not None:
            task.note(f"{task.why_no_gradients}; so patches are left out one at a time")
            return ["occlusion"]
        if self.layer is None:
            task.note("Grad-CAM is left out: the model has no torch.nn.Conv2d whose maps have more than one pixel")
            return ["gradient", "occlusion"]
        return ["gradient", "gradcam", "occlusion"]

    def game(self, place: int) -> Game:
        """The game of an image's patches."""
        return Game(self.task.outputs, self.task.material.rows.x[place], self.baseline[None], self.players, self.count)

    def explain(self, place: int) -> _Found:
        """An image by all methods."""
        output = int(self.task.places[place])
        game = self.game(place)
        base, prediction = (float(one[output]) for one in game.ends())
        found = _Found({}, {}, prediction, base)
        for method in self.methods:
            if method in ("gradient", "gradcam"):
                self._by_gradients(found, method, game, output)
            else:
                found.patches[method] = by_outputs(self.task, method, game)
                values = found.patches[method].values[:, output]
                sizes = np.bincount(self.players[0].reshape(-1), minlength=self.count)
                found.maps[method] = (values / sizes)[self.players[0]]
        return found

    def _by_gradients(self, found: _Found, method: str, game: Game, output: int) -> None:
        from goodfit.trainers.explaining import gradients

        model = self.task.torch_model(method)
        if method == "gradcam" and self.layer is not None:
            self.task.outputs.check()
            found.maps[method] = gradients.grad_cam(model, self.layer, game.row, output)
            return
        path = gradients.integrated(model, game.row, game.baselines, output, self.task.outputs.check)
        found.maps[method] = path.values.sum(axis=0)
        values = self.sums(found.maps[method])[:, None]
        found.patches[method] = Attribution(
            values, np.array([path.base]), np.array([path.prediction]), coalitions=path.points, span=path.span
        )

    def sums(self, pixels: np.ndarray) -> np.ndarray:
        """What a map of pixels has in each patch."""
        return np.bincount(self.players[0].reshape(-1), weights=pixels.reshape(-1), minlength=self.count)


def patches(shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Which patch each number of an image (channels, height, width) belongs to, and how many there are."""
    side = max(1, math.ceil(max(shape[1:]) / GRID))
    down, across = (np.arange(length) // side for length in shape[1:])
    grid = down[:, None] * (across[-1] + 1) + across
    return np.broadcast_to(grid, shape), int(grid.max()) + 1


def explain_images(task: Task) -> Explanation:
    """The maps of some images."""
    images = _Images(task)
    names = meaning_of(task.model.facts).names
    found = one_by_one(task, images.explain)
    rows = tuple(_row(images, one, place, names) for place, one in enumerate(found))
    checks: list[Check] = []
    outputs = [int(task.places[place]) for place in range(len(rows))]
    games = [images.game(place) for place in range(len(rows))]
    for method in images.methods:
        values = [images.sums(one.maps[method]) for one in found]
        attributions = [one.patches[method] for one in found if method in one.patches]
        checks += checks_of(task, method, attributions, games, values, outputs)
    if "gradcam" in images.methods:
        task.note("the maps of gradcam are in no unit, and say nothing of what speaks against an output")
    return Explanation(
        family="image",
        method=images.methods[0],
        methods=tuple(images.methods),
        unit=meaning_of(task.model.facts).unit,
        outputs=names,
        output=task.output,
        parts=(),
        rows=rows,
        checks=tuple(checks),
        notes=tuple(task.notes),
    )


def _row(images: _Images, found: _Found, place: int, names: tuple[str, ...]) -> RowExplained:
    task = images.task
    return RowExplained(
        row=task.material.rows.labels[place],
        output=names[int(task.places[place])],
        prediction=found.prediction,
        base=found.base,
        values=images.sums(found.maps[images.methods[0]]),
        maps=found.maps,
        image=_shown(task.material.rows.x[place]),
    )


def _shown(row: np.ndarray) -> np.ndarray:
    """Pixels between 0 and 1."""
    low, high = float(row.min()), float(row.max())
    return (row.astype(np.float64) - low) / ((high - low) or 1.0)
