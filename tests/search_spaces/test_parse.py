"""Spaces from YAML: what is right is read, and everything that is wrong is said with its key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from goodfit.search_spaces import Choice, Fixed, Float, Int, Space
from goodfit.search_spaces.document import read_text
from goodfit.search_spaces.parse import from_list, parse_fixed, parse_space, to_list
from tests.random_spaces import spaces


def parsed(text: str, **fixed: Any) -> Space:
    problems: list[Any] = []
    space = parse_space(read_text(text).value, problems, fixed)
    assert problems == []
    return space


def problems_of(text: str, **fixed: Any) -> list[tuple[str, str]]:
    problems: list[Any] = []
    parse_space(read_text(text).value, problems, fixed)
    return [(".".join(map(str, path)), text) for path, text in problems]


def test_every_kind_is_read_in_its_long_form():
    space = parsed("""
        a: {type: float, low: 1e-4, high: "0.1", log: true, doc: a rate}
        b: {type: float, low: 0, high: 1, step: 0.25}
        c: {type: int, low: 1, high: 1e3, step: 3}
        d: {type: choice, choices: [relu, 1, 0.5, null]}
        e: {type: fixed, value: 64}
        f: {type: float, low: 0, high: 1, points: 3}
    """)
    assert space == Space(
        (
            Float("a", 1e-4, 0.1, log=True, doc="a rate"),
            Float("b", 0, 1, step=0.25),
            Int("c", 1, 1000, step=3),
            Choice("d", ("relu", 1, 0.5, None)),
            Fixed("e", 64),
            Float("f", 0, 1, points=3),
        )
    )
    assert isinstance(space["c"], Int)
    assert space["c"].high == 1000
    assert type(space["c"].high) is int


def test_a_list_is_a_choice_and_a_value_is_fixed():
    assert parsed("{a: [x, y], b: 3, c: null, d: [true, false]}") == Space(
        (Choice("a", ("x", "y")), Fixed("b", 3), Fixed("c", None), Choice("d", (True, False)))
    )


def test_conditions_are_values_lists_and_ranges():
    space = parsed("""
        optimizer: [sgd, adam, none]
        depth: {type: int, low: 1, high: 5}
        momentum: {type: float, low: 0, high: 1, when: {optimizer: sgd}}
        beta: {type: float, low: 0, high: 1, when: {optimizer: [adam, none], depth: {low: 2}}}
        skip: {type: choice, choices: [true, false], when: {depth: ["3", 4.0]}}
    """)
    assert space["momentum"].when == {"optimizer": "sgd"}
    assert space["beta"].when == {"optimizer": ["adam", "none"], "depth": {"low": 2}}
    assert space["skip"].active({"depth": 3})
    assert not space["skip"].active({"depth": 2})


def test_what_the_study_fixes_is_pinned_and_open_to_conditions():
    space = parsed(
        "{a: [x, y], b: {type: int, low: 1, high: 2, when: {a: x, c: 3}}}",
        a="x",
        c=3,
    )
    assert space.names == ("a", "c", "b")
    assert list(space.grid()) == [{"a": "x", "c": 3, "b": 1}, {"a": "x", "c": 3, "b": 2}]


def test_a_fixed_value_may_lie_outside_of_the_space_it_wins_over():
    assert parsed("{a: [x, y], b: {type: int, low: 1, high: 2, when: {a: x}}}", a="z").grid_size() == 1


def test_a_quoted_word_is_a_choice_like_any_other():
    assert parsed("""a: ["no", 'off', "false"]""")["a"] == Choice("a", ("no", "off", "false"))


# What is written, then the key and a part of the message.
FAULTS = """
[1]
    -: is a list, not a mapping of parameters
{}
    -: has no parameters
a: {low: 1, high: 2}
    a: type is missing; write type: float, int, choice, fixed
a: {type: flot, low: 1, high: 2}
    a.type: there is no type flot; did you mean float?
a: {type: loguniform, low: 1, high: 2}
    a.type: write float, with log: true
a: {type: categorical, choices: [b]}
    a.type: write choice
a: {type: float, low: 1}
    a: high is missing
a: {type: float, low: 1, hihg: 2, high: 2}
    a.hihg: did you mean high?
a: {type: choice, choices: [1, 2], step: 2}
    a.step: it goes with type: float or int
a: {type: float, low: abc, high: 2}
    a.low: is the text 'abc', not a number
a: {type: float, low: true, high: 2}
    a.low: is true, not a number
a: {type: float, low: 0, high: .inf}
    a.high: is inf, not a finite number
a: {type: float, low: [0], high: 1}
    a.low: is a list, not a number
a: {type: int, low: 1.5, high: 2}
    a.low: is 1.5, not a whole number
a: {type: float, low: 2, high: 1}
    a.low: low 2 is above high 1
