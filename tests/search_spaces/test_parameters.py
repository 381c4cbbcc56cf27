"""Each kind of parameter by itself: its range, its values, its grid."""

from __future__ import annotations

import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution

from goodfit.search_spaces.parameters import Choice, Fixed, Float, Int


def grid_of(parameter: Float | Int | Choice | Fixed) -> list[object]:
    assert parameter.grid_length is not None
    return [parameter.grid_value(index) for index in range(parameter.grid_length)]


def test_a_float_with_step_takes_the_decimals_that_were_written():
    assert grid_of(Float("x", 0.1, 0.7, step=0.1)) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_linear_points_hold_both_ends():
    assert grid_of(Float("x", 0.0, 1.0, points=5)) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_log_points_are_the_powers_that_people_mean():
    assert grid_of(Float("x", 1e-4, 1e-1, log=True, points=4)) == [1e-4, 1e-3, 1e-2, 1e-1]


def test_log_points_hold_both_ends_even_where_the_ratio_overflows():
    values = grid_of(Float("x", 1e-300, 1e300, log=True, points=3))
    assert values[0] == 1e-300
    assert values[1] == pytest.approx(1.0, rel=1e-9)
    assert values[2] == 1e300


def test_an_int_grid_takes_every_step():
    assert grid_of(Int("x", 1, 9, step=3)) == [1, 4, 7]


def test_log_points_of_an_int_that_round_alike_are_one():
    assert grid_of(Int("x", 1, 8, log=True, points=6)) == [1, 2, 3, 5, 8]


def test_a_log_int_without_points_has_no_grid_but_can_be_counted():
    width = Int("width", 16, 256, log=True)
    assert width.grid_length is None
    assert width.cardinality == 241


def test_a_range_of_one_value_needs_no_points():
    assert grid_of(Float("x", 0.5, 0.5)) == [0.5]
    assert grid_of(Int("x", 3, 3, log=True)) == [3]
    assert Float("x", 0.5, 0.5).cardinality == 1


def test_a_float_range_without_step_is_a_continuum():
    assert Float("x", 0, 1, points=3).cardinality is None
    assert Float("x", 0, 1, step=0.5).cardinality == 3


@pytest.mark.parametrize("value", [True, "0.5", None, math.nan, -0.1, 1.1])
def test_a_float_contains_no_value_of_another_kind_or_range(value: object):
    assert not Float("x", 0, 1).contains(value)


def test_a_float_contains_whole_numbers():
    assert Float("x", 0, 1).contains(1)


def test_an_int_contains_whole_floats_and_no_others():
    assert Int("x", 1, 4).contains(2.0)
    assert not Int("x", 1, 4).contains(2.5)
    assert not Int("x", 1, 4).contains(True)
    assert not Int("x", 1, 9, step=2).contains(2)


def test_for_a_choice_true_is_not_one():
    assert Choice("x", (True, False)).contains(True)
    assert not Choice("x", (True, False)).contains(1)
    assert not Choice("x", (1, 0)).contains(True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"low": 1, "high": 0}, "low 1 is above high 0"),
        ({"low": 0, "high": 1, "log": True}, "log needs low above 0"),
        ({"low": 1, "high": 2, "log": True, "step": 0.5}, "step and log exclude each other"),
        ({"low": 0, "high": 1, "step": 0}, "step must be above 0"),
        ({"low": 0, "high": 1, "step": -1}, "step must be above 0"),
        ({"low": 0, "high": 1, "step": 2}, "step 2 does not fit between 0 and 1"),
        ({"low": 0, "high": 1, "points": 0}, "points must be at least 1"),
        ({"low": 0, "high": 1, "points": 1}, "both ends"),
        ({"low": 0, "high": 1, "points": 3, "step": 0.5}, "points and step exclude each other"),
        ({"low": 0, "high": 1, "points": 10**12}, "points must be at most 10000"),
        ({"low": 0, "high": 1e30, "step": 1e-5}, "step 1e-05 is too small between 0 and 1e\\+30"),
        ({"low": -1e308, "high": 1e308}, "too wide a range"),
        ({"low": 0, "high": math.inf}, "high is inf, not a finite number"),
        ({"low": math.nan, "high": 1}, "low is nan, not a finite number"),
    ],
)
def test_a_float_says_what_is_wrong_with_its_range(arguments: dict[str, float], text: str):
    with pytest.raises(ValueError, match=text):
        Float("x", **arguments)


