"""A param_space of Ray Tune as parameters of ours, and what of it does not carry over."""

from __future__ import annotations

from typing import Any

import pytest
from ray import tune

from goodfit.search_spaces.parse import parse_space
from goodfit.search_spaces.ray_tune import converted, is_param_space


@pytest.mark.parametrize(
    ("domain", "parameter"),
    [
        (tune.uniform(-1, 2.5), {"type": "float", "low": -1.0, "high": 2.5}),
        (tune.quniform(0.1, 1.0, 0.1), {"type": "float", "low": 0.1, "high": 1.0, "step": 0.1}),
        (tune.loguniform(1e-4, 1e-1), {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}),
        (tune.randint(1, 10), {"type": "int", "low": 1, "high": 9}),
        (tune.qrandint(3, 21, 5), {"type": "int", "low": 5, "high": 20, "step": 5}),
        (tune.lograndint(1, 100), {"type": "int", "low": 1, "high": 99, "log": True}),
        (tune.choice(["relu", 1, None, (2, 3)]), {"type": "choice", "choices": ["relu", 1, None, [2, 3]]}),
        (tune.choice([1, 1, 2]), {"type": "choice", "choices": [1, 2]}),
        (64, 64),
        ({}, {}),
    ],
)
def test_each_domain_is_the_parameter_that_has_its_values(domain: Any, parameter: Any):
    found = converted({"x": domain})
    assert (found.space, found.notes, found.left_out) == ({"x": parameter}, [], [])


def test_nested_mappings_are_names_with_dots():
    found = converted(
        {"optimizer": {"lr": tune.loguniform(1e-3, 1), "inner": {"beta": tune.uniform(0, 1)}}, "depth": 3}
    )
    assert list(found.space) == ["optimizer.lr", "optimizer.inner.beta", "depth"]


def test_what_is_otherwise_is_noted():
    found = converted({"act": tune.grid_search(["relu", "tanh"]), "lr": tune.qloguniform(1e-4, 1e-1, 5e-5)})
    assert found.space["act"] == {"type": "choice", "choices": ["relu", "tanh"]}
    assert found.space["lr"] == {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}
    assert [name for name, _ in found.notes] == ["act", "lr"]


@pytest.mark.parametrize(
    ("domain", "why"),
    [
        (tune.sample_from(lambda config: config["a"] * 2), "sample_from: a function does not carry over"),
        (tune.randn(1, 2), "a normal distribution (mean 1, sd 2) has no ends"),
        (tune.choice([object()]), "not a single text, number, true, false or null"),
        (float("nan"), "not a finite number"),
        (print, "not a single text"),
    ],
)
def test_what_has_no_counterpart_is_named(domain: Any, why: str):
    found = converted({"x": domain, "y": tune.uniform(0, 1)})
    assert list(found.space) == ["y"]
    ((name, text),) = found.left_out
    assert name == "x"
    assert why in text


def test_what_comes_out_is_a_space():
    problems: list[Any] = []
    found = converted(
        {"a": tune.uniform(0, 1), "b": tune.qlograndint(8, 64, 8), "c": tune.choice([True, False]), "d": 5}
    )
    space = parse_space(found.space, problems)
    assert problems == []
    assert space.names == ("a", "b", "c", "d")
    assert found.space["b"]["choices"] == [8, 16, 24, 32, 40, 48, 56, 64]


def test_a_mapping_is_a_param_space_where_it_has_a_domain_in_it():
    assert is_param_space({"a": {"b": tune.uniform(0, 1)}})
    assert is_param_space({"a": tune.grid_search([1])})
    assert not is_param_space({"a": 1, "b": {"c": 2}})
    assert not is_param_space([tune.uniform(0, 1)])
