"""Trainers as users write them: nets with layers of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit import Dropout, SupervisedConfig, supervised
from goodfit.trainers.data import Facts


@dataclass(frozen=True)
class GatedConfig(SupervisedConfig):
    width: int = 8
    gate: str = "sigmoid"


class Centre(nn.Module):
    """Subtracts a mean of what it has seen."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        mean = self.get_buffer("mean")
        if self.training:
            mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return x - mean


class Gated(nn.Module):
    def __init__(self, config: GatedConfig, facts: Facts) -> None:
        super().__init__()
        self.gate = config.gate
        self.values = nn.Linear(facts.inputs, config.width, bias=False)
        self.gates = nn.Linear(facts.inputs, config.width)
        self.norm = nn.BatchNorm1d(config.width)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.head = nn.Sequential(
            Dropout(config.dropout),
            Centre(config.width),
            nn.Linear(config.width, config.width),
            nn.ReLU(),
            Dropout(config.dropout),
            nn.Linear(config.width, facts.outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        gates = self.gates(x)
        gates = gates.sigmoid() if self.gate == "sigmoid" else gates.tanh()
        out: Tensor = self.head(self.scale * self.norm(self.values(x)) * gates)
        return out


@supervised("gated", GatedConfig, shapes=["width", "gate"], kinds=["table"], packs=True)
def gated(config: GatedConfig, facts: Facts) -> nn.Module:
    """Gates, and a batch norm without a bias in front of it."""
    return Gated(config, facts)


class Attending(nn.Module):
    def __init__(self, config: GatedConfig, facts: Facts) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, config.width, 2, 2, groups=1)
        self.attention = nn.MultiheadAttention(config.width, 2, batch_first=True)
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Sequential(Dropout(config.dropout), nn.Linear(config.width, facts.outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        out: Tensor = self.head((x + self.attention(self.norm(x), x, x, need_weights=False)[0]).mean(1))
        return out


@supervised("attending", GatedConfig, kinds=["image"], packs=True)
def attending(config: GatedConfig, facts: Facts) -> nn.Module:
    """Attention to patches of an image, by torch's own layers."""
    return Attending(config, facts)


class Waiting(nn.Module):
    """Has its device waited for in each forward pass: a number of it is read, or one of Python's is copied to it."""

    def __init__(self, config: GatedConfig, facts: Facts, *, reads: bool) -> None:
        super().__init__()
        self.reads = reads
        self.net = nn.Sequential(nn.Linear(facts.inputs, config.width), Dropout(config.dropout))
        self.norm, self.head = nn.BatchNorm1d(config.width), nn.Linear(config.width, facts.outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(self.net(x)).tanh())
        half = torch.full((), 0.5, device=x.device).item() if self.reads else torch.tensor(0.5, device=x.device)
        return out * half


@supervised("reading", GatedConfig, kinds=["table"], packs=True)
def reading(config: GatedConfig, facts: Facts) -> nn.Module:
    """Reads a number."""
    return Waiting(config, facts, reads=True)


@supervised("constant", GatedConfig, kinds=["table"], packs=True)
def constant(config: GatedConfig, facts: Facts) -> nn.Module:
    """Makes a tensor of a number of Python's."""
    return Waiting(config, facts, reads=False)


class Counting(nn.Linear):
    """Python counts its forward passes."""

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            Counting.passes += 1
        return super().forward(x) * Counting.passes


@supervised("counting", GatedConfig, kinds=["table"], packs=True)
def counting(config: GatedConfig, facts: Facts) -> nn.Module:
    """Scales its outputs by how often it was called."""
    return Counting(facts.inputs, facts.outputs)
