"""Configurations as points of the unit cube, and back."""

from __future__ import annotations

import math
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.search_spaces.space import Choice, Fixed, Float, Int, Space
from goodfit.service.sampler.cube import Cube

SPACE = Space(
    (
        Float("rate", 1e-4, 1e-1, log=True),
        Float("dropout", 0.0, 0.5, step=0.1),
        Int("depth", 1, 4),
        Int("width", 16, 256, log=True),
        Int("heads", 2, 10, step=4),
        Choice("layers", ([8, 8], [16], None)),
        Choice("optimizer", ("sgd", "adam")),
        Float("momentum", 0.5, 0.99, when={"optimizer": "sgd"}),
        Fixed("batch_size", 64),
        Int("always", 3, 3),
    )
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_point_is_a_configuration_of_the_space_and_its_own_point_has_the_same_one(seed: int) -> None:
    cube = Cube(SPACE)
    (point,) = cube.random(np.random.default_rng(seed), 1)
    params = cube.params(point)
    assert SPACE.check(params) == []
    assert cube.params(cube.point(params)) == params


def test_what_is_fixed_or_has_one_value_is_no_parameter_of_the_cube() -> None:
    assert [item.name for item in Cube(SPACE).parameters][-2:] == ["optimizer", "momentum"]
    assert "always" not in {item.name for item in Cube(SPACE).parameters}


def test_a_parameter_without_its_condition_is_nan_and_lies_in_the_middle() -> None:
    cube = Cube(SPACE)
    params = cube.params(np.array([0.5] * 5 + [0, 1, 0.9]))
    assert "momentum" not in params
    point = cube.point(params)
    assert math.isnan(point[-1])
    assert cube.encode(point)[0, -1] == 0.5


def test_each_whole_number_has_the_same_share_of_the_unit() -> None:
    cube = Cube(Space((Int("depth", 1, 4),)))
    drawn = [cube.params(np.array([(index + 0.5) / 400]))["depth"] for index in range(400)]
    assert [drawn.count(depth) for depth in (1, 2, 3, 4)] == [100, 100, 100, 100]


def test_two_choices_are_one_apart_whichever_they_are() -> None:
    cube = Cube(Space((Choice("activation", ("relu", "gelu", "tanh")), Float("rate", 0.0, 1.0))))
    rows = cube.encode(np.array([[0, 0.5], [1, 0.5], [2, 0.5]]))
    apart = {round(float(np.linalg.norm(rows[one] - rows[two])), 9) for one, two in ((0, 1), (0, 2), (1, 2))}
    assert apart == {1.0}


def test_points_around_others_stay_in_the_cube_and_differ_from_them() -> None:
    cube = Cube(SPACE)
    rng = np.random.default_rng(1)
    centers = cube.random(rng, 3)
    near = cube.around(rng, centers, 200)
    assert all(SPACE.check(cube.params(point)) == [] for point in near)
    numbers = near[:, :5]
    assert ((numbers >= 0) & (numbers <= 1)).all()
    apart = np.abs(numbers[:, None] - centers[None, :, :5]).max(-1).min(-1)
    assert 0 < np.median(apart) < 0.3


def test_a_space_with_nothing_to_choose_has_points_without_coordinates() -> None:
    cube = Cube(Space((Fixed("rate", 0.1),)))
    rng = np.random.default_rng(0)
    assert cube.params(cube.random(rng, 1)[0]) == {"rate": 0.1}
    assert cube.encode(cube.around(rng, cube.random(rng, 2), 4)).shape == (4, 0)


def test_the_draws_follow_the_generator_alone() -> None:
    cube = Cube(SPACE)
    first, second = (cube.random(np.random.default_rng(7), 5) for _ in range(2))
    random.random()
    assert (first == second).all()
