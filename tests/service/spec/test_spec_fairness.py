"""The `fairness:` section: which groups are compared, what is searched, and what a study is judged by."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from goodfit.service.app.preflight import check
from goodfit.service.app.repeating import study_file_of
from goodfit.service.cli.check import plan, print_plan
from goodfit.service.errors import DataError, StudyFileError
from goodfit.service.objective import Constraint
from goodfit.service.spec import StudySpec, for_trainer, from_mapping
from goodfit.trainers.messages import GroupSpec

PEOPLE = {
    "name": "people",
    "trainer": "mlp",
    "data": {"source": "people.csv", "target": "hired"},
    "fairness": {"by": ["sex", "age"], "bins": {"age": [30, 50]}},
    "space": {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2}},
    "objective": {"metric": "val/accuracy", "direction": "maximize"},
    "constraints": ["val/equalized_odds_difference <= 0.1", "val/demographic_parity_ratio/sex >= 0.8"],
    "training": {"epochs": 3},
    "budget": {"trials": 4},
}


def spec_of(folder: Path, **changes: Any) -> StudySpec:
    frame = pd.DataFrame(
        {
            "score": range(120),
            "sex": ["f", "m"] * 60,
            "age": [20, 40, 60] * 40,
            "hired": ["yes", "no", "no", "yes"] * 30,
        }
    )
    frame.to_csv(folder / "people.csv", index=False)
    values = {**PEOPLE, **changes}
    return from_mapping({key: value for key, value in values.items() if value is not None}, folder)


def problems_of(folder: Path, **changes: Any) -> dict[str, str]:
    with pytest.raises(StudyFileError) as caught:
        check(spec_of(folder, **changes))
    return {problem.key: problem.text for problem in caught.value.problems}


def test_groups_go_to_the_trainers_with_the_data_and_what_is_searched_takes_their_place(tmp_path: Path) -> None:
    way = {"fairness.mitigation": ["none", "adversarial"], "fairness.thresholds": ["none", "equalized_odds"]}
    spec = spec_of(
        tmp_path, space={**PEOPLE["space"], **way, "fairness.strength": {"type": "float", "low": 1, "high": 9}}
    )  # type: ignore[dict-item]
    params = {"learning_rate": 0.01, "fairness.mitigation": "adversarial", "fairness.strength": 3.0}
    data = spec.data_spec(params)
    assert data is not None
    assert data.fairness == GroupSpec(
        ("sex", "age"), bins=(("age", (30.0, 50.0)),), mitigation="adversarial", strength=3.0
    )
    assert for_trainer(params) == {"learning_rate": 0.01}
    assert spec.contrast == ("fairness.mitigation", "fairness.thresholds")
    assert StudySpec.from_dict(spec.to_dict()).data_spec(params) == data
    assert spec.defaults is not None
    assert spec.defaults["fairness.mitigation"] == "none"
    checked = check(spec)
    assert "fairness: the positive outcome is class yes" in checked.notes


def test_a_study_without_groups_is_as_before(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, fairness=None, constraints=None)
    assert "fairness" not in spec.to_dict()
    assert spec.contrast == ()
    assert spec.fingerprint() != spec_of(tmp_path, constraints=None).fingerprint()


def test_its_file_is_written_back(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, fairness={"by": "sex", "positive": True}, constraints=None)
    assert study_file_of(spec)["fairness"] == {"by": ["sex"], "positive": "True"}
    assert from_mapping(study_file_of(spec), tmp_path).is_same(spec.to_dict())


@pytest.mark.parametrize(
    ("section", "key", "said"),
    [
        ({"by": []}, "fairness.by", "is empty; name the columns whose groups are compared"),
        ({}, "fairness.by", "is missing; write the columns whose groups are compared, such as [sex, age]"),
        ({"by": ["sex"], "mitigation": "reweighting"}, "fairness.mitigation", "did you mean reweighing?"),
        ({"by": ["sex"], "strength": 0}, "fairness.strength", "must be more than 0"),
        ({"by": ["sex", "sex"]}, "fairness", "by names sex twice"),
        ({"by": ["sex"], "bins": {"age": [30]}}, "fairness", "bins cuts age, which by does not name"),
        ({"by": ["age"], "bins": {"age": [50, 30]}}, "fairness.bins", "age: write bounds from low to high"),
        ({"by": ["age"], "bins": {"age": ["old"]}}, "fairness.bins", "age: a bound is the text 'old', not a number"),
        ({"by": ["sex"], "group": "sex"}, "fairness.group", "unknown key"),
    ],
)
def test_what_is_wrong_in_the_section_has_its_key(tmp_path: Path, section: Any, key: str, said: str) -> None:
    found = problems_of(tmp_path, fairness=section, constraints=None)
    assert said in found[key], found


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ({"fairness.by": ["sex", "age"]}, "is the same for all trials, or they would not compare"),
        ({"fairness.mitigation": ["none", "reweigh"]}, "there is no 'reweigh'; did you mean reweighing?"),
        ({"fairness.weights": [1, 2]}, "fairness has no key weights"),
    ],
)
def test_what_cannot_be_searched_is_refused(tmp_path: Path, parameter: dict[str, Any], said: str) -> None:
    found = problems_of(tmp_path, space={**PEOPLE["space"], **parameter})  # type: ignore[dict-item]
    assert any(said in text for text in found.values()), found


def test_groups_need_data_and_a_parameter_needs_groups(tmp_path: Path) -> None:
    assert "there is no `data:`" in problems_of(tmp_path, data=None)["fairness"]
    reaching = {**PEOPLE["space"], "fairness.mitigation": ["none", "sampling"]}  # type: ignore[dict-item]
    found = problems_of(tmp_path, fairness=None, constraints=None, space=reaching)
    assert any("there is no `fairness:` for it" in text for text in found.values())


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("val/equalised_odds_difference", "did you mean val/equalized_odds_difference?"),
        ("val/equalized_odds_difference/height", "does not report val/equalized_odds_difference/height"),
        ("val/tpr/sex:x", "there is no group sex:x in the data; "),
    ],
)
def test_a_metric_that_no_group_has_is_refused(tmp_path: Path, metric: str, said: str) -> None:
    assert said in problems_of(tmp_path, constraints=[f"{metric} <= 0.1"])["constraints.0"]
    check(spec_of(tmp_path, constraints=["val/tpr/sex:f >= 0.5", "val/fpr/sex:m/age:50 or more <= 0.5"]))


def test_a_bound_of_a_group_whose_name_has_a_comparison_is_read(tmp_path: Path) -> None:
    bounds = ("val/tpr/sex:<25 >= 0.5", "val/fpr/sex:>=25 <= 0.25")
    found = spec_of(tmp_path, constraints=list(bounds), release={"require": ["test/tpr/sex:<25>=0.5"]})
    assert [one.metric for one in found.constraints] == ["val/tpr/sex:<25", "val/fpr/sex:>=25"]
    assert tuple(map(str, found.constraints)) == bounds
    assert [Constraint.of(str(one)) for one in found.constraints] == list(found.constraints)
    assert found.release is not None
    assert [gate.written() for gate in found.release.require] == ["test/tpr/sex:<25 >= 0.5"]


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("val/tpr/sex:<25", "compares by <; write METRIC <= NUMBER"),
        ("0 <= val/accuracy <= 1", "is not one comparison"),
        ("val/accuracy <= 0.5 <= 1", "is not one comparison"),
        ("val/tpr/sex:<25 < 0.5", "compares by <; write METRIC <= NUMBER"),
    ],
)
def test_what_is_not_one_bound_is_refused(tmp_path: Path, bound: str, said: str) -> None:
    assert re.search(said, problems_of(tmp_path, constraints=[bound])["constraints.0"])


def test_a_metric_of_groups_without_groups_says_what_to_write(tmp_path: Path) -> None:
    found = problems_of(tmp_path, fairness=None)
    assert "compares groups; say which: `fairness: {by: [COLUMN]}`" in found["constraints.0"]


def test_a_trainer_that_does_not_report_by_group_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def train(trial):\n    pass\n")
    with pytest.raises(DataError, match=r"trainer train ignores `fairness: \{by: \[sex, age\]\}`: leave it out"):
        check(spec_of(tmp_path, trainer="own.py:train", constraints=None))


def test_groups_and_annotators_of_built_in_data_are_refused_where_there_are_none(tmp_path: Path) -> None:
    images = {"data": {"source": "digits"}, "constraints": None}
    with pytest.raises(DataError, match=r"digits: fairness\.by names columns of tables, and these are image data"):
        check(spec_of(tmp_path, **images))
    annotated = {"data": {"source": "digits", "annotators": ["ann", "bo"]}, "constraints": None, "fairness": None}
    with pytest.raises((DataError, StudyFileError), match="annotators"):
        check(spec_of(tmp_path, **annotated))
    with pytest.raises(DataError, match=r"iris has no column 'sex', which fairness\.by names"):
        check(spec_of(tmp_path, data={"source": "iris"}, constraints=None))


def test_a_column_that_is_not_there_is_refused_when_the_data_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no column 'gender', which fairness\.by names"):
        check(spec_of(tmp_path, fairness={"by": "gender"}, constraints=None))


def test_check_shows_the_groups_the_confirmation_and_the_gates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = ["confirmed", "test/accuracy >= 0.9", {"no_label_errors_above": 0.02}]
    spec = spec_of(tmp_path, confirm={"top": 1, "seeds": 2}, release={"require": gates})
    planned = plan(spec)
    assert planned["groups"] == {"sex": ["f", "m"], "age": ["under 30", "30 to 50", "50 or more"]}
    assert planned["confirm"] == {"top": 1, "seeds": 2}
    assert planned["release"] == gates
    print_plan(tmp_path / "people.yaml", planned)
    shown = capsys.readouterr().out.splitlines()
    assert "groups     sex: f, m" in shown
    assert "confirm    the best configuration, on 2 fresh seeds, on the test split" in shown
    first = shown.index("release    needs confirmed")
    assert shown[first + 1 : first + 3] == [
        "           needs test/accuracy >= 0.9",
        "           needs no_label_errors_above: 0.02",
    ]


def test_check_shows_nothing_of_what_a_study_leaves_out(tmp_path: Path) -> None:
    planned = plan(spec_of(tmp_path, fairness=None, constraints=None))
    assert (planned["groups"], planned["confirm"], planned["release"]) == ({}, None, [])
