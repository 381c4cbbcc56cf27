"""Which trials can be trained together, and what is said of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from goodfit.trainers.builtin.language_model.config import LanguageModelConfig
from goodfit.trainers.nets.attention import Decoder, Encoder
from goodfit.trainers.training.packing.key import key_or_reason, wide_in
from goodfit.trainers.training.packing.layers import has_known_blocks, kinds_of
from goodfit.trainers.training.packing.probe import why_alone
from tests.trainers.training.packing.works import rows_of, work_of

OWN = "tests.trainers.training.packing.own_models"


def test_what_keeps_trials_apart_is_the_batch_size_and_the_data_alone() -> None:
    data = rows_of("iris", 75)
    one = key_or_reason(work_of("mlp", data, {}, 0))
    same = [{"width": 7}, {"depth": 3}, {"activation": "tanh"}, {"normalization": "batch"}, {"optimizer": "sgd"}]
    assert all(key_or_reason(work_of("mlp", data, params, 1)) == one for params in same)
    assert key_or_reason(work_of("mlp", data, {"batch_size": 16}, 0)) != one
    assert key_or_reason(work_of("mlp", rows_of("iris", 70), {}, 0)) != one


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.LSTM(4, 4), "the model has LSTM layers"),
        (nn.Dropout(0.1), "the model has Dropout layers, whose masks no trial has of its own; take goodfit.Dropout"),
    ],
)
def test_a_net_of_other_layers_trains_alone(layer: nn.Module, said: str) -> None:
    work = work_of("mlp", rows_of("iris", 75), {}, 0)
    work.training.model.append(layer)
    assert str(key_or_reason(work)).startswith(said)


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda x: nn.functional.dropout(x), "it draws from torch's generator; take goodfit.Dropout"),
        (lambda x: x if x.sum() > 0 else -x, "its forward pass decides by the numbers in a tensor"),
        (lambda x: x * x.max().item(), "its forward pass reads a number out of a tensor"),
        (lambda x: x.clone().lerp_(x, 0.5), "torch.func has no rule for aten::lerp_.Scalar"),
    ],
)
def test_what_cannot_be_computed_for_several_at_once_is_taken_alone(
    forward: Callable[[Tensor], Tensor], said: str
) -> None:
    work = work_of(f"{OWN}:gated", rows_of("iris", 75), {}, 0)
    model = work.training.model
    model.norm = Calls(forward)
    assert key_or_reason(work) == f"the model cannot be computed for several at once: {said}"


class Calls(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


def test_nets_with_layers_of_their_own_are_together_where_they_differ_in_numbers_alone() -> None:
    data = rows_of("iris", 75)
    one = key_or_reason(work_of(f"{OWN}:gated", data, {}, 0))
    assert key_or_reason(work_of(f"{OWN}:gated", data, {"dropout": 0.3, "learning_rate": 0.1}, 1)) == one
    assert key_or_reason(work_of(f"{OWN}:gated", data, {"width": 9}, 0)) != one
    assert key_or_reason(work_of(f"{OWN}:gated", data, {"gate": "tanh"}, 0)) != one


@pytest.mark.parametrize(
    ("layers", "optimizer", "said"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)), "adam", "the model has weights"),
        (lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)), "sgd", ""),
        (lambda: nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Linear(8, 3)), "adam", ""),
        (lambda: nn.Sequential(Counting(), nn.Linear(4, 3)), "sgd", "the model changes its buffers"),
    ],
)
def test_what_would_come_out_otherwise_is_taken_alone(
    layers: Callable[[], nn.Module], optimizer: str, said: str
) -> None:
    data = rows_of("iris", 75)
    found = why_alone(layers(), torch.from_numpy(data.train.x), data.facts, optimizer)
    assert (found or "").startswith(said)
    assert bool(found) == bool(said)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.get_buffer("mean") + 0.1 * x.detach().mean(0)
        return x - self.mean


def test_a_loss_of_the_trainers_own_is_taken_alone() -> None:
    work = work_of("mlp", rows_of("iris", 75), {}, 0)
    work.training.own_loss = True
    assert key_or_reason(work) == "the trainer has a loss of its own"
    assert key_or_reason(replace(work, facts=replace(work.facts, task="seq2seq"))) == "the task is seq2seq"


def test_a_large_net_trains_alone_and_a_wide_one_with_those_of_its_width() -> None:
    data = rows_of("digits", 40)
    keys = [key_or_reason(work_of("mlp", data, {"width": width, "depth": 1}, 0)) for width in (4, 192, 193, 222, 225)]
    assert keys[0] == keys[1] != keys[2] == keys[3] != keys[4]
    large = key_or_reason(work_of("mlp", data, {"width": 400}, 0))
    assert large == "the model has 190,410 weights: above 131,072 one at a time is as fast"


def test_a_trainer_that_does_not_declare_packs_trains_alone() -> None:
    work = work_of("mlp", rows_of("iris", 75), {}, 0)
    work.training.packs = False
    assert key_or_reason(work) == "the trainer does not declare packs"


def test_encoders_differ_in_depth_width_heads_and_activation_and_not_in_what_is_learned_of_places() -> None:
    data = rows_of("digits", 40)
    one = key_or_reason(work_of("transformer", data, {"width": 16}, 0))
    same = [{"width": 8, "depth": 3}, {"width": 32, "heads": 2, "activation": "relu"}, {"width": 48, "dropout": 0.0}]
    assert all(key_or_reason(work_of("transformer", data, params, 1)) == one for params in same)
    apart = [{"positions": "rotary"}, {"pooling": "first"}, {"width": 52}]  # of which the feed-forward nets are wide
    keys = {key_or_reason(work_of("transformer", data, {"width": 16} | params, 1)) for params in apart}
    assert len({one, *keys}) == 4


CHANGES: dict[str, Callable[[Encoder], object]] = {
    "another head": lambda model: setattr(model, "head", nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 10))),
    "no bias in a norm": lambda model: setattr(model, "norm", nn.LayerNorm(8, bias=False)),
    "a norm without weights": lambda model: setattr(model, "norm", nn.LayerNorm(8, elementwise_affine=False)),
    "causal attention": lambda model: setattr(model.blocks[0].attention, "causal", True),
    "a layer more": lambda model: model.blocks[0].feed.append(nn.ReLU()),  # type: ignore[union-attr, operator]
    "a layer less": lambda model: model.blocks[0].feed.pop(2),  # type: ignore[union-attr, operator]
    "no block": lambda model: setattr(model, "blocks", nn.ModuleList()),
    "a block of another kind": lambda model: setattr(model, "blocks", nn.ModuleList([nn.LayerNorm(8)])),
    "a layer of another kind": lambda model: setattr(model, "norm", nn.BatchNorm1d(8)),
    "a frozen norm": lambda model: model.norm.requires_grad_(False),
    "frozen places": lambda model: model.get_parameter("place").requires_grad_(False),
    "a hook": lambda model: model.head.register_forward_hook(print),
    "a class of its own": lambda model: setattr(model, "__class__", type("Other", (Encoder,), {})),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_encoder_that_is_not_as_it_was_built_is_a_model_of_a_users_own(change: str) -> None:
    work = work_of("transformer", rows_of("digits", 40), {"width": 8, "heads": 2}, 0)
    model = work.training.model
    assert isinstance(model, Encoder)
    before = key_or_reason(work)
    CHANGES[change](model)
    assert not has_known_blocks(model)
    assert key_or_reason(work) != before


def test_so_is_one_within_another_net() -> None:
    """Which the members of a pack would have to be sorted by."""
    works = [
        work_of("transformer", rows_of("digits", 40), {"width": 8, "heads": 2, "depth": depth}, 0) for depth in (1, 2)
    ]
    for work in works:
        work.training.model = nn.Sequential(work.training.model, nn.Linear(10, 10))
    assert key_or_reason(works[0]) != key_or_reason(works[1])


@pytest.mark.parametrize("layer", [nn.LayerNorm(4), nn.Linear(4, 4, bias=False), nn.Linear(4, 4)])
def test_what_is_frozen_in_one_net_alone_is_of_another_kind(layer: nn.Module) -> None:
    before = kinds_of(layer)
    layer.requires_grad_(False)
    assert kinds_of(layer) != before


def test_long_rows_train_alone() -> None:
    work = work_of("transformer", rows_of("digits", 40), {"width": 8}, 0)
    work.training.model.length = 200
    assert key_or_reason(work) == "the rows have 200 positions: above 128 one at a time is as fast"


def test_language_models_differ_as_encoders_do_and_not_in_what_is_learned_of_places_and_tables() -> None:
    data, own = rows_of("sums", 40), {"width": 16, "heads": 2}
    one = key_or_reason(work_of("language-model", data, own, 0))
    same = [{"width": 8, "depth": 1}, {"width": 32, "heads": 4}, {"activation": "relu"}, {"optimizer": "sgd"}]
    assert all(key_or_reason(work_of("language-model", data, own | params, 1)) == one for params in same)
    apart = [{"positions": "learned"}, {"tied": False}, {"width": 52}, {"epoch_windows": 7}]
    keys = {key_or_reason(work_of("language-model", data, own | params, 1)) for params in apart}
    assert len({one, *keys}) == 5


LANGUAGE_CHANGES: dict[str, Callable[[Decoder], object]] = {
    "a head with a bias": lambda model: setattr(model, "head", nn.Linear(8, 15)),
    "a norm of another kind": lambda model: setattr(model, "norm", nn.RMSNorm(8)),
    "attention both ways": lambda model: setattr(model.blocks[0].attention, "causal", False),
    "a table with padding": lambda model: setattr(model.table, "padding_idx", 0),
    "a table with a limit": lambda model: setattr(model.table, "max_norm", 1.0),
    "a frozen table": lambda model: model.table.requires_grad_(False),
    "a hook": lambda model: model.table.register_forward_hook(print),
    "a class of its own": lambda model: setattr(model, "__class__", type("Other", (Decoder,), {})),
}


@pytest.mark.parametrize("change", LANGUAGE_CHANGES)
def test_another_language_model_trains_alone(change: str) -> None:
    work = work_of("language-model", rows_of("sums", 40), {"width": 8, "heads": 2}, 0)
    model = work.training.model
    assert isinstance(model, Decoder)
    assert has_known_blocks(model)
    LANGUAGE_CHANGES[change](model)
    assert key_or_reason(work) == "it is another language model than Goodfit's"


def test_language_models_that_read_as_many_windows_in_an_epoch_train_together() -> None:
    """By where an epoch's windows begin there may be one fewer."""
    data = rows_of("sums", 40)
    works = [work_of("language-model", data, {"width": 8, "heads": 2}, seed) for seed in range(50)]
    found: dict[object, set[int]] = defaultdict(set)
    for work in works:
        found[key_or_reason(work)].add(sum(map(len, work.training.batches(1, work.train.y))))
    assert sorted(found.values(), key=max) == [{39}, {40}]


