"""The gradients that layers of a pack know are those that autograd finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.trainers.builtin.language_model.config import LanguageModelConfig
from goodfit.trainers.builtin.transformer import TransformerConfig
from goodfit.trainers.nets.attention import Decoder, Encoder, ImageRows, Numbers
from goodfit.trainers.nets.dropout import ChannelDropout, Dropout
from goodfit.trainers.nets.layers import CentredLinear, Layers, Residual
from goodfit.trainers.training.packing.composed import Layer
from goodfit.trainers.training.packing.layers import place_of, stacked
from goodfit.trainers.training.packing.stack import Stack

INPUTS, OUTPUTS, ROWS = 5, 3, 7
CHANNELS, SIDE = 2, 8  # of images
NETS = {
    "one": [(1, nn.ReLU(), 4)],
    "alike": [(2, nn.Tanh(), 4), (2, nn.Tanh(), 4)],
    "of all kinds": [(2, nn.ReLU(), 4), (2, nn.GELU(), 40), (2, nn.SiLU(), 9), (2, nn.GELU("tanh"), 1)],
    "of unequal depth": [
        (3, nn.ReLU(), 40),
        (0, nn.ReLU(), 1),
        (1, nn.SiLU(), 4),
        (1, nn.Tanh(), 70),
        (0, nn.Tanh(), 1),
    ],
    "without a hidden layer": [(0, nn.ReLU(), 1), (0, nn.ReLU(), 1)],
}


def net(depth: int, activation: nn.Module, width: int, *, bias: bool = True) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    widths = [INPUTS, *[width] * depth]
    for number in range(depth):
        layers += [nn.Linear(*widths[number : number + 2], bias=bias), nn.Identity(), activation, Dropout(0.0)]
    return Layers(*layers, nn.Linear(widths[-1], OUTPUTS, bias=bias), head=1)


def made(nets: list[nn.Module], inputs: int = INPUTS) -> tuple[Layer, Stack]:
    stack = Stack([inputs] * len(nets))
    layer = stacked(sorted(nets, key=place_of), stack)
    for leaf in stack.leaves:
        leaf.lay_out(leaf.lone[0].new_zeros(len(leaf.lone), leaf.size))
    return layer, stack


def gradients(layer: Layer, stack: Stack, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Of each leaf: the layer's own, and autograd's."""
    with torch.no_grad():
        outputs, back = layer.trace(x)
        of_outputs = torch.randn_like(outputs)
        back(of_outputs.clone())
    own = [leaf.gradient for leaf in stack.leaves]
    found = torch.autograd.grad(layer(x), [leaf.value for leaf in stack.leaves], of_outputs)
    return own, list(found)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("case", NETS)
def test_those_of_a_pack_of_mlps(case: str, bias: bool) -> None:
    torch.manual_seed(0)
    layer, stack = made([net(*each, bias=bias) for each in NETS[case]])
    assert layer.known
    for own, found in zip(*gradients(layer, stack, torch.randn(len(NETS[case]), ROWS, INPUTS)), strict=True):
        torch.testing.assert_close(own, found)


def test_those_of_nets_of_which_some_have_a_bias_and_some_begin_with_their_head() -> None:
    torch.manual_seed(0)
    nets = [net(1, nn.ReLU(), 4, bias=False), net(0, nn.ReLU(), 1), net(1, nn.ReLU(), 9)]
    layer, stack = made(nets)
    for own, found in zip(*gradients(layer, stack, torch.randn(len(nets), ROWS, INPUTS)), strict=True):
        torch.testing.assert_close(own, found)


@pytest.mark.parametrize("norms", [nn.LayerNorm, nn.BatchNorm1d, None], ids=["layer", "batch", "of all kinds"])
def test_those_of_norms(norms: type[nn.Module] | None) -> None:
    torch.manual_seed(0)

    def normed(number: int, width: int) -> nn.Module:
        kind: Any = norms or (nn.LayerNorm, nn.BatchNorm1d, nn.Identity)[number % 3]
        linear = CentredLinear if kind is nn.BatchNorm1d else nn.Linear
        layers = [linear(INPUTS, width), kind(width), nn.Tanh(), linear(width, width), kind(width), nn.ReLU()]
        for parameter in (one for layer in layers for one in layer.parameters() if one.requires_grad):
            nn.init.normal_(parameter)
        return Layers(*layers, nn.Linear(width, OUTPUTS), head=1)

    layer, stack = made([normed(number, width) for number, width in enumerate((4, 40, 9, 1))])
    assert layer.known
    for own, found in zip(*gradients(layer, stack, torch.randn(4, ROWS, INPUTS)), strict=True):
        torch.testing.assert_close(own, found, rtol=1e-4, atol=1e-4)


