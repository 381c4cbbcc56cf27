"""A random order of any size has each place once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goodfit.search_spaces.shuffle import Shuffle


@given(st.integers(1, 300), st.integers(0, 2**32))
def test_each_place_comes_once(size: int, seed: int):
    order = Shuffle(size, seed)
    assert sorted(order[index] for index in range(size)) == list(range(size))


def test_very_many_are_ordered_without_being_listed():
    size = 10**400
    first = [Shuffle(size, seed)[0] for seed in range(50)]
    assert len(set(first)) == 50
    assert all(0 <= place < size for place in first)


def test_all_places_are_as_likely():
    counts = [0] * 6
    for seed in range(600):
        counts[Shuffle(6, seed)[0]] += 1
    assert min(counts) > 60
