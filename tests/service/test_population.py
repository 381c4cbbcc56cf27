"""A population: who takes over whose model, and a study that comes to the same however often it is killed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from goodfit.search_spaces.parameters import Choice, Float, Int
from goodfit.search_spaces.space import Space
from goodfit.service.objective import Objective
from goodfit.service.population import Compared, Comparison, Rules, comparisons
from goodfit.service.records import StudyState, Trial, TrialState
from goodfit.service.runner import Limits, Runner
from tests.killing import Killed, Mortal
from tests.running import Bench, Crew, Puppet
from tests.searching import population_bench

LOSS = Objective("val/loss", "minimize")
RATE = Float("rate", 1e-4, 1.0, log=True)
SPACE = Space((RATE, Float("drop", 0.0, 0.6, step=0.2), Int("batch", 8, 512), Choice("schedule", ("flat", "cosine"))))
PARAMS = {"rate": 0.01, "drop": 0.2, "batch": 64, "schedule": "flat"}
SMALL: dict[str, Any] = {"training": {"epochs": 7}}
CONFIRMED: dict[str, Any] = {**SMALL, "confirm": {"top": 1, "seeds": 2}}


def rules(changing: tuple[str, ...] = ("rate", "drop", "batch", "schedule"), method: str = "pbt", **more: Any) -> Rules:
    return Rules(SPACE, more.get("objective", LOSS), changing, method, 2, more.get("seed", 3))


def compared(epoch: int, values: list[float], params: Mapping[str, Any] = PARAMS) -> Comparison:
    return Comparison(epoch, tuple(Compared(trial, value, params) for trial, value in enumerate(values)))


def test_the_worst_quarter_goes_on_with_models_of_the_best_quarter() -> None:
    worst_last = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    found = rules().exploits([], compared(2, worst_last))
    assert {one.trial for one in found} == {6, 7}
    assert {one.donor for one in found} <= {0, 1}
    other_way = rules(objective=Objective("val/accuracy", "maximize")).exploits([], compared(2, worst_last))
    assert {one.trial for one in other_way} == {0, 1}


def test_what_is_changed_stays_in_the_space_and_the_rest_is_the_donors() -> None:
    changed = set()
    for seed in range(40):
        for one in rules(("rate", "drop", "batch"), seed=seed).exploits([], compared(2, [0.1, 0.2, 0.3, 0.4])):
            assert SPACE.check(one.params) == []
            assert one.params["schedule"] == "flat"
            changed |= {name for name in PARAMS if one.params[name] != PARAMS[name]}
    assert changed == {"rate", "drop", "batch"}
    ends = {"rate": 1.0, "drop": 0.6, "batch": 512, "schedule": "cosine"}
    for seed in range(20):
        for one in rules(seed=seed).exploits([], compared(2, [0.1, 0.2], ends)):
            assert SPACE.check(one.params) == []


def test_a_parameter_that_a_member_has_not_is_not_given_to_it() -> None:
    space = Space((Choice("optimizer", ("sgd", "adam")), RATE, Float("momentum", 0.5, 0.9, when={"optimizer": "sgd"})))
    found = Rules(space, LOSS, ("rate", "momentum"), "pbt", 2, 1).exploits(
        [], compared(2, [0.1, 0.9], {"optimizer": "adam", "rate": 0.1})
    )
    assert [sorted(one.params) for one in found] == [["optimizer", "rate"]]


def test_a_decision_depends_on_the_seed_the_epoch_and_the_values_alone() -> None:
    now = compared(4, [0.3, 0.1, 0.4, 0.2])
    state = random.getstate()
    first = rules().exploits([], now)
    assert random.getstate() == state
    random.random()
    assert rules().exploits([compared(2, [1.0, 2.0, 3.0, 4.0])], now) == first
    assert rules(seed=4).exploits([], now) != first


@pytest.mark.parametrize("values", [[0.5], [], [math.nan, 0.1]])
def test_a_population_in_which_one_at_most_can_be_ranked_changes_nothing(values: list[float]) -> None:
    assert rules().exploits([], compared(2, values)) == ()


def test_pb2_learns_from_what_was_compared_before() -> None:
    numbers = rules(("rate", "batch"), "pb2")
    before: list[Comparison] = []
    for epoch in (2, 4):
        members = tuple(
            Compared(trial, abs(trial - 1) / epoch, {**PARAMS, "rate": 10.0 ** -(trial + 0.5)}) for trial in range(4)
        )
        now = Comparison(epoch, members)
        exploits = numbers.exploits(before, now)
        assert all(SPACE.check(one.params) == [] for one in exploits)
        before.append(Comparison(epoch, members, exploits))
    assert before[-1].exploits == rules(("rate", "batch"), "pb2").exploits(before[:-1], now)
    assert {one.trial for one in before[-1].exploits} == {3}


# A study.


def run(bench: Bench, executor: Any = None, store: Any = None) -> Any:
    executor = executor or Puppet(bench.clock)
    bench.runner(executor, store).run()
    return executor


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A study that ran without a break."""
    bench = population_bench(tmp_path_factory.mktemp("whole"), **SMALL)
    run(bench)
    return bench


