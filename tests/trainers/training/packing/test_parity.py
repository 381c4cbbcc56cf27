"""A trial has the same curve in a pack as alone, whatever the others are and whenever they come and go."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.trainers.data import Data
from goodfit.trainers.nets import dropout
from goodfit.trainers.nets.dropout import Masks
from goodfit.trainers.training.packing import masks, optimizers
from goodfit.trainers.training.packing.work import pack_key, train_by_its_layers
from tests.trainers.training.packing.works import EPOCHS, alone, at, furthest, random_params, rows_of, together, work_of

TOLERANCE = 1e-4
TO_THE_BIT = ("mlp", "transformer", "language-model")
OWN = "tests.trainers.training.packing.own_models"
MLP = {
    "width": range(1, 40),
    "depth": [0, 1, 2, 3],
    "activation": ["relu", "tanh", "gelu", "silu"],
    "normalization": ["none", "batch", "layer"],
}
CNN = {
    "width": range(1, 9),
    "depth": [1, 2, 3],
    "kernel_size": [1, 3],
    "activation": ["relu", "tanh", "gelu", "silu"],
    "normalization": ["none", "batch", "group", "layer"],
    "pooling": ["max", "average"],
}
RNN = {"width": range(1, 20), "depth": [1]}
TRANSFORMER = {"width": [4, 8, 16, 36], "heads": [2, 4], "depth": [1, 2, 3], "activation": ["relu", "gelu"]}
ROTARY = TRANSFORMER | {"positions": ["rotary"], "width": [8, 16]}
LANGUAGE = TRANSFORMER | {"epoch_windows": [24], "batch_size": [8]}
TWO_TABLES = LANGUAGE | {"positions": ["learned"], "tied": [False]}
TWO_TABLES |= {"activation": ["gelu", "tanh"]}  # not relu: one of its numbers is zero but for how it was rounded
CASES = {  # trainer, data, training rows, trials, the choices of their hyperparameters
    "classes": ("mlp", "iris", 75, 10, MLP),
    "numbers": ("mlp", "diabetes", 70, 10, MLP),
    "images": ("cnn", "digits", 40, 6, CNN | {"residual": [False]}),
    "gru": ("rnn", "digits", 40, 6, RNN | {"depth": [2]}),
    "lstm": ("rnn", "load_curve", 40, 4, RNN | {"cell": ["lstm"]}),
    "attention over steps": ("rnn", "digits", 40, 4, RNN | {"cell": ["rnn"], "pooling": ["attention"]}),
    "both ways": (
        "rnn",
        "eeg",
        40,
        4,
        RNN | {"width": [7], "bidirectional": [True], "pooling": ["mean"], "base": ["none"]},
    ),
    "own layers": (f"{OWN}:gated", "iris", 75, 6, {}),
    "attention": (f"{OWN}:attending", "digits", 40, 4, {}),
    "residual": ("cnn", "digits", 40, 6, CNN | {"residual": [True]}),
    "blocks": ("transformer", "digits", 40, 6, TRANSFORMER),
    "blocks with a first": ("transformer", "digits", 40, 4, TRANSFORMER | {"pooling": ["first"]}),
    "blocks of series": ("transformer", "eeg", 40, 4, ROTARY),
    "language": ("language-model", "sums", 40, 5, LANGUAGE),
    "language by two tables": ("language-model", "sums", 40, 4, TWO_TABLES),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As a trial has with one CPU: with more, sums are split, by how many numbers there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("case", CASES)
def test_every_metric_of_random_trials_is_that_of_the_trial_alone(case: str) -> None:
    """To the bit, but for convolutions, of which some gradients are added up in another order, and what is mapped."""
    trainer, source, rows, trials, ranges = CASES[case]
    data = rows_of(source, rows)
    drawn = random.Random(case)
    params = [random_params(drawn, **ranges) for _ in range(trials)]
    lone, packed = ([work_of(trainer, data, each, seed) for seed, each in enumerate(params)] for _ in range(2))
    assert len({pack_key(work) for work in packed}) == 1
    ahead = [
        2 * (number % 2) for number in range(trials)
    ]  # some are trained alone first, and are in later epochs than the others
    for work, epochs in zip(packed, ahead, strict=True):
        for epoch in range(1, epochs + 1):
            alone(work, epoch)
    curves = [[alone(work, epoch) for epoch in range(1, EPOCHS + 1)] for work in lone]
    for epoch in range(1, EPOCHS + 1):
        going = [number for number in range(trials) if epoch + ahead[number] <= EPOCHS and (number != 3 or epoch < 4)]
        results = together([packed[number] for number in going], [epoch + ahead[number] for number in going])
        for number, result in zip(going, results, strict=True):
            found = furthest(result, curves[number][epoch + ahead[number] - 1])
            assert found <= (0 if trainer in TO_THE_BIT else TOLERANCE), (params[number], epoch + ahead[number], found)


@pytest.mark.parametrize("called", [("cpu",), ()], ids=["kernels", "rule"])
@pytest.mark.parametrize("case", CASES)
def test_every_metric_is_that_of_the_models_own_layers_and_of_torchs_optimizer(
    case: str, called: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By kernels and by the rule, though only one of them is for this device."""
    monkeypatch.setattr(optimizers, "CALLED", called)
    trainer, source, rows, trials, ranges = CASES[case]
    data, drawn = rows_of(source, rows), random.Random(case)
    params = [random_params(drawn, **ranges) for _ in range(trials)]
    own, packed = ([work_of(trainer, data, each, seed) for seed, each in enumerate(params)] for _ in range(2))
    for epoch in range(1, EPOCHS + 1):
        for number, result in enumerate(together(packed, [epoch] * trials)):
            found = furthest(result, train_by_its_layers(at(own[number], epoch)))
            assert found < TOLERANCE, (params[number], epoch, found)


