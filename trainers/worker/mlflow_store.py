"""An MLflow tracking store of one experiment with one run: that of the trial that trains. See mlflow_calls.py."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from mlflow.entities import Experiment, LifecycleStage, LoggedModel, Metric, Param, Run, RunData, RunInfo, RunTag
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore

from goodfit.trainers.worker.mlflow_notes import FOLDER, Notes


class TrialStore(AbstractStore):
    """What trainers use of a store; the rest does nothing."""

    def __init__(self, present: Callable[[], Notes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._present = present
        self._run_id, self._start = uuid.uuid4().hex, int(time.time() * 1000)
        self._status, self._name, self._end = "RUNNING", "trial", None

    @property
    def _notes(self) -> Notes:
        return self._present()

    def _location(self, part: str = "") -> str:
        return str(self._notes.folder() / FOLDER / part)

    def get_experiment(self, experiment_id: str) -> Any:
        return Experiment(str(experiment_id), "trial", self._location(), LifecycleStage.ACTIVE)

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        return Experiment("0", experiment_name, self._location(), LifecycleStage.ACTIVE)

    def create_experiment(self, *_: Any, **__: Any) -> str:
        return "0"

    def search_experiments(self, *_: Any, **__: Any) -> Any:
        return PagedList([self.get_experiment("0")], None)

    def create_run(self, experiment_id: str, user_id: str, start_time: int, tags: Any, run_name: str) -> Any:  # noqa: ARG002
        self._status, self._end = "RUNNING", None
        for tag in tags or ():
            self.set_tag(self._run_id, tag)
        return self.get_run(self._run_id)

    def get_run(self, run_id: str) -> Any:
        info = RunInfo(
            run_id, "0", "goodfit", self._status, self._start, self._end, "active", self._location(), self._name
        )
        latest = {name: Metric(name, value, at, step) for (name, step), (value, at) in self._notes.points.items()}
        params = [Param(name, value) for name, value in self._notes.params.items()]
        tags = [RunTag(name, value) for name, value in self._notes.tags.items()]
        return Run(info, RunData(list(latest.values()), params, tags))

    def update_run_info(self, run_id: str, run_status: Any, end_time: Any, run_name: Any) -> Any:  # noqa: ARG002
        self._end = end_time
        return self.get_run(run_id).info

    def search_runs(self, *_: Any, **__: Any) -> Any:
        return PagedList([self.get_run(self._run_id)], None)

    def get_metric_history(self, run_id: str, metric_key: str, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        found = sorted((step, *rest) for (name, step), rest in self._notes.points.items() if name == metric_key)
        return PagedList([Metric(metric_key, value, at, step) for step, value, at in found], None)

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        for metric in metrics or ():
            self.log_metric(run_id, metric)
        for param in params or ():
            self.log_param(run_id, param)
        for tag in tags or ():
            self.set_tag(run_id, tag)

    def log_metric(self, run_id: str, metric: Any) -> None:  # noqa: ARG002
        self._notes.points[metric.key, metric.step] = (float(metric.value), metric.timestamp)

    def log_param(self, run_id: str, param: Any) -> Any:  # noqa: ARG002
        self._notes.params[param.key] = str(param.value)
        return param

    def set_tag(self, run_id: str, tag: Any) -> None:  # noqa: ARG002
        if not tag.key.startswith("mlflow."):  # MLflow's own: of the user, the source, the run's name
            self._notes.tags[tag.key] = str(tag.value)

    def create_logged_model(self, experiment_id: str, name: Any = None, *_: Any, **__: Any) -> Any:
        model_id, now = f"m-{uuid.uuid4().hex}", int(time.time() * 1000)
        place = self._location(f"models/{name or model_id}")
        model = LoggedModel(experiment_id, model_id, name or model_id, place, now, now)
        self._notes.models[model_id] = model
        return model

    def get_logged_model(self, model_id: str, *_: Any, **__: Any) -> Any:
        return self._notes.models[model_id]

    def finalize_logged_model(self, model_id: str, *_: Any, **__: Any) -> Any:
        return self._notes.models[model_id]


def _nothing(*_: Any, **__: Any) -> None:
    """For what else MLflow asks of a store."""


for _name, _method in vars(AbstractStore).items():
    if not _name.startswith("__") and callable(_method) and _name not in vars(TrialStore):
        setattr(TrialStore, _name, _nothing)
