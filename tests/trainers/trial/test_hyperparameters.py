"""What an optimizer and a schedule have after a checkpoint of another configuration was restored."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop, lr_scheduler
from torch.optim.optimizer import register_optimizer_step_pre_hook

from goodfit.testing.attempts import Line, attempt, handle
from goodfit.trainers.trial.hyperparameters import built_with, carried, with_own
from tests.training import IRIS

EPOCHS, HALF = 6, 3
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda weights, rate, decay: SGD(weights, lr=rate, momentum=1 - rate, weight_decay=decay),
    "adam": lambda weights, rate, decay: Adam(weights, lr=rate, weight_decay=decay, betas=(1 - rate, 0.99)),
    "adamw": lambda weights, rate, decay: AdamW(weights, lr=rate, weight_decay=decay),
    "rmsprop": lambda weights, rate, decay: RMSprop(weights, lr=rate, weight_decay=decay),
}
SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": lambda optimizer, rate: lr_scheduler.ConstantLR(optimizer, factor=1.0),
    "step": lambda optimizer, rate: lr_scheduler.StepLR(optimizer, 2, gamma=0.5),
    "cosine": lambda optimizer, rate: lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS),
    "lambda": lambda optimizer, rate: lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch)),
    "onecycle": lambda optimizer, rate: lr_scheduler.OneCycleLR(optimizer, rate, EPOCHS + 1, cycle_momentum=False),
    "exponential": lambda optimizer, rate: lr_scheduler.ExponentialLR(optimizer, 0.7),
}


def rates(folder: Path, optimizer: str, schedule: str, rate: float, *, until: int, reported: int = 0) -> list[Any]:
    """Train a model by a user's loop, from the checkpoint there where there is one; what each step was taken with."""
    trial = handle(folder, Line(stop_after=until), epochs=EPOCHS, attempt=1 + bool(reported), reported=reported)
    model = nn.Linear(2, 1)
    used = OPTIMIZERS[optimizer](model.parameters(), rate, rate / 10)
    plan = SCHEDULES[schedule](used, rate)
    assert trial.restore(model, used, plan) == reported
    found = []
    for _ in trial.epochs():
        group = used.param_groups[0]
        found.append([group["lr"], group["weight_decay"], group.get("momentum", group.get("betas"))])
        used.step()
        plan.step()
        trial.report(val={"accuracy": 0.5})
    trial.save()
    return found


@pytest.mark.parametrize(("optimizer", "schedule"), list(itertools.product(OPTIMIZERS, SCHEDULES)))
def test_a_training_goes_on_with_the_hyperparameters_of_its_own_configuration(
    tmp_path: Path, optimizer: str, schedule: str
) -> None:
    whole = rates(tmp_path / "whole", optimizer, schedule, 0.02, until=EPOCHS)
    rates(tmp_path / "donor", optimizer, schedule, 0.3, until=HALF)
    after = rates(tmp_path / "donor", optimizer, schedule, 0.02, until=EPOCHS, reported=HALF)
    assert len(after) == EPOCHS - HALF
    for found, expected in zip(after, whole[HALF:], strict=True):
        assert found[:2] == pytest.approx(expected[:2])
        assert found[2] == pytest.approx(expected[2])


def test_a_schedule_goes_on_with_settings_of_its_own_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCHEDULES, "own", lambda optimizer, rate: lr_scheduler.ExponentialLR(optimizer, 1 - rate))
    rates(tmp_path, "sgd", "own", 0.5, until=HALF)
    after = [rate for rate, *_ in rates(tmp_path, "sgd", "own", 0.1, until=EPOCHS, reported=HALF)]
    assert after == pytest.approx([0.1 * 0.5**3, 0.1 * 0.5**3 * 0.9, 0.1 * 0.5**3 * 0.9**2])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_training_with_the_same_configuration_goes_on_to_the_last_bit(tmp_path: Path, schedule: str) -> None:
    whole = rates(tmp_path / "whole", "sgd", schedule, 0.3, until=EPOCHS)
    rates(tmp_path / "parts", "sgd", schedule, 0.3, until=HALF)
    assert rates(tmp_path / "parts", "sgd", schedule, 0.3, until=EPOCHS, reported=HALF) == whole[HALF:]


@pytest.fixture
def steps() -> Iterator[list[tuple[Any, ...]]]:
    """The hyperparameters of each step of any optimizer."""
    taken: list[tuple[Any, ...]] = []

    def look(optimizer: Optimizer, *_: object) -> None:
        groups = optimizer.param_groups
        taken.append(tuple((one["lr"], one["weight_decay"], one.get("momentum"), one.get("betas")) for one in groups))

    hook = register_optimizer_step_pre_hook(look)
    yield taken
    hook.remove()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step", "onecycle"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_the_built_in_trainers_take_each_step_with_their_own_configuration(
    tmp_path: Path, steps: list[tuple[Any, ...]], optimizer: str, schedule: str
) -> None:
    shared = {"optimizer": optimizer, "schedule": schedule, "depth": 1, "width": 8, "batch_size": 60}
    donor = {**shared, "learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.1}
    own = {**shared, "learning_rate": 0.02, "momentum": 0.8, "weight_decay": 0.03}
    settings: dict[str, Any] = {"trainer": "mlp", "data": IRIS, "epochs": 4, "checkpoint_epochs": 1}
    attempt(tmp_path / "whole", params=own, **settings)
    expected = steps[len(steps) // 2 :]
    attempt(tmp_path / "t", params=donor, stop_after=2, **settings)
    steps.clear()
    attempt(tmp_path / "t", params=own, attempt=2, reported=2, **settings)
    assert steps == expected


def test_only_optimizers_and_schedules_have_hyperparameters() -> None:
    model = nn.Linear(1, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    assert built_with(model) is None
    assert built_with(object()) is None
    assert built_with(optimizer)[0]["lr"] == 0.1
    assert "params" not in built_with(optimizer)[0]
    assert built_with(lr_scheduler.StepLR(optimizer, 2))["step_size"] == 2
    state = {"weight": torch.ones(1)}
    assert with_own(state, None, None) is state


@pytest.mark.parametrize(
    ("value", "before", "now", "expected"),
    [
        (0.5, 0.5, 0.2, 0.2),
        (0.25, 0.5, 0.2, 0.1),
        (0.25, 0.5, 0.5, 0.25),
        (3, 0, 5, 5),
        (7, 0, 0, 7),
        (True, True, False, False),
        ("a", "a", "b", "b"),
        (None, None, 0.1, 0.1),
        ((0.9, 0.99), (0.9, 0.99), (0.8, 0.99), (0.8, 0.99)),
        ([1, 2], [1], [3], [3]),
        ({"x": 0.25, "epoch": 4}, {"x": 0.5, "epoch": 0}, {"x": 1.0, "epoch": 0}, {"x": 0.5, "epoch": 4}),
    ],
)
def test_what_training_changed_keeps_its_share_of_what_it_began_with(
    value: object, before: object, now: object, expected: object
) -> None:
    assert carried(value, before, now) == expected