a: {type: float, low: 0, high: 1, log: true}
    a.low: log needs low above 0, not 0
a: {type: int, low: 0, high: 8, log: true}
    a.low: log needs low above 0, not 0
a: {type: float, low: 1, high: 2, log: yes}
    a.log: is the text 'yes'; write true
a: {type: float, low: 1, high: 2, log: 1}
    a.log: is 1, not true or false
a: {type: float, low: 1, high: 2, step: 3}
    a.step: step 3 does not fit between 1 and 2
a: {type: int, low: 1, high: 4, step: -1}
    a.step: step must be above 0, not -1
a: {type: float, low: 1, high: 4, log: true, step: 2}
    a.step: step and log exclude each other
a: {type: int, low: 1, high: 4, prior: 5}
    a.prior: 5 is none of its values: it is 1 to 4
a: {type: int, low: 1, high: 5, prior: 1.5}
    a.prior: is 1.5, not a whole number
a: {type: float, low: 1, high: 2, step: 0.5, prior: 1.2}
    a.prior: 1.2 is none of its values
a: {type: float, low: 1, high: 2, prior: high}
    a.prior: is the text 'high', not a number
a: {type: choice, choices: [relu, tanh], prior: gelu}
    a.prior: gelu is none of its values: it is one of relu, tanh
a: {type: fixed, value: 1, prior: 1}
    a.prior: prior is no key of a fixed parameter
a: {type: int, low: 1, high: 4, points: 9}
    a.points: only 4 whole numbers for 9 points
a: {type: float, low: 1, high: 4, points: 1}
    a.points: both ends
a: {type: float, low: 1, high: 4, points: 2, step: 1}
    a.points: points and step exclude each other
a: []
    a: the list of choices is empty
a: {type: choice, choices: []}
    a.choices: the list of choices is empty
a: {type: choice, choices: relu}
    a.choices: is the text 'relu', not a list
a: {type: choice}
    a: choices is missing
a: [b, c, b]
    a.2: b is there twice
a: [1, 1.0]
    a.1: 1 is there twice
a: [[1, 2], [3], [1.0, 2]]
    a.2: [1.0, 2] is there twice
a: [[1, no], 3]
    a.0: `no` is the text "no" here
a: [[1, .nan], 3]
    a.0: is nan, not a finite number
a: [.nan, 3]
    a.0: is nan, not a finite number
a: [relu, no]
    a.1: `no` is the text "no" here; write false for a boolean, or quote it
a: [on, relu]
    a.0: `on` is the text "on" here; write true for a boolean
a: Off
    a: `Off` is the text "Off" here; write false
a: {type: fixed}
    a: value is missing
a: {type: fixed, value: 1, doc: 3}
    a.doc: is 3, not a text
learning-rate: 1
    learning-rate: write learning_rate
'2x': 1
    2x: is not a name that a trainer's config can have
lambda: 1
    lambda: is not a name that a trainer's config can have
{a: 1, b: {type: fixed, value: 1, when: a}}
    b.when: is the text 'a', not a mapping
{b: {type: fixed, value: 1, when: {a: 1}}}
    b.when.a: there is no parameter a, and none comes before b
{opt: 1, b: {type: fixed, value: 1, when: {optt: 1}}}
    b.when.optt: did you mean opt?
{b: {type: fixed, value: 1, when: {c: 1}}, c: 1}
    b.when.c: c comes after b; move c above it
{b: {type: fixed, value: 1, when: {b: 1}}}
    b.when.b: b cannot depend on itself
{a: [sgd, adam], b: {type: fixed, value: 1, when: {a: sdg}}}
    b.when.a: never sdg: it is one of sgd, adam; did you mean sgd?
{a: [sgd, adam], b: {type: fixed, value: 1, when: {a: [adam, x]}}}
    b.when.a.1: a is never x
{a: {type: int, low: 1, high: 9007199254740993}}
    a.high: is beyond 9007199254740992
{a: {type: float, low: 1, high: 9007199254740993}}
    a.high: is beyond 9007199254740992
{a: {type: int, low: 1, high: 1000000000000000000000000000000000000000000000000000000000000}}
    a.high: is beyond 9007199254740992
{a: [true, false], b: {type: fixed, value: 1, when: {a: yes}}}
    b.when.a: write true for a boolean
{a: [true, false], b: {type: fixed, value: 1, when: {a: 1}}}
    b.when.a: a is never 1: it is one of true, false
{a: [x], b: {type: fixed, value: 1, when: {a: []}}}
    b.when.a: can never hold
{a: 3, b: {type: fixed, value: 1, when: {a: 4}}}
    b.when.a: a is never 4: it is 3
{a: {type: int, low: 1, high: 9, step: 4}, b: {type: fixed, value: 1, when: {a: 3}}}
    b.when.a: a is never 3: it is 1 to 9 by 4
{a: {type: int, low: 1, high: 9, step: 4}, b: {type: fixed, value: 1, when: {a: {low: 6, high: 8}}}}
    b.when.a: a is never in the range low 6 high 8
{a: {type: float, low: 0, high: 1}, b: {type: fixed, value: 1, when: {a: {low: 2}}}}
    b.when.a: a is never in the range low 2
{a: {type: float, low: 0, high: 1}, b: {type: fixed, value: 1, when: {a: {low: 1, high: 0}}}}
    b.when.a.low: low 1 is above high 0
{a: {type: float, low: 0, high: 1}, b: {type: fixed, value: 1, when: {a: {}}}}
    b.when.a: a range needs low or high
{a: {type: float, low: 0, high: 1}, b: {type: fixed, value: 1, when: {a: {lo: 0}}}}
    b.when.a.lo: did you mean low?
{a: {type: float, low: 0, high: 1}, b: {type: fixed, value: 1, when: {a: x}}}
    b.when.a: is the text 'x', not a number
{a: [x, y], b: {type: fixed, value: 1, when: {a: {low: 0}}}}
    b.when.a: a is never in the range low 0