def test_an_int_refuses_more_points_than_there_are_numbers():
    with pytest.raises(ValueError, match="only 4 whole numbers for 5 points"):
        Int("x", 1, 4, points=5)


def test_an_int_in_the_logarithm_takes_steps():
    width = Int("width", 16, 100, log=True, step=16)
    assert [width.grid_value(index) for index in range(width.grid_length or 0)] == [16, 32, 48, 64, 80, 96]
    assert (width.high, width.contains(64), width.contains(65)) == (96, True, False)
    assert str(width) == "16 to 96, log by 16"
    assert Int("width", 16, 100, log=True).grid_length is None


def test_a_prior_is_one_of_the_values_and_is_described():
    rate = Float("rate", 1e-4, 1e-1, log=True, prior=3e-3, when={"optimizer": "sgd"})
    assert rate.describe() == "rate: 0.0001 to 0.1, log, prior 0.003, when optimizer is sgd"
    with pytest.raises(ValueError, match="depth: prior 9 is none of its values: it is 1 to 4"):
        Int("depth", 1, 4, prior=9)


@pytest.mark.parametrize(("choices", "text"), [((), "empty"), (("a", "b", "a"), "'a' is there twice")])
def test_a_choice_refuses_none_and_the_same_twice(choices: tuple[str, ...], text: str):
    with pytest.raises(ValueError, match=text):
        Choice("x", choices)


def test_parameters_describe_themselves_with_their_conditions():
    when = {"optimizer": ["sgd", "adam"], "depth": {"low": 2}, "bias": True}
    text = Float("momentum", 0.5, 0.99, when=when).describe()
    assert text == "momentum: 0.5 to 0.99, when optimizer is sgd or adam and depth is at least 2 and bias is true"
    assert Int("depth", 1, 9, step=2).describe() == "depth: 1 to 9 by 2"
    assert Choice("act", ("relu", None)).describe() == "act: one of relu, null"
    assert Fixed("bias", False).describe() == "bias: false"


@given(st.integers(-500, 500), st.integers(1, 500), st.integers(1, 500), st.floats(-1, 101))
def test_a_stepped_float_is_what_optuna_makes_of_it(first: int, span: int, hundredths: int, share: float):
    low, high, step = first / 100, (first + span) / 100, min(hundredths, span) / 100
    mine = Float("x", low, high, step=step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when it lowers `high`
        optunas = FloatDistribution(low, high, step=step)
    assert mine.high == optunas.high
    for value in (low, mine.high, mine.grid_value((mine.grid_length or 1) // 2), low + share):
        assert mine.contains(value) == optunas._contains(value)


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 9), st.integers(-60, 120))
def test_an_int_is_what_optuna_makes_of_it(low: int, span: int, step: int, value: int):
    if step > max(span, 1):
        return
    mine = Int("x", low, low + span, step=step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when it lowers `high`
        optunas = IntDistribution(low, low + span, step=step)
    assert mine.high == optunas.high
    assert mine.contains(value) == optunas._contains(value)


@given(st.floats(1e-6, 1e6), st.floats(0, 1e6), st.integers(2, 30), st.booleans())
def test_points_ascend_from_low_to_high(low: float, span: float, points: int, log: bool):
    values = grid_of(Float("x", low, low + span, log=log, points=points))
    assert values[0] == low
    assert values[-1] == low + span
    assert values == sorted(set(values))
    assert len(values) <= points
