"""Whatever workers and the allocator do: no trial is trained twice at once, none is lost, and the study ends."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from goodfit.service import scheduler as sc
from goodfit.service.objective import Objective
from goodfit.service.ports import Proposal
from goodfit.service.records import FINISHED, StudyState, Trial, TrialState, Verdict
from goodfit.trainers.messages import Ended, Outcome, Reported

EPOCHS = 6
DEATHS = [
    Outcome.LOST,
    Outcome.PREEMPTED,
    Outcome.AWAY,
    Outcome.OOM,
    Outcome.ERROR,
    Outcome.NAN,
    Outcome.NO_DISK,
    Outcome.UNUSABLE,
    Outcome.PRUNED,
]
PICKS = st.integers(0, 30)


@dataclass
class Worker:
    """A worker that trains a trial as the scheduler says."""

    attempt: int
    epoch: int
    pause_at: int | None
    resumable: bool
    stopped: bool = False

    @property
    def waits(self) -> bool:
        return self.pause_at is not None and self.epoch >= self.pause_at and not self.stopped


class Study(RuleBasedStateMachine):
    """A scheduler, its workers, what the store has, and an allocator that decides anything that it may."""

    @initialize(slots=st.integers(1, 3), budget=st.integers(1, 6), confirm=st.booleans(), examines=st.booleans())
    def begin(self, slots: int, budget: int, confirm: bool, examines: bool) -> None:
        self.plan = sc.Plan(
            Objective("val/loss", "minimize"), EPOCHS, trials=budget, pauses=True, stop_on_overfit=examines,
            confirm=(1, 2) if confirm else None, failures=3,
        )  # fmt: skip
        self.slots, self.now = slots, 0.0
        self.stored: dict[int, Trial] = {}
        self.targets: dict[int, int | None] = {}  # trial -> as it was decided last
        self.picks: deque[int] = deque()
        self.restart()

    def restart(self, picks: list[int] | None = None) -> None:
        """Another runner takes over from what the store has; of the one before nothing is left."""
        self.picks = deque(picks or [])
        self.workers: dict[int, Worker] = {}
        self.closed: sc.Close | None = None
        self.settled = {number for number, trial in self.stored.items() if trial.state in FINISHED}
        searched = {number: one for number, one in self.stored.items() if one.confirms is None}
        self.waiting = {
            number
            for number, one in searched.items()
            if one.state not in FINISHED and one.at_target and self.targets[number] == one.until
        }
        self.scheduler = sc.Scheduler(self.plan, self.stored.values())
        self.perform(self.scheduler.start(self.now))
        self.tell(sc.Slots(self.slots))
        self.turn()

    # What a runner does.

    def tell(self, *events: sc.Event) -> None:
        todo = deque(events)
        while todo:
            todo.extend(self.perform(self.scheduler.step(todo.popleft(), self.now)))

    def turn(self) -> None:
        while answers := self.perform(self.scheduler.step(sc.Turn(), self.now)):
            self.tell(*answers)
        self.stored = dict(self.scheduler.trials)

    def perform(self, actions: list[sc.Action]) -> list[sc.Event]:
        answers: list[sc.Event] = []
        for action in actions:
            match action:
                case sc.Ask():
                    answers.append(sc.Proposed(self.decide(action), action.after))
                case sc.Examine(trial, epoch):
                    overfits = self.pick(6) == 5
                    answers.append(sc.Examined(trial, epoch, Verdict.OVERFIT if overfits else Verdict.GOOD_FIT))
                case sc.Reach(trial):
                    self.waiting.add(trial)
                case sc.Settle(trial):
                    assert trial.number not in self.settled, "a trial ends once"
                    self.settled.add(trial.number)
                    self.waiting.discard(trial.number)
                case sc.Close():
                    assert self.closed is None
                    self.closed = action
                case _:
                    self.send(action)
        return answers

    def send(self, action: sc.Action) -> None:
        """What goes to the workers."""
        match action:
            case sc.Launch(trial):
                self.launch(trial)
            case sc.GoOn(number, until):
                self.workers[number].pause_at = until
            case sc.Stop(number):
                self.workers[number].stopped = True
            case sc.Kill(number):
                del self.workers[number]

    def launch(self, trial: Trial) -> None:
        assert trial.number not in self.workers, "a trial is trained by one worker at a time"
        assert not trial.at_target, "it would wait for a decision that nobody takes"
        kept = 0 if self.pick(5) == 4 else trial.epochs  # its checkpoint may be gone
        self.workers[trial.number] = Worker(trial.attempts, kept, trial.until, resumable=trial.number % 4 != 3)

    def pick(self, count: int) -> int:
        return self.picks.popleft() % count if self.picks else 0

    def decide(self, ask: sc.Ask) -> Proposal | None:
        """Anything that an allocator may answer."""
        choices: list[Proposal | None] = []
        if ask.stays and ask.after is not None:
            choices = [Proposal(ask.after, until=until) for until in self.later(ask.after)]
            choices.append(Proposal(ask.after, prune=True))
        else:
            if ask.new:
                choices += [Proposal(ask.number, {"x": 0}, until=until) for until in (1, 3, None)]
            choices += [Proposal(one, until=until) for one in sorted(self.waiting) for until in self.later(one)]
            choices.append(None)
        found = choices[self.pick(len(choices))]
        if found is not None:
            self.waiting.discard(found.trial)
            if not found.prune:
                self.targets[found.trial] = found.until
        return found

    def later(self, number: int) -> list[int | None]:
        epochs = self.scheduler.trials[number].epochs
        return [*(until for until in (epochs + 1, epochs + 2) if until < EPOCHS), None]

    # What happens.

    def _worker(self, which: int) -> tuple[int, Worker]:
        number = sorted(self.workers)[which % len(self.workers)]
        return number, self.workers[number]

    @precondition(lambda self: self.workers)
    @rule(which=PICKS, picks=st.lists(PICKS, max_size=4), early=st.integers(0, 9))
    def work(self, which: int, picks: list[int], early: int) -> None:
        """A worker does what it would do next."""
        self.picks = deque(picks)
        number, worker = self._worker(which)
        if worker.stopped or worker.epoch >= EPOCHS:
            del self.workers[number]
            done = worker.epoch >= EPOCHS
            self.tell(Ended(number, worker.attempt, Outcome.COMPLETE if done else Outcome.STOPPED))
        else:
            worker.epoch += 1
            if early == 9:  # out of patience
                worker.epoch, worker.pause_at = worker.epoch, None
            final = worker.epoch == EPOCHS or early == 9
            loss = {"val/loss": 1.0 / worker.epoch}
            self.tell(Reported(number, worker.attempt, worker.epoch, loss, self.now, final, 1.0, worker.resumable))
            if final:
                worker.epoch = EPOCHS
        self.turn()

    @precondition(lambda self: self.workers)
    @rule(which=PICKS, outcome=st.sampled_from(DEATHS), picks=st.lists(PICKS, max_size=3))
    def die(self, which: int, outcome: Outcome, picks: list[int]) -> None:
        self.picks = deque(picks)
        number, worker = self._worker(which)
        del self.workers[number]
        self.tell(Ended(number, worker.attempt, outcome, "no"))
        self.turn()

    @precondition(lambda self: self.workers)
    @rule(which=PICKS)
    def overtime(self, which: int) -> None:
        self.tell(sc.Overtime(self._worker(which)[0]))
        self.turn()

    @precondition(lambda self: any(worker.stopped for worker in self.workers.values()))
    @rule(which=PICKS)
    def unresponsive(self, which: int) -> None:
        stopped = sorted(number for number, worker in self.workers.items() if worker.stopped)
        self.tell(sc.Unresponsive(stopped[which % len(stopped)]))
        self.turn()

    @rule(slots=st.integers(0, 4))
    def room(self, slots: int) -> None:
        self.slots = slots
        self.tell(sc.Slots(slots))
        self.turn()

    @rule(reason=st.sampled_from([sc.Reason.INTERRUPT, sc.Reason.STOP, sc.Reason.TIME]))
    def close(self, reason: sc.Reason) -> None:
        self.tell(sc.CloseAsked(reason))
        self.turn()

    @rule(picks=st.lists(PICKS, max_size=4))
    def kill(self, picks: list[int]) -> None:
        """The runner's process is gone; if the study was not done, another goes on with it."""
        if self.closed is None or self.closed.state in (StudyState.INTERRUPTED, StudyState.STOPPED):
            self.restart(picks)

    # What must hold.

    @invariant()
    def nobody_waits_for_a_word_that_does_not_come(self) -> None:
        assert not any(worker.waits for worker in self.workers.values())

    @invariant()
    def the_workers_are_those_that_the_scheduler_knows(self) -> None:
        assert {trial.number for trial in self.scheduler.running} == set(self.workers)

    @invariant()
    def what_was_decided_is_what_the_store_has(self) -> None:
        for number, until in self.targets.items():
            assert self.stored[number].until in (until, None)

    @invariant()
    def the_budget_holds(self) -> None:
        searched = [trial for trial in self.scheduler.trials.values() if trial.confirms is None]
        assert len(searched) <= (self.plan.trials or 0)
        assert list(self.scheduler.trials) == list(range(len(self.scheduler.trials)))

    def teardown(self) -> None:
        """With nothing more in its way the study comes to its end."""
        if not hasattr(self, "plan"):
            return
        self.slots = 2
        if self.closed is not None and self.closed.state in (StudyState.INTERRUPTED, StudyState.STOPPED):
            self.restart()
        self.room(2)
        for _ in range(1000):
            if self.closed is not None:
                break
            assert self.workers, "nothing is trained, and the study is not over"
            self.work(0, [], 0)
            self.nobody_waits_for_a_word_that_does_not_come()
        assert self.closed is not None
        if self.closed.state in (StudyState.INTERRUPTED, StudyState.STOPPED):
            kept = {TrialState.QUEUED, TrialState.PAUSED, *FINISHED}
            assert {trial.state for trial in self.scheduler.trials.values()} <= kept
        elif self.closed.state is StudyState.DONE:
            assert {trial.state for trial in self.scheduler.trials.values()} <= FINISHED


TestStudy = Study.TestCase
TestStudy.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
