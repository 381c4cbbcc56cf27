"""Layers of several trials as one: what `stacked` makes of the same place in each member's net.

Vectors are (members, rows, width), images (rows, members, channels, height, width): torch's grouped convolutions take
those without a copy. Members are neighbours, in the order of the pack. Nets may differ in width and depth: they are
padded with zeros, and what pads them stays zero, because every layer here makes zeros of zeros.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.trainers.nets.attention import Decoder, Encoder
from goodfit.trainers.nets.dropout import ChannelDropout, Dropout
from goodfit.trainers.nets.layers import CentredLinear, Layers, Residual
from goodfit.trainers.nets.recurrent import Forecaster, ImageRows, Recurrent
from goodfit.trainers.training.packing import attention, decoder, norms, pools, recurrent, transformer
from goodfit.trainers.training.packing.activations import ACTIVATIONS, Activations, activation
from goodfit.trainers.training.packing.composed import Around, Back, ByAutograd, Chain, Layer, Same, SideBySide, Tower
from goodfit.trainers.training.packing.functional import HOOKS, mapped, refuse, traits
from goodfit.trainers.training.packing.layout import as_channels, as_images, fitted
from goodfit.trainers.training.packing.leaf import CHANNELS, Leaf
from goodfit.trainers.training.packing.masks import dropped
from goodfit.trainers.training.packing.stack import Forward, Stack

OF_BLOCKS = (Encoder, Decoder)
PLAIN: tuple[type[nn.Module], ...] = (nn.Identity, *ACTIVATIONS, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def stacked(layers: Sequence[nn.Module], stack: Stack, first: int = 0) -> Layer:
    """The same place of several members' nets as one layer.

    Args:
        layers: of each member.
        stack: gets their parameters.
        first: the place in the pack of the first of these members.
    """
    runs: list[tuple[int, Layer]] = []
    for kind, group in itertools.groupby(layers, kind_of):
        alike = list(group)
        start = first + sum(size for size, _ in runs)
        made = MAKERS[kind[0]](alike, stack, start)
        runs.append((len(alike), made if isinstance(made, Layer) else ByAutograd(made)))
    if len(runs) == 1:
        return runs[0][1]
    activations = [run for _, layer in runs if isinstance(layer, Activations) for run in layer.runs]
    return Activations(activations) if len(activations) == len(runs) else SideBySide(runs)


def kind_of(layer: nn.Module) -> tuple[Any, ...]:
    """Layers of one kind are one function in a pack. The first of it is a key of MAKERS.

    Raises:
        TypeError: such a layer cannot be stacked; says which.
    """
    if all(map(_is_known, _all_of(layer))) or has_known_blocks(layer):
        return _known_kind(layer)
    refuse(layer)
    return nn.Module, traits(layer)


def _known_kind(layer: nn.Module) -> tuple[Any, ...]:
    own = layer.parameters(recurse=isinstance(layer, Recurrent))
    return *_form(layer), *(parameter.requires_grad for parameter in own)


def _form(layer: nn.Module) -> tuple[Any, ...]:
    if isinstance(layer, (nn.Identity, *ACTIVATIONS)):
        return nn.Identity, type(layer), getattr(layer, "approximate", None)
    if isinstance(layer, PLAIN):
        return nn.Identity, repr(layer)
    if isinstance(layer, nn.Conv2d):
        return type(layer), layer.bias is not None, layer.kernel_size, layer.stride, layer.padding, layer.dilation
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return type(layer), layer.momentum, layer.eps
    if isinstance(layer, (nn.LayerNorm, nn.GroupNorm)):
        return type(layer), layer.eps
    if isinstance(layer, Recurrent):
        return recurrent.kind(layer)
    if isinstance(layer, Encoder):
        return transformer.family(layer)
    if isinstance(layer, Decoder):
        return decoder.family(layer)
    return (type(layer), layer.base) if isinstance(layer, Forecaster) else (type(layer),)


def _is_known(layer: nn.Module) -> bool:
    """Whether there is a function of MAKERS for it that pads, wherever it stands in a net."""
    if any(vars(layer)[hooks] for hooks in HOOKS):
        return False
    if isinstance(layer, nn.Conv2d):
        return type(layer) in MAKERS and layer.groups == 1 and layer.padding_mode == "zeros"
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return layer.momentum is not None and layer.affine and layer.track_running_stats
    if isinstance(layer, (nn.LayerNorm, nn.GroupNorm)):
        return layer.bias is not None
    return isinstance(layer, PLAIN) or (type(layer) in MAKERS and type(layer) not in OF_BLOCKS)


def has_known_blocks(model: nn.Module) -> TypeGuard[Encoder | Decoder]:
    """Whether it is a net of blocks of attention, as the built-in trainers build it."""
    return transformer.is_known(model) or decoder.is_known(model)


def kinds_of(model: nn.Module) -> tuple[Any, ...]:
    """Of all its layers; of a model with a layer that only its own code knows, one kind.

    Raises:
        TypeError: one of them cannot be stacked; says which.
    """
    layers = list(_all_of(model))
    if all(map(_is_known, layers)) and not isinstance(model, OF_BLOCKS):
        return tuple(map(_known_kind, layers))
    return (kind_of(model),)


def _all_of(model: nn.Module) -> Iterator[nn.Module]:
    """A model and its layers, but for the parts of those that are stacked as a whole."""
    yield model
    if not isinstance(model, Recurrent):
        for layer in model.children():
            yield from _all_of(layer)


def place_of(model: nn.Module) -> tuple[object, ...]:
    """What the members of a pack are sorted by: the deepest first, and the same kinds of layers side by side."""
    if has_known_blocks(model):
        return attention.place(model)
    return -len(list(model.children())), repr(kinds_of(model))


def _chain(members: Sequence[nn.Sequential], stack: Stack, first: int) -> Layer:
    return Chain([stacked(place, stack, first) for place in zip(*members, strict=True)])


def _tower(members: Sequence[Layers], stack: Stack, first: int) -> Layer:
    depths = [len(member) - member.head for member in members]
    body = []
    for at in range(max(depths)):
        going = sum(depth > at for depth in depths)
        body.append((going, stacked([member[at] for member in members[:going]], stack, first)))
    pools, vectors = _halves([list(member)[len(member) - member.head :] for member in members], stack, first)
    if min(depths) == max(depths):
        return Chain([*(layer for _, layer in body), pools, vectors])
    return Tower(len(members), body, pools, vectors)


def _halves(heads: Sequence[Sequence[nn.Module]], stack: Stack, first: int) -> tuple[Layer, Layer]:
    """What a head does to whatever leaves the body, and what it does to the vectors of all members."""
    places = list(zip(*heads, strict=True))
    vectors = next(
        (at for at, place in enumerate(places) if not isinstance(place[0], (*PLAIN, nn.Flatten))), len(places)
    )
    pools = [stacked(place, stack, first) for place in places[:vectors]]
    rest = [stacked(place, stack, first) for place in places[vectors:]]
    return Chain(pools), Chain(rest)


def _plain(members: Sequence[nn.Module], _stack: Stack, _first: int) -> Layer | Forward:
    """A layer without parameters that treats each number or channel for itself."""
    layer = members[0]
    if isinstance(layer, nn.Identity):
        return Same()
    if isinstance(layer, ACTIVATIONS):
        return Activations([(len(members), activation(layer))])
    return pools.pool(layer)


class _Flatten(Layer):
    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        if x.ndim < 5:
            return x.flatten(2), lambda gradient: gradient.view(x.shape)
        return x.transpose(0, 1).flatten(2), lambda gradient: gradient.view(x.transpose(0, 1).shape).transpose(0, 1)


def _flatten(_members: Sequence[nn.Flatten], _stack: Stack, _first: int) -> Layer:
    return _Flatten()


class _Linear(Layer):
    """A linear layer.

    Args:
        given: whether it takes the data: those need no gradient.
    """

    def __init__(self, weight: Leaf, bias: Leaf | None, *, given: bool) -> None:
        self._weight, self._bias, self._given = weight, bias, given

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        weight, bias, width = self._weight, self._bias, x.shape[2]
        taken = fitted(x, weight.shape[0])
        out = torch.bmm(taken, weight.value) if bias is None else torch.baddbmm(bias.value, taken, weight.value)
        return out, lambda gradient: self._back(taken, gradient, width)

    def _back(self, taken: Tensor, gradient: Tensor, width: int) -> Tensor | None:
        """The gradient of what had this width, as it was taken."""
        if self._weight.trained:
            self._weight.gradient = torch.bmm(taken.transpose(1, 2), gradient)
        if self._bias is not None and self._bias.trained:
            self._bias.gradient = gradient.sum(1, keepdim=True)
        if self._given:
            return None
        return fitted(torch.bmm(gradient, self._weight.value.transpose(1, 2)), width)


def _linear(members: Sequence[nn.Linear], stack: Stack, first: int) -> Layer:
    given = all(stack.given[first : first + len(members)])
    weight = stack.leaf(first, [member.weight for member in members], turned=True)
    stack.widen(first, [member.out_features for member in members])
    biases = [member.bias for member in members if member.bias is not None]
    return _Linear(weight, stack.leaf(first, biases, row=True) if biases else None, given=given)


class _Centred(_Linear):
    """A CentredLinear, whose bias is not trained."""

    def __init__(self, weight: Leaf, bias: Leaf, stack: Stack, *, given: bool) -> None:
        super().__init__(weight, bias, given=given)
        self._stack, self._shift = stack, bias

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        if not self._stack.training:
            return super().trace(x)
        weight, width = self._weight, x.shape[2]
        x = fitted(x, weight.shape[0])
        middle = x.detach().mean(1, keepdim=True)
        shift = torch.baddbmm(self._shift.value, middle, weight.value.detach())
        centred = x - middle
        return torch.baddbmm(shift, centred, weight.value), lambda gradient: self._back(centred, gradient, width)


def _centred(members: Sequence[CentredLinear], stack: Stack, first: int) -> Layer:
    given = all(stack.given[first : first + len(members)])
    weight = stack.leaf(first, [member.weight for member in members], turned=True)
    bias = stack.leaf(first, [member.bias for member in members], row=True)
    stack.widen(first, [member.out_features for member in members])
    return _Centred(weight, bias, stack, given=given)


class _Convolution(Layer):
    """As many groups as members: unfolding and bmm took 2 to 3 times as long. The data's channels need no padding.

    Args:
        alike: the layer of any member.
        given: whether it takes the data: those need no gradient.
    """

    def __init__(self, weight: Leaf, bias: Leaf | None, alike: nn.Conv2d, *, given: bool) -> None:
        self._weight, self._bias, self._given = weight, bias, given
        self._how: tuple[Any, Any, Any] = alike.stride, alike.padding, alike.dilation
        self.known = not isinstance(alike.padding, str)

    def trace(self, x: Tensor) -> tuple[Tensor, Back]:
        members, width = x.shape[1:3]
        kernels = self._weight.value.flatten(0, 1)
        bias = None if self._bias is None else self._bias.value.flatten()
        taken = as_channels(fitted(x, self._weight.shape[1]))
        out = functional.conv2d(taken, kernels, bias, *self._how, members)
        return as_images(out, members), lambda gradient: self._back(taken, kernels, gradient, width)

    def _back(self, taken: Tensor, kernels: Tensor, gradient: Tensor, width: int) -> Tensor | None:
        members = gradient.shape[1]
        bias = self._bias is not None and self._bias.trained
        wanted = [not self._given, self._weight.trained, bias]
        found, of_kernels, of_bias = torch.ops.aten.convolution_backward(
            as_channels(gradient), taken, kernels, [len(kernels)], *self._how, False, [0, 0], members, wanted
        )
        if self._weight.trained:
            self._weight.gradient = of_kernels.unflatten(0, (members, -1))
        if self._bias is not None and bias:
            self._bias.gradient = of_bias.view(members, -1)
        return None if self._given else fitted(as_images(found, members), width)


def _convolution(members: Sequence[nn.Conv2d], stack: Stack, first: int) -> Layer:
    given = all(stack.given[first : first + len(members)])
    weight = stack.leaf(first, [member.weight for member in members], unit=CHANNELS, given=given)
    biases = [member.bias for member in members if member.bias is not None]
    bias = stack.leaf(first, biases, unit=CHANNELS) if biases else None
    stack.widen(first, [member.out_channels for member in members])
    return _Convolution(weight, bias, members[0], given=given)


def _residual(members: Sequence[Residual], stack: Stack, first: int) -> Layer:
    before = list(stack.widths), list(stack.given)
    body = stacked([member.body for member in members], stack, first)
    after = stack.widths, stack.given
    stack.widths, stack.given = before
    shortcut = stacked([member.shortcut for member in members], stack, first)
    stack.widths, stack.given = after
    return Around(body, shortcut)


MAKERS: dict[type[nn.Module], Callable[[Any, Stack, int], Layer | Forward]] = {
    nn.Identity: _plain,
    nn.Flatten: _flatten,
    nn.Linear: _linear,
    CentredLinear: _centred,
    nn.Conv2d: _convolution,
    nn.BatchNorm1d: norms.batch,
    nn.BatchNorm2d: norms.batch,
    nn.LayerNorm: norms.layer,
    nn.GroupNorm: norms.group,
    Dropout: dropped,
    ChannelDropout: dropped,
    Residual: _residual,
    nn.Sequential: _chain,
    Layers: _tower,
    ImageRows: recurrent.image_rows,
    Recurrent: recurrent.recurrent,
    Forecaster: recurrent.forecaster(stacked),
    Encoder: transformer.encoder(stacked),
    Decoder: decoder.decoder(stacked),
    nn.Module: mapped,  # any other, as a whole
}
