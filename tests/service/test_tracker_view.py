"""What MLflow's page of a study shows at first."""

from __future__ import annotations

import json

from goodfit.service.records import Study
from goodfit.service.tracker.view import view_of


def study(space: object, direction: str = "minimize") -> Study:
    return Study("s", {"space": space, "objective": {"metric": "val/loss", "direction": direction}}, "f", 1.0)


def test_trials_are_sorted_by_the_objective_and_parameters_are_columns() -> None:
    view = json.loads(view_of(study({"learning_rate": {}, "f1@0.5": {}})))
    assert view["orderByKey"] == "metrics.`best_value`"
    assert view["orderByAsc"] is True
    assert view["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "goodfit.study"}]
    assert "tags.`goodfit.verdict`" in view["selectedColumns"]
    assert "params.`learning_rate`" in view["selectedColumns"]
    assert "params.`f1@0.5`" not in view["selectedColumns"]  # MLflow takes no @
    kept = [{"name": "depth", "type": "int"}, {"name": "width", "type": "fixed"}]
    assert "params.`depth`" in view_of(study(kept))
    assert "params.`width`" not in view_of(study(kept))
    assert json.loads(view_of(study({}, "maximize")))["orderByAsc"] is False


def test_value_verdict_gap_data_and_source_come_first_and_fit_into_a_narrow_page() -> None:
    view = json.loads(view_of(study({"learning_rate": {}})))
    before = view["columnOrder"][: view["columnOrder"].index("params.`learning_rate`")]
    shown = ["metrics.`best_value`", "tags.`goodfit.verdict`", "metrics.`best_gap`"]
    assert before[2:] == [*shown, "attributes.`Dataset`", "attributes.`Source`"]
    assert sum(view["columnWidths"][column] for column in before) <= 698 - 73


def test_a_wide_space_and_a_named_one_fit_into_a_tag() -> None:
    assert len(view_of(study({f"parameter_of_a_long_name_{number}": {} for number in range(500)}))) < 5000
    assert "params" not in view_of(study("mlp"))
