"""Trainers for tests, named in studies by `path.py:name`: those of the contract suites, and what tests alone need."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from goodfit.testing.sample_trainers import (
    Counter,
    curve,
    dies_once,
    endless,
    hungry,
    nan,
    other_metric,
    raises,
    resumable,
    silent,
    slow,
    talks,
)
from goodfit.trainers.trial import Trial

__all__ = [
    "curve",
    "dies_once",
    "endless",
    "other_metric",
    "resumable",
    "slow",
    "talks",
]

HERE = Path(__file__).absolute()


def named(name: str) -> str:
    """The trainer's name in a study file."""
    return f"{HERE}:{name}"


def fails(trial: Trial) -> None:
    """Fails in the way that its parameter `how` names."""
    {"raises": raises, "nan": nan, "silent": silent, "hungry": hungry}[str(trial.config["how"])](trial)


def dies(trial: Trial) -> None:
    """Its process is killed whenever it is tried."""
    for _ in trial.epochs():
        os.kill(os.getpid(), signal.SIGKILL)


def learner(trial: Trial) -> None:
    """Its curve comes of x, y and all the epochs before, which a checkpoint keeps; `seconds` an epoch."""
    model = Counter()
    trial.restore(model)
    for epoch in trial.epochs():
        model.value = 0.8 * model.value + float(trial.config["x"]) / epoch
        time.sleep(float(trial.config["seconds"]))
        loss = model.value + (0.1 if trial.config["y"] == "b" else 0.0) + 1.0 / epoch
        trial.report(train={"loss": 0.9 * loss}, val={"loss": loss})


def learned(x: float, y: str, epochs: int) -> list[float]:
    """The losses that the learner reports where nothing of it was lost or trained twice."""
    value, losses = 0.0, []
    for epoch in range(1, epochs + 1):
        value = 0.8 * value + x / epoch
        losses.append(value + (0.1 if y == "b" else 0.0) + 1.0 / epoch)
    return losses


def lingers(trial: Trial) -> None:
    """Leaves a thread of its own running."""
    print(f"process {os.getpid()}")
    threading.Thread(target=_linger, name="lingering", daemon=True).start()
    curve(trial)


def _linger() -> None:
    while True:
        time.sleep(0.05)
