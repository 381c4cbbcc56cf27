"""Images of a pack are cut, joined and padded as they lie in memory, and so are their gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.trainers.nets.layers import Layers
from goodfit.trainers.training.packing.layers import stacked
from goodfit.trainers.training.packing.layout import apart, as_channels, channels_last, fitted, joined, laid
from goodfit.trainers.training.packing.stack import Stack

ROWS, MEMBERS, CHANNELS, SIDE = 5, 4, 8, 6


def images() -> Tensor:
    drawn = torch.randn(ROWS, MEMBERS, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return channels_last(drawn).requires_grad_()


def is_channels_last(x: Tensor) -> bool:
    return x.permute(0, 3, 4, 1, 2).is_contiguous()


@pytest.mark.parametrize(
    ("act", "same"),
    [
        (lambda x: joined(apart(x, [1, 3])), lambda x: x),
        (lambda x: fitted(x, CHANNELS + 8), lambda x: torch.cat([x, torch.zeros_like(x)], 2)),
        (lambda x: fitted(x, CHANNELS - 2), lambda x: x[:, :, : CHANNELS - 2]),
        (lambda x: joined([part.relu() for part in apart(x, [2, 2])]), torch.relu),
        (lambda x: as_channels(x).unflatten(1, (MEMBERS, CHANNELS)), lambda x: x),
        (lambda x: laid(x).mean((3, 4)), lambda x: x.mean((3, 4))),
    ],
)
def test_what_is_done_to_images_leaves_them_and_their_gradient_as_they_lie(
    act: Callable[[Tensor], Tensor], same: Callable[[Tensor], Tensor]
) -> None:
    x, other = images(), images()
    out, expected = act(x), same(other)
    assert torch.equal(out, expected)
    (gradient,), (wanted,) = (torch.autograd.grad(one.square().sum(), to) for one, to in ((out, x), (expected, other)))
    assert torch.equal(gradient, wanted)
    assert is_channels_last(gradient)


def test_vectors_are_cut_and_joined_by_member() -> None:
    x = torch.arange(24.0).view(4, 3, 2)
    assert torch.equal(joined(apart(x, [1, 3])), x)
    assert torch.equal(fitted(x, 3)[..., 2], torch.zeros(4, 3))


def test_every_layer_of_a_convolutional_net_gets_its_gradient_as_its_input_lies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In another order torch takes five times as long for the gradient of a norm, and seven times for a relu's."""
    seen: list[bool] = []
    relu = torch.relu

    def watched(x: Tensor) -> Tensor:
        if x.requires_grad and x.ndim == 5:
            x.register_hook(lambda gradient: seen.append(is_channels_last(gradient)))
        return relu(x)

    monkeypatch.setattr(torch, "relu", watched)
    nets = [net(width, deep) for width, deep in ((4, True), (8, True), (4, False))]
    stack = Stack([1] * len(nets))
    forward = stacked(nets, stack)
    for leaf in stack.leaves:
        leaf.lay_out(leaf.lone[0].new_zeros(len(leaf.lone), leaf.size))
    forward(channels_last(torch.randn(ROWS, len(nets), 1, 8, 8))).square().sum().backward()
    assert len(seen) == 2
    assert all(seen)


def net(width: int, deep: bool) -> Layers:
    def block(channels: int, width: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())

    body = [block(1, width), *([nn.MaxPool2d(2), block(width, 2 * width)] if deep else [])]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear((2 if deep else 1) * width, 3)]
    return Layers(*body, *head, head=3)


def test_the_datas_own_channels_are_not_padded_whatever_kernels_others_have() -> None:
    def net(kernel: int) -> Layers:
        body = [nn.Conv2d(1, 4, kernel, padding=kernel // 2), nn.Conv2d(4, 4, kernel, padding=kernel // 2)]
        return Layers(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), head=3)

    stack = Stack([1, 1, 1])
    stacked([net(3), net(3), net(5)], stack)
    kernels = [leaf.shape for leaf in stack.leaves if len(leaf.shape) == 4]
    assert kernels == [[8, 1, 3, 3], [8, 1, 5, 5], [8, 8, 3, 3], [8, 8, 5, 5]]


def test_images_that_are_not_on_a_cpu_stay_as_they_come() -> None:
    x = torch.empty(ROWS, MEMBERS, CHANNELS, SIDE, SIDE, device="meta", requires_grad=True)
    for out in (*apart(x, [1, 3]), joined([x, x]), fitted(x, CHANNELS + 8), fitted(x, 2), channels_last(x), laid(x)):
        assert out.stride()[2:] == (SIDE * SIDE, SIDE, 1)
    assert joined([x, x]).is_contiguous()
    assert as_channels(x).is_contiguous()
