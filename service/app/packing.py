"""Whether trials of a study share a worker and train together, how many, and why they do not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from goodfit.service.packed import PART

if TYPE_CHECKING:
    from goodfit.service.app.preflight import Checked
    from goodfit.service.spec import Resources


def pack_of(checked: Checked) -> int | None:
    """How many trials share a worker; None: as many as their number allows."""
    spec = checked.spec
    if why_alone(checked) is not None:
        return 1
    return None if spec.resources.pack == "auto" else spec.resources.pack


def why_alone(checked: Checked) -> str | None:
    """Why each trial has a worker of its own; None: it has not."""
    spec, trainer, resources = checked.spec, checked.trainer, checked.spec.resources
    if resources.pack == 1:
        return "`resources.pack` is 1"
    if not trainer.packs:
        return f"trainer {trainer.name} trains each model alone"
    if not trainer.packs_on(checked.kind):
        return f"trainer {trainer.name} trains each model alone on {checked.kind} data"
    if resources.pack != "auto":
        return None
    trials = spec.planned_trials()
    if trials is not None and trials < 2 * PART:
        return f"a search of {trials} trials learns too little from several at once; from {2 * PART} on they share one"
    if resources.parallel != "auto":
        return "`resources.parallel` says how many train at once; give `resources.pack` with it"
    if spec.training.minutes is not None:
        return (
            "`training.minutes` limits the time of a trial, which sharing makes longer; give `resources.pack` with it"
        )
    return None


def workers_of(resources: Resources) -> int | None:
    """How many workers `resources.parallel` takes; None: as many as fit."""
    if resources.parallel == "auto":
        return None
    return math.ceil(resources.parallel / (1 if resources.pack == "auto" else resources.pack))
