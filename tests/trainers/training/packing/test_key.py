"""Which trials can be trained together, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from goodfit.trainers.training.packing.key import key_or_reason
from tests.trainers.training.packing.works import rows_of, work_of


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
        (nn.Conv2d(4, 4, 3, groups=2), "the model has convolutions in groups"),
    ],
)
def test_a_net_of_other_layers_trains_alone(layer: nn.Module, said: str) -> None:
    work = work_of("mlp", rows_of("iris", 75), {}, 0)
    work.training.model.append(layer)
    assert str(key_or_reason(work)).startswith(said)


def test_a_loss_of_the_trainers_own_is_taken_alone() -> None:
    work = work_of("mlp", rows_of("iris", 75), {}, 0)
    work.training.own_loss = True
    assert key_or_reason(work) == "the trainer has a loss of its own"
    assert key_or_reason(replace(work, facts=replace(work.facts, task="forecasting"))) == "the task is forecasting"


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
