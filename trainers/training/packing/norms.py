"""Norms of several trials of unequal widths: each over its own numbers, not over what pads them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.training.packing.stack import Forward, Stack, fitted


def batch(members: Sequence[nn.BatchNorm1d | nn.BatchNorm2d], stack: Stack, first: int) -> Forward:
    """Each channel for itself, so that a channel of padding touches no other."""
    weight = stack.leaf(first, [member.weight for member in members])
    bias = stack.leaf(first, [member.bias for member in members])
    mean, variance, count = (
        stack.leaf(first, [member.get_buffer(name) for member in members])
        for name in ("running_mean", "running_var", "num_batches_tracked")
    )
    momentum, eps = members[0].momentum, members[0].eps

    def forward(x: Tensor) -> Tensor:
        x = fitted(x, weight.value.shape[1])
        vectors = x.ndim == 3
        flat = (x.transpose(0, 1) if vectors else x).flatten(1, 2)
        count.value.add_(1)
        out = functional.batch_norm(
            flat,
            mean.value.view(-1),
            variance.value.view(-1),
            weight.value.flatten(),
            bias.value.flatten(),
            training=True,
            momentum=momentum or 0.0,
            eps=eps,
        )
        out = out.view(len(out), len(members), -1, *out.shape[2:])
        return out.transpose(0, 1) if vectors else out

    return forward


def layer(members: Sequence[nn.LayerNorm], stack: Stack, first: int) -> Forward:
    """Over the true width of each member; vectors alone."""
    weight = stack.leaf(first, [member.weight for member in members])
    bias = stack.leaf(first, [member.bias for member in members])
    widths = torch.tensor([member.normalized_shape[-1] for member in members], device=weight.value.device)
    eps, longest = members[0].eps, weight.value.shape[1]
    there = (torch.arange(longest, device=widths.device) < widths[:, None]).float().unsqueeze(1)
    count = widths.float()[:, None, None]
    equal = bool((widths == longest).all())

    def forward(x: Tensor) -> Tensor:
        x = fitted(x, longest)
        if equal:
            normal = functional.layer_norm(x, (longest,), eps=eps)
        else:
            x = x * there  # its padding has no gradient then
            apart = (x - x.sum(2, keepdim=True) / count) * there
            normal = apart * torch.rsqrt(apart.square().sum(2, keepdim=True) / count + eps)
        return torch.addcmul(bias.value.unsqueeze(1), normal, weight.value.unsqueeze(1))

    return forward


def group(members: Sequence[nn.GroupNorm], stack: Stack, first: int) -> Forward:
    """Over the groups of each member, whose channels may be more or fewer; images alone."""
    weight = stack.leaf(first, [member.weight for member in members])
    bias = stack.leaf(first, [member.bias for member in members])
    channels, eps = weight.value.shape[1], members[0].eps
    groups = {(member.num_channels, member.num_groups) for member in members}
    same = torch.zeros(len(members), channels, channels, device=weight.value.device)  # averages over a channel's group
    for place, member in zip(same, members, strict=True):
        size = member.num_channels // member.num_groups
        for start in range(0, member.num_channels, size):
            place[start : start + size, start : start + size] = 1 / size
    there = (same.sum(2) > 0).float()[:, :, None, None]

    def averaged(x: Tensor) -> Tensor:
        means: Tensor = torch.einsum("nmc,mcd->nmd", x.mean((3, 4)), same)
        return means[..., None, None]

    def forward(x: Tensor) -> Tensor:
        x = fitted(x, channels)
        if len(groups) == 1:
            each = len(members) * members[0].num_groups
            normal = functional.group_norm(x.flatten(1, 2), each, eps=eps).view_as(x)
        else:
            apart = (x - averaged(x)) * there
            normal = apart * torch.rsqrt(averaged(apart.square()) + eps)
        return torch.addcmul(bias.value[..., None, None], normal, weight.value[..., None, None])

    return forward
