"""What may be changed of a study that has begun, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, changed, read, why_fixed
from goodfit.service.spec.sections import Budget, Confirm, Resources, Training

STUDY = """
name: a-study
trainer: mlp
data: {source: iris, split: {validation: 0.2, test: 0.2}}
space: {learning_rate: {type: float, low: 1e-4, high: 0.1, log: true}}
fixed: {depth: 2}
objective: {metric: val/loss, direction: minimize}
training: {epochs: 5}
budget: {trials: 16}
"""


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    return read(file)


def leaves(model: type[BaseModel], above: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_every_key_of_a_study_file_is_decided() -> None:
    undecided = why_fixed("no.such.key")
    assert [
        key for key in leaves(StudySpec, "") if why_fixed(key) == undecided and key not in ("training", "fixed")
    ] == []


def test_what_alters_no_past_decision_may_change() -> None:
    may = {key for key in leaves(StudySpec, "") if why_fixed(key) is None}
    sections = {"budget": Budget, "resources": Resources, "training": Training}
    wanted = {f"{name}.{key}" for name, model in sections.items() for key in model.model_fields}
    wanted |= {"confirm", "search.repeats"}
    assert wanted - may == {"training.epochs", "training.patience", "training.stop_on"}
    assert may <= wanted
    assert all(why_fixed(f"confirm.{key}") is None for key in Confirm.model_fields)


@pytest.mark.parametrize(
    ("overrides", "changes"),
    [
        (["budget.trials=40"], [("budget.trials", "16", "40")]),
        (["budget.trials=8", "budget.minutes=5"], [("budget.trials", "16", "8"), ("budget.minutes", "not set", "5")]),
        (["budget={minutes: 3}"], [("budget.trials", "16", "not set"), ("budget.minutes", "not set", "3")]),
        (
            ["budget.target=0.1", "budget.failures=0"],
            [("budget.failures", "10", "0"), ("budget.target", "not set", "0.1")],
        ),
        (["training.minutes=9"], [("training.minutes", "not set", "9")]),
        (["training={epochs: 5, retries: 0}"], [("training.retries", "2", "0")]),
        (["resources.cpus=2"], [("resources.cpus", "1", "2")]),
        (["confirm.top=2"], [("confirm.top", "not set", "2"), ("confirm.seeds", "not set", "3")]),
        (["confirm=null"], []),
        (["budget.trials=16"], []),
    ],
)
def test_a_change_is_in_the_spec_and_told(
    spec: StudySpec, overrides: list[str], changes: list[tuple[str, str, str]]
) -> None:
    after = changed(spec.to_dict(), overrides)
    assert sorted(after.changes(spec.to_dict())) == sorted(changes)
    assert StudySpec.from_dict(after.to_dict()) == after


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs=9", "--set training.epochs: cannot be changed in a study that has begun: its trials were"),
        ("training={epochs: 9}", "--set training.epochs: cannot be changed"),
        ("training.patience=2", "--set training.patience: cannot be changed"),
        ("space.learning_rate.high=1", "--set space.learning_rate.high: cannot be changed"),
        ("fixed.depth=3", "--set fixed.depth: cannot be changed"),
        ("objective.direction=maximize", "--set objective.direction: cannot be changed"),
        ("search={seed: 4}", "--set search: cannot be changed"),
        ("name=other", "--set name: cannot be changed"),
        ("data.source=wine", "--set data.source: cannot be changed"),
        ("pruning.method=none", "--set pruning.method: cannot be changed"),
        ("budget.trials=0", "--set budget.trials: is 0; it must be at least 1"),
        ("budget.trails=40", "--set budget.trails: unknown key; did you mean trials?"),
        ("budgett.trials=40", "--set budgett: unknown key; did you mean budget?"),
        ("budget.trials", "is not KEY=VALUE"),
        ("budget.trials=null", "budget: needs trials, epochs or minutes"),
    ],
)
def test_what_cannot_be_changed_or_is_no_value_is_refused_with_its_key(
    spec: StudySpec, override: str, message: str
) -> None:
    with pytest.raises(StudyFileError) as caught:
        changed(spec.to_dict(), [override])
    assert str(caught.value).startswith("study a-study: ")
    assert message in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(spec: StudySpec) -> None:
    with pytest.raises(StudyFileError) as caught:
        changed(spec.to_dict(), ["training.epochs=9", "budget.trials=x y", "budgt.trials=4", "name=b", "confirm"])
    keys = [problem.key for problem in caught.value.problems]
    assert sorted(keys) == sorted(
        f"--set {key}" for key in ("training.epochs", "budget.trials", "budgt", "name", "confirm")
    )


def test_a_study_without_test_rows_cannot_come_to_be_confirmed(spec: StudySpec) -> None:
    kept = spec.to_dict()
    kept["data"]["split"]["test"] = 0
    with pytest.raises(StudyFileError, match="confirm: is scored on the test split"):
        changed(kept, ["confirm.top=2"])
