"""Whether a trial waited for its data more than it trained, from what its epochs cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goodfit.service.records import Report

MOSTLY = 0.5  # of the time: beyond it the trial waited more than it trained
SHORTEST = 1.0  # seconds of training, below which nothing is worth changing


@dataclass(frozen=True, slots=True)
class Waiting:
    """The time that a trial's epochs took, as far as it was measured, and what of it was spent on waiting for data."""

    seconds: float
    waiting: float

    @property
    def share(self) -> float:
        """0 to 1."""
        return min(1.0, self.waiting / self.seconds) if self.seconds > 0 else 0.0

    @property
    def advice(self) -> str | None:
        """One sentence, where it waited more than it trained."""
        if self.share <= MOSTLY or self.seconds < SHORTEST:
            return None
        return (
            f"It waited for its data {self.share:.0%} of the time that its epochs took ({self.waiting:.3g} of "
            f"{self.seconds:.3g} s): keep them in memory, or in one .npz file at the size that the model takes; a "
            "torch DataLoader reads ahead with num_workers, where the trial has the CPUs (resources: {cpus: ...})."
        )


def waiting_of(reports: Sequence[Report]) -> Waiting | None:
    """Of a trial's reports; None where it was not measured. A sample is a mean over the epochs since the one before."""
    seconds = waiting = 0.0
    before = 0
    for report in sorted(reports, key=lambda one: one.epoch):
        costs = report.costs or {}
        if "epoch_seconds" in costs and "waiting_seconds" in costs:
            epochs, before = report.epoch - before, report.epoch
            seconds += costs["epoch_seconds"] * epochs
            waiting += costs["waiting_seconds"] * epochs
    return Waiting(seconds, waiting) if before else None
