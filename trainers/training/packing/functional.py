"""Modules that layers.py has no function for: those of several trials as one, by torch.func, where they are alike.

Alike are modules that differ in nothing but the numbers of their parameters and buffers, and the rates of Dropout: the
code of one, mapped over the members, is then that of all.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from enum import Enum

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from goodfit.trainers.nets.dropout import Dropout, Masks, dropouts
from goodfit.trainers.training.packing.layout import dimension
from goodfit.trainers.training.packing.stack import Forward, Stack
from goodfit.trainers.training.supervised import SupervisedConfig

OF_MODULES = frozenset(vars(nn.Module()))  # attributes that any module has
BY_THE_BASE = {field.name for field in dataclasses.fields(SupervisedConfig)} - {"dropout"}  # no model computes with it
DROPS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
NO_TRAITS = {Dropout: {"p", "masks"}, nn.RNNBase: {"_flat_weights", "_flat_weight_refs"}}  # of their attributes
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
Masked = list[list[Tensor]]  # of each layer that drops, the mask of each of its calls


def traits(module: nn.Module) -> Hashable:
    """Equal for modules that are alike.

    Raises:
        TypeError: such a module cannot be mapped; says what it has.
    """
    return tuple((name, *_traits(one)) for name, one in module.named_modules())


def refuse(module: nn.Module) -> None:
    """TypeError where a module has what cannot be mapped; says what."""
    for one in module.modules():
        kind = type(one).__name__
        if isinstance(one, nn.RNNBase):
            raise TypeError(f"{kind} layers")
        if isinstance(one, DROPS) and not isinstance(one, Dropout):
            raise TypeError(f"{kind} layers, whose masks no trial has of its own; take goodfit.Dropout")
        if any(vars(one)[hooks] for hooks in HOOKS):
            raise TypeError(f"hooks in {kind}")


def _traits(module: nn.Module) -> tuple[object, ...]:
    own = OF_MODULES | next((names for kind, names in NO_TRAITS.items() if isinstance(module, kind)), set())
    attributes = tuple((name, _same(value)) for name, value in sorted(vars(module).items()) if name not in own)
    tensors = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return (
        type(module),
        attributes,
        tuple((name, tuple(one.shape), one.dtype, one.requires_grad) for name, one in tensors),
    )


def _same(value: object) -> Hashable:
    """Equal for equal values that a module keeps; of what cannot be compared, for the same one."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, Enum, torch.dtype, torch.device)):
        return type(value), value
    if isinstance(value, Tensor):
        raise TypeError("tensors that are neither parameters nor buffers")
    if isinstance(value, Mapping):
        return type(value), tuple((_same(key), _same(one)) for key, one in value.items())
    if isinstance(value, (Sequence, Set)):
        return type(value), tuple(_same(one) for one in value)
    if isinstance(value, functools.partial):
        return _same(value.func), _same(value.args), _same(value.keywords)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        left_out = BY_THE_BASE if isinstance(value, SupervisedConfig) else set()
        names = [field.name for field in dataclasses.fields(value) if field.name not in left_out]
        return type(value), tuple((name, _same(getattr(value, name))) for name in names)
    return type(value), id(value)


def mapped(members: Sequence[nn.Module], stack: Stack, first: int) -> Forward:
    """The same module of members that are alike."""
    template = copy.deepcopy(members[0]).train()
    places = list(zip(*(dropouts(member) for member in members), strict=True))
    for layer, place in zip(dropouts(template), places, strict=True):
        layer.p = max(each.p for each in place)
    dropping = [place for place in places if any(each.p for each in place)]
    names = [name for name, _ in (*template.named_parameters(), *template.named_buffers())]
    leaves = {name: stack.leaf(first, [_tensor(member, name) for member in members], unit=1) for name in names}
    plans: list[_Plan] = []

    def forward(x: Tensor) -> Tensor:
        axis = dimension(x)
        if not plans:
            plans.append(_Plan(template, x.select(axis, 0), stack))
        (plan,) = plans

        def one(tensors: Mapping[str, Tensor], rows: Tensor, masks: Masked) -> Tensor:
            with _masked(template, [_Given(each) for each in masks]):
                out: Tensor = functional_call(template, dict(tensors), (rows,))
            return out

        template.train(stack.training)
        tensors = {name: leaf.value for name, leaf in leaves.items()}
        masks = plan.masks(x.shape[1 - axis], dropping) if stack.training else []
        with sdpa_kernel(SDPBackend.MATH):  # torch maps the parts of attention, and not its fast kernel
            out: Tensor = vmap(one, (0, axis, 0), plan.axis)(tensors, x, masks)
        return out

    return forward


class _Plan:
    """What a module drops, and the axis of the members in what it gives, found by running it once.

    Args:
        template: a copy, whose buffers may change.
        rows: of one member.
        stack: gets a feed for each call of a layer that drops.
    """

    def __init__(self, template: nn.Module, rows: Tensor, stack: Stack) -> None:
        notes = [_Noted() for layer in dropouts(template) if layer.p]
        with torch.no_grad(), _masked(template, notes):
            out = template(rows)
        if not isinstance(out, Tensor):
            raise TypeError(f"{type(template).__name__} gives a {type(out).__name__} and no tensor")
        self.axis = 1 if out.ndim == 4 else 0  # of images, as stack.dimension has it
        self._calls = [[(stack.feed(), *call) for call in note.calls] for note in notes]

    def masks(self, rows: int, layers: Sequence[Sequence[Dropout]]) -> Masked:
        """Of the next step: (members, rows, ...) each."""
        return [
            [feed.take(functools.partial(_masks, members, rows, shape, dtype)) for feed, shape, dtype in calls]
            for calls, members in zip(self._calls, layers, strict=True)
        ]


class _Noted(Masks):
    """Keeps what masks are asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[int, ...], torch.dtype]] = []

    def next(self, rows: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:  # noqa: ARG002 - as Masks has it
        self.calls.append((shape, dtype))
        return torch.ones((), dtype=dtype)


class _Given(Masks):
    """Masks that have been drawn."""

    def __init__(self, drawn: Sequence[Tensor]) -> None:
        self._left = list(reversed(drawn))

    def next(self, rows: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:  # noqa: ARG002 - likewise
        return self._left.pop()


@contextlib.contextmanager
def _masked(template: nn.Module, masks: Sequence[Masks]) -> Iterator[None]:
    """Have the layers that drop take these masks."""
    layers = [layer for layer in dropouts(template) if layer.p]
    for layer, own in zip(layers, masks, strict=bool(masks)):
        layer.masks = own
    try:
        yield
    finally:
        for layer in layers:
            layer.masks = None


def _masks(members: Sequence[Dropout], rows: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.stack([_mask(member, rows, shape, dtype) for member in members])


def _mask(member: Dropout, rows: int, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if member.masks is None:
        raise RuntimeError("a pack's dropout has no masks of its own")
    if not member.p:
        return torch.ones(rows, *shape, dtype=dtype, device=member.masks.device)
    return member.masks.next(rows, shape, dtype)


def _tensor(module: nn.Module, name: str) -> Tensor:
    """A parameter or buffer by its name."""
    path, _, last = name.rpartition(".")
    found: Tensor = getattr(module.get_submodule(path), last)
    return found
