"""A study in a real store, run by the real runner: its worker does as it is told, and its clock stands still."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from goodfit.search_spaces.parameters import Float
from goodfit.search_spaces.space import Space
from goodfit.service.errors import UnknownStudy
from goodfit.service.objective import Objective
from goodfit.service.ports import Allocator, Sampler, Sharing
from goodfit.service.progress import Progress
from goodfit.service.records import Study, StudyState, Trial
from goodfit.service.runner import Limits, Runner
from goodfit.service.sampler import OptunaSampler
from goodfit.service.scheduler import Plan
from goodfit.service.store import open_store
from goodfit.trainers.messages import Assignment, Ended, Message, Outcome, Pack, Reported

SPACE = Space((Float("x", 0.0, 1.0),))


@dataclass(frozen=True)
class Prunes:
    method: str = "median"
    options: Mapping[str, Any] = field(default_factory=lambda: {"n_startup_trials": 2, "n_warmup_steps": 1})


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def loss(x: float, epoch: int) -> float:
    """A curve that depends on the configuration alone, so that a resumed trial gives the same."""
    return abs(x - 0.3) + 1.0 / (epoch + 5 * x)


class Puppet:
    """An executor of one slot: each wait() brings one message, and an epoch takes `seconds` of the clock."""

    def __init__(
        self,
        clock: Clock,
        seconds: float = 1.0,
        *,
        deaf: bool = False,
        dies_at: tuple[int, int] | None = None,
        overfits: bool = False,
        hungry: tuple[int, int] | None = None,
        resumable: bool = True,
        value: Callable[[float, int], float] = loss,
    ):
        self.resumable, self.value = resumable, value
        self.trained: list[tuple[int, int]] = []  # trial, epoch
        self.hungry = hungry  # (trial, epoch) that needs more than the usual share
        self.clock, self.seconds, self.deaf, self.dies_at, self.overfits = clock, seconds, deaf, dies_at, overfits
        self.work: Assignment | None = None
        self.epoch = 0
        self.stopped = False
        self.launched: list[tuple[int, int]] = []
        self.killed: list[int] = []
        self.room = 1
        self.unplaced: set[int] = set()
        self.shared: list[Sharing] = []
        self.shares: list[float] = []
        self.on_wait: Callable[[], None] = lambda: None

    @property
    def slots(self) -> int:
        return self.room

    @property
    def pending(self) -> Set[int]:
        return self.unplaced

    def share_among(self, sharing: Sharing) -> None:
        self.shared.append(sharing)

    def launch(self, pack: Pack) -> None:
        (self.work,) = pack.assignments
        self.shares.append(pack.share)
        self.epoch = self.work.reported
        self.stopped = False
        self.launched.append((self.work.trial, self.work.attempt))

    def go_on(self, trial: int, until: int | None) -> None:
        assert self.work is not None
        assert (self.work.trial, self.work.pause_at) == (trial, self.epoch)
        self.work = replace(self.work, pause_at=until)

    def stop(self, trial: int) -> None:
        self.stopped = not self.deaf

    def kill(self, trial: int) -> None:
        self.killed.append(trial)
        self.work = None

    def wait(self, seconds: float) -> list[Message]:
        self.on_wait()
        if self.work is None:
            self.clock.now += seconds
            return []
        work = self.work
        self.clock.now += self.seconds
        if self.hungry == (work.trial, self.epoch) and self.shares[-1] == 1:
            self.work = None
            return [Ended(work.trial, work.attempt, Outcome.OOM, "no more")]
        if self.dies_at == (work.trial, self.epoch) and work.attempt == 1:
            self.work = None
            return [Ended(work.trial, work.attempt, Outcome.LOST, "killed")]
        if work.pause_at is not None and self.epoch >= work.pause_at and not self.stopped:
            raise AssertionError(f"trial {work.trial} waits at epoch {self.epoch}, and nobody says whether it goes on")
        if self.stopped or self.epoch >= work.epochs:
            self.work = None
            outcome = Outcome.COMPLETE if self.epoch >= work.epochs else Outcome.STOPPED
            test = {"loss": work.params["x"] + work.seed % 7} if work.test and outcome is Outcome.COMPLETE else None
            return [Ended(work.trial, work.attempt, outcome, test=test)]
        self.epoch += 1
        self.trained.append((work.trial, self.epoch))
        value = self.value(work.params["x"], self.epoch)
        if self.overfits and self.epoch > 4:  # what training wins, validation loses
            value *= 1 + 0.4 * (self.epoch - 4)
        metrics = {"train/loss": loss(work.params["x"], self.epoch) * 0.9, "val/loss": value}
        broken = math.isnan(value)
        final = broken or self.epoch == work.epochs
        seconds = math.nan if work.pause_at is None else self.seconds
        said: list[Message] = [
            Reported(work.trial, work.attempt, self.epoch, metrics, self.clock(), final, seconds, self.resumable)
        ]
        if broken:
            self.work = None
            said.append(Ended(work.trial, work.attempt, Outcome.NAN, f"val/loss is nan at epoch {self.epoch}"))
        return said

    def close(self) -> None:
        self.work = None


class Crew:
    """An executor of several Puppets; each wait() brings a message of one of those that train."""

    def __init__(self, clock: Clock, workers: int, drawn: random.Random) -> None:
        self.puppets = [Puppet(clock) for _ in range(workers)]
        self.clock, self.drawn = clock, drawn
        self.pending: Set[int] = frozenset()

    @property
    def slots(self) -> int:
        return len(self.puppets)

    @property
    def trained(self) -> list[tuple[int, int]]:
        return [one for puppet in self.puppets for one in puppet.trained]

    def share_among(self, sharing: Sharing) -> None:
        """Nobody else has these workers."""

    def launch(self, pack: Pack) -> None:
        (work,) = pack.assignments
        assert all(one.work is None or one.work.trial != work.trial for one in self.puppets), "it is trained already"
        next(puppet for puppet in self.puppets if puppet.work is None).launch(pack)

    def go_on(self, trial: int, until: int | None) -> None:
        self._with(trial).go_on(trial, until)

    def stop(self, trial: int) -> None:
        self._with(trial).stop(trial)

    def kill(self, trial: int) -> None:
        self._with(trial).kill(trial)

    def _with(self, trial: int) -> Puppet:
        return next(puppet for puppet in self.puppets if puppet.work is not None and puppet.work.trial == trial)

    def wait(self, seconds: float) -> list[Message]:
        busy = [puppet for puppet in self.puppets if puppet.work is not None]
        return self.drawn.choice(busy or self.puppets).wait(seconds)

    def close(self) -> None:
        for puppet in self.puppets:
            puppet.close()


class NoTracker:
    """A tracker that has nothing to tell anybody."""

    def __init__(self) -> None:
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1

    def behind(self) -> int:
        return 0

    def trouble(self) -> str | None:
        return None

    def close(self, seconds: float, on_wait: Callable[[int], None] = lambda _: None) -> bool:
        return True


class Bench:
    """A study in a store, which may be there already, and as many runs of it as a test wants."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        limits: Limits | None = None,
        pruning: Prunes = Prunes(),
        spec: Mapping[str, Any] | None = None,
    ) -> None:
        self.pruning = pruning
        self.new_sampler: Callable[[], Sampler | Allocator] = self._bayesian
        self.store = open_store(f"sqlite:///{folder / 'goodfit.db'}")
        self.plan, self.limits = plan, limits or Limits()
        try:
            self.study = self.store.study("s")
        except UnknownStudy:
            self.study = self.store.add_study(Study("s", dict(spec or {}), "f", 0.0))
        self.clock = Clock()
        self.seen: list[Progress] = []

    def runner(self, executor: Puppet, store: Any = None, tracker: NoTracker | None = None, **more: Any) -> Runner:
        lease = self.store.acquire(self.study.id, "host:1:1", self.clock(), 1e9, lambda _: True)
        return Runner(
            store=store or self.store,
            lease=lease,
            study=self.store.study("s"),
            plan=self.plan,
            limits=self.limits,
            sampler=self.new_sampler(),
            executor=executor,
            tracker=tracker or NoTracker(),
            assign=self._assign,
            clock=self.clock,
            **{"watch": self.seen.append, **more},
        )

    def _bayesian(self) -> OptunaSampler:
        return self.bayesian(Objective("val/loss", "minimize"))

    def bayesian(self, objective: Objective) -> OptunaSampler:
        """The sampler of its study, for an objective."""
        return OptunaSampler(
            name="s",
            space=SPACE,
            method="bayesian",
            seed=7,
            try_defaults=False,
            defaults={},
            pruning=self.pruning,
            objective=objective,
            epochs=self.plan.epochs,
        )

    def reopen(self, plan: Plan | None = None, trials: Sequence[Trial] = ()) -> None:
        """Put the study at rest back into the queue, with another plan and these trials to train again."""
        self.plan = plan or self.plan
        lease = self.store.acquire(self.study.id, "host:2:2", self.clock(), 1e9, lambda _: True)
        changed = self.store.study("s").to(StudyState.QUEUED, message=None, ended=None)
        self.store.reopen(lease, changed, trials)
        self.store.release(lease)

    def _assign(self, trial: Trial) -> Assignment:
        return Assignment(
            "s", trial.number, trial.attempts, "t", trial.params, None, trial.seed, self.plan.epochs, "val/loss",
            "minimize", Path("unused"), reported=trial.epochs, test=trial.confirms is not None, pause_at=trial.until,
        )  # fmt: skip

    def trials(self) -> list[Trial]:
        return self.store.trials(self.study.id)

    def outcome(self) -> list[tuple[Any, ...]]:
        """What must be the same however often the study was killed."""
        curves: dict[int, list[tuple[int, float]]] = {}
        for report in self.store.reports(self.study.id):
            curves.setdefault(report.trial, []).append((report.epoch, report.metrics["val/loss"]))
        return [
            (
                trial.number,
                dict(trial.params),
                trial.label,
                trial.value,
                trial.verdict,
                curves.get(trial.number),
                (trial.confirms, trial.seed, trial.test),
            )
            for trial in self.trials()
        ]


PLAN = Plan(Objective("val/loss", "minimize"), epochs=6, trials=8, prune=True, seed=7)
CONFIRMED = replace(PLAN, trials=4, confirm=(2, 2))
