"""Pooling of several trials' images: each channel for itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from goodfit.trainers.training.packing.composed import Back, Layer
from goodfit.trainers.training.packing.layout import as_channels, as_images, channels_last, laid
from goodfit.trainers.training.packing.stack import Forward

aten = torch.ops.aten


def pool(layer: Any) -> Layer | Forward:
    """One of torch's pooling layers, of all members."""
    if isinstance(layer, nn.MaxPool2d) and not layer.return_indices:
        return _Max(layer)
    if isinstance(layer, nn.AvgPool2d):
        return _Average(layer)
    if isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1)):
        return _Mean()

    def forward(x: Tensor) -> Tensor:
        out: Tensor = layer(as_channels(laid(x)))
        return as_images(out, x.shape[1])

    return forward


class _Max(Layer):
    def __init__(self, layer: nn.MaxPool2d) -> None:
        self._how = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        members, taken = x.shape[1], as_channels(laid(x))
        out, places = aten.max_pool2d_with_indices(taken, *self._how)

        def through(gradient: Tensor) -> Tensor:
            found = aten.max_pool2d_with_indices_backward(as_channels(gradient), taken, *self._how, places)
            return as_images(found, members)

        return as_images(out, members), through


class _Average(Layer):
    def __init__(self, layer: nn.AvgPool2d) -> None:
        self._how = layer.kernel_size, layer.stride, layer.padding
        self._counted = layer.ceil_mode, layer.count_include_pad, layer.divisor_override

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        members, taken = x.shape[1], as_channels(laid(x))
        how = *self._how, *self._counted

        def through(gradient: Tensor) -> Tensor:
            return as_images(aten.avg_pool2d_backward(as_channels(gradient), taken, *how), members)

        return as_images(aten.avg_pool2d(taken, *how), members), through


class _Mean(Layer):
    """Of all pixels."""

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        pixels = x.shape[3] * x.shape[4]
        return laid(x).mean((3, 4), keepdim=True), lambda gradient: channels_last((gradient / pixels).expand(x.shape))
