"""Has the trials of a worker take turns, and decides which of their epochs are trained together."""

from __future__ import annotations

from goodfit.trainers.training.packing.work import EpochResult, EpochWork, train_alone


def run_epoch(work: EpochWork) -> EpochResult:
    """Train an epoch of the trial that runs."""
    return train_alone(work)
