"""`search: {start_from: [...]}`: configurations of one's own, whole or in part, checked against the space."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, read

STUDY = """\
name: q
trainer: net.py:train
space:
  rate: {type: float, low: 1e-4, high: 1, log: true}
  depth: {type: int, low: 1, high: 4}
  optimizer: [sgd, adamw]
  momentum: {type: float, low: 0.1, high: 0.9, when: {optimizer: sgd}}
  hidden: [[256, 256], [1024]]
fixed: {scale: none}
objective: {metric: val/loss, direction: minimize}
training: {epochs: 2}
budget: {trials: 8}
search:
  start_from:
    - {rate: "1e-2", depth: 2.0, optimizer: sgd, momentum: 0.5, hidden: [1024]}
"""


def spec_of(folder: Path, *lines: str) -> StudySpec:
    (folder / "net.py").write_text("def train(trial): pass\n")
    (folder / "study.yaml").write_text(STUDY + "".join(f"    - {line}\n" for line in lines))
    return read(folder / "study.yaml")


def test_own_configurations_have_the_types_of_their_parameters_and_are_kept(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "{depth: 3}")
    first = {"rate": 0.01, "depth": 2, "optimizer": "sgd", "momentum": 0.5, "hidden": [1024]}
    assert spec.search.start_from == (first, {"depth": 3})
    assert type(spec.search.start_from[0]["depth"]) is int
    assert StudySpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ("{rate: 2}", "1.rate", "2 is not in the space: it is 0.0001 to 1, log"),
        ("{depth: 2.5}", "1.depth", "is 2.5, not a whole number"),
        ("{rate: big}", "1.rate", "is the text 'big', not a number"),
        ("{optimizer: sdg}", "1.optimizer", "sdg is not in the space: it is one of sgd, adamw"),
        ("{hidden: [256]}", "1.hidden", "[256] is not in the space"),
        ("{detph: 2}", "1.detph", "the space has no parameter detph; did you mean depth?"),
        ("{momentum: 0.5}", "1.momentum", "exists only under a condition on optimizer; give optimizer, too"),
        ("{optimizer: adamw, momentum: 0.5}", "1.momentum", "only when optimizer is sgd, and optimizer is adamw here"),
        ("{scale: all}", "1.scale", "all is not in the space: it is none"),
        ("{rate: 0.01, depth: 2, optimizer: sgd, momentum: 0.5, hidden: [1024]}", "1", "is there twice"),
        ("3", "", "its entry 2 is 3, not a configuration"),
        ("3\n    - []", "", "its entry 3 is"),
    ],
)
def test_what_is_no_configuration_is_said_with_its_line(tmp_path: Path, line: str, key: str, said: str) -> None:
    with pytest.raises(StudyFileError) as refused:
        spec_of(tmp_path, line)
    (problem,) = refused.value.problems
    assert problem.key == f"search.start_from.{key}".strip(".")
    assert said in problem.text
    assert problem.line == (16 if key else 14)


def test_a_finite_space_ends_a_study_unless_repeats_are_wanted(tmp_path: Path) -> None:
    small = STUDY.partition("space:")[0] + "space: {a: [1, 2], b: [x, y, z]}\n"
    small += "objective: {metric: val/loss, direction: minimize}\ntraining: {epochs: 2}\n"
    (tmp_path / "net.py").write_text("def train(trial): pass\n")

    def planned(more: str) -> int | None:
        (tmp_path / "study.yaml").write_text(small + more)
        return read(tmp_path / "study.yaml").planned_trials()

    assert planned("") == 6
    assert planned("budget: {trials: 20}") == 6
    assert planned("budget: {trials: 4}") == 4
    assert planned("budget: {trials: 20}\nsearch: {repeats: true}") == 20
    with pytest.raises(StudyFileError, match="the auto search has no end of its own"):
        planned("search: {repeats: true}")


@pytest.mark.parametrize("written", ["enqueue: [{rate: 0.01}]\n", "search: {initial: [{rate: 0.01}]}\n"])
def test_other_names_of_it_get_an_error_that_names_it(tmp_path: Path, written: str) -> None:
    (tmp_path / "net.py").write_text("def train(trial): pass\n")
    (tmp_path / "study.yaml").write_text(STUDY.partition("search:")[0] + written)
    with pytest.raises(StudyFileError, match=r"unknown key; search\.start_from: \[\{name: value, \.\.\.\}\]") as caught:
        read(tmp_path / "study.yaml")
    assert [problem.line for problem in caught.value.problems] == [STUDY[: STUDY.index("search:")].count("\n") + 1]
