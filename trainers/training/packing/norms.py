"""Norms of several trials of unequal widths: each over its own numbers, not over what pads them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.training.packing.layout import as_channels, fitted
from goodfit.trainers.training.packing.leaf import CHANNELS, UNIT
from goodfit.trainers.training.packing.stack import Forward, Stack


def batch(members: Sequence[nn.BatchNorm1d | nn.BatchNorm2d], stack: Stack, first: int) -> Forward:
    """Each channel for itself, so that a channel of padding touches no other."""
    unit = CHANNELS if isinstance(members[0], nn.BatchNorm2d) else UNIT
    weight, bias, mean, variance, count = (
        stack.leaf(first, [getattr(member, name) for member in members], unit=unit)
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    )
    momentum, eps = members[0].momentum, members[0].eps

    def forward(x: Tensor) -> Tensor:
        x = fitted(x, weight.shape[0])
        vectors = x.ndim == 3
        flat = x.transpose(0, 1).flatten(1, 2).contiguous() if vectors else as_channels(x)  # others take other kernels
        if stack.training:
            count.value.add_(1)
        out = functional.batch_norm(
            flat,
            mean.value.view(-1),
            variance.value.view(-1),
            weight.value.flatten(),
            bias.value.flatten(),
            training=stack.training,
            momentum=momentum or 0.0,
            eps=eps,
        )
        out = out.view(len(out), len(members), -1, *out.shape[2:])
        return out.transpose(0, 1) if vectors else out

    return forward


def layer(members: Sequence[nn.LayerNorm], stack: Stack, first: int) -> Forward:
    """Over the true width of each member; vectors alone."""
    weight = stack.leaf(first, [member.weight for member in members], row=True)
    bias = stack.leaf(first, [member.bias for member in members], row=True)
    widths = torch.tensor([member.normalized_shape[-1] for member in members], device=members[0].weight.device)
    eps, longest = members[0].eps, weight.shape[0]
    there = (torch.arange(longest, device=widths.device) < widths[:, None]).float().unsqueeze(1)
    share = 1 / widths.float()[:, None, None]

    def forward(x: Tensor) -> Tensor:
        x = fitted(x, longest) * there  # its padding has no gradient then
        apart = torch.addcmul(x, x.sum(2, keepdim=True), there * share, value=-1)
        normal = apart * torch.rsqrt(apart.square().sum(2, keepdim=True) * share + eps)
        return torch.addcmul(bias.value, normal, weight.value)

    return forward


def group(members: Sequence[nn.GroupNorm], stack: Stack, first: int) -> Forward:
    """Over the groups of each member, whose channels may be more or fewer; images alone."""
    weight = stack.leaf(first, [member.weight for member in members], unit=CHANNELS)
    bias = stack.leaf(first, [member.bias for member in members], unit=CHANNELS)
    channels, eps = weight.shape[0], members[0].eps
    same = torch.zeros(len(members), channels, channels, dtype=torch.float64, device=members[0].weight.device)
    for place, member in zip(same, members, strict=True):  # averages over a channel's group
        size = member.num_channels // member.num_groups
        for start in range(0, member.num_channels, size):
            place[start : start + size, start : start + size] = 1 / size
    there = (same.sum(2) > 0).float()[:, :, None, None]

    def averaged(x: Tensor) -> Tensor:
        """In float64, as padding moves the rounding errors."""
        means: Tensor = torch.einsum("nmc,mcd->nmd", x.mean((3, 4)).double(), same)
        return means.float()[..., None, None]

    def forward(x: Tensor) -> Tensor:
        x = fitted(x, channels)
        apart = (x - averaged(x)) * there
        normal = apart * torch.rsqrt(averaged(apart.square()) + eps)
        return torch.addcmul(bias.value[..., None, None], normal, weight.value[..., None, None])

    return forward
