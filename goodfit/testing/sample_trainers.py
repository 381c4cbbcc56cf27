"""Trainers that the contract suites train: each does one thing that trainers do.

They are copied to where a user's file would be, and need nothing from beside them.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from goodfit.trainers.trial import Trial


def curve(trial: Trial) -> None:
    """Learns as x says, at once."""
    for epoch in trial.epochs():
        loss = (float(trial.config.get("x", 0.5)) - 0.3) ** 2 + 1.0 / epoch
        trial.report(train={"loss": loss * 0.9}, val={"loss": loss})


def slow(trial: Trial) -> None:
    """Like curve, a fifth of a second an epoch."""
    for epoch in trial.epochs():
        time.sleep(0.2)
        trial.report(train={"loss": 1.0 / epoch}, val={"loss": 1.1 / epoch})


def raises(trial: Trial) -> None:
    """Raises in its second epoch."""
    for epoch in trial.epochs():
        if epoch == 2:
            raise ValueError("the second epoch is too much")
        trial.report(val={"loss": 1.0})


def nan(trial: Trial) -> None:
    """Its loss is NaN from the third epoch on."""
    for epoch in trial.epochs():
        trial.report(val={"loss": float("nan") if epoch >= 3 else 1.0 / epoch})


def silent(trial: Trial) -> None:
    """Never reports."""


def endless(trial: Trial) -> None:
    """Reports once and never comes back."""
    for epoch in trial.epochs():
        if epoch == 2:
            time.sleep(3600)
        trial.report(val={"loss": 1.0})


def other_metric(trial: Trial) -> None:
    """Reports what no study of these tests asks for."""
    for _ in trial.epochs():
        trial.report(val={"perplexity": 1.0})


def talks(trial: Trial) -> None:
    """Prints."""
    for epoch in trial.epochs():
        print(f"epoch {epoch}")
        print("and on stderr", file=sys.stderr)
        trial.report(val={"loss": 1.0 / epoch})


def hungry(trial: Trial) -> None:
    """Runs out of memory."""
    for _ in trial.epochs():
        raise MemoryError("no more")


class Counter:
    """A model of one number."""

    def __init__(self) -> None:
        self.value: float = 0

    def state_dict(self) -> dict[str, float]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.value = state["value"]


def resumable(trial: Trial) -> None:
    """Counts its epochs in a model that goes into checkpoints; a tenth of a second each."""
    model = Counter()
    trial.restore(model)
    for _ in trial.epochs():
        model.value += 1
        time.sleep(0.1)
        trial.report(train={"loss": 0.9 / model.value}, val={"loss": 1.0 / model.value})


def dies_once(trial: Trial) -> None:
    """Its process is killed in the third epoch of its first attempt."""
    model = Counter()
    trial.restore(model)
    mark = trial.folder / "died"
    for epoch in trial.epochs():
        model.value += 1
        if epoch == 3 and not mark.exists():
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        trial.report(val={"loss": 1.0 / model.value})