def test_a_language_model_of_long_windows_trains_alone_on_a_cpu() -> None:
    work = work_of("language-model", rows_of("sums", 40), {"width": 8, "heads": 2}, 0)
    work.training.model.length = 65
    assert key_or_reason(work) == "the rows have 65 positions: above 64 one at a time is as fast"


def test_a_wide_net_of_many_outputs_shares_with_those_of_its_width_alone() -> None:
    keys = [wide_in(nn.Sequential(nn.Linear(4, width), nn.Linear(width, 1000))) for width in (8, 100, 200, 222, 300)]
    assert keys[0] == keys[1] != keys[2] == keys[3] != keys[4]


def test_what_a_language_model_tells_does_not_hide_how_wide_its_blocks_are() -> None:
    def model(width: int) -> Decoder:
        config = LanguageModelConfig(width=width, heads=2, tied=False)
        return Decoder(config, 217, 16)

    assert wide_in(model(32)) == () != wide_in(model(56))


def test_a_net_that_cannot_be_copied_is_taken_alone() -> None:
    data = rows_of("iris", 75)
    found = why_alone(Uncopied(), torch.from_numpy(data.train.x), data.facts, "sgd")
    assert found == "the model cannot be copied: it has a lock"


class Uncopied(nn.Module):
    def __deepcopy__(self, _memo: object) -> nn.Module:
        raise TypeError("it has a lock")


def test_texts_train_alone() -> None:
    work = work_of("transformer", rows_of("docstrings", 40), {"width": 8}, 0)
    assert key_or_reason(work) == "the trainer does not declare packs"
