"""Activations of several trials: of one kind, or of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from goodfit.trainers.training.packing.composed import Back, Layer, unknown
from goodfit.trainers.training.packing.layout import apart, compact, dimension, joined

aten = torch.ops.aten
MINUS_ONE = torch.tensor(-1.0)  # with a number of Python's it would take twice as long


@dataclass(frozen=True)
class Kind:
    """One activation.

    Attributes:
        forward: what autograd goes through.
        into: writes what it makes of the first into the second.
        pull: turns the gradient of what it made, the last, into that of what it took, the first, in place.
    """

    forward: Callable[[Tensor], Tensor]
    into: Callable[[Tensor, Tensor], object]
    pull: Callable[[Tensor, Tensor, Tensor], object]


class Activations(Layer):
    """Activations of neighbouring members.

    Args:
        runs: of how many members, and theirs.
    """

    def __init__(self, runs: Sequence[tuple[int, Kind]]) -> None:
        self.runs = runs
        self._sizes = [size for size, _ in runs]

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        if torch.is_grad_enabled():
            cut = zip(self._cut(x), self.runs, strict=True)
            return joined([kind.forward(part) for part, (_, kind) in cut]), unknown
        out = torch.empty_like(x)
        parts: list[tuple[Kind, Tensor, Tensor]] = []
        for (_, kind), given, into in zip(self.runs, self._views(x), self._views(out), strict=True):
            taken = compact(given)
            made = into if taken is given else torch.empty_like(taken)
            kind.into(taken, made)
            if made is not into:
                into.copy_(made)
            parts.append((kind, taken, made))

        def through(gradient: Tensor) -> Tensor:
            for (kind, taken, made), into in zip(parts, self._views(gradient), strict=True):
                own = compact(into)
                kind.pull(taken, made, own)
                if own is not into:
                    into.copy_(own)
            return gradient

        return out, through

    def _views(self, x: Tensor) -> Sequence[Tensor]:
        return x.split_with_sizes(self._sizes, dimension(x))

    def _cut(self, x: Tensor) -> Sequence[Tensor]:
        return [x] if len(self._sizes) == 1 else apart(x, self._sizes)


def _tanh(x: Tensor) -> Tensor:
    out: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]
    return out


def _tanh_into(x: Tensor, out: Tensor) -> Tensor:
    """On a CPU by the logistic function: in a third of the time, 1e-7 apart at most. A GPU would begin three calls."""
    if x.device.type != "cpu":
        return torch.tanh(x, out=out)
    return torch.add(MINUS_ONE, torch.add(x, x, out=out).sigmoid_(), alpha=2, out=out)


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        out = _tanh_into(x, torch.empty_like(x))
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (out,) = ctx.saved_tensors
        found: Tensor = aten.tanh_backward(gradient, out)
        return found


def _gelu(how: str) -> Kind:
    return Kind(
        lambda x: functional.gelu(x, approximate=how),
        lambda x, out: aten.gelu.out(x, approximate=how, out=out),
        lambda x, _out, own: aten.gelu_backward.grad_input(own, x, approximate=how, grad_input=own),
    )


_KINDS: dict[type[nn.Module], Callable[[Any], Kind]] = {
    nn.ReLU: lambda _: Kind(
        torch.relu,
        lambda x, out: torch.clamp_min(x, 0, out=out),
        lambda _x, out, own: aten.threshold_backward.grad_input(own, out, 0, grad_input=own),
    ),
    nn.GELU: lambda layer: _gelu(layer.approximate),
    nn.SiLU: lambda _: Kind(
        functional.silu,
        lambda x, out: aten.silu.out(x, out=out),
        lambda x, _out, own: aten.silu_backward.grad_input(own, x, grad_input=own),
    ),
    nn.Tanh: lambda _: Kind(
        _tanh, _tanh_into, lambda _x, out, own: aten.tanh_backward.grad_input(own, out, grad_input=own)
    ),
}
ACTIVATIONS: tuple[type[nn.Module], ...] = tuple(_KINDS)


def activation(layer: nn.Module) -> Kind:
    """That of a layer, one of ACTIVATIONS."""
    return _KINDS[type(layer)](layer)
