"""Layers by the names that hyperparameters give them. Imports torch: import it where a model is built."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "silu": nn.SiLU}
GROUPS = 8  # of group normalization, at most; each has the same number of channels


def activation(name: str) -> nn.Module:
    """relu, gelu, tanh, silu."""
    return _ACTIVATIONS[name]()


def normalization(name: str, width: int, dimensions: int) -> nn.Module:
    """batch, group, layer or none, for vectors (dimensions 1) or images (dimensions 2) of `width` channels."""
    if name == "batch":
        return nn.BatchNorm1d(width) if dimensions == 1 else nn.BatchNorm2d(width)
    if name == "layer":  # of an image over its channels and pixels, whatever its size
        return nn.LayerNorm(width) if dimensions == 1 else nn.GroupNorm(1, width)
    if name == "group":
        return nn.GroupNorm(next(groups for groups in range(GROUPS, 0, -1) if width % groups == 0), width)
    return nn.Identity()


class CentredLinear(nn.Linear):
    """A linear layer in front of a batch norm, which subtracts whatever is the same in all rows of a batch.

    So the gradient of the bias is zero, and so is that of the weights of an input that is constant in the batch.
    Computed as usual it is a rounding error, of which Adam makes a step as large as any other, and two ways to compute
    the same net would part. Here the bias is not trained, and the inputs are centred for the gradient.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        middle = x.detach().mean(0, keepdim=True)
        shift = functional.linear(middle, self.weight.detach(), self.bias)
        return functional.linear(x - middle, self.weight) + shift


class Layers(nn.Sequential):
    """Layers one after the other, of which a deeper net has more.

    Args:
        layers: in their order.
        head: how many of them, at the end, a net of any depth has.
    """

    def __init__(self, *layers: nn.Module, head: int) -> None:
        super().__init__(*layers)
        self.head = head

    def __getitem__(self, index: Any) -> Any:
        """A layer, or some of them as a plain sequence."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self._modules.items())[index]))
        return super().__getitem__(index)


class Residual(nn.Module):
    """A body around which its input is led; a 1x1 convolution fits the channels where they change."""

    def __init__(self, body: nn.Module, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.body = body
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.body(x)
        return out
