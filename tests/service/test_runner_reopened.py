"""Studies that go on after their end: more trials, a confirmation made again, failed trials trained again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service import scheduler as sc
from goodfit.service.records import FINISHED, Failure, StudyState, Trial, TrialState
from goodfit.service.runner import Limits
from goodfit.service.scheduler import again
from goodfit.trainers.messages import Assignment, Ended, Message, Outcome
from tests.running import CONFIRMED, PLAN, Bench, Prunes, Puppet
from tests.scheduling import Desk

LONGER = replace(CONFIRMED, trials=7)


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[..., Bench]:
    made: list[Bench] = []

    def make(*arguments: Any) -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bench(folder, *arguments))
        return made[-1]

    return make


def ran(bench: Bench) -> Bench:
    bench.runner(Puppet(bench.clock)).run()
    return bench


def search_of(bench: Bench) -> list[tuple[Any, ...]]:
    """What the search came to, whatever numbers its trials have."""
    return [row[1:6] for row in bench.outcome() if row[6][0] is None]


@pytest.mark.parametrize("method", ["median", "asha", "hyperband"])
def test_more_trials_are_those_that_the_study_would_have_had_from_the_start(
    fresh: Callable[..., Bench], method: str
) -> None:
    pruning = Prunes(method, {} if method != "median" else Prunes().options)
    whole = ran(fresh(replace(PLAN, trials=12), None, pruning))
    bench = ran(fresh(replace(PLAN, trials=5), None, pruning))
    bench.reopen(replace(PLAN, trials=12))
    assert ran(bench).outcome() == whole.outcome()


def test_a_search_goes_on_after_its_confirmation_as_if_there_had_been_none(fresh: Callable[..., Bench]) -> None:
    whole = ran(fresh(LONGER))
    bench = ran(fresh(CONFIRMED))
    bench.reopen(LONGER)
    ran(bench)
    assert search_of(bench) == search_of(whole)
    assert [trial.number for trial in bench.trials() if trial.confirms is None] == [0, 1, 2, 3, 8, 9, 10]
    assert [trial.number for trial in bench.trials()] == list(range(len(bench.trials())))
    assert bench.store.study("s").state is StudyState.DONE


def test_the_confirmation_is_made_again_for_those_that_it_lacks_and_the_record_says_so(
    fresh: Callable[..., Bench],
) -> None:
    bench = ran(fresh(CONFIRMED))
    first = bench.store.study("s")
    bench.reopen(LONGER)
    bench.clock.now += 500
    ran(bench)
    again = [(trial.confirms, trial.seed) for trial in bench.trials() if trial.confirms is not None]
    assert len(again) == len(set(again)), "no configuration is trained twice on the same seed"
    best = sorted((t.value, t.number) for t in bench.trials() if t.confirms is None and t.state is TrialState.COMPLETE)
    assert {number for _, number in best[:2]} <= {number for number, _ in again}
    study = bench.store.study("s")
    assert (study.test_opened, study.test_opened_by) == (first.test_opened, first.test_opened_by)
    assert study.test_openings == (2 if len(again) > 4 else 1)


def test_what_is_confirmed_already_is_not_confirmed_again(fresh: Callable[..., Bench]) -> None:
    bench = ran(fresh(CONFIRMED))
    before = bench.outcome()
    bench.reopen()
    ran(bench)
    assert bench.outcome() == before
    assert bench.store.study("s").test_openings == 1
    bench.reopen(replace(CONFIRMED, confirm=(2, 3)))
    ran(bench)
    assert len(bench.trials()) == len(before) + 2, "one more seed for each of the two"


def test_a_study_that_its_time_ended_goes_on_with_more_of_it(fresh: Callable[..., Bench]) -> None:
    plan = replace(PLAN, trials=6, prune=False)
    whole = ran(fresh(plan))
    bench = ran(fresh(plan, Limits(study=17.0)))
    cancelled = [trial for trial in bench.trials() if trial.state is TrialState.CANCELLED]
    assert cancelled
    bench.limits = Limits(study=1000.0)
    bench.reopen(trials=[sc.again(trial) for trial in cancelled])
    assert ran(bench).outcome() == whole.outcome()


def test_no_trial_is_begun_when_the_time_is_spent_already(fresh: Callable[..., Bench]) -> None:
    bench = ran(fresh(replace(PLAN, trials=50, prune=False), Limits(study=17.0)))
    before = bench.outcome()
    bench.reopen()
    puppet = Puppet(bench.clock)
    bench.runner(puppet).run()
    assert bench.outcome() == before
    assert puppet.launched == []


class Failing(Puppet):
    """Fails these trials at their third epoch, in this way, as long as nobody mends it."""

    def __init__(self, clock: Any, *trials: int, outcome: Outcome = Outcome.ERROR) -> None:
        super().__init__(clock)
        self.trials, self.outcome = trials, outcome

    def wait(self, seconds: float) -> list[Message]:
        work: Assignment | None = self.work
        if work is not None and work.trial in self.trials and self.epoch == 2:
            self.work = None
            return [Ended(work.trial, work.attempt, self.outcome, "no")]
        return super().wait(seconds)


@pytest.mark.parametrize(
    ("outcome", "anew"), [(Outcome.ERROR, True), (Outcome.NAN, True), (Outcome.LOST, False), (Outcome.OOM, False)]
)
def test_failed_trials_are_trained_again_under_their_numbers(
    fresh: Callable[..., Bench], outcome: Outcome, anew: bool
) -> None:
    plan = replace(PLAN, trials=4, prune=False, retries=0)
    whole = ran(fresh(plan))
    bench = fresh(plan)
    bench.runner(Failing(bench.clock, 1, 2, outcome=outcome)).run()
    failed = [trial for trial in bench.trials() if trial.state is TrialState.FAILED]
    assert [trial.number for trial in failed] == [1, 2]
    bench.reopen(trials=[sc.again(trial) for trial in failed])
    puppet = Puppet(bench.clock)
    bench.runner(puppet).run()
    assert [row[:1] + row[2:3] for row in bench.outcome()] == [(number, "COMPLETE") for number in range(4)]
    if not anew:  # what it had is not trained again
        assert {number: len(row[5]) for number, *row in [(r[0], *r) for r in bench.outcome()]} == dict.fromkeys(
            range(4), 6
        )
    assert {trial.attempts for trial in bench.trials()[1:3]} == {failed[0].attempts + 1}
    assert {trial.began for trial in bench.trials()[1:3]} == {failed[0].attempts + 1 if anew else 1}
    assert bench.outcome()[1][3] == pytest.approx(min(v for _, v in bench.outcome()[1][5]))
    assert [row[1] for row in bench.outcome()[:2]] == [row[1] for row in whole.outcome()[:2]]


def test_a_failed_confirmation_is_trained_again_as_such(fresh: Callable[..., Bench]) -> None:
    whole = ran(fresh(CONFIRMED))
    bench = fresh(CONFIRMED)
    bench.runner(Failing(bench.clock, 5)).run()
    bench.reopen(trials=[sc.again(bench.trials()[5])])
    assert ran(bench).outcome() == whole.outcome()


def test_only_what_failed_or_was_cancelled_can_be_trained_again() -> None:
    for state in FINISHED - {TrialState.FAILED, TrialState.CANCELLED}:
        with pytest.raises(Exception, match="cannot become QUEUED"):
            again(Trial(0, {}, 1, state))
    kept = again(
        Trial(0, {}, 1, TrialState.FAILED, Failure.TIMEOUT, "late", attempts=2, epochs=3, value=0.5, ended=9.0)
    )
    assert kept == Trial(0, {}, 1, attempts=2, epochs=3, value=0.5)


def test_a_confirmation_goes_on_though_the_target_was_reached() -> None:
    plan = replace(CONFIRMED, trials=9, target=1.0, confirm=(1, 2))
    done = Trial(0, {}, 1, TrialState.COMPLETE, attempts=1, value=0.5)
    left = [Trial(number, {}, number, confirms=0) for number in (1, 2)]
    desk = Desk(
        plan,
        (
            done,
            *(replace(one, seed=seed) for one, (_, seed) in zip(left, sc.confirmations_due(plan, [done]), strict=True)),
        ),
    )
    assert desk.launched == [(1, 1)]
    desk.end(1)
    desk.end(2)
    assert desk.close == sc.Close(StudyState.DONE)
    assert [trial.state for trial in desk.scheduler.trials.values()] == [TrialState.COMPLETE] * 3
