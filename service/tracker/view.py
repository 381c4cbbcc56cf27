"""What MLflow's page of a study shows at first: its trials by their value, with verdict, gap, data, source, parameters.

MLflow keeps a view that is shared in a tag of the experiment, as JSON, and its pages open it by the key in their URL
(read from its pages' code, 3.17: the keys below are those of its own search facets and columns).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goodfit.service.records import Study
from goodfit.service.tracker.content import TRIAL, safe_name
from goodfit.service.tracker.experiment import connect, refusals_told

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY = "goodfit"
TAG = f"mlflow.sharedViewState.{KEY}"
MOST_PARAMETERS = 20  # a tag of an experiment has 5,000 characters
VALUE, GAP = "diagnosis/value", "diagnosis/gap"


def view_of(study: Study) -> str:
    """The view of a study: the value of the tag."""
    searched = _searched(study.spec.get("space"))[:MOST_PARAMETERS]
    widths = {
        _column("attributes", "Created"): 110,
        _column("attributes", "Dataset"): 130,
        _column("attributes", "Source"): 90,
        _column("metrics", VALUE): 110,
        _column("tags", "goodfit.verdict"): 110,
        _column("metrics", GAP): 100,
        **{_column("params", safe_name(name)): 110 for name in searched},
    }
    view: dict[str, Any] = {
        "searchFilter": f"tags.`{TRIAL}` != ''",
        "orderByKey": _column("metrics", VALUE),
        "orderByAsc": study.objective.sign > 0,
        "selectedColumns": list(widths),
        "columnOrder": list(widths),
        "columnWidths": widths,
        "hideEmptyCharts": True,
        "compareRunCharts": [],
        "compareRunSections": [],
    }
    return json.dumps(view)


def _searched(space: object) -> list[str]:
    """The searched parameters of a space as a study keeps it, a list, or as a study file writes it, a mapping."""
    if isinstance(space, Mapping):
        return list(space)
    items = space if isinstance(space, list) else []
    return [str(one["name"]) for one in items if one.get("type") != "fixed"]


def show_view(client: MlflowClient, experiment_id: str, study: Study) -> None:
    """Keep the view with the study's experiment, where it is not there yet."""
    view = view_of(study)
    if (client.get_experiment(experiment_id).tags or {}).get(TAG) != view:
        client.set_experiment_tag(experiment_id, TAG, view)


def keep_view(tracking_uri: str, study: Study) -> None:
    """The same for a study that was mirrored before there were views; TrackingError where MLflow refuses."""
    if study.mlflow_experiment_id is None:
        return
    with refusals_told(tracking_uri):
        show_view(connect(tracking_uri), study.mlflow_experiment_id, study)


def _column(category: str, name: str) -> str:
    return f"{category}.`{name}`"
