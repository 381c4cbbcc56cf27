"""What a finished study prints of its health: each sentence with the condition that it is true under."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.service.app.diagnoses import _baseline, _default_trial
from goodfit.service.cli.diagnose import print_health
from goodfit.service.records import Trial, TrialState
from goodfit.service.screen.words import number
from goodfit.service.spec import StudySpec


@pytest.mark.parametrize(
    ("severities", "said"),
    [
        ([], ""),
        (["info"], ""),
        (["serious"], "1 serious finding, with advice: see"),
        (["serious", "serious", "info"], "2 serious findings, with advice: see"),
        (["warning"], "1 warning, with advice: see"),
        (["serious", "warning", "warning"], "1 serious finding and 2 warnings, with advice: see"),
    ],
)
def test_every_severity_is_counted(capsys: pytest.CaptureFixture[str], severities: list[str], said: str) -> None:
    edit = {"set": ["budget.trials=2"]}
    print_health({"findings": [{"severity": one, "text": "a fault", "edit": edit} for one in severities]}, "see")
    lines = capsys.readouterr().out.splitlines()
    assert sum("a fault" in line for line in lines) == severities.count("serious")
    assert [line.strip() for line in lines if "a fault" not in line] == ([said] if said else [])


def test_advice_is_announced_only_where_there_is_some(capsys: pytest.CaptureFixture[str]) -> None:
    advised = {"severity": "info", "text": "a hint", "edit": {"set": ["budget.trials=2"]}}
    print_health({"findings": [{"severity": "warning", "text": "a fault", "edit": None}, advised]}, "see")
    assert capsys.readouterr().out.strip() == "1 warning: see"


def spec_of(defaults: dict[str, Any] | None, **search: Any) -> StudySpec:
    return StudySpec.from_dict(
        {
            "name": "a",
            "trainer": "/net.py:train",
            "space": [
                {"name": "scale", "type": "fixed", "value": 1},
                {"name": "depth", "type": "int", "low": 1, "high": 4},
                {"name": "opt", "type": "choice", "choices": ["sgd", "adam"]},
            ],
            "objective": {"metric": "val/loss", "direction": "minimize"},
            "training": {"epochs": 2},
            "search": search,
            "defaults": defaults,
        }
    )


@pytest.mark.parametrize(
    ("defaults", "search", "expected"),
    [
        ({"depth": 2, "opt": "sgd"}, {}, 0),
        ({"depth": 2, "opt": "sgd"}, {"start_from": [{"depth": 3}]}, None),  # trial 1 has others
        ({"depth": 3, "opt": "sgd"}, {"start_from": [{"depth": 2}]}, 1),
        ({"depth": 2, "opt": "sgd"}, {"try_defaults": False}, None),
        ({"depth": 2, "opt": "sgd"}, {"method": "grid"}, None),
        ({"depth": 2}, {}, None),  # the rest was drawn
        ({"depth": 1, "opt": "sgd"}, {}, None),
        ({}, {}, None),  # a trainer without defaults
        (None, {}, None),  # from an older version
    ],
)
def test_a_trial_is_called_the_defaults_only_if_it_has_them(
    defaults: dict[str, Any] | None, search: dict[str, Any], expected: int | None
) -> None:
    trials = [
        Trial(0, {"scale": 1, "depth": 2, "opt": "sgd"}, 0, TrialState.COMPLETE),
        Trial(1, {"scale": 1, "depth": 3, "opt": "sgd"}, 0, TrialState.COMPLETE),
    ]
    assert _default_trial(spec_of(defaults, **search), trials) == expected


def test_long_values_are_shortened_for_people() -> None:
    assert number("x" * 8000) == "x" * 80 + "... (8,000 characters)"
    assert number(list(range(100))).endswith("... (390 characters)")
    assert [number(value) for value in (None, 0.12345, "sgd", [256, 256], True)] == [
        "-", "0.1235", "sgd", "[256, 256]", "True"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "direction", "expected"),
    [
        ("val/accuracy", "maximize", 0.3),
        ("val/accuracy", "minimize", None),
        ("val/loss", "maximize", None),
        ("val/own", "minimize", 0.3),
    ],
)
def test_chance_is_no_measure_of_an_objective_that_is_to_be_bad(
    metric: str, direction: str, expected: float | None
) -> None:
    trials = [Trial(0, {}, 0, TrialState.COMPLETE, diagnosis={"baseline": 0.3})]
    spec = StudySpec.from_dict({**spec_of(None).to_dict(), "objective": {"metric": metric, "direction": direction}})
    assert _baseline(spec, trials) == expected
