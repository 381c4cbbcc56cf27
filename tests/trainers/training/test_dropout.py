"""Dropout whose masks come from the trial's seed, the epoch and the layer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from goodfit.trainers.nets import dropout
from goodfit.trainers.nets.dropout import ChannelDropout, Dropout, Masks, own_masks


def kept(model: nn.Module, shapes: list[tuple[int, ...]], *, seed: int = 1, epoch: int = 1) -> list[Tensor]:
    with torch.no_grad(), own_masks(model, seed, epoch, max(shape[0] for shape in shapes), len(shapes)):
        return [model(torch.ones(shape)) for shape in shapes]


def with_weight(*layers: nn.Module) -> nn.Sequential:
    """A net knows its device by its weights."""
    return nn.Sequential(*layers, nn.PReLU())


def test_the_masks_are_the_trials_own() -> None:
    layer = with_weight(Dropout(0.25))
    first = kept(layer, [(16, 8)] * 3)
    torch.rand(100)
    assert all(torch.equal(one, other) for one, other in zip(first, kept(layer, [(16, 8)] * 3), strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], kept(layer, [(16, 8)] * 3, seed=2)[0])
    assert not torch.equal(first[0], kept(layer, [(16, 8)] * 3, epoch=2)[0])


def test_a_smaller_batch_takes_the_first_rows_of_a_mask() -> None:
    layer = with_weight(Dropout(0.25))
    (_, whole), (_, part) = kept(layer, [(16, 8), (16, 8)]), kept(layer, [(16, 8), (5, 8)])
    assert torch.equal(whole[:5], part)


def test_batches_may_differ_in_length() -> None:
    shapes = [(16, 8), (16, 8), (16, 7), (9, 7), (16, 8)]
    found, again = kept(with_weight(Dropout(0.25)), shapes), kept(with_weight(Dropout(0.25)), shapes)
    assert [tuple(one.shape) for one in found] == shapes
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))
    assert not torch.equal(found[2][:9], found[3])


def test_the_rate_is_kept_and_so_is_the_mean() -> None:
    for layer, shape in ((Dropout(0.3), (400, 500)), (ChannelDropout(0.3), (400, 500, 1, 1))):
        (out,) = kept(with_weight(layer), [shape])
        assert abs(float((out == 0).float().mean()) - 0.3) < 0.005
        assert abs(float(out.mean()) - 1) < 0.01


def test_whole_channels_are_dropped() -> None:
    (out,) = kept(with_weight(ChannelDropout(0.5)), [(4, 6, 3, 3)])
    assert all(len(image.unique()) == 1 for image in out.flatten(0, 1))


def test_layers_have_masks_of_their_own() -> None:
    layers = with_weight(Dropout(0.5), Dropout(0.5))
    with own_masks(layers, 1, 1, 16, 1):
        first, second = (layer(torch.ones(16, 8)) for layer in list(layers)[:2])
    assert not torch.equal(first, second)


def test_without_a_trial_torch_draws_them_and_eval_drops_nothing() -> None:
    x, layer, torchs = torch.ones(8, 8), Dropout(0.25), nn.Dropout(0.25)
    torch.manual_seed(0)
    once = layer(x)
    torch.manual_seed(0)
    assert torch.equal(once, torchs(x))
    assert torch.equal(Dropout(0.5).eval()(x), x)


class TestDrawnAhead:
    """As on a GPU, where a step's numbers depend on how many steps are drawn at once."""

    rows, shape, steps, at_once = 16, (9,), 23, 4

    @pytest.fixture(autouse=True)
    def device(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dropout, "NUMBERS_AT_ONCE", {"cpu": self.at_once * self.rows * 9 + 10})

    @pytest.fixture
    def ahead(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The steps of each draw."""
        drawn, fill = list[int](), Masks.fill
        monkeypatch.setattr(dropout, "IN_ORDER", ())
        monkeypatch.setattr(Masks, "fill", lambda self, bits: (drawn.append(len(bits)), fill(self, bits)))
        return drawn

    def masks(self, seed: int = 1) -> Masks:
        return Masks(0.25, seed, self.rows, self.steps, torch.device("cpu"))

    @pytest.mark.parametrize("taken", [[1] * 23, [4] * 5 + [3], [23], [7, 1, 15], [10, 13]], ids=str)
    def test_so_many_are_whoever_takes_how_many(self, taken: list[int], ahead: list[int]) -> None:
        whole, masks = Masks.draw([self.masks()], 23, self.shape), self.masks()
        parts = [Masks.draw([masks], steps, self.shape) for steps in taken]
        assert torch.equal(torch.cat(parts, 1), whole)
        assert ahead == 2 * [4, 4, 4, 4, 4, 3]

    def test_so_they_are_in_a_pack(self, ahead: list[int]) -> None:
        lone, packed = ([self.masks(seed) for seed in range(3)] for _ in range(2))
        alone = [torch.stack([one.next(self.rows, self.shape, torch.float32) for _ in range(23)]) for one in lone]
        kept = torch.cat([Masks.draw(packed, steps, self.shape) for steps in (6, 17)], 1)
        for one, own in zip(alone, kept, strict=True):
            assert torch.equal(one > 0, own)
        assert all(masks.left == 0 for masks in packed)

    def test_on_a_cpu_they_are_those_that_are_drawn_as_they_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = Masks.draw([self.masks()], 23, self.shape)
        monkeypatch.setattr(dropout, "IN_ORDER", ())
        assert torch.equal(Masks.draw([self.masks()], 23, self.shape), before)

    def test_batches_may_differ_in_length(self, ahead: list[int]) -> None:
        test_batches_may_differ_in_length()
