"""Study files that are wrong in several ways, or no study files at all: all problems at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import StudyFileError
from goodfit.service.spec import from_mapping, read
from tests.service.spec.studies import problems_of, study


def test_all_problems_come_at_once_in_the_order_of_their_lines(tmp_path: Path):
    text = """\
name: bad name
trainer: mlp
data: {source: irish}
space:
  optimizer: [adamw, no]
  depth: {type: int, low: 4, high: 1}
  hight: [1, 2]
objective: {metric: val/los, direction: down}
training: {epochs: 0}
budgett: {trials: 3}
budget: {trials: 0}
"""
    assert [(problem.line, problem.key) for problem in problems_of(tmp_path, text)] == [
        (1, "name"),
        (3, "data.source"),
        (5, "space.optimizer.1"),
        (6, "space.depth.low"),
        (7, "space.hight"),
        (8, "objective.direction"),
        (9, "training.epochs"),
        (10, "budgett"),
        (11, "budget.trials"),
    ]


def test_a_space_of_another_trainer_names_each_parameter_that_does_not_suit(tmp_path: Path):
    problems = problems_of(tmp_path, study(space="space: cnn"))
    assert [(problem.line, problem.key, problem.text.split(";")[0]) for problem in problems] == [
        (4, "space", "kernel_size: trainer mlp has no such hyperparameter"),
        (4, "space", "residual: trainer mlp has no such hyperparameter"),
    ]


def test_a_message_reads_file_line_key_and_what_to_do(tmp_path: Path):
    file = tmp_path / "study.yaml"
    file.write_text(study(budget="budget:\n  trials: 0"))
    with pytest.raises(StudyFileError) as caught:
        read(file)
    assert str(caught.value) == f"{file}:8: budget.trials: is 0; it must be at least 1"


@pytest.mark.parametrize(
    ("content", "line", "fragment"),
    [
        ("", 0, "is empty"),
        ("# only a comment\n", 0, "is empty"),
        ("- name: a\n", 0, "is a list, not a mapping"),
        ("just text\n", 0, "is the text 'just text', not a mapping"),
        ("name: a\ntrainer: [mlp\n", 3, "is not YAML"),
        ("name: a\n\ttrainer: mlp\n", 2, "indent with spaces, not tabs"),
        ("name: a\ntrainer: mlp\nname: b\n", 3, "name is there twice, first on line 1"),
    ],
)
def test_a_file_that_is_no_study_says_so(tmp_path: Path, content: str, line: int, fragment: str):
    (problem,) = problems_of(tmp_path, content)
    assert problem.line == line
    assert fragment in problem.text


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path):
    with pytest.raises(StudyFileError, match=r"none\.yaml: there is no such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(StudyFileError, match="is a folder, not a YAML file"):
        read(tmp_path)


def test_keys_that_are_there_twice_are_all_named(tmp_path: Path):
    text = study(training="training: {epochs: 3, epochs: 4}", x="name: b")
    assert [(problem.line, problem.key) for problem in problems_of(tmp_path, text)] == [
        (6, "training.epochs"),
        (8, "name"),
    ]


def test_a_trainer_that_fails_on_import_is_named_with_its_error(tmp_path: Path):
    (tmp_path / "own.py").write_text("raise RuntimeError('no such thing')\n")
    problems = problems_of(tmp_path, study(trainer="trainer: own.py:net"))
    assert [(problem.line, problem.key) for problem in problems] == [(2, "trainer")]
    assert "failed: RuntimeError: no such thing" in problems[0].text


OWN = """
from dataclasses import dataclass
from typing import Literal
from goodfit import register

@dataclass(frozen=True)
class Config:
    size: int
    kind: Literal["a", "b"] | None = None
    bias: bool = True

@register("own", config=Config, metrics={"classification": ("loss", "f1")})
def train(trial): ...
"""


@pytest.mark.parametrize(
    ("space", "key", "fragment"),
    [
        (
            "space: {bias: [true, false]}",
            "space.size",
            "trainer own has no default for it; give it in `space:` or `fixed:`",
        ),
        ("space: {size: [1, 2], bias: [a, b]}", "space.bias", "a is not true or false"),
        ("space: {size: [1, x]}", "space.size", "x is not a whole number"),
        ("space: {size: 1, kind: [a, c, null]}", "space.kind", "c is not among its choices; choose from: a, b or null"),
        (
            "space: {kind: [a, b], size: {type: fixed, value: 1, when: {kind: a}}}",
            "space.size",
            "outside of its condition",
        ),
    ],
)
def test_a_users_config_is_checked_by_its_type_hints(tmp_path: Path, space: str, key: str, fragment: str):
    (tmp_path / "own.py").write_text(OWN)
    (problem,) = problems_of(tmp_path, study(trainer="trainer: own.py:train", data=None, space=space))
    assert problem.key == key
    assert fragment in problem.text


def test_a_mapping_is_checked_like_a_file_without_lines(tmp_path: Path):
    values: dict[str, Any] = {
        "name": "a",
        "trainer": "mlp",
        "data": {"source": "iris"},
        "space": {"optimizer": ["sgd", "off"]},
        "objective": {"metric": "val/loss", "direction": "minimize"},
        "training": {"epochs": 0},
        "budget": {"trials": 2},
    }
    with pytest.raises(StudyFileError) as caught:
        from_mapping(values, tmp_path)
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (0, "training.epochs"),
        (0, "space.optimizer"),
    ]
