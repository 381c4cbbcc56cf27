"""Who gets the workers: the highest priority as many as it can use, the rest in fair turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from goodfit.service.ports import Claim
from goodfit.service.ray_executor.fair_share import divided

FOUR = [{"cpus": 2.0}, {"cpus": 2.0}]


def claim(study: int, priority: int = 0, workers: int | None = None, cpus: float = 1.0, **more: float) -> Claim:
    return Claim(study, {"cpus": cpus, **more}, priority, float(study), workers)


def test_the_highest_priority_gets_all_that_it_can_use() -> None:
    assert divided([claim(1, -1000), claim(2, 1000)], FOUR) == {1: 0, 2: 4}


def test_what_a_study_cannot_use_is_left_to_the_next() -> None:
    assert divided([claim(1, -1000), claim(2, 1000, workers=1)], FOUR) == {1: 3, 2: 1}
    assert divided([claim(1, -1000), claim(2, 1000, workers=0)], FOUR) == {1: 4, 2: 0}
    assert divided([claim(1), claim(2, 9, gpus=1.0)], FOUR) == {1: 4, 2: 0}, "no node has what it needs"
    assert divided([claim(1), claim(2, 9, cpus=1.5)], FOUR) == {1: 0, 2: 2}
    assert divided([claim(1, cpus=0.5), claim(2, 9, cpus=1.5)], FOUR) == {1: 2, 2: 2}


def test_equals_have_fair_parts() -> None:
    assert divided([claim(1), claim(2)], FOUR) == {1: 2, 2: 2}
    assert divided([claim(1), claim(2), claim(3)], FOUR) == {1: 2, 2: 1, 3: 1}
    assert divided([claim(1), claim(2, workers=1), claim(3)], FOUR, turn=7) == {1: 2, 2: 1, 3: 1}
    assert divided([claim(1), claim(2), claim(3, 5, workers=2)], FOUR) == {1: 1, 2: 1, 3: 2}


def test_where_there_are_fewer_workers_than_equals_they_have_them_in_turn() -> None:
    claims = [claim(study) for study in range(3)]
    turns = [divided(claims, [{"cpus": 1.0}], turn) for turn in range(6)]
    assert [next(study for study, workers in one.items() if workers) for one in turns] == [0, 1, 2, 0, 1, 2]


def test_many_workers_are_divided_at_once() -> None:
    nodes = [{"cpus": 64.0} for _ in range(200)]
    assert divided([claim(1, cpus=0.5), claim(2, cpus=0.5)], nodes) == {1: 12800, 2: 12800}


CLAIMS = st.lists(
    st.builds(
        claim,
        study=st.integers(0, 20),
        priority=st.integers(-1, 1),
        workers=st.none() | st.integers(0, 5),
        cpus=st.sampled_from([0.5, 1.0, 2.0]),
    ),
    unique_by=lambda one: one.study,
    min_size=1,
    max_size=6,
)
NODES = st.lists(st.fixed_dictionaries({"cpus": st.sampled_from([0.0, 1.0, 3.0, 8.0])}), max_size=4)


@given(CLAIMS, NODES, st.integers(0, 9))
def test_no_worker_is_promised_twice_and_none_is_left_that_somebody_could_use(
    claims: Sequence[Claim], nodes: Sequence[Mapping[str, float]], turn: int
) -> None:
    found = divided(claims, nodes, turn)
    taken = sum(found[one.study] * one.resources["cpus"] for one in claims)
    there = sum(node["cpus"] for node in nodes)
    assert taken <= there + 1e-6
    for one in claims:
        assert 0 <= found[one.study] <= (one.workers if one.workers is not None else there / one.resources["cpus"])
    if len(nodes) == 1:  # what is left there is too little for anybody who could use more
        hungry = [one for one in claims if found[one.study] != one.workers]
        assert all(there - taken < one.resources["cpus"] for one in hungry)


@given(CLAIMS, NODES, st.integers(0, 9))
def test_nobody_of_a_lower_priority_takes_anything_from_a_higher(
    claims: Sequence[Claim], nodes: Sequence[Mapping[str, float]], turn: int
) -> None:
    top = max(one.priority for one in claims)
    alone = [one for one in claims if one.priority == top]
    found = divided(claims, nodes, turn)
    assert {one.study: found[one.study] for one in alone} == divided(alone, nodes, turn)
