"""Several objectives and constraints in a study file: as they are read, kept and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service import stored_spec
from goodfit.service.app import notes_of
from goodfit.service.errors import StudyFileError
from goodfit.service.objective import Constraint, Objective
from goodfit.service.spec import StudySpec, check_metric, from_mapping
from goodfit.service.spec.changes import changed
from goodfit.trainers.registry import resolve
from tests.service.spec.studies import MINIMAL, spec_of, study

PAIR = "objective: [{metric: val/accuracy, direction: maximize}, {metric: params_millions, direction: minimize}]"
BOUNDS = 'constraints: ["params_millions <= 2", "val/accuracy >= 0.9", "epoch_seconds <= 1e1"]'
GOAL = Objective(
    "val/accuracy",
    "maximize",
    (Objective("params_millions", "minimize"),),
    (
        Constraint("params_millions", "<=", 2.0),
        Constraint("val/accuracy", ">=", 0.9),
        Constraint("epoch_seconds", "<=", 10.0),
    ),
)


def test_a_list_of_objectives_and_constraints_is_one_goal(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, study(objective=PAIR, constraints=BOUNDS))
    assert spec.goal == GOAL
    assert spec.goal.wanted == ("params_millions", "epoch_seconds")


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, study(objective=PAIR, constraints=BOUNDS))
    kept = spec.to_dict()
    assert kept["constraints"] == ["params_millions <= 2", "val/accuracy >= 0.9", "epoch_seconds <= 10"]
    again = StudySpec.from_dict(kept)
    assert again == spec
    assert again.is_same(kept)
    assert stored_spec.objective_of(kept) == GOAL


def test_a_study_of_one_objective_is_kept_as_ever(tmp_path: Path) -> None:
    single = "{metric: val/loss, direction: minimize}"
    one, listed = spec_of(tmp_path), spec_of(tmp_path, MINIMAL.replace(single, f"[{single}]"))
    assert not {"more_objectives", "constraints"} & one.to_dict().keys()
    assert one == listed
    assert one.pauses
    assert not one.prunes


def test_another_objective_or_bound_is_another_study(tmp_path: Path) -> None:
    both = spec_of(tmp_path, study(objective=PAIR, constraints=BOUNDS))
    looser = spec_of(tmp_path, study(objective=PAIR, constraints=BOUNDS.replace("<= 2", "<= 3")))
    alone = spec_of(tmp_path, study(constraints=BOUNDS))
    assert len({spec.fingerprint() for spec in (both, looser, alone)}) == 3
    assert any("params_millions <= 3" in line for line in looser.differences(both.to_dict()))
    for change in ("constraints=[params_millions <= 3]", "more_objectives=[]"):
        with pytest.raises(StudyFileError, match="cannot be changed in a study that has begun"):
            changed(both.to_dict(), [change])


def test_one_constraint_may_stand_without_a_list(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, study(constraints="constraints: params_millions <= 2"))
    assert spec.goal.constraints == GOAL.constraints[:1]


def test_several_objectives_are_pruned_and_never_paused(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, study(objective=PAIR))
    assert (spec.pauses, spec.prunes) == (False, True)
    assert any("auto search is Optuna's TPE" in note for note in notes_of(spec))
    none = spec_of(tmp_path, study(objective=PAIR, pruning="pruning: {method: none}"))
    assert (none.pauses, none.prunes) == (False, False)


def test_an_unusual_direction_of_any_objective_is_noted(tmp_path: Path) -> None:
    unusual = PAIR.replace("params_millions", "val/loss").replace("minimize", "maximize")
    spec = spec_of(tmp_path, study(objective=unusual))
    assert any("val/loss is usually minimized" in note for note in notes_of(spec))


def test_metrics_that_only_the_data_tell_are_checked_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    data = "data: {source: rows.csv, target: b}"
    text = study(data=data, objective=PAIR, constraints="constraints: [val/f2 >= 0.9]")
    with pytest.raises(StudyFileError) as caught:
        check_metric(spec_of(tmp_path, text), resolve("mlp"), "regression")
    assert [problem.key for problem in caught.value.problems] == ["objective.0.metric", "constraints.0"]


def test_python_takes_the_same_values(tmp_path: Path) -> None:
    values = {
        "name": "a-study",
        "trainer": "mlp",
        "data": {"source": "iris"},
        "space": {"optimizer": ["adamw", "sgd"]},
        "objective": [
            {"metric": "val/accuracy", "direction": "maximize"},
            {"metric": "params_millions", "direction": "minimize"},
        ],
        "constraints": ["params_millions <= 2", "val/accuracy >= 0.9", "epoch_seconds <= 10"],
        "training": {"epochs": 2},
        "budget": {"trials": 3},
    }
    assert from_mapping(values, tmp_path).goal == GOAL
