"""What a decision costs as a study grows: the real runner, scheduler and sampler on a cluster that is simulated.

Workers are events on a virtual clock, the store keeps nothing, so all that is measured is deciding: which trial comes
next, whether one is to be pruned, what to write. `python -m benchmarks.simulation` measures up to 1,000 workers and
100,000 trials.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks.figures import Figures, run
from benchmarks.rebuild import Median
from goodfit.search_spaces.parameters import Float
from goodfit.search_spaces.space import Space
from goodfit.service.objective import Objective
from goodfit.service.ports import Sharing
from goodfit.service.records import Batch, Decision, Lease, Report, Study, Trial, TrialState
from goodfit.service.runner import Limits, Runner
from goodfit.service.sampler import OptunaSampler
from goodfit.service.scheduler import Plan
from goodfit.trainers.messages import Assignment, Ended, Message, Outcome, Pack, Reported

if TYPE_CHECKING:
    from goodfit.service.ports import Store, Tracker

EPOCHS = 5
TOGETHER = 0.01  # virtual seconds: what comes so close together is one batch, as in a real poll


@dataclass(frozen=True)
class Asha(Median):
    """As a study file says `pruning: {method: asha}`."""

    method: str = "asha"
    options: Mapping[str, Any] = field(default_factory=dict)


class Simulation:
    """An executor whose workers train in virtual time: an epoch takes 0.5 to 1.5 s, a worker is never idle for long."""

    def __init__(self, workers: int) -> None:
        self.slots = workers
        self.now = 0.0
        self._events: list[tuple[float, int, Message]] = []
        self._order = itertools.count()
        self._assignments: dict[int, Assignment] = {}
        self._stopped: set[int] = set()

    @property
    def pending(self) -> frozenset[int]:
        """Every worker is there at once."""
        return frozenset()

    def share_among(self, sharing: Sharing) -> None:
        """All of it is one study's."""

    def launch(self, pack: Pack) -> None:
        for assignment in pack.assignments:
            self._later(assignment, 1)

    def _later(self, assignment: Assignment, epoch: int) -> None:
        draw = random.Random(assignment.trial * 1000 + epoch)
        at = self.now + 0.5 + draw.random()
        loss = (assignment.params["p0"] - 0.3) ** 2 + 1.0 / epoch + 0.01 * draw.random()
        metrics = {"train/loss": loss * 0.9, "val/loss": loss}
        report = Reported(assignment.trial, assignment.attempt, epoch, metrics, at, epoch == EPOCHS)
        heapq.heappush(self._events, (at, next(self._order), report))
        self._assignments[assignment.trial] = assignment

    def go_on(self, trial: int, until: int | None) -> None:
        """No trial waits."""

    def stop(self, trial: int) -> None:
        self._stopped.add(trial)

    def kill(self, trial: int) -> None:
        self._assignments.pop(trial, None)

    def wait(self, seconds: float) -> list[Message]:
        if not self._events:
            self.now += seconds
            return []
        self.now = self._events[0][0] + TOGETHER
        messages: list[Message] = []
        while self._events and self._events[0][0] <= self.now:
            report = heapq.heappop(self._events)[2]
            assignment = self._assignments.get(report.trial)
            if assignment is None or not isinstance(report, Reported):
                continue
            messages.append(report)
            if report.final or report.trial in self._stopped:
                outcome = Outcome.COMPLETE if report.final else Outcome.STOPPED
                messages.append(Ended(report.trial, report.attempt, outcome))
                del self._assignments[report.trial]
                self._stopped.discard(report.trial)
            else:
                self._later(assignment, report.epoch + 1)
        return messages

    def close(self) -> None:
        """Nothing runs."""


class Silent:
    """No tracker."""

    def wake(self) -> None:
        """Nobody looks."""


@dataclass(frozen=True)
class Cost:
    """What one study's decisions cost, in seconds of CPU."""

    method: str
    pruning: str
    workers: int
    trials: int
    seconds: float
    reports: int
    virtual: float


