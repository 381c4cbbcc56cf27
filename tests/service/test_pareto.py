"""Ranks, fronts and hypervolumes, held against their definitions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.service.pareto import Point, added_volume, dominates, front, hypervolume, ranks

VALUES = st.integers(0, 5).map(float)


def points(count: int) -> st.SearchStrategy[list[Point]]:
    return st.lists(st.tuples(*[VALUES] * count), max_size=14)


ANY_POINTS = st.integers(1, 4).flatmap(points)


def peeled(given: list[Point]) -> list[int]:
    """The ranks by their definition: the front, the front without it, and so on."""
    left, found, rank = dict.fromkeys(given), dict[Point, int](), 0
    while left:
        free = [point for point in left if not any(dominates(other, point) for other in left)]
        found |= dict.fromkeys(free, rank)
        left = {point: None for point in left if point not in free}
        rank += 1
    return [found[point] for point in given]


def counted(given: list[Point], reference: Point) -> float:
    """The volume of whole numbers, by cells."""
    cells = itertools.product(*(range(int(end)) for end in reference))
    return float(sum(any(all(v <= c for v, c in zip(point, cell, strict=True)) for point in given) for cell in cells))


@given(ANY_POINTS)
def test_ranks_are_the_fronts_that_are_left(given: list[Point]) -> None:
    assert ranks(given) == peeled(given)
    assert front(given) == [place for place, rank in enumerate(peeled(given)) if rank == 0]


@given(ANY_POINTS)
def test_the_hypervolume_is_what_some_point_dominates(given: list[Point]) -> None:
    reference = (5.0,) * (len(given[0]) if given else 2)
    assert hypervolume(given, reference) == counted(given, reference)


@given(ANY_POINTS)
def test_each_point_adds_what_the_volume_grows_by(given: list[Point]) -> None:
    reference = (5.0,) * (len(given[0]) if given else 2)
    grown = 0.0
    for place, point in enumerate(given):
        grown += added_volume(point, given[:place], reference)
    assert grown == hypervolume(given, reference)


def test_what_is_not_better_than_the_reference_adds_nothing() -> None:
    assert hypervolume([(0.0, 3.0), (3.0, 0.0)], (3.0, 3.0)) == 0.0
    assert added_volume((3.0, 0.0), [], (3.0, 3.0)) == 0.0


def test_no_points_have_no_front() -> None:
    assert ranks([]) == front([]) == []
    assert hypervolume([], (1.0, 1.0)) == pytest.approx(0.0)
