"""Spaces: conditions, configurations, pinning, and grids of which every point comes once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.search_spaces import Choice, Fixed, Float, Int, Space
from tests.random_spaces import spaces

NESTED = Space(
    (
        Choice("optimizer", ("sgd", "adam")),
        Float("momentum", 0.5, 0.9, step=0.4, when={"optimizer": "sgd"}),
        Choice("nesterov", (True, False), when={"momentum": {"low": 0.6}}),
        Int("depth", 1, 2),
    )
)


def reference_grid(space: Space) -> Iterator[dict[str, Any]]:
    """Every configuration, by plain recursion."""

    def go(index: int, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if index == len(space):
            yield params
            return
        parameter = space.parameters[index]
        if not parameter.active(params):
            yield from go(index + 1, params)
            return
        for position in range(parameter.grid_length or 0):
            yield from go(index + 1, {**params, parameter.name: parameter.grid_value(position)})

    return go(0, {})


def test_a_grid_goes_like_nested_loops_and_conditions_do_not_multiply_it():
    assert list(NESTED.grid()) == [
        {"optimizer": "sgd", "momentum": 0.5, "depth": 1},
        {"optimizer": "sgd", "momentum": 0.5, "depth": 2},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "depth": 1},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "depth": 2},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": False, "depth": 1},
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": False, "depth": 2},
        {"optimizer": "adam", "depth": 1},
        {"optimizer": "adam", "depth": 2},
    ]
    assert NESTED.grid_size() == NESTED.cardinality() == 8


def test_conditions_on_a_wide_range_are_counted_without_going_through_it():
    space = Space(
        (
            Int("width", 1, 10**12),
            Choice("narrow", ("a", "b"), when={"width": {"high": 99}}),
            Float("rate", 0.0, 1.0, step=0.25, when={"width": [7, 10**12]}),
        )
    )
    before_100 = 98 * 2 + 2 * 5  # narrow for all of them, for 7 beside the 5 rates
    assert space.grid_size() == before_100 + (10**12 - 100) + 5
    assert space.grid_point(0) == {"width": 1, "narrow": "a"}
    assert space.grid_point(12) == {"width": 7, "narrow": "a", "rate": 0.0}
    assert space.grid_point(before_100 + 10**11) == {"width": 100 + 10**11}
    assert space.grid_point(space.grid_size() - 1) == {"width": 10**12, "rate": 1.0}


@given(spaces())
def test_a_grid_has_every_point_once_in_order(space: Space):
    points = list(space.grid())
    assert points == list(reference_grid(space))
    assert len(points) == space.grid_size()
    assert len({json.dumps(point) for point in points}) == len(points)
    assert [space.grid_point(index) for index in range(len(points))] == points


@given(spaces())
def test_every_grid_point_is_a_configuration_without_inactive_parameters(space: Space):
    for point in space.grid():
        assert space.check(point) == []
        assert all((parameter.name in point) == parameter.active(point) for parameter in space)


@given(spaces(finite=False), st.randoms(use_true_random=False))
def test_walking_gives_a_configuration(space: Space, random: Any):
    def choose(parameter: Float | Int | Choice) -> Any:
        if isinstance(parameter, Choice):
            return random.choice(parameter.choices)
        if isinstance(parameter, Float) and parameter.step is None:
            return random.uniform(parameter.low, parameter.high)
        return parameter.grid_value(random.randrange(parameter.grid_length or 1))

    assert space.check(space.walk(choose)) == []


@given(spaces(), st.data())
def test_pinning_leaves_one_value_and_no_conditions_of_its_own(space: Space, data: st.DataObject):
    name = data.draw(st.sampled_from(space.names))
    pinned = space.pin({name: "sgd", "new": 3})
    assert pinned.names[:2] == (name, "new")
    assert sorted(pinned.names) == sorted([*space.names, "new"])
    assert all(point[name] == "sgd" and point["new"] == 3 for point in pinned.grid())


def test_large_grids_are_counted_and_indexed_without_being_listed():
    space = Space((*(Int(f"x{index}", 1, 1000) for index in range(20)), Choice("last", ("a", "b"))))
    assert space.grid_size() == 2 * 1000**20
    assert space.grid_point(2 * 1000**20 - 1) == {**{f"x{index}": 1000 for index in range(20)}, "last": "b"}


def test_a_grid_point_beyond_the_last_is_an_error():
    with pytest.raises(IndexError, match="has 8 points; there is no point 8"):
        NESTED.grid_point(8)
    with pytest.raises(IndexError, match="no point -1"):
        NESTED.grid_point(-1)


def test_a_grid_names_all_parameters_that_need_points():
    space = Space((Float("a", 0, 1), Int("b", 1, 9, log=True), Int("c", 1, 9), Float("d", 0, 1, points=2)))
    assert space.ungridded() == ["a", "b"]
    with pytest.raises(ValueError, match="a grid needs step or points for: a, b"):
        space.grid_size()


def test_cardinality_counts_all_values_and_not_the_points_of_a_grid():
    assert Space((Int("a", 1, 100, points=3), Choice("b", ("x", "y")))).cardinality() == 200
    assert Space((Float("a", 0, 1, points=3),)).cardinality() is None


def test_the_configurations_are_numbered():
    space = Space((Int("a", 1, 100, points=3), Choice("b", ("x", "y"))))
    assert space.configuration(199) == {"a": 100, "b": "y"}


def test_a_condition_on_an_inactive_parameter_does_not_hold():
    assert not NESTED["nesterov"].active({"optimizer": "adam"})
    assert NESTED["nesterov"].active({"optimizer": "sgd", "momentum": 0.9})


def test_a_range_condition_does_not_hold_for_texts_and_flags():
    parameter = Int("x", 1, 2, when={"y": {"low": 0}})
    assert parameter.active({"y": 0})
    assert not parameter.active({"y": True})
    assert not parameter.active({"y": "3"})


def test_check_names_everything_that_keeps_params_from_being_a_configuration():
    assert NESTED.check({"optimizer": "adam", "momentum": 0.5, "depth": 7, "widht": 3}) == [
        "widht is no parameter of this space",
        "momentum is given where its condition does not hold",
        "depth is 7, outside 1 to 2",
    ]
    assert NESTED.check({"optimizer": "sgd"}) == ["momentum is missing", "depth is missing"]


def test_fixed_parameters_open_conditions():
    space = Space((Fixed("optimizer", "sgd"), Int("x", 1, 2, when={"optimizer": "sgd"})))
    assert list(space.grid()) == [{"optimizer": "sgd", "x": 1}, {"optimizer": "sgd", "x": 2}]
    assert [parameter.name for parameter in space.free] == ["x"]


def test_true_and_one_are_different_conditions():
    space = Space((Choice("a", (True, 1)), Int("b", 1, 3, when={"a": 1}), Int("c", 1, 2)))
    assert space.grid_size() == 2 + 3 * 2
    assert list(space.grid()) == list(reference_grid(space))


def test_a_space_refuses_names_twice_and_conditions_on_later_parameters():
    with pytest.raises(ValueError, match="a is in the space twice"):
        Space((Fixed("a", 1), Fixed("a", 2)))
    with pytest.raises(ValueError, match="a depends on b, which is not before it"):
        Space((Fixed("a", 1, when={"b": 2}), Fixed("b", 2)))
