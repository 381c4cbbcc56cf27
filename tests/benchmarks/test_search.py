"""The benchmark of searches: its virtual time, and the regret that it measures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import families
from benchmarks.search import page
from benchmarks.search.__main__ import SLOW
from benchmarks.search.cluster import VirtualCluster
from benchmarks.search.measure import Results, Settings, document, tables
from benchmarks.search.methods import METHODS
from benchmarks.search.rivals import Pasha, Promotion
from benchmarks.search.study import LONG_POINTS, POINTS, Run, regrets_along, run_study
from benchmarks.search.task import WORST, Reference, Task, WholeCurve
from goodfit.search_spaces.parameters import Float
from goodfit.search_spaces.space import Space
from goodfit.service.objective import Objective
from goodfit.service.ports import Proposal
from goodfit.trainers.messages import Assignment, Ended, Message, Outcome, Pack, Reported

LOSS = Objective("val/loss", "minimize")
EPOCHS = 4


def bowl(params: Mapping[str, Any]) -> WholeCurve:
    """Best at x = 0.3; an epoch takes 10 seconds."""
    return WholeCurve([abs(params["x"] - 0.3) + 1 / epoch for epoch in range(1, EPOCHS + 1)], [10.0] * EPOCHS)


def task(curve: Any = bowl) -> Task:
    return Task("bowl", Space((Float("x", 0.0, 1.0),)), EPOCHS, LOSS, Reference(0.25, 0.5, 10.0 * EPOCHS), curve)


def assignment(trial: int, **changes: Any) -> Assignment:
    params = {"x": 0.1 * trial}
    given = Assignment("s", trial, 1, "none", params, None, 0, EPOCHS, LOSS.metric, LOSS.direction, Path("none"))
    return replace(given, **changes)


def cluster(values: Sequence[float] = (0.5, 0.4, 0.3, 0.2), **options: Any) -> VirtualCluster:
    return VirtualCluster(2, lambda _: WholeCurve(values, [10.0] * EPOCHS), epochs=EPOCHS, **options)


def told(messages: Sequence[Message]) -> list[tuple[Any, ...]]:
    return [
        (message.trial, message.epoch, message.at)
        if isinstance(message, Reported)
        else (message.trial, message.outcome)
        for message in messages
    ]


def test_epochs_of_two_workers_come_in_the_order_of_time() -> None:
    machine = VirtualCluster(
        2, lambda params: WholeCurve([0.1] * EPOCHS, [4.0 + 10 * params["x"]] * EPOCHS), epochs=EPOCHS
    )
    for trial in (0, 2):  # epochs of 4 and 6 seconds
        machine.launch(Pack((assignment(trial),)))
    came = [one for _ in range(5) for one in told(machine.wait(0.5))]
    assert came == [(0, 1, 4.0), (2, 1, 6.0), (0, 2, 8.0), (2, 2, 12.0), (0, 3, 12.0)]


def test_a_trial_ends_complete_with_its_last_epoch() -> None:
    machine = cluster()
    machine.launch(Pack((assignment(0, reported=3),)))
    assert told(machine.wait(0.5)) == [(0, 4, 10.0), (0, Outcome.COMPLETE)]


def test_a_trial_at_its_gate_waits_and_goes_on_at_no_cost() -> None:
    machine = cluster(resume_seconds=5.0)
    machine.launch(Pack((assignment(0, pause_at=1),)))
    assert told(machine.wait(0.5)) == [(0, 1, 10.0)]
    assert machine.wait(0.5) == []
    machine.now = 30.0
    machine.go_on(0, 2)
    assert told(machine.wait(0.5)) == [(0, 2, 40.0)]
    assert machine.wait(0.5) == []


def test_a_paused_trial_that_is_launched_again_pays_for_it() -> None:
    machine = cluster(resume_seconds=5.0)
    machine.launch(Pack((assignment(0, pause_at=1),)))
    machine.wait(0.5)
    machine.stop(0)
    assert told(machine.wait(0.5)) == [(0, Outcome.STOPPED)]
    machine.launch(Pack((assignment(0, reported=1),)))
    assert told(machine.wait(0.5)) == [(0, 2, 25.0)]
    assert (machine.launches, machine.resumes) == (2, 1)


def test_a_trial_that_is_stopped_after_a_report_costs_no_more() -> None:
    machine = cluster()
    machine.launch(Pack((assignment(0),)))
    machine.wait(0.5)
    machine.stop(0)
    assert told(machine.wait(0.5)) == [(0, Outcome.STOPPED)]
    assert (machine.now, machine.wait(0.5)) == (10.0, [])


def test_a_value_that_is_not_a_number_ends_its_trial() -> None:
    machine = cluster([0.5, math.nan, 0.3, 0.2])
    machine.launch(Pack((assignment(0),)))
    machine.wait(0.5)
    report, ended = machine.wait(0.5)
    assert isinstance(report, Reported)
    assert report.final
    assert ended == Ended(0, 1, Outcome.NAN)


def test_nothing_comes_after_the_end_of_time() -> None:
    machine = cluster(end=15.0)
    machine.launch(Pack((assignment(0),)))
    machine.wait(0.5)
    assert (machine.wait(0.5), machine.now) == ([], 15.0)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_regret_is_the_distance_from_the_best_in_that_of_the_median(direction: str) -> None:
    sign = 1.0 if direction == "minimize" else -1.0
    values = sign * np.array([[3.0, 1.0], [9.0, 2.0], [3.0, 8.0], [math.nan, math.nan]])
    durations = np.array([[1.0, 1.0], [2.0, 2.0], [2.0, 2.0], [3.0, 3.0]])
    reference = Reference.of(Objective("val/loss", direction), values, durations)
    assert reference == Reference(sign * 1.0, sign * 2.0, 4.0)
    found = [reference.regret(sign * value) for value in (1.0, 2.0, 1.5, 0.5, 90.0)]
    assert found == [0.0, 1.0, 0.5, -0.5, WORST]
    assert reference.regret(math.nan) == WORST


def test_the_best_value_so_far_counts_at_each_point_of_the_budget() -> None:
    history = [(5.0, 0.75), (10.0, 0.5), (11.0, math.nan), (30.0, 0.6), (41.0, 0.25)]
    assert regrets_along(task(), history, 1.0) == (WORST, 1.0, 1.0, 1.0)  # points at 5, 10, 20 and 40 seconds
    assert regrets_along(task(), history, 2.0) == (1.0, 1.0, 1.0, 0.0)


@pytest.mark.parametrize("name", sorted(set(METHODS) - set(SLOW)))
def test_every_method_spends_its_budget(name: str) -> None:
    run = run_study(task(), METHODS[name], workers=2, budget=6.0, seed=0)
    assert len(run.regrets) == len(POINTS)
    assert sorted(run.regrets, reverse=True) == list(run.regrets)
    assert run.trials >= 12
    assert (run.resumes > 0) <= METHODS[name].pauses


def test_promotion_takes_the_best_third_of_a_rung_up() -> None:
    search = Promotion(replace(task(), epochs=9), 0)
    for number, value in enumerate((0.3, 0.1, 0.2)):
        assert search.next(number, 1) == Proposal(number, search.configurations[number], until=1)
        search.report(number, 1, value)
        search.reached(number, 1, 1.0)
    assert search.next(3, 1) == Proposal(1, until=3)
    started = search.next(3, 1)
    assert started is not None
    assert (started.trial, started.until) == (3, 1)  # one in three of three has gone on


def test_the_highest_rung_of_pasha_rises_where_ranks_change() -> None:
    search = Pasha(replace(task(), epochs=9), 0)
    for number, curve in enumerate(([0.1, 0.2, 0.3], [0.2, 0.2, 0.2])):
        search.next(number, 1)
        for epoch, value in enumerate(curve, start=1):
            search.report(number, epoch, value)
        search.reached(number, 3, 1.0)
        assert search.top == 1 + number  # alone, a trial is in its place


def test_the_same_seed_gives_the_same_study() -> None:
    runs = [run_study(task(), METHODS["auto"], workers=2, budget=6.0, seed=seed) for seed in (3, 3)]
    assert runs[0] == runs[1]


def test_errors_and_differences_are_over_tasks() -> None:
    results = Results()
    for method, regrets in {"auto": (0.1, 0.3), "random": (0.2, 0.6)}.items():
        for name, regret in zip("ab", regrets, strict=True):
            for seed, shift in enumerate((-0.1, 0.1)):
                results.add(method, name, seed, Run((regret + shift,) * len(POINTS), 10, 0))
    row = results.row("random")
    assert row.means == pytest.approx([0.4] * 4)
    assert row.errors == pytest.approx([0.2] * 4)
    assert [mean for mean, _ in row.behind] == pytest.approx([-0.2] * 4)
    assert [error for _, error in row.behind] == pytest.approx([0.1] * 4)
    settings = Settings("Bowl", families.load, ["a", "b"], ["auto", "random"], 8, 10.0, [0, 1])
    assert "| random | -0.200 ± 0.100 |" in tables(results, settings)[-1]


def test_a_longer_budget_has_the_points_of_a_shorter_one() -> None:
    history = [(at, 1.25 - at / 1000) for at in range(0, 1000, 25)]
    long, short = regrets_along(task(), history, 16.0, LONG_POINTS), regrets_along(task(), history, 4.0)
    assert long[:4] == short
    assert len(long) == len(LONG_POINTS)


def test_the_page_has_what_was_kept_and_names_what_was_not_measured(tmp_path: Path) -> None:
    results = Results()
    for method, regret in {"auto": 0.1, "random": 0.4}.items():
        for name in ("power5/0", "power5/1"):
            results.add(method, name, 0, Run((regret,) * len(POINTS), 10, 0))
    settings = Settings("Families", families.load, ["power5/0", "power5/1"], ["auto", "random"], 8, 10.0, [0])
    kept = {"date": "2026-01-01", **document(settings, results)}
    (tmp_path / "families-5.json").write_text(json.dumps(kept))
    page.write(tmp_path, tmp_path / "searches.md")
    text = (tmp_path / "searches.md").read_text()
    assert "2 tasks, 1 seed, 8 workers, 10 median full trainings a worker; measured 2026-01-01." in text
    assert "0.125: -0.300 ± 0.000 (random)" in text
    assert "| power5 | 0.100 (0.400, random) |" in text
    assert "- LCBench, accuracy, 8 workers" in text
    assert "- Families of made-up curves, 5 epochs" not in text
    assert (tmp_path / "searches/families-5.svg").is_file()