"""


def faults() -> list[tuple[str, str]]:
    lines = FAULTS.strip().splitlines()
    return list(zip(lines[::2], (line.strip() for line in lines[1::2]), strict=True))


@pytest.mark.parametrize(("written", "expected"), faults())
def test_one_fault_gives_one_problem_with_its_key(written: str, expected: str):
    ((found_key, text),) = problems_of(written)
    key, fragment = expected.split(": ", 1)
    assert found_key == key.strip("-")
    assert fragment in text


def test_all_problems_are_found_at_once():
    keys = [
        key
        for key, _ in problems_of("""
        a: {type: float, low: 2, high: 1}
        b: {type: int, low: x, high: y, stpe: 3}
        c: [no, d, d]
        e: {type: fixed, value: 1, when: {f: 1, a: 1}}
    """)
    ]
    assert keys == ["a.low", "b.stpe", "b.low", "b.high", "c.0", "c.2", "e.when.f"]


def test_a_condition_on_a_parameter_that_is_wrong_is_not_blamed_for_it():
    text = "{a: {type: float, low: 2, high: 1}, b: {type: fixed, value: 1, when: {a: {low: 5}}}}"
    assert [key for key, _ in problems_of(text)] == ["a.low"]


def test_fixed_values_are_values_and_named_well():
    problems: list[Any] = []
    source = read_text("{a: 1e-3, b: [1], c: no, d-e: 1, f: {type: int, low: 1}, g: null, h: {low: 1}}").value
    assert parse_fixed(source, problems) == {"a": 1e-3, "b": [1], "d-e": 1, "g": None, "h": {"low": 1}}
    assert [path for path, _ in problems] == [("c",), ("d-e",), ("f",)]


def test_a_value_may_be_a_list_or_a_mapping():
    space = parsed("""
        hidden: [[256, 256], [1024], 512]
        pair: {type: choice, choices: [[100, 10], [10, 1]]}
        maps: [{a: 1}, {b: [2, {c: null}]}]
        mixed: [false, 0, 0.1, "auto", true, 1]
        kernel: {type: fixed, value: [3, 3]}
        skip: {type: int, low: 1, high: 3, when: {hidden: [256, 256], maps: {a: 1.0}}}
        drop: {type: int, low: 1, high: 3, when: {hidden: [[1024], 512], kernel: [3, 3]}}
    """)
    assert space["hidden"] == Choice("hidden", ([256, 256], [1024], 512))
    assert space["mixed"].cardinality == 6
    assert space["kernel"] == Fixed("kernel", [3, 3])
    wide = {"hidden": [256, 256], "maps": {"a": 1}, "kernel": [3, 3]}
    assert (space["skip"].active(wide), space["drop"].active(wide)) == (True, False)
    small = {"hidden": 512, "maps": {"a": 1}, "kernel": [3, 3]}
    assert (space["skip"].active(small), space["drop"].active(small)) == (False, True)
    assert space.cardinality() == 2 * 6 * ((3 + 1) + 2 * 3 + 2 * 3)  # pair, mixed, and what each hidden makes of maps
    assert from_list(json.loads(json.dumps(to_list(space)))) == space


@given(spaces(finite=False))
def test_a_space_survives_json(space: Space):
    assert from_list(json.loads(json.dumps(to_list(space)))) == space


@pytest.mark.parametrize("values", [{}, [1], [{"type": "fixed"}], [{"name": "a", "type": "float", "low": 1}]])
def test_only_what_to_list_gave_is_taken_back(values: object):
    with pytest.raises(ValueError, match=r"is not a list of parameters|a high is missing"):
        from_list(values)
