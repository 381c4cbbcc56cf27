"""The scheduler's other half, for tests: it answers what the scheduler asks, and keeps what it does."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from goodfit.service import scheduler as sc
from goodfit.service.objective import Objective
from goodfit.service.ports import Proposal
from goodfit.service.records import Trial
from goodfit.trainers.messages import Ended, Outcome, Reported

PLAN = sc.Plan(Objective("val/loss", "minimize"), epochs=4, trials=3)
PAUSING = replace(PLAN, epochs=8, pauses=True)


class Desk:
    """Answers what the scheduler asks, and keeps what it does."""

    def __init__(
        self, plan: sc.Plan = PLAN, trials: tuple[Trial, ...] = (), slots: int = 1, points: int = 10**6
    ) -> None:
        self.scheduler = sc.Scheduler(plan, trials)
        self.points = points
        self.log: list[sc.Action] = []
        self.launched: list[tuple[int, int]] = []
        self.loads: list[tuple[float, int]] = []  # at each launch: the slots taken then, and how many there were
        self.seen: list[tuple[int, int]] = []
        self.now = 100.0
        self.note(self.scheduler.start(self.now))
        self.tell(sc.Slots(slots))
        self.turn()

    def note(self, actions: list[sc.Action]) -> list[sc.Event]:
        answers: list[sc.Event] = []
        for action in actions:
            self.log.append(action)
            match action:
                case sc.Ask(after=after):
                    answers.append(sc.Proposed(self.decide(action), after))
                case sc.Launch(trial):
                    self.launched.append((trial.number, trial.attempts))
        return answers

    def decide(self, ask: sc.Ask) -> Proposal | None:
        """What the allocator answers."""
        return Proposal(ask.number, {"x": ask.number}) if ask.number < self.points else None

    def tell(self, *events: sc.Event) -> None:
        todo = deque(events)
        while todo:
            todo.extend(self.note(self.scheduler.step(todo.popleft(), self.now)))

    def turn(self) -> None:
        while answers := self.note(self.scheduler.step(sc.Turn(), self.now)):
            self.tell(*answers)
        if self.launched and self.launched[-1:] != self.seen[-1:]:
            self.loads.append((sum(trial.share for trial in self.scheduler.running), self.scheduler.slots))
            self.seen = list(self.launched)

    def report(self, trial: int, epoch: int, loss: float, attempt: int = 1, *, final: bool = False) -> None:
        self.tell(Reported(trial, attempt, epoch, {"val/loss": loss}, self.now, final))

    def end(
        self, trial: int, outcome: Outcome = Outcome.COMPLETE, attempt: int = 1, message: str | None = None
    ) -> None:
        self.tell(Ended(trial, attempt, outcome, message))
        self.turn()

    def told_to_stop(self, trial: int) -> bool:
        """Whether this trial's latest attempt was; what an earlier one was told died with its worker."""
        words = [action for action in self.log if isinstance(action, sc.Launch | sc.Stop)]
        latest = max(n for n, word in enumerate(words) if isinstance(word, sc.Launch) and word.trial.number == trial)
        return sc.Stop(trial) in words[latest:]

    def did(self, kind: type) -> list[sc.Action]:
        return [action for action in self.log if isinstance(action, kind)]

    @property
    def close(self) -> sc.Close | None:
        closes = self.did(sc.Close)
        return closes[-1] if closes else None  # type: ignore[return-value]

    def trial(self, number: int) -> Trial:
        return self.scheduler.trials[number]


class PausingDesk(Desk):
    """Answers like an allocator that has each new trial wait after its second epoch, unless `answers` say otherwise."""

    def __init__(self, plan: sc.Plan = PAUSING, trials: tuple[Trial, ...] = (), slots: int = 1) -> None:
        self.answers: deque[Proposal | None] = deque()
        super().__init__(plan, trials, slots)

    def decide(self, ask: sc.Ask) -> Proposal | None:
        if self.answers:
            return self.answers.popleft()
        return Proposal(ask.number, {"x": ask.number}, until=2) if ask.new else None

    def reach(self, trial: int, *, attempt: int | None = None, resumable: bool = True) -> None:
        """Train a trial to its target, and start what follows from that."""
        found = self.trial(trial)
        for epoch in range(found.epochs + 1, (found.until or self.scheduler.plan.epochs) + 1):
            word = Reported(trial, attempt or found.attempts, epoch, {"val/loss": 1 / epoch}, self.now, False, 1.0)
            self.tell(replace(word, resumable=resumable))
        self.turn()

    def let_go(self, trial: int, outcome: Outcome = Outcome.STOPPED) -> None:
        """The worker of a trial that is being paused ends it."""
        self.end(trial, outcome, self.trial(trial).attempts)

    def pause(self, trial: int) -> None:
        """Have a trial that runs reach its target, and pause there."""
        self.reach(trial)
        self.let_go(trial)

    def finish(self, trial: int) -> None:
        """Train a trial to its end."""
        found, epochs = self.trial(trial), self.scheduler.plan.epochs
        for epoch in range(found.epochs + 1, epochs + 1):
            self.report(trial, epoch, 1 / epoch, found.attempts, final=epoch == epochs)
        self.end(trial, attempt=found.attempts)

    @property
    def states(self) -> list[str]:
        return [trial.label for _, trial in sorted(self.scheduler.trials.items())]
