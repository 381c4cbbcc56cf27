"""Norms of several trials of unequal widths: each over its own numbers, not over what pads them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goodfit.trainers.training.packing.composed import Back, Layer
from goodfit.trainers.training.packing.layout import as_channels, as_images, fitted
from goodfit.trainers.training.packing.leaf import CHANNELS, UNIT, Leaf
from goodfit.trainers.training.packing.stack import Stack


def batch(members: Sequence[nn.BatchNorm1d | nn.BatchNorm2d], stack: Stack, first: int) -> Layer:
    """Each channel for itself, so that a channel of padding touches no other."""
    return _Batch(members, stack, first, CHANNELS if isinstance(members[0], nn.BatchNorm2d) else UNIT)


class _Batch(Layer):
    def __init__(self, members: Sequence[nn.BatchNorm1d | nn.BatchNorm2d], stack: Stack, first: int, unit: int) -> None:
        self._stack, self._members = stack, len(members)
        self._weight, self._bias, self._mean, self._variance, self._count = (
            stack.leaf(first, [getattr(member, name) for member in members], unit=unit)
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        )
        self._momentum, self._eps = members[0].momentum or 0.0, members[0].eps

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        width, training, eps = x.shape[2], self._stack.training, self._eps
        taken = _together(fitted(x, self._weight.shape[0]))
        weight, bias, mean, variance = self._begin()
        out, *saved = torch.native_batch_norm(taken, weight, bias, mean, variance, training, self._momentum, eps)

        def through(gradient: Tensor) -> Tensor:
            found, *own = torch.ops.aten.native_batch_norm_backward(
                _together(gradient), taken, weight, mean, variance, *saved, training, eps, [True, True, True]
            )
            self._weight.gradient, self._bias.gradient = (one.view(self._members, -1) for one in own)
            return fitted(self._apart(found), width)

        return self._apart(out), through

    def _begin(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weight, bias, and running mean and variance, of all channels."""
        if self._stack.training:
            self._count.value.add_(1)
        weight, bias, mean, variance = (leaf.value for leaf in (self._weight, self._bias, self._mean, self._variance))
        return weight.flatten(), bias.flatten(), mean.view(-1), variance.view(-1)  # the last two are written to

    def _apart(self, x: Tensor) -> Tensor:
        return as_images(x, self._members) if x.ndim == 4 else x.view(len(x), self._members, -1).transpose(0, 1)


def _together(x: Tensor) -> Tensor:
    """The numbers of all members as (rows, members * width), so in memory, too: otherwise torch takes other kernels."""
    return as_channels(x) if x.ndim == 5 else x.transpose(0, 1).flatten(1, 2).contiguous()


def layer(members: Sequence[nn.LayerNorm], stack: Stack, first: int) -> Layer:
    """Over the true width of each member; vectors alone."""
    weight = stack.leaf(first, [member.weight for member in members], row=True)
    bias = stack.leaf(first, [member.bias for member in members], row=True)
    widths = torch.tensor([member.normalized_shape[-1] for member in members], device=members[0].weight.device)
    return _Layer(weight, bias, widths, members[0].eps)


class _Layer(Layer):
    def __init__(self, weight: Leaf, bias: Leaf, widths: Tensor, eps: float) -> None:
        self._weight, self._bias, self._eps = weight, bias, eps
        self._there = (torch.arange(weight.shape[0], device=widths.device) < widths[:, None]).float().unsqueeze(1)
        self._share = 1 / widths.float()[:, None, None]

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        there, share, width = self._there, self._share, x.shape[2]
        x = fitted(x, self._weight.shape[0]) * there  # its padding has no gradient then
        apart = torch.addcmul(x, x.sum(2, keepdim=True), there * share, value=-1)
        scale = torch.rsqrt(apart.square().sum(2, keepdim=True) * share + self._eps)
        normal = apart * scale

        def through(gradient: Tensor) -> Tensor:
            self._weight.gradient = (gradient * normal).sum(1, keepdim=True)
            self._bias.gradient = gradient.sum(1, keepdim=True)
            gradient = gradient * self._weight.value
            along = (gradient * normal).sum(2, keepdim=True) * share
            found = torch.addcmul(gradient, gradient.sum(2, keepdim=True), there * share, value=-1)
            return fitted(found.addcmul_(normal, along, value=-1).mul_(scale), width)

        return torch.addcmul(self._bias.value, normal, self._weight.value), through


def group(members: Sequence[nn.GroupNorm], stack: Stack, first: int) -> Layer:
    """Over the groups of each member, whose channels may be more or fewer; images alone."""
    weight = stack.leaf(first, [member.weight for member in members], unit=CHANNELS)
    bias = stack.leaf(first, [member.bias for member in members], unit=CHANNELS)
    return _Group(members, weight, bias)


class _Group(Layer):
    def __init__(self, members: Sequence[nn.GroupNorm], weight: Leaf, bias: Leaf) -> None:
        self._weight, self._bias, self._eps = weight, bias, members[0].eps
        channels, device = weight.shape[0], members[0].weight.device
        self._same = torch.zeros(len(members), channels, channels, dtype=torch.float64, device=device)
        for place, member in zip(self._same, members, strict=True):  # averages over a channel's group
            size = member.num_channels // member.num_groups
            for start in range(0, member.num_channels, size):
                place[start : start + size, start : start + size] = 1 / size
        self._there = (self._same.sum(2) > 0).float()[:, :, None, None]

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        width = x.shape[2]
        x = fitted(x, self._weight.shape[0])
        weight, bias = (leaf.value[..., None, None] for leaf in (self._weight, self._bias))
        apart = (x - self._averaged(x)) * self._there
        scale = torch.rsqrt(self._averaged(apart.square()) + self._eps)
        normal = apart * scale

        def through(gradient: Tensor) -> Tensor:
            self._weight.gradient = (gradient * normal).sum((0, 3, 4))
            self._bias.gradient = gradient.sum((0, 3, 4))
            gradient = gradient * weight
            along = self._averaged(gradient * normal)
            found = (gradient - self._averaged(gradient)).addcmul_(normal, along, value=-1)
            return fitted(found.mul_(scale), width)

        return torch.addcmul(bias, normal, weight), through

    def _averaged(self, x: Tensor) -> Tensor:
        """In float64, as padding moves the rounding errors."""
        means: Tensor = torch.einsum("nmc,mcd->nmd", x.mean((3, 4)).double(), self._same)
        return means.float()[..., None, None]
