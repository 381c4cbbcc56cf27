"""Whether models of users' own do in a pack what they do alone: tried on a few rows, once for models that are alike."""

from __future__ import annotations

import contextlib
import copy
import re
import warnings
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from goodfit.trainers.nets.dropout import own_masks
from goodfit.trainers.nets.layers import Layers
from goodfit.trainers.readable import one_line
from goodfit.trainers.training.packing.functional import traits
from goodfit.trainers.training.packing.layers import OF_BLOCKS, kinds_of, stacked
from goodfit.trainers.training.packing.stack import Stack

if TYPE_CHECKING:
    from goodfit.trainers.data import Facts

ROWS = 4  # of each of two members
KEPT = 256  # answers
APART = 1e-3  # relative to the largest: what is computed otherwise is further apart, rounding errors are not
NOISE = 3e-6  # of the largest gradient: a smaller one is rounding errors
LONGEST = 160  # letters of an error
RULE = re.compile(r"batching rule for (\S+?)\.? ")  # which torch lacks: it would warn, and compute one by one
REFUSALS = {  # of torch.func, and what they are about
    "random operation": "it draws from torch's generator; take goodfit.Dropout",
    "data-dependent control flow": "its forward pass decides by the numbers in a tensor",
    ".item()": "its forward pass reads a number out of a tensor",
    "dynamic shape": "the shapes in its forward pass depend on the numbers in a tensor",
    "to not have been used in the graph": "some of its parameters have no part in its outputs",
    "in-place": "its forward pass changes a tensor in place that all members share",
}
_answers: dict[Hashable, str | None] = {}


def why_alone(model: nn.Module, x: Tensor, facts: Facts, optimizer: str) -> str | None:
    """What keeps a model from being stacked with others; None: nothing. Of Layers and nets of blocks that is known.

    Args:
        model: on its device.
        x: rows that it takes.
        facts: of the data.
        optimizer: by its name.
    """
    try:
        first, *_ = kinds_of(model)
        if first[0] in (Layers, *OF_BLOCKS):
            return None
        key = traits(model), optimizer == "sgd", x.shape[1:], x.dtype, x.device
    except TypeError as error:
        return f"the model has {error}"
    if key not in _answers:
        if len(_answers) >= KEPT:
            _answers.clear()
        _answers[key] = _tried(model, x, facts, optimizer)
    return _answers[key]


def _tried(model: nn.Module, x: Tensor, facts: Facts, optimizer: str) -> str | None:
    rows = x[torch.arange(2 * ROWS, device=x.device) % len(x)].view(2, ROWS, *x.shape[1:])
    try:
        own = [copy.deepcopy(model).train() for _ in range(2)]
        with torch.no_grad():
            for weight in own[1].parameters():
                weight.mul_(1.1)
        packed = copy.deepcopy(own)
    except Exception as error:  # noqa: BLE001 - of whatever it has
        return f"the model cannot be copied: {_short(error)}"
    devices = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        try:
            alone = _alone(own, rows)
        except Exception as error:  # noqa: BLE001 - in its epoch, alone, the trial says what fails
            return f"the model takes no batch of {ROWS} rows: {_short(error)}"
        try:
            with warnings.catch_warnings(action="error", category=UserWarning):
                together = _together(packed, rows, facts)
        except Exception as error:  # noqa: BLE001 - of any layer
            said = next((said for sign, said in REFUSALS.items() if sign in str(error)), _short(error))
            return f"the model cannot be computed for several at once: {said}"
    if not all(_near(one, other) for one, other in zip(alone, together, strict=True)):
        return "the model's layers come out otherwise when several are computed at once"
    buffers = (zip(one.buffers(), other.buffers(), strict=True) for one, other in zip(own, packed, strict=True))
    if not all(_near(one, other) for pairs in buffers for one, other in pairs):
        return "the model changes its buffers in its forward pass in a way that cannot be done for several at once"
    norms = alone[1][0]
    if optimizer != "sgd" and bool(((norms > 0) & (norms < NOISE * norms.max())).any()):
        return (
            "the model has weights whose gradient is zero but for rounding errors, of which Adam makes whole steps, "
            "as of a bias in front of a batch norm; give that layer bias=False"
        )
    return None


def _alone(models: Sequence[nn.Module], rows: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs, (members, rows, ...), and of each parameter the norm of its gradient, (members, parameters)."""
    outputs, norms = [], []
    for seed, (model, own) in enumerate(zip(models, rows, strict=True)):
        with own_masks(model, seed, 1, len(own), 1):
            outputs.append(model(own))
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        norms.append(_norms(torch.autograd.grad(_weighted(outputs[-1]), weights, allow_unused=True)))
    return torch.stack(outputs).detach(), torch.stack(norms)


def _together(models: Sequence[nn.Module], rows: Tensor, facts: Facts) -> tuple[Tensor, Tensor]:
    """Likewise, with the models stacked."""
    stack = Stack([facts.input_shape[0] if facts.kind == "image" else facts.inputs] * len(models))
    forward = stacked(models, stack)
    for leaf in stack.leaves:
        leaf.lay_out(leaf.lone[0].new_zeros(len(models), leaf.size))
    with contextlib.ExitStack() as masks:
        for seed, model in enumerate(models):
            masks.enter_context(own_masks(model, seed, 1, rows.shape[1], 1))
        outputs = forward(rows.transpose(0, 1) if rows.ndim == 5 else rows)
    outputs = (outputs.transpose(0, 1) if outputs.ndim == 5 else outputs)[..., : facts.outputs]
    values = [leaf.value for leaf in stack.leaves]
    gradients = torch.autograd.grad(torch.stack([_weighted(each) for each in outputs]).sum(), values)
    norms = {
        id(weight): gradient.norm()
        for leaf, stacks in zip(stack.leaves, gradients, strict=True)
        for weight, gradient in zip(leaf.lone, stacks, strict=True)
    }
    for buffer in stack.buffers:
        buffer.take(buffer.value, buffer.lone)
    found = [[norms[id(weight)] for weight in model.parameters() if weight.requires_grad] for model in models]
    return outputs.detach(), torch.stack([torch.stack(each) for each in found])


def _weighted(outputs: Tensor) -> Tensor:
    """A number that any of the outputs moves, each otherwise."""
    weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0))
    return (outputs * weights.to(outputs.device)).sum()


def _norms(gradients: Sequence[Tensor | None]) -> Tensor:
    return torch.stack([torch.zeros(()) if one is None else one.norm() for one in gradients])


def _near(one: Tensor, other: Tensor) -> bool:
    """Whether they differ by rounding errors alone."""
    if one.shape != other.shape:
        return False
    size = float(one.double().abs().max()) if one.numel() else 0.0
    return bool(torch.allclose(one.double(), other.double(), rtol=APART, atol=APART * size, equal_nan=True))


def _short(error: Exception) -> str:
    if lacking := RULE.search(str(error)):
        return f"torch.func has no rule for {lacking[1]}"
    return one_line(str(error).partition("\n")[0][:LONGEST])
