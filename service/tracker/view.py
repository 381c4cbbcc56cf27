"""What MLflow's page of a study shows at first: its trials, open, by value, with verdict, gap, data and source.

MLflow keeps a view that is shared in a tag of the experiment, as JSON, and its pages open it by the key in their URL
(read from its pages' code, 3.17: the keys below are those of its own search facets and columns). It nests runs only
where they are sorted by time, and a shared view cannot say which are open; groups are open, and sorted by anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goodfit.service.records import Study
from goodfit.service.tracker.content import BEST_GAP, BEST_VALUE, TRIAL, safe_name
from goodfit.service.tracker.experiment import connect, refusals_told

if TYPE_CHECKING:
    from mlflow import MlflowClient

KEY = "goodfit"
TAG = f"mlflow.sharedViewState.{KEY}"
MOST_PARAMETERS = 20  # a tag of an experiment has 5,000 characters
# Pixels. At 1280 MLflow leaves 698 where its assistant is open, as it is at first, and 73 of these are check boxes: the
# columns up to the source are within that, so that none of them has to be scrolled to.
NAME, CREATED, VALUE, VERDICT, GAP, DATASET, SOURCE = 108, 42, 94, 96, 82, 130, 72
PARAMETER = 110


def view_of(study: Study) -> str:
    """The view of a study: the value of the tag."""
    searched = _searched(study.spec.get("space"))[:MOST_PARAMETERS]
    columns = {
        _column("metrics", BEST_VALUE): VALUE,
        _column("tags", "goodfit.verdict"): VERDICT,
        _column("metrics", BEST_GAP): GAP,
        _column("attributes", "Dataset"): DATASET,
        _column("attributes", "Source"): SOURCE,
        **{_column("params", safe_name(name)): PARAMETER for name in searched},
    }
    widths = {_column("attributes", "Run Name"): NAME, "runDateAndNestInfo": CREATED, **columns}
    best = "max" if study.objective.sign < 0 else "min"
    view: dict[str, Any] = {
        "searchFilter": f"tags.`{TRIAL}` != ''",
        "orderByKey": _column("metrics", BEST_VALUE),
        "orderByAsc": study.objective.sign > 0,
        "groupBy": {"aggregateFunction": best, "groupByKeys": [{"mode": "tag", "groupByData": "goodfit.study"}]},
        "useGroupedValuesInCharts": False,
        "selectedColumns": list(columns),
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
