"""The convolutional net: for images, down to a few pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from goodfit.trainers.errors import BadTrainer
from goodfit.trainers.training.config import number
from goodfit.trainers.training.supervised import SupervisedConfig, supervised

if TYPE_CHECKING:
    from torch import nn

    from goodfit.trainers.data import Facts


@dataclass(frozen=True)
class CNNConfig(SupervisedConfig):
    """The hyperparameters of `cnn`."""

    dropout: float = number(0.2, least=0, below=1)  # of the head; half of it, by channel, in the blocks
    depth: int = number(3, least=1)  # blocks
    width: int = number(32, least=1)  # channels of the first block; they double with each pooling
    kernel_size: int = number(3, least=1)
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    normalization: Literal["none", "batch", "group", "layer"] = "batch"
    pooling: Literal["max", "average"] = "max"
    residual: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel_size % 2 == 0:
            raise BadTrainer(f"kernel_size: {self.kernel_size} is even and has no middle pixel; give an odd number")
        if self.normalization == "batch" and self.batch_size == 1:
            raise BadTrainer("batch_size: 1 is too small for normalization: batch; give 2 or more")


@supervised(
    "cnn",
    CNNConfig,
    shapes=["depth", "width", "kernel_size", "activation", "normalization", "pooling", "residual"],
    kinds=["image"],
    packs=True,
)
def cnn(config: CNNConfig, facts: Facts) -> nn.Module:
    """A convolutional net for images, down to a few pixels a side.

    Each block is convolution, normalization, activation, channel dropout, and pooling while that
    leaves 2 pixels a side; the channels double with each pooling, so blocks cost about the same.
    The last block's channels are averaged over the image; dropout and a linear layer follow.
    """
    from torch import nn

    from goodfit.trainers.nets.dropout import ChannelDropout, Dropout
    from goodfit.trainers.nets.layers import Layers, Residual, activation, normalization

    channels, *sides = facts.input_shape
    width, side = config.width, min(sides)
    layers: list[nn.Module] = []
    for block in range(config.depth):
        plain_bias = config.normalization == "none"  # a norm that follows takes any bias out again
        padding = config.kernel_size // 2
        body = nn.Sequential(
            nn.Conv2d(channels, width, config.kernel_size, padding=padding, bias=plain_bias),
            normalization(config.normalization, width, dimensions=2),
            activation(config.activation),
            ChannelDropout(config.dropout / 2),  # fewer weights to regularize than in the head
        )
        layers.append(Residual(body, channels, width) if config.residual else body)
        channels = width
        if side >= 4 and block + 1 < config.depth:
            layers.append(nn.MaxPool2d(2) if config.pooling == "max" else nn.AvgPool2d(2))
            side, width = side // 2, width * 2
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), Dropout(config.dropout), nn.Linear(channels, facts.outputs)]
    return Layers(*layers, *head, head=len(head))
