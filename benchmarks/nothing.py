"""Trainers that train nothing: what is left of a trial's time is the engine's, or sleep."""

from __future__ import annotations

import time

from goodfit import Trial, register

EPOCHS = 5


def losses(x: float) -> list[float]:
    """What both Goodfit's and the peers' trials report."""
    return [(x - 0.3) ** 2 + 1.0 / epoch for epoch in range(1, EPOCHS + 1)]


@register("nothing")
def nothing(trial: Trial) -> None:
    """Reports a curve that takes no time."""
    _report(trial, 0.0)


@register("sleeping")
def sleeping(trial: Trial) -> None:
    """Reports a curve once a second."""
    _report(trial, 1.0)


def _report(trial: Trial, seconds: float) -> None:
    curve = losses(trial.config["p0"])
    for epoch in trial.epochs():
        time.sleep(seconds)
        trial.report(train={"loss": curve[epoch - 1] * 0.9}, val={"loss": curve[epoch - 1]})