def block(
    inputs: int, width: int, *, kernel: int = 3, norm: nn.Module | None = None, activation: nn.Module | None = None
) -> nn.Module:
    convolution = nn.Conv2d(inputs, width, kernel, padding=kernel // 2, bias=norm is None)
    return nn.Sequential(convolution, norm or nn.Identity(), activation or nn.Tanh(), ChannelDropout(0.0))


def of_images(*layers: nn.Module, width: int) -> nn.Module:
    made = Layers(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, OUTPUTS), head=3)
    for parameter in made.parameters():
        nn.init.normal_(parameter)
    return made


def assert_those_of_images(nets: list[nn.Module]) -> None:
    layer, stack = made(nets, CHANNELS)
    assert layer.known
    images = torch.randn(ROWS, len(nets), CHANNELS, SIDE, SIDE)
    leaves = zip(stack.leaves, *gradients(layer, stack, images), strict=True)
    for leaf, own, found in leaves:
        torch.testing.assert_close(own.reshape(found.shape), found, rtol=1e-4, atol=1e-4, msg=str(leaf.shape))


POOLS = {
    "max": nn.MaxPool2d(2),
    "average": nn.AvgPool2d(2),
    "overlapping max": nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
    "overlapping average": nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
}
IMAGE_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "layer": lambda width: nn.GroupNorm(1, width),
    "group": lambda width: nn.GroupNorm(2, width),
}


@pytest.mark.parametrize("pool", POOLS)
def test_those_of_convolutions_and_pools(pool: str) -> None:
    torch.manual_seed(0)
    widths = (4, 12, 4, 1)
    activations = (nn.GELU(), nn.GELU(), nn.SiLU(), nn.ReLU())
    assert_those_of_images(
        [
            of_images(block(CHANNELS, width, activation=each), POOLS[pool], block(width, 2 * width), width=2 * width)
            for width, each in zip(widths, activations, strict=True)
        ]
    )


@pytest.mark.parametrize("norm", IMAGE_NORMS)
def test_those_of_norms_of_images(norm: str) -> None:
    torch.manual_seed(0)
    assert_those_of_images(
        [
            of_images(block(CHANNELS, width, norm=IMAGE_NORMS[norm](width)), block(width, 3), width=3)
            for width in (4, 12, 2)
        ]
    )


def test_those_of_images_whose_norms_and_kernels_are_of_several_kinds() -> None:
    torch.manual_seed(0)
    norms = (nn.BatchNorm2d(4), nn.GroupNorm(2, 12), None, nn.GroupNorm(1, 4))
    assert_those_of_images(
        [
            of_images(block(CHANNELS, width, norm=norm, kernel=kernel), block(width, 9), width=9)
            for width, norm, kernel in zip((4, 12, 3, 4), norms, (3, 3, 1, 5), strict=True)
        ]
    )


def test_those_of_images_that_leave_for_the_head_at_their_own_depth() -> None:
    torch.manual_seed(0)

    def deep(depth: int, width: int) -> nn.Module:
        layers, channels = [], CHANNELS
        for _ in range(depth):
            layers += [block(channels, width, norm=nn.BatchNorm2d(width)), nn.MaxPool2d(2)]
            channels, width = width, width * 2
        return of_images(*layers[:-1], width=channels)

    assert_those_of_images([deep(depth, width) for depth, width in ((1, 4), (3, 2), (2, 12), (1, 20))])


def test_those_of_a_body_around_which_its_input_is_led() -> None:
    torch.manual_seed(0)
    assert_those_of_images(
        [
            of_images(
                Residual(block(CHANNELS, width, activation=nn.ReLU()), CHANNELS, width),
                Residual(block(width, width, activation=nn.SiLU()), width, width),
                Residual(block(width, 3), width, 3),
                width=3,
            )
            for width in (3, 12)
        ]
    )