def went_through(bench: Bench) -> list[tuple[Any, ...]]:
    """What must be the same however often the study was killed, and however many workers it had."""
    return [(*one, trial.schedule) for one, trial in zip(bench.outcome(), bench.trials(), strict=True)]


def happened(bench: Bench) -> list[Comparison]:
    return comparisons(bench.trials(), bench.store.decisions(bench.study.id))


def test_every_member_is_trained_to_its_end_and_the_worst_have_taken_over_better_models(whole: Bench) -> None:
    assert whole.store.study("s").state is StudyState.DONE
    assert [trial.label for trial in whole.trials()] == ["COMPLETE"] * 5
    assert [one.epoch for one in happened(whole)] == [2, 4, 6]
    for comparison in happened(whole):
        values = {one.trial: one.value for one in comparison.members}
        for one in comparison.exploits:
            assert values[one.donor] == min(values.values()) or values[one.donor] < values[one.trial]
    for trial in whole.trials():
        curve = whole.store.reports(whole.study.id, trial.number)
        assert [report.epoch for report in curve] == list(range(1, 8))
        assert trial.value == min(report.metrics["val/loss"] for report in curve)


def test_a_member_has_the_curve_the_seed_and_the_history_of_the_model_that_it_took_over(whole: Bench) -> None:
    trials = whole.trials()
    taken = [trial for trial in trials if trial.schedule is not None]
    assert taken
    assert len({trial.seed for trial in trials}) < len(trials)
    for trial in taken:
        first, *_, last = trial.stretches
        assert (first.epoch, last.trial, last.params) == (1, trial.number, trial.params)
        assert trial.origin is not None
        curve = {one.epoch: one.metrics["val/loss"] for one in whole.store.reports(whole.study.id, trial.number)}
        for stretch, after in zip(trial.stretches, [*trial.stretches[1:], None], strict=True):
            end = 7 if after is None else after.epoch - 1
            for epoch in range(stretch.epoch, end + 1):
                assert curve[epoch] == Puppet(whole.clock).value(stretch.params["x"], epoch)


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_any_number_of_workers_gives_the_same_study(tmp_path: Path, whole: Bench, workers: int) -> None:
    bench = population_bench(tmp_path, **SMALL)
    run(bench, Crew(bench.clock, workers, random.Random(workers)))
    assert went_through(bench) == went_through(whole)
    assert happened(bench) == happened(whole)


@pytest.mark.parametrize(
    ("values", "write", "after", "workers"),
    [(SMALL, 2, True, 1), (SMALL, 3, False, 3), (CONFIRMED, 3, False, 1)],
    ids=["one worker", "three workers", "confirmation"],
)
def test_a_population_that_is_killed_at_each_of_its_writes_ends_as_if_it_had_not_been(
    tmp_path: Path, values: Mapping[str, Any], write: int, after: bool, workers: int
) -> None:
    """Each runner gets so far, and the next one goes on; no epoch that was kept is trained once more."""
    expected = population_bench(tmp_path / "whole", **values)
    run(expected)
    bench = population_bench(tmp_path / "killed", **values)
    for deaths in range(200):
        kept = {(report.trial, report.epoch) for report in bench.store.reports(bench.study.id)}
        crew = Crew(bench.clock, workers, random.Random(deaths))
        try:
            run(bench, crew, Mortal(bench.store, write, after=after))
            break
        except Killed:
            assert not kept & set(crew.trained)
            if bench.store.study("s").state is StudyState.DONE:
                break
    assert deaths > 5
    assert went_through(bench) == went_through(expected)
    assert happened(bench) == happened(expected)


