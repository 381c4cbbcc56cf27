"""What may be changed of a study that has begun, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from goodfit.search_spaces.parse import from_list
from goodfit.search_spaces.widening import widened
from goodfit.service.errors import StudyFileError
from goodfit.service.spec import StudySpec, changed, read, why_fixed
from goodfit.service.spec.sections import Budget, Confirm, Resources, Training

STUDY = """
name: a-study
trainer: mlp
data: {source: iris, split: {validation: 0.2, test: 0.2}}
space:
  learning_rate: {type: float, low: 1e-4, high: 0.1, log: true}
  optimizer: [sgd, adam]
  momentum: {type: float, low: 0.5, high: 0.9, when: {optimizer: sgd}}
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
    wanted |= {"confirm", "release", "search.repeats", "space", "pruning"}
    assert wanted - may == {"training.epochs", "training.patience", "training.seed", "training.stop_on"}
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
        (["space.learning_rate.high=1"], [("space.learning_rate.high", "0.1", "1")]),
        (["space.optimizer=[sgd, adam, adamw]"], [("space.optimizer.choices", "[sgd, adam]", "[sgd, adam, adamw]")]),
        (["space.optimizer.choices=[sgd]"], [("space.optimizer.choices", "[sgd, adam]", "[sgd]")]),
        (["pruning.method=none"], [("pruning.method", "auto", "none")]),
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
        ("space.learning_rate.high=1e-5", "--set space.learning_rate.low: "),
        ("space.learning_rate.type=int", "--set space.learning_rate.low: "),
        ("space.learning_rate=null", "--set space.learning_rate: cannot be changed in a study that has begun: its tri"),
        ("space.width={type: int, low: 2, high: 9}", "--set space.width: cannot be changed in a study that has begun"),
        (
            "space.lerning_rate.low=3",
            "--set space.lerning_rate: is no parameter of this study; did you mean learning_rate",
        ),
        ("space.depth=3", "--set space.depth: cannot be changed in a study that has begun: its trials were trained wi"),
        ("space.activation=[relu, gelu]", "--set space.activation: cannot be changed in a study that has begun"),
        ("space.optimizer=[sgd, nope]", "--set space.optimizer: "),
        ("space.optimizer=[adam]", "never sgd: it is one of adam; take it out, too: --set space.momentum=null"),
        ("space.momentum.when={optimizer: adam}", "--set space.momentum: cannot be changed in a study that has begun"),
        ("space.learning_rate.hihg=1", "hihg is no key of a float parameter"),
        ("fixed.depth=3", "--set fixed.depth: cannot be changed"),
        ("objective.direction=maximize", "--set objective.direction: cannot be changed"),
        ("search={seed: 4}", "--set search: cannot be changed"),
        ("name=other", "--set name: cannot be changed"),
        ("data.source=wine", "--set data.source: cannot be changed"),
        ("pruning.method=medain", "--set pruning"),
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


POPULATION = {"search": {"method": "pbt", "population": 4, "interval": 1}, "pruning": {"method": "none"}, "budget": {}}
SEVERAL = {"more_objectives": [{"metric": "val/accuracy", "direction": "maximize"}]}


@pytest.mark.parametrize(
    ("study", "override", "message"),
    [
        (POPULATION, "budget.trials=3", "--set search.population: is 4, more than the 3 trials of the budget"),
        (POPULATION, "budget.epochs=19", "--set budget.epochs: is 19; 4 members of 5 epochs take 20"),
        (POPULATION, "pruning.method=median", "--set pruning.method: is median; pbt lets the worst members go on"),
        (POPULATION, "budget.plateau=true", "--set budget.plateau: is told by the auto search alone"),
        (SEVERAL, "pruning.method=median", "--set pruning.method: median is for one objective; with several, take"),
        (SEVERAL, "budget.plateau=true", "--set budget.plateau: is for one objective"),
        ({"search": {"method": "random"}}, "budget.plateau=true", "this one is random; leave it out"),
        ({"search": {"method": "grid"}}, "space.learning_rate.points=null", "learning_rate: needs step or points"),
    ],
)
def test_an_edit_is_held_to_what_a_study_file_is(
    spec: StudySpec, study: dict[str, Any], override: str, message: str
) -> None:
    kept = {**spec.to_dict(), **study}
    if study.get("search", {}).get("method") == "grid":
        kept["space"] = [{**kept["space"][1], "points": 3}]
    with pytest.raises(StudyFileError) as caught:
        changed(kept, [override])
    assert message in str(caught.value)


def test_what_a_study_was_begun_with_stands_in_the_way_of_no_edit(spec: StudySpec) -> None:
    """As an earlier version took it."""
    kept = {**spec.to_dict(), **POPULATION, "budget": {"trials": 3}}
    assert changed(kept, ["budget.minutes=5"]).budget.minutes == 5
    assert changed(kept, ["budget.trials=4"]).budget.trials == 4


def test_a_pruner_gives_way_to_another_with_its_options_but_none_to_pauses(spec: StudySpec) -> None:
    median = changed(spec.to_dict(), ["pruning.method=median", "pruning.n_startup_trials=2"])
    assert median.pruning.options["n_startup_trials"] == 2
    asha = changed(median.to_dict(), ["pruning.method=asha"])
    assert (asha.pruning.method, "n_startup_trials" in asha.pruning.options) == ("asha", False)
    assert changed(median.to_dict(), ["pruning.n_warmup_steps=1"]).pruning.options["n_startup_trials"] == 2
    with pytest.raises(
        StudyFileError, match=r"--set pruning.method: cannot be changed in a study that has begun: auto"
    ):
        changed(median.to_dict(), ["pruning.method=auto"])


def test_what_no_configuration_can_have_any_more_may_leave_the_space(spec: StudySpec) -> None:
    after = changed(spec.to_dict(), ["space.optimizer=[adam]", "space.momentum=null"]).space
    assert after.names == ("depth", "learning_rate", "optimizer")
    assert after.outside({"optimizer": "sgd", "momentum": 0.7, "learning_rate": 0.01, "depth": 2}) == ["optimizer"]


def test_new_choices_keep_their_condition(spec: StudySpec) -> None:
    kept = spec.to_dict()
    kept["space"].append({"name": "schedule", "type": "choice", "choices": ["step"], "when": {"optimizer": "sgd"}})
    after = changed(kept, ["space.schedule=[step, cosine]"]).space["schedule"]
    assert (str(after), dict(after.when)) == ("one of step, cosine", {"optimizer": "sgd"})


def test_a_space_is_wide_enough_for_trials_from_before_it_was_edited() -> None:
    space = from_list(
        [
            {"name": "a", "type": "float", "low": 0.1, "high": 1.0, "log": True},
            {"name": "b", "type": "int", "low": 2, "high": 8, "step": 2},
            {"name": "c", "type": "choice", "choices": ["x", "y"]},
            {"name": "d", "type": "fixed", "value": 3},
        ]
    )
    inside = {"a": 0.5, "b": 4, "c": "x", "d": 3}
    assert widened(space, [inside]) is space
    before = [{**inside, "a": 0.0}, {**inside, "b": 3}, {**inside, "b": 12, "c": "z"}]
    assert [space.outside(one) for one in before] == [["a"], ["b"], ["b", "c"]]
    wide = widened(space, [inside, *before])
    assert [wide.outside(one) for one in before] == [[], [], []]
    assert [str(item) for item in wide] == ["0 to 1", "2 to 12", "one of x, y, z", "3"]
