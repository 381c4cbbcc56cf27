"""Data stay on the device between trials, and what one of them changes there does not reach the next."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from goodfit.trainers.data import Split, load
from goodfit.trainers.training import resident as module
from goodfit.trainers.training.loop import Tensors
from goodfit.trainers.training.resident import forget_changed
from tests.training import IRIS

DEVICE = torch.device("cpu")


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that keeps data, whose memory is its own."""
    monkeypatch.setattr(module, "_stays", lambda _: True)
    monkeypatch.setattr(module, "_kept", {})
    copied = Tensors._copied
    monkeypatch.setattr(
        Tensors, "_copied", lambda *given: tuple(part if part is None else part.clone() for part in copied(*given))
    )


def test_a_split_is_copied_once_for_all_trials() -> None:
    data = load(IRIS)
    first = Tensors.of(data.train, DEVICE)
    forget_changed()
    assert Tensors.of(data.train, DEVICE).x is first.x
    assert Tensors.of(data.validation, DEVICE).x is not first.x
    other = Split(data.train.x, data.train.y[::-1].copy())
    assert Tensors.of(other, DEVICE).y.tolist() == data.train.y[::-1].tolist(), "the same inputs with other targets"


@pytest.mark.parametrize("part", ["x", "y"])
def test_what_a_trial_changes_on_the_device_is_copied_anew(part: str) -> None:
    data = load(IRIS)
    one = Tensors.of(data.train, DEVICE)
    changed = getattr(one, part)
    changed.data[[0, 1]] = changed.data[[1, 0]] + (changed.data[0] == changed.data[1])
    forget_changed()
    fresh = Tensors.of(data.train, DEVICE)
    assert np.array_equal(getattr(fresh, part).numpy(), getattr(data.train, part))


def test_every_value_and_its_place_count() -> None:
    values = torch.randn(3 * module.ROW + 5, generator=torch.Generator().manual_seed(0))
    before = module._checksum(values)
    for place, other in ((0, 1), (0, module.ROW), (5, 2 * module.ROW + 9), (3 * module.ROW + 1, 3 * module.ROW + 2)):
        swapped = values.clone()
        swapped[[place, other]] = swapped[[other, place]]
        assert module._checksum(swapped) != before
    assert module._checksum(values.clone()) == before


def test_what_is_kept_goes_with_the_data() -> None:
    data = load(IRIS)
    Tensors.of(data.train, DEVICE)
    assert len(module._kept) == 1
    del data
    gc.collect()
    assert module._kept == {}
