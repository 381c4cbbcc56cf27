"""The gradients that layers of a pack know are those that autograd finds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.trainers.nets.dropout import Dropout
from goodfit.trainers.nets.layers import CentredLinear, Layers
from goodfit.trainers.training.packing.composed import Layer
from goodfit.trainers.training.packing.layers import place_of, stacked
from goodfit.trainers.training.packing.stack import Stack

INPUTS, OUTPUTS, ROWS = 5, 3, 7
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


def made(nets: list[nn.Module]) -> tuple[Layer, Stack]:
    stack = Stack([INPUTS] * len(nets))
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


def test_a_layer_that_does_not_know_its_own_leaves_the_whole_net_to_autograd() -> None:
    class Own(nn.Linear):
        pass

    layer, _ = made([Layers(nn.Linear(INPUTS, 4), Own(4, 4), nn.ReLU(), nn.Linear(4, OUTPUTS), head=1)])
    assert not layer.known
