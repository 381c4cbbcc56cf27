"""Which trials can be trained together, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from goodfit.trainers.training.packing.key import key_or_reason
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


def test_long_rows_train_alone() -> None:
    work = work_of("transformer", rows_of("digits", 40), {"width": 8}, 0)
    work.training.model.length = 200
    assert key_or_reason(work) == "the rows have 200 positions: above 128 one at a time is as fast"


def test_texts_train_alone() -> None:
    work = work_of("transformer", rows_of("docstrings", 40), {"width": 8}, 0)
    assert key_or_reason(work) == "the trainer does not declare packs"
