"""Attributions by gradients: integrated gradients over one or more baselines, and Grad-CAM. Imports torch.

Integrated gradients: Sundararajan, Taly and Yan, 2017; over many baselines these are the expected gradients that
Gradient SHAP samples (Erion and others, 2021). The path is integrated by Gauss and Legendre's rule, so that nothing
is drawn. The values add up to the prediction less that of the baselines; how far they do not is the convergence delta.
Grad-CAM: Selvaraju and others, 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.explaining.models import TorchModel

FEWEST, MOST = 16, 256  # points on the path
CONVERGED = 0.01  # of the difference that is explained; more points are taken until the delta is below
NUMBERS_AT_ONCE = 2**21


@dataclass(frozen=True)
class Path:
    """What integrating the gradients gave.

    Attributes:
        values: of the shape of the row, for one output.
        base: the mean output of the baselines.
        prediction: the output of the row.
        span: how far the baselines' outputs are from the row's, on average.
        points: on the path from each baseline.
    """

    values: np.ndarray
    base: float
    prediction: float
    span: float
    points: int

    @property
    def delta(self) -> float:
        """How far the values are from adding up."""
        return abs(float(self.values.sum()) + self.base - self.prediction)


def integrated(
    model: TorchModel, row: np.ndarray, baselines: np.ndarray, output: int, check: Callable[[], None] = lambda: None
) -> Path:
    """Integrated gradients of one output, on average over the baselines.

    Args:
        model: whose outputs.
        row: as the module takes it.
        baselines: (baselines, *shape of the row).
        output: which.
        check: called between two batches; ends it by raising.

    Raises:
        BadTrainer: the output cannot be differentiated by the row.
    """
    ends = model.outputs(np.concatenate([row[None], baselines]))[:, output]
    start, end = model.as_tensor(baselines), model.as_tensor(row)
    return _converged(lambda points: _path(model, start, end, output, points, check), ends)


def _converged(path: Callable[[int], np.ndarray], ends: np.ndarray) -> Path:
    """More points until the values add up, or there are enough.

    Args:
        path: points -> values.
        ends: the output of the row, and of each baseline.
    """
    prediction, base, span = float(ends[0]), float(ends[1:].mean()), float(np.abs(ends[1:] - ends[0]).mean())
    points = FEWEST
    while True:
        found = Path(path(points), base, prediction, span, points)
        if found.delta <= CONVERGED * span or points >= MOST:
            return found
        points *= 4


def _nodes(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's points between 0 and 1, and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return (nodes + 1) / 2, weights / 2


def _path(
    model: TorchModel, start: Tensor, end: Tensor, output: int, points: int, check: Callable[[], None]
) -> np.ndarray:
    nodes, weights = (torch.as_tensor(part) for part in _nodes(points))
    total = torch.zeros_like(end, dtype=torch.float64)
    pairs = torch.cartesian_prod(torch.arange(len(start)), torch.arange(points))  # baselines and points of their paths
    for some in torch.split(pairs, max(1, NUMBERS_AT_ONCE // max(1, end.numel()))):
        check()
        shape = (-1, *[1] * end.ndim)
        first = start[some[:, 0]]
        span = end - first
        gradient = gradient_of(model.tensor, first + nodes[some[:, 1]].to(end.dtype).reshape(shape) * span, output)
        total += (weights[some[:, 1]].reshape(shape) * gradient.double() * span.double()).sum(dim=0)
    return np.asarray((total / len(start)).numpy())


def gradient_of(outputs: Callable[[Tensor], Tensor], x: Tensor, output: int) -> Tensor:
    """The gradient of one output by each row.

    Raises:
        BadTrainer: there is none.
    """
    at = x.detach().requires_grad_(True)
    try:
        with torch.enable_grad():
            (found,) = torch.autograd.grad(outputs(at)[:, output].sum(), at, allow_unused=True)
    except RuntimeError as error:
        raise BadTrainer(f"the model cannot be differentiated: {str(error).splitlines()[0]}") from error
    if found is None:
        raise BadTrainer(
            "the model cannot be differentiated: its output does not depend on its input by operations of torch"
        )
    return found


def why_none(model: TorchModel, row: np.ndarray) -> str | None:
    """Why a model has no gradients at a row; None: it has."""
    try:
        gradient_of(model.tensor, model.as_tensor(row[None]), 0)
    except BadTrainer as error:
        return str(error)
    return None


class Embeddings:
    """A module of token ids, with the vectors of its tokens given from outside.

    Args:
        model: whose first embedding that reads the ids is meant.
        ids: (length,), of one text.

    Raises:
        BadTrainer: it has no such embedding.
    """

    def __init__(self, model: TorchModel, ids: np.ndarray) -> None:
        self._model, self._ids = model, model.as_tensor(ids[None])
        self._table = self._found()

    def _found(self) -> nn.Embedding:
        """The first embedding that the module calls."""
        called: list[nn.Embedding] = []
        tables = [one for one in self._model.module.modules() if isinstance(one, nn.Embedding)]
        hooks = [one.register_forward_hook(lambda table, _x, _y: called.append(table)) for one in tables]
        try:
            with torch.no_grad():
                self._model.tensor(self._ids)
        finally:
            for hook in hooks:
                hook.remove()
        if not called:
            raise BadTrainer("the model has no torch.nn.Embedding of its tokens, so no gradients by them")
        return called[0]

    def of(self, ids: np.ndarray) -> Tensor:
        """The vectors of ids, (length, width)."""
        return self._table.weight.detach()[self._model.as_tensor(ids)]

    def outputs(self, vectors: Tensor) -> Tensor:
        """(rows, outputs) with these vectors, (rows, length, width), in the place of the tokens'."""
        replaced = False

        def swap(_table: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> Tensor:
            nonlocal replaced
            if replaced or given[0].ndim != 2:
                return found
            replaced = True
            return vectors[:, : found.shape[1]]  # a module may cut texts to the longest of the batch

        hook = self._table.register_forward_hook(swap)
        try:
            return self._model.tensor(self._ids.expand(len(vectors), -1))
        finally:
            hook.remove()


def integrated_tokens(
    model: TorchModel, ids: np.ndarray, baseline: np.ndarray, output: int, check: Callable[[], None] = lambda: None
) -> Path:
    """Integrated gradients by the vectors of tokens, one value a position.

    Args:
        model: of token ids.
        ids: (length,).
        baseline: (length,), such as the unknown token in the place of each.
        output: which.
        check: called between two batches; ends it by raising.
    """
    ends = model.outputs(np.stack([ids, baseline]))[:, output]
    embeddings = Embeddings(model, ids)
    start, end = embeddings.of(baseline), embeddings.of(ids)

    def path(points: int) -> np.ndarray:
        nodes, weights = _nodes(points)
        total = torch.zeros(end.shape, dtype=torch.float64)
        step = max(1, NUMBERS_AT_ONCE // max(1, 64 * end.numel()))  # a layer of attention is larger than its input
        for first in range(0, points, step):
            check()
            share = torch.as_tensor(nodes[first : first + step], dtype=end.dtype).reshape(-1, 1, 1)
            gradient = gradient_of(embeddings.outputs, start + share * (end - start), output)
            total += (torch.as_tensor(weights[first : first + step]).reshape(-1, 1, 1) * gradient.double()).sum(dim=0)
        return np.asarray((total * (end - start).double()).sum(dim=1).numpy())

    return _converged(path, ends)


def last_convolution(model: TorchModel, row: np.ndarray) -> nn.Module | None:
    """The last 2D convolution that the module calls whose maps have more than one pixel; None where there is none."""
    called: list[nn.Module] = []

    def note(layer: nn.Module, _given: object, found: Tensor) -> None:
        if found.ndim == 4 and min(found.shape[2:]) > 1:
            called.append(layer)

    layers = [one for one in model.module.modules() if isinstance(one, nn.Conv2d)]
    hooks = [one.register_forward_hook(note) for one in layers]
    try:
        with torch.no_grad():
            model.tensor(model.as_tensor(row[None]))
    finally:
        for hook in hooks:
            hook.remove()
    return called[-1] if called else None


def grad_cam(model: TorchModel, layer: nn.Module, row: np.ndarray, output: int) -> np.ndarray:
    """Grad-CAM of one output on a layer's maps, (height, width) of the image; not negative, in no unit."""
    maps: list[Tensor] = []

    def keep(_layer: nn.Module, _given: object, found: Tensor) -> Tensor:
        maps.append(found if found.requires_grad else found.detach().requires_grad_(True))
        return maps[-1]

    hook = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            score = model.tensor(model.as_tensor(row[None]))[0, output]
            (gradient,) = torch.autograd.grad(score, maps[-1])
    except RuntimeError as error:
        raise BadTrainer(f"the model cannot be differentiated: {str(error).splitlines()[0]}") from error
    finally:
        hook.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    found = (weights * maps[-1]).sum(dim=1, keepdim=True).relu()
    whole = functional.interpolate(found, size=row.shape[-2:], mode="bilinear", align_corners=False)
    return np.asarray(whole[0, 0].detach().double().numpy())