def test_a_population_that_is_interrupted_goes_on_where_it_was(tmp_path: Path, whole: Bench) -> None:
    for messages in range(3, 40, 9):
        bench = population_bench(tmp_path / f"{messages}", **SMALL)
        puppet, left = Puppet(bench.clock), iter(range(messages))
        runner = bench.runner(puppet)

        def interrupt(left: Any = left, runner: Runner = runner) -> None:
            if next(left, None) is None:
                runner.interrupt()

        puppet.on_wait = interrupt
        if runner.run().state is StudyState.INTERRUPTED:
            run(bench)
        assert went_through(bench) == went_through(whole)


def test_the_winner_is_confirmed_with_all_that_its_model_went_through(tmp_path: Path) -> None:
    bench = population_bench(tmp_path, **CONFIRMED)
    run(bench)
    winner = min(bench.trials()[:5], key=lambda trial: trial.value or math.inf)
    confirmations = bench.trials()[5:]
    assert [(one.confirms, one.schedule, one.label) for one in confirmations] == [
        (winner.number, winner.schedule, "COMPLETE")
    ] * 2
    assert len({one.seed for one in (winner, *confirmations)}) == 3


def test_a_time_that_is_spent_ends_the_members_where_they_are_and_the_best_of_them_counts(tmp_path: Path) -> None:
    bench = population_bench(tmp_path, **SMALL)
    bench.limits = Limits(study=25.0)
    run(bench)
    assert bench.store.study("s").state is StudyState.DONE
    trials = bench.trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert all(0 < trial.epochs < 7 for trial in trials)
    assert {trial.message for trial in trials} >= {"the time of the study was spent after 4 of 7 epochs"}


def nan_late(x: float, epoch: int) -> float:
    return math.nan if x > 0.6 and epoch > 2 else x / epoch


def nan_at_once(x: float, epoch: int) -> float:
    return math.nan


@pytest.mark.parametrize(("value", "labels"), [(nan_late, {"COMPLETE", "FAILED(nan)"}), (nan_at_once, {"FAILED(nan)"})])
def test_members_that_fail_are_compared_no_more_and_the_others_go_on(
    tmp_path: Path, value: Callable[[float, int], float], labels: set[str]
) -> None:
    bench = population_bench(tmp_path, **SMALL)
    run(bench, Puppet(bench.clock, value=value))
    assert {trial.label for trial in bench.trials()} == labels
    assert len(bench.trials()) == 5


def test_a_member_whose_worker_dies_goes_on_in_another_attempt(tmp_path: Path, whole: Bench) -> None:
    bench = population_bench(tmp_path, **SMALL)
    run(bench, Puppet(bench.clock, dies_at=(2, 1)))
    assert went_through(bench) == went_through(whole)
    assert bench.trials()[2].attempts == 2


def test_a_space_with_fewer_configurations_than_members_gives_some_the_same(tmp_path: Path) -> None:
    few = [{"name": "x", "type": "float", "low": 0.0, "high": 0.5, "step": 0.5}]
    bench = population_bench(tmp_path, space=few, **SMALL)
    run(bench)
    assert [trial.state for trial in bench.trials()] == [TrialState.COMPLETE] * 5


def test_a_trial_that_took_over_a_model_tells_so_to_the_mirror() -> None:
    donor = Trial(0, {"x": 0.1}, 5, epochs=4, value=0.2, best_epoch=3, last_value=0.3)
    taken = Trial(1, {"x": 0.9}, 6, epochs=4, value=0.7).taking_over(donor, {"x": 0.2})
    assert (taken.seed, taken.value, taken.best_epoch, taken.params, taken.origin) == (5, 0.2, 3, {"x": 0.2}, "0 at 4")
    assert taken.mark == "QUEUED//0 at 4"
    assert [(one.epoch, one.trial) for one in taken.stretches] == [(1, 0), (5, 1)]
