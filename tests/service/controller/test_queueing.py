"""What starts and what waits: by example, and whatever is in the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.service.controller.queue import Attempts, Decision, Row, decide, short_of
from goodfit.service.records import Lease, Study, StudyState

NOW = 1000.0
NODES = [{"cpus": 4.0}, {"cpus": 2.0, "gpus": 1.0}]


def a_study(study_id: int, **changes: Any) -> Study:
    resources = changes.pop("resources", {})
    values: dict[str, Any] = {"queued": float(study_id), "submitter": "ana"}
    return Study(f"s{study_id}", {"resources": resources}, "f", 0.0, id=study_id, **(values | changes))


def a_lease(study: Study, until: float = NOW + 10, owner: str = "alive") -> Lease:
    return Lease(study.id, owner, 1, until)


def decided(
    rows: Sequence[Row], limit: int = 100, nodes: Sequence[Mapping[str, float]] = NODES, **more: Any
) -> Decision:
    pauses = more.get("pauses", {})
    return decide(rows, now=NOW, limit=limit, nodes=nodes, dead=lambda owner: owner == "dead", pauses=pauses)


def started(decision: Decision) -> list[int]:
    return [study.id for study in decision.start]


def test_who_came_first_starts_first() -> None:
    rows: list[Row] = [(a_study(1, queued=9.0), None), (a_study(2, queued=8.0), None), (a_study(3, queued=9.0), None)]
    assert started(decided(rows)) == [2, 1, 3]


def test_a_higher_priority_goes_first() -> None:
    rows: list[Row] = [(a_study(1), None), (a_study(2, priority=-1), None), (a_study(3, priority=5), None)]
    assert started(decided(rows)) == [3, 1, 2]


def test_among_equals_who_has_fewer_running_goes_first() -> None:
    running = [a_study(1), a_study(2)]
    rows: list[Row] = [(study, a_lease(study)) for study in running]
    rows += [
        (a_study(3), None),
        (a_study(4), None),
        (a_study(5, submitter="bo"), None),
        (a_study(6, submitter="bo"), None),
    ]
    assert started(decided(rows)) == [5, 6, 3, 4]
    assert started(decided(rows, limit=3)) == [5]


def test_a_study_that_lost_its_runner_goes_before_all_others() -> None:
    orphan = a_study(9, state=StudyState.RUNNING, priority=-3)
    rows: list[Row] = [(a_study(1, priority=100), None), (orphan, a_lease(orphan, until=NOW))]
    assert started(decided(rows, limit=1)) == [9]


@pytest.mark.parametrize(
    ("lease", "free"),
    [(("alive", NOW + 1), False), (("alive", NOW), True), (("dead", NOW + 1), True), (None, True)],
)
def test_a_study_is_free_when_nobody_alive_has_its_lease(lease: tuple[str, float] | None, free: bool) -> None:
    study = a_study(1, state=StudyState.RUNNING)
    held = None if lease is None else a_lease(study, lease[1], lease[0])
    assert started(decided([(study, held)])) == ([1] if free else [])


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ({"cpus": 1.0, "gpus": 0.0}, None),
        ({"cpus": 4.0}, None),
        ({"gpus": 0.25}, None),
        ({"gpus": 100.0}, "waits for 100 GPUs: the cluster has 1"),
        ({"gpus": 2.0}, "waits for 2 GPUs: the cluster has 1"),
        ({"cpus": 7.0}, "waits for 7 CPUs: the cluster has 6"),
        ({"cpus": 5.0}, "waits for a node with 5 CPUs: none of the cluster's 2 has them"),
        ({"cpus": 3.0, "gpus": 1.0}, "waits for a node with 3 CPUs and 1 GPU: none of the cluster's 2 has them"),
        ({"custom": {"license": 1.0}}, "waits for 1 of license: the cluster has 0"),
    ],
)
def test_a_study_waits_for_what_the_cluster_has_not(resources: Mapping[str, Any], reason: str | None) -> None:
    decision = decided([(a_study(1, resources=resources), None)])
    assert decision.waits == {1: reason}
    assert started(decision) == ([] if reason else [1])
    assert decision.missing == (() if reason is None else (a_study(1, resources=resources).resources,))


def test_a_cluster_without_nodes_is_told() -> None:
    assert short_of({"cpus": 1.0}, []) == "waits for 1 CPU: the cluster has 0"
    assert short_of({"gpus": 0.5}, [{"cpus": 1.0}]) == "waits for 0.5 GPU: the cluster has 0"


def test_what_waits_for_a_place_is_told_so() -> None:
    first, second = a_study(1), a_study(2)
    assert decided([(first, None), (second, None)], limit=1).waits == {1: None, 2: "1 of 1 studies run"}
    held: list[Row] = [(study, a_lease(study)) for study in (first, second)]
    assert decided([*held, (a_study(3), None)], limit=1).waits[3] == "2 studies run, and 1 may"


def test_a_study_that_is_paused_waits_and_holds_up_nobody() -> None:
    decision = decided([(a_study(1), None), (a_study(2), None)], limit=1, pauses={1: "not now"})
    assert started(decision) == [2]
    assert decision.waits == {1: "not now", 2: None}


@st.composite
def queues(draw: st.DrawFn) -> list[Row]:
    rows: list[Row] = []
    for number in range(1, draw(st.integers(0, 12)) + 1):
        resources = {
            "cpus": draw(st.sampled_from([0.5, 1.0, 4.0, 5.0])),
            "gpus": draw(st.sampled_from([0.0, 0.5, 3.0])),
        }
        study = a_study(
            number,
            queued=float(draw(st.integers(0, 5))),
            priority=draw(st.integers(-1, 1)),
            submitter=draw(st.sampled_from(["ana", "bo", None])),
            state=draw(st.sampled_from([StudyState.QUEUED, StudyState.RUNNING])),
            resources=resources,
        )
        owner, until = draw(st.sampled_from([("", 0.0), ("alive", NOW + 5), ("alive", NOW - 5), ("dead", NOW + 5)]))
        rows.append((study, a_lease(study, until, owner) if owner else None))
    return rows


def live(row: Row) -> bool:
    return row[1] is not None and row[1].until > NOW and row[1].owner != "dead"


@given(queues(), st.integers(1, 6))
def test_never_more_than_the_limit_and_no_place_stays_empty(rows: list[Row], limit: int) -> None:
    decision = decided(rows, limit)
    running = sum(map(live, rows))
    able = [row[0] for row in rows if not live(row) and short_of(row[0].resources, NODES) is None]
    assert len(decision.start) == max(0, min(limit - running, len(able)))
    assert set(started(decision)) <= {study.id for study in able}


@given(queues(), st.integers(1, 6))
def test_every_study_is_accounted_for_and_who_waits_knows_why(rows: list[Row], limit: int) -> None:
    decision = decided(rows, limit)
    assert set(decision.waits) == {study.id for study, _ in rows}
    for row in rows:
        waiting = not live(row) and row[0] not in decision.start
        assert bool(decision.waits[row[0].id]) is waiting


@given(queues(), st.integers(1, 6))
def test_nobody_is_overtaken_but_by_the_rules(rows: list[Row], limit: int) -> None:
    decision = decided(rows, limit)
    passed = [
        r[0] for r in rows if not live(r) and r[0] not in decision.start and short_of(r[0].resources, NODES) is None
    ]
    running = [row[0].submitter for row in rows if live(row)]
    for place, study in enumerate(decision.start):
        has = running + [before.submitter for before in decision.start[:place]]
        for other in [*passed, *decision.start[place + 1 :]]:
            assert rank(study, has) < rank(other, has)


def rank(study: Study, running: Sequence[str | None]) -> tuple[Any, ...]:
    orphan = study.state is StudyState.RUNNING
    return not orphan, -study.priority, running.count(study.submitter), study.queued, study.id


@given(queues())
def test_the_order_in_which_rows_come_does_not_matter(rows: list[Row]) -> None:
    assert decided(rows, 3).start == decided(rows[::-1], 3).start


@given(queues(), st.integers(1, 4))
def test_what_can_never_run_changes_nothing_for_the_others(rows: list[Row], limit: int) -> None:
    hopeless: list[Row] = [(a_study(90 + n, priority=9, resources={"gpus": 100.0}), None) for n in range(3)]
    assert decided([*hopeless, *rows], limit).start == decided(rows, limit).start


def test_a_study_that_ends_its_runner_is_tried_less_and_less_often() -> None:
    attempts = Attempts(patience=60.0)
    starts, now = [], 0.0
    while now < 700.0:
        if 1 not in attempts.pauses([1], now):
            attempts.note(1, now)
            starts.append(now)
        now += 1.0
    assert starts[:5] == [0.0, 1.0, 3.0, 7.0, 15.0]
    assert len(starts) < 12
    assert "ended 2 times" in Attempts(60.0, 300.0, {1: (2, 0.0)}).pauses([1], 1.0)[1]


def test_a_runner_that_lived_long_is_no_reason_to_wait() -> None:
    attempts = Attempts(patience=60.0)
    for now in (0.0, 100.0, 200.0, 300.0):
        assert attempts.pauses([1], now) == {}
        attempts.note(1, now)
    attempts.note(1, 301.0)
    assert attempts.pauses([1], 301.0)
    assert attempts.pauses([], 301.0) == {}  # it left the queue
    assert attempts.pauses([1], 301.0) == {}
