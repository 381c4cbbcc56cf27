"""Generators are seeded for libraries that are there, and for those that come later."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from goodfit.trainers.seeding import mixed_seed, seed_generators


@pytest.mark.parametrize(
    "draw",
    [
        "import numpy; print(numpy.random.rand())",
        "import torch; print(float(torch.rand(1)))",
        "import random; print(random.random())",
    ],
)
def test_a_library_that_is_imported_later_draws_the_same(draw: str) -> None:
    code = f"from goodfit.trainers.seeding import seed_generators as seed\nseed(3, 0)\n{draw}\nseed(3, 0)\n{draw}"
    drawn = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0][0] == drawn[0][1], "imported before or after makes no difference"


def test_each_epoch_of_each_trial_draws_its_own() -> None:
    drawn = set()
    for seed, epoch in [(1, 1), (1, 2), (2, 1)]:
        seed_generators(seed, epoch)
        drawn.add((random.random(), float(np.random.rand())))
    assert len(drawn) == 3


def test_each_epoch_draws_numbers_of_its_own_whatever_came_before() -> None:
    seed_generators(3, 1)
    first = torch.rand(2)
    torch.rand(100)
    seed_generators(3, 1)
    assert torch.equal(torch.rand(2), first)
    seed_generators(3, 2)
    assert not torch.equal(torch.rand(2), first)
    assert mixed_seed(3, 1) != mixed_seed(1, 3)


@pytest.mark.parametrize("has_accelerator", [False, True])
def test_torch_draws_what_it_draws_after_its_own_seed(has_accelerator: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: has_accelerator)
    torch.manual_seed(mixed_seed(3, 1))
    expected = torch.rand(3)
    seed_generators(3, 1)
    assert torch.equal(torch.rand(3), expected)


def test_a_device_that_is_in_use_is_seeded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    seed_generators(3, 1)
    assert seeded == [mixed_seed(3, 1)]
