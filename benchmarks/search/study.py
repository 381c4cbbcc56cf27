"""One study in virtual time, and the regret along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks.search.cluster import NoStore, NoTracker, VirtualCluster
from benchmarks.search.methods import STUDY, Method
from benchmarks.search.task import Task
from goodfit.service.records import Lease, Study, Trial
from goodfit.service.runner import Limits, Runner
from goodfit.service.scheduler import Plan
from goodfit.trainers.messages import Assignment

if TYPE_CHECKING:
    from goodfit.service.ports import Tracker
    from goodfit.service.runner import RunnerStore

POINTS = (1 / 8, 1 / 4, 1 / 2, 1.0)  # of the budget
LONG_POINTS = (
    1 / 32,
    1 / 16,
    *POINTS,
)  # those of a budget a quarter as long are among them: no method knows its budget
RESUME_EPOCHS = 0.5  # median epochs that it costs to take up a paused trial
FOREVER = 1e15


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a study: the regret at points of its budget, and how many trials it began and took up again."""

    regrets: tuple[float, ...]
    trials: int
    resumes: int


def run_study(
    task: Task,
    method: Method,
    *,
    workers: int,
    budget: float,
    seed: int,
    points: Sequence[float] = POINTS,
    pack: int = 1,
    pack_speed: float = 1.0,
) -> Run:
    """Run a study in virtual time.

    Args:
        task: what is searched.
        method: how.
        workers: how many there are.
        budget: the time of a worker, in median full trainings.
        seed: of the study.
        points: shares of the budget at which the regret is read, ascending.
        pack: how many trials each worker trains at once.
        pack_speed: how many times as fast as one after the other.
    """
    end = budget * task.reference.seconds
    cluster = VirtualCluster(
        workers,
        task.curve,
        epochs=task.epochs,
        end=end,
        resume_seconds=RESUME_EPOCHS * task.epoch_seconds,
        pack=pack,
        pack_speed=pack_speed,
    )
    runner = Runner(
        store=cast("RunnerStore", NoStore()),  # as much of one as a run without a resume needs
        lease=Lease(1, "benchmark", 1, FOREVER),
        study=Study(STUDY, {}, "0", 0.0, id=1),
        plan=Plan(task.objective, task.epochs, prune=method.judges, pauses=method.pauses, seed=seed),
        limits=Limits(),
        sampler=method.make(task, seed),
        executor=cluster,
        tracker=cast("Tracker", NoTracker()),  # likewise
        assign=lambda trial: _assignment(task, trial),
        clock=lambda: cluster.now,
        ticks=lambda: _interrupting(cluster, runner, end),
        lease_seconds=FOREVER,
    )
    runner.run()
    return Run(
        regrets_along(task, cluster.history, budget, points), cluster.launches - cluster.resumes, cluster.resumes
    )


def _interrupting(cluster: VirtualCluster, runner: Runner, end: float) -> float:
    """The time; when it is over, the study is interrupted, which spares it the judgement of each paused trial."""
    if cluster.now >= end:
        runner.interrupt()
    return cluster.now


def regrets_along(
    task: Task, history: list[tuple[float, float]], budget: float, points: Sequence[float] = POINTS
) -> tuple[float, ...]:
    """The regret of the best value so far at points of the budget.

    Args:
        task: with its reference.
        history: when each value was reported, in the order of time.
        budget: in median full trainings.
        points: shares of it, ascending.
    """
    found, best, place = [], math.nan, 0
    for point in points:
        until = point * budget * task.reference.seconds
        while place < len(history) and history[place][0] <= until:
            value = history[place][1]
            best = value if task.objective.better(value, best) else best
            place += 1
        found.append(task.reference.regret(best))
    return tuple(found)


def _assignment(task: Task, trial: Trial) -> Assignment:
    return Assignment(
        study=STUDY,
        trial=trial.number,
        attempt=trial.attempts,
        trainer="benchmark",
        params=trial.params,
        data=None,
        seed=trial.seed,
        epochs=task.epochs,
        metric=task.objective.metric,
        direction=task.objective.direction,
        folder=Path("none"),
        reported=trial.epochs,
        pause_at=trial.until,
        began=trial.began,
    )
