"""Whatever workers say, in any order: no budget is passed, and no trial ends twice."""

from __future__ import annotations

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from goodfit.service import scheduler as sc
from goodfit.service.objective import Objective
from goodfit.service.records import Trial
from goodfit.trainers.messages import Outcome
from tests.scheduling import Desk

OUTCOMES = st.sampled_from(
    ["report", "complete", "stopped", "lost", "preempted", "oom", "error", "nan", "turn", "prune", "overtime", "slots"]
)


@settings(max_examples=300, deadline=None)
@example(slots=1, budget=1, points=1, words=[("overtime", 0), ("lost", 0)], reason=None)
@given(
    slots=st.integers(1, 4),
    budget=st.integers(1, 8),
    points=st.integers(1, 12),
    words=st.lists(st.tuples(OUTCOMES, st.integers(0, 7)), max_size=80),
    reason=st.sampled_from([None, *sc.Reason]),
)
def test_whatever_workers_say_no_budget_is_passed_and_no_trial_ends_twice(slots, budget, points, words, reason):
    plan = sc.Plan(Objective("val/loss", "minimize"), 3, trials=budget, prune=True)
    desk = Desk(plan, slots=slots, points=points)
    for word, pick in words:
        running = desk.scheduler.running
        if word == "slots":
            desk.tell(sc.Slots(pick % 5))
            desk.turn()
        elif running:
            _say(desk, word, running[pick % len(running)])
    desk.tell(sc.Slots(slots))
    if reason is not None:
        desk.tell(sc.CloseAsked(reason))
    desk.turn()
    for _ in range(200):
        if desk.close:
            break
        desk.turn()
        for trial in desk.scheduler.running:
            outcome = Outcome.STOPPED if desk.told_to_stop(trial.number) else Outcome.COMPLETE
            desk.end(trial.number, outcome, trial.attempts)
    assert desk.close is not None
    assert len(desk.did(sc.Close)) == 1
    settled = [settle.trial.number for settle in desk.did(sc.Settle)]
    assert len(settled) == len(set(settled))
    assert len(desk.scheduler.trials) <= min(budget, points)
    assert not desk.scheduler.running
    if reason is None:
        assert sorted(settled) == list(range(min(budget, points)))
    for load, there in desk.loads:
        assert load <= max(there, sc.MORE)
    assert all(trial.share in (1.0, sc.MORE) for trial in desk.scheduler.trials.values())
    starts = list(itertools.chain(desk.launched))
    assert len(starts) == len(set(starts)), "each attempt is launched once"


def _say(desk: Desk, word: str, trial: Trial) -> None:
    number, attempt = trial.number, trial.attempts
    match word:
        case "report" if trial.epochs < 3:
            desk.report(number, trial.epochs + 1, 1.0 / (trial.epochs + 1), attempt)
        case "prune" if trial.epochs:
            desk.tell(sc.Judged(number, trial.epochs, True))
        case "overtime":
            desk.tell(sc.Overtime(number))
        case "turn":
            desk.turn()
        case "complete" | "stopped" | "lost" | "preempted" | "oom" | "error" | "nan":
            desk.end(number, Outcome(word), attempt)