def simulate(
    method: str,
    pruning: Median | None,
    workers: int,
    trials: int,
    store: Any = None,
    lease: Lease | None = None,
    study: Study | None = None,
) -> Cost:
    """Run one study to its end on the simulated cluster; written to a real store, where there is one with a study."""
    executor, kept = Simulation(workers), _Store(store)
    space = Space(tuple(Float(f"p{index}", 0.0, 1.0) for index in range(8)))
    plan = Plan(Objective("val/loss", "minimize"), EPOCHS, trials=trials, prune=pruning is not None)
    sampler = OptunaSampler(
        name="simulated",
        space=space,
        method=method,
        seed=0,
        try_defaults=False,
        defaults={},
        pruning=pruning or Median("none"),
        objective=Objective("val/loss", "minimize"),
        epochs=EPOCHS,
    )
    runner = Runner(
        store=cast("Store", kept),  # as much of one as a run without a resume needs
        lease=lease or Lease(1, "bench:1:1", 1, 1e12),
        study=study or Study("simulated", {}, "0", 0.0, id=1),
        plan=plan,
        limits=Limits(),
        sampler=sampler,
        executor=executor,
        tracker=cast("Tracker", Silent()),  # likewise
        assign=_assigned,
        clock=lambda: executor.now,
    )
    begun = time.process_time()
    runner.run()
    seconds = time.process_time() - begun
    if kept.finished != trials:
        raise RuntimeError(f"{kept.finished} trials ended, not {trials}")
    return Cost(
        method, pruning.method if pruning else "none", workers, trials, seconds, kept.reports_kept, executor.now
    )


class _Store:
    """A store that counts what it is given, and forgets it or hands it on."""

    def __init__(self, real: Any = None) -> None:
        self.reports_kept = self.finished = 0
        self._real = real

    def trials(self, study_id: int) -> Sequence[Trial]:  # noqa: ARG002 - the port's
        return ()

    def reports(self, study_id: int, trial: int | None = None) -> Sequence[Report]:  # noqa: ARG002 - the port's
        return ()

    def decisions(self, study_id: int) -> Sequence[Decision]:  # noqa: ARG002 - the port's
        return ()

    def apply(self, lease: Lease, batch: Batch) -> None:
        self.reports_kept += len(batch.reports)
        self.finished += sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in batch.trials.values())
        if self._real is not None:
            self._real.apply(lease, batch)

    def renew(self, lease: Lease, now: float, ttl: float) -> bool:  # noqa: ARG002 - the port's
        return False


def _assigned(trial: Trial) -> Assignment:
    return Assignment(
        "simulated", trial.number, trial.attempts, "none", trial.params, None, trial.seed, EPOCHS, "val/loss",
        "minimize", Path("none"),
    )  # fmt: skip


SIZES: Sequence[tuple[str, Callable[[], Median | None], Sequence[tuple[int, int]]]] = (
    ("random", lambda: None, ((10, 1_000), (10, 10_000), (1_000, 10_000), (1_000, 100_000))),
    ("random", Median, ((10, 1_000), (10, 10_000), (1_000, 10_000), (1_000, 100_000))),
    ("random", Asha, ((10, 1_000), (10, 10_000), (1_000, 10_000), (1_000, 100_000))),
    ("bayesian", Asha, ((10, 1_000), (1_000, 3_000))),
)


def options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--most", type=int, default=100_000, help="leave out studies of more trials")


def main(figures: Figures, most: int = 100_000) -> None:
    print(f"{EPOCHS} reports a full trial; CPU time of the runner's process")
    print("| search | pruning | workers | trials | ms a trial | ms a report | deciding, of the whole time |")
    print("|---|---|---|---|---|---|---|")
    for method, pruning, sizes in SIZES:
        for workers, trials in sizes:
            if trials <= most:
                cost = simulate(method, pruning(), workers, trials)
                each, report = 1e3 * cost.seconds / trials, 1e3 * cost.seconds / cost.reports
                busy = cost.seconds / (cost.seconds + cost.virtual)
                size = f"{workers:,} | {trials:,}"
                what = f"{method}, {cost.pruning}, {workers:,} workers, {trials:,} trials"
                figures.add(f"{what}: a trial", each, "ms")
                figures.add(f"{what}: a report", report, "ms")
                print(f"| {method} | {cost.pruning} | {size} | {each:.2f} | {report:.3f} | {busy:.0%} |", flush=True)


if __name__ == "__main__":
    run("simulation", main, options)