@pytest.mark.parametrize("case", ["classes", "images", "gru", "own layers"])
def test_a_trial_has_its_masks_in_a_pack_also_on_a_device_that_draws_others_for_more_steps_at_once(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a GPU does."""

    def fill(self: Masks, bits: Tensor) -> None:
        bits.random_(-(2**63), None, generator=self.generator).mul_(2 * len(bits) + 1)

    monkeypatch.setattr(Masks, "fill", fill)
    monkeypatch.setattr(dropout, "IN_ORDER", ())
    monkeypatch.setattr(dropout, "NUMBERS_AT_ONCE", {"cpu": 300})
    monkeypatch.setattr(masks, "NUMBERS_AT_ONCE", {"cpu": 3000})
    trainer, source, rows, _, ranges = CASES[case]
    data, drawn = rows_of(source, rows), random.Random(case)
    params = [random_params(drawn, **ranges) | {"dropout": 0.3, "batch_size": 4} for _ in range(4)]
    lone, packed = ([work_of(trainer, data, each, seed) for seed, each in enumerate(params)] for _ in range(2))
    for epoch in (1, 2):
        for work, result in zip(lone, together(packed, [epoch] * len(packed)), strict=True):
            assert furthest(result, alone(work, epoch)) <= TOLERANCE


def test_masks_are_those_of_their_epoch_where_the_first_member_drops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "NUMBERS_AT_ONCE", {"cpu": 4 * 2 * 4 * 32})  # 4 of 19 steps
    data = rows_of("iris", 75)
    params = [{"width": 8, "dropout": rate, "batch_size": 4} for rate in (0.0, 0.3)]
    lone, packed = ([work_of("mlp", data, each, seed) for seed, each in enumerate(params)] for _ in range(2))
    for epoch in (1, 2, 3):
        for work, result in zip(lone, together(packed, [epoch] * len(packed)), strict=True):
            assert furthest(result, alone(work, epoch)) == 0


@pytest.mark.parametrize("width", [1, 150, 190, 260])
def test_a_wide_trial_is_to_the_bit_what_it_is_alone(width: int) -> None:
    data = rows_of("digits", 100)
    params = [{"width": width, "depth": depth, "learning_rate": 0.1} for depth in (1, 2)]
    params += [{"width": other} for other in (5, 170, 192) if width <= 192]
    lone, packed = ([work_of("mlp", data, each, seed) for seed, each in enumerate(params)] for _ in range(2))
    assert len({pack_key(work) for work in packed}) == 1
    for epoch in (1, 2, 3):
        for work, result in zip(lone, together(packed, [epoch] * len(packed)), strict=True):
            assert furthest(result, alone(work, epoch)) == 0


@pytest.mark.parametrize(("heads", "width"), [(1, 6), (3, 15), (3, 18), (3, 30), (5, 30), (5, 35)])
def test_heads_of_any_width_are_to_the_bit_what_they_are_alone(heads: int, width: int) -> None:
    """On nine positions they begin elsewhere in memory than alone; by that, products of some widths round."""
    data = rows_of("digits", 41)
    params = {"width": width, "heads": heads, "depth": 1, "batch_size": 5, "optimizer": "adam"}
    params |= {"pooling": "first", "positions": "learned"}
    lone, packed = ([work_of("transformer", data, params, seed) for seed in range(3)] for _ in range(2))
    for epoch in (1, 2):
        for work, result in zip(lone, together(packed, [epoch] * len(packed)), strict=True):
            assert furthest(result, alone(work, epoch)) == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_trial_goes_on_alone_from_the_checkpoint_of_a_pack_and_the_other_way_round(optimizer: str) -> None:
    data = rows_of("iris", 75)
    params = [{"optimizer": optimizer, "width": width, "normalization": "batch"} for width in (5, 9)]
    whole = work_of("mlp", data, params[0], 0)
    curve = [alone(whole, epoch) for epoch in range(1, 7)]
    works = [work_of("mlp", data, each, seed) for seed, each in enumerate(params)]
    together(works, [1, 1])
    assert furthest(alone(_gone_on(works[0].training, data, params[0]), 2), curve[1]) < TOLERANCE
    for epoch in (2, 3):
        alone(works[0], epoch), alone(works[1], epoch)
    again = [
        _gone_on(work.training, data, each, seed) for seed, (work, each) in enumerate(zip(works, params, strict=True))
    ]
    assert furthest(together(again, [4, 4])[0], curve[3]) < TOLERANCE


def _gone_on(training: Any, data: Data, params: dict[str, Any], seed: int = 0) -> Any:
    """The trial in a new process, from its checkpoint."""
    work = work_of("mlp", data, params, seed)
    for new, old in zip(work.training.stateful, training.stateful, strict=True):
        new.load_state_dict(copy.deepcopy(old.state_dict()))
    return work


def test_a_trial_that_diverges_touches_no_other() -> None:
    data = rows_of("iris", 75)
    good = {"width": 8, "normalization": "batch", "optimizer": "adam", "clip_norm": 1.0}
    bad = {"width": 12, "normalization": "batch", "optimizer": "sgd", "learning_rate": 1e38, "clip_norm": 1.0}
    lone = work_of("mlp", data, good, 0)
    packed = [work_of("mlp", data, good, 0), work_of("mlp", data, bad, 1)]
    for epoch in range(1, 6):
        kept, lost = together(packed, [epoch, epoch])
        assert furthest(kept, alone(lone, epoch)) < TOLERANCE
    assert not lost.train["loss"] < 1e6


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_classes_are_balanced_in_a_pack_as_alone(balance: str) -> None:
    data = rows_of("iris", 75)
    facts = replace(data.facts, preparation=replace(data.preparation, balance=balance))
    data = replace(data, facts=facts)
    params = [{"width": 8, "label_smoothing": 0.2}, {"width": 5, "dropout": 0.3}]
    lone, packed = ([work_of("mlp", data, each, seed) for seed, each in enumerate(params)] for _ in range(2))
    for epoch in range(1, 4):
        for work, result in zip(lone, together(packed, [epoch, epoch]), strict=True):
            assert furthest(result, alone(work, epoch)) < TOLERANCE


def test_running_out_of_memory_leaves_all_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    works = [work_of("mlp", rows_of("iris", 75), {"width": width}, width) for width in (4, 6)]
    before = [copy.deepcopy([item.state_dict() for item in work.training.stateful]) for work in works]
    calls = iter([torch.baddbmm] * 4)

    def product(*given: Any) -> Any:
        try:
            return next(calls)(*given)
        except StopIteration:
            raise torch.OutOfMemoryError from None

    monkeypatch.setattr(torch, "baddbmm", product)
    with pytest.raises(torch.OutOfMemoryError):
        together(works, [1, 1])
    for work, (model, optimizer) in zip(works, before, strict=True):
        assert all(torch.equal(value, model[name]) for name, value in work.training.model.state_dict().items())
        assert work.training.optimizer.state_dict()["state"] == optimizer["state"] == {}