def test_those_of_images_that_are_pooled_before_anything_is_trained() -> None:
    torch.manual_seed(0)
    assert_those_of_images(
        [of_images(nn.MaxPool2d(2), Residual(block(CHANNELS, 3), CHANNELS, 3), width=3) for _ in range(2)]
    )


@pytest.mark.parametrize("size", [2, (1, None), [1, 1]], ids=str)
def test_a_pool_to_another_size_is_left_to_autograd_and_pools_as_torch_does(size: Any) -> None:
    layer = nn.AdaptiveAvgPool2d(size)
    pooled, _ = made([layer, layer], CHANNELS)
    assert not pooled.known
    images = torch.randn(ROWS, 2, CHANNELS, SIDE, SIDE)
    torch.testing.assert_close(pooled(images).flatten(0, 1), layer(images.flatten(0, 1)))


def test_a_convolution_whose_padding_is_a_word_is_left_to_autograd_and_convolves_as_torch_does() -> None:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(CHANNELS, 8, 3, padding="same") for _ in range(2)]
    convolved, _ = made(layers, CHANNELS)
    assert not convolved.known
    images = torch.randn(ROWS, 2, CHANNELS, SIDE, SIDE)
    for place, layer in enumerate(layers):
        torch.testing.assert_close(convolved(images)[:, place], layer(images[:, place]), rtol=1e-4, atol=1e-5)


def test_a_layer_that_does_not_know_its_own_leaves_the_whole_net_to_autograd() -> None:
    class Own(nn.Linear):
        pass

    layer, _ = made([Layers(nn.Linear(INPUTS, 4), Own(4, 4), nn.ReLU(), nn.Linear(4, OUTPUTS), head=1)])
    assert not layer.known


def encoder(depth: int, width: int, heads: int, activation: str, *, images: bool = False, **how: Any) -> Encoder:
    config = TransformerConfig(depth=depth, width=width, heads=heads, activation=activation, dropout=0.0, **how)  # type: ignore[arg-type]
    embedding = ImageRows(CHANNELS * SIDE, width) if images else Numbers(INPUTS, width)
    made = Encoder(config, embedding, SIDE, OUTPUTS)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("images", [False, True], ids=["series", "images"])
def test_those_of_encoders(positions: str, pooling: str, images: bool) -> None:
    torch.manual_seed(0)

    how = {"positions": positions, "pooling": pooling, "images": images}
    nets = [
        encoder(2, 8, 2, "gelu", **how),
        encoder(1, 36, 2, "relu", **how),
        encoder(2, 8, 4, "tanh", **how),
        encoder(3, 4, 2, "gelu", **how),
    ]
    layer, stack = made(list(nets))
    x = torch.randn(ROWS, len(nets), CHANNELS, SIDE, SIDE) if images else torch.randn(len(nets), ROWS, SIDE, INPUTS)
    assert layer.known
    for own, found in zip(*gradients(layer, stack, x), strict=True):
        torch.testing.assert_close(own, found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@pytest.mark.parametrize("tied", [True, False], ids=["one table", "two"])
def test_those_of_language_models(positions: str, tied: bool) -> None:
    torch.manual_seed(0)
    nets: list[nn.Module] = []
    for depth, width, heads, activation in (
        (2, 8, 2, "gelu"),
        (1, 36, 2, "relu"),
        (2, 8, 4, "tanh"),
        (3, 4, 2, "gelu"),
    ):
        how: Any = {"depth": depth, "width": width, "heads": heads, "activation": activation}
        nets.append(Decoder(LanguageModelConfig(positions=positions, tied=tied, **how), 11, SIDE))  # type: ignore[arg-type]
        for parameter in nets[-1].parameters():
            nn.init.normal_(parameter, std=0.5)
    layer, stack = made(nets)
    assert layer.known
    for own, found in zip(*gradients(layer, stack, torch.randint(11, (len(nets), ROWS, SIDE))), strict=True):
        torch.testing.assert_close(own, found, rtol=1e-4, atol=1e-4)
