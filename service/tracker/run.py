"""One MLflow run, and what it has already: whatever is logged, each point is there once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from goodfit.service.tracker.content import Point
from goodfit.service.tracker.datasets import Dataset
from goodfit.service.tracker.transaction import Rows

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import RunInfo

# A batch takes 1,000 things: 1,000 metrics, 100 params, 100 tags at most.
METRICS_A_BATCH = 800
PARAMS_A_BATCH = 100
ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})


class MirroredRun:
    """A run that only takes what it does not have.

    What it has is read when it is adopted and noted when it is written, so an object must not
    outlive a failed call: nobody knows whether that was written. Adopt the run again.
    """

    def __init__(self, client: MlflowClient, info: RunInfo, tags: Mapping[str, str]) -> None:
        self.id: str = info.run_id
        self._experiment: str = info.experiment_id
        self._client = client
        self._folder = _folder_of(info.artifact_uri)
        self._place: str = info.artifact_uri
        self._tags = dict(tags)
        self._params: set[str] = set()
        self._places: set[tuple[str, int]] = set()
        self._inputs: set[tuple[str, str]] = set()
        self._status: str = info.status

    @classmethod
    def make(
        cls, client: MlflowClient, experiment_id: str, name: str, start: int, tags: Mapping[str, str]
    ) -> MirroredRun:
        """A new run, started at `start` milliseconds."""
        given = {key: value for key, value in tags.items() if value}
        run = client.create_run(experiment_id, start_time=start, tags=given, run_name=name)
        return cls(client, run.info, given)

    @classmethod
    def write(
        cls,
        client: MlflowClient,
        rows: Rows,
        experiment_id: str,
        name: str,
        start: int,
        tags: Mapping[str, str],
        status: str,
        end: int | None,
    ) -> MirroredRun:
        """Likewise by rows, and how it stands; `end` in milliseconds, where it has ended."""
        given = {key: value for key, value in tags.items() if value}
        return cls(client, rows.run(experiment_id, name, start, given, status, end), given)

    @classmethod
    def adopt(cls, client: MlflowClient, run_id: str) -> MirroredRun:
        """A run that is there, with all that it has; one that was deleted by hand is restored."""
        run = client.get_run(run_id)
        if run.info.lifecycle_stage == "deleted":
            client.restore_run(run_id)
        adopted = cls(client, run.info, run.data.tags)
        adopted._params = set(run.data.params)
        given = run.inputs.dataset_inputs if run.inputs else []
        adopted._inputs = {(one.dataset.name, one.dataset.digest) for one in given}
        for key in run.data.metrics:
            adopted._places.update((key, metric.step) for metric in client.get_metric_history(run_id, key))
        return adopted

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags, as they were when it was adopted or last written."""
        return self._tags

    def log(
        self,
        points: Iterable[Point],
        params: Mapping[str, str],
        tags: Mapping[str, str],
        rows: Rows | None = None,
    ) -> None:
        """Send what is missing, in as few calls as MLflow's limits allow; `rows`: what writes it as rows."""
        from mlflow.entities import Metric, Param, RunTag

        missing = list({point.place: point for point in points if point.place not in self._places}.values())
        new_points = missing
        new_params = {key: value for key, value in params.items() if key not in self._params}
        self._params.update(new_params)
        if rows is not None:
            last = {point.key: point for point in sorted(missing, key=lambda point: point.step)}
            known = {key for key, _ in self._places}
            new_points = [point for point in last.values() if point.key in known]  # MLflow compares them with the last
            others = [point for point in missing if point.key not in known or last[point.key] is not point]
            rows.points(self.id, others, [point for point in last.values() if point.key not in known])
            rows.params(self.id, new_params)
            new_params = {}
        new_tags = {key: value for key, value in tags.items() if self._tags.get(key, "") != value}
        metrics = [Metric(point.key, float(point.value), point.at, point.step) for point in new_points]
        texts = [Param(key, value) for key, value in new_params.items()]
        labels = [RunTag(key, value) for key, value in new_tags.items()]
        while metrics or texts or labels:
            self._client.log_batch(self.id, metrics[:METRICS_A_BATCH], texts[:PARAMS_A_BATCH], labels)
            metrics, texts, labels = metrics[METRICS_A_BATCH:], texts[PARAMS_A_BATCH:], []
        self._places.update(point.place for point in missing)
        self._tags.update(new_tags)

    def log_inputs(self, datasets: Sequence[Dataset], rows: Rows | None = None) -> None:
        """Say which data the run is of, where that is not said yet; `rows`: what writes it as rows."""
        new = [dataset for dataset in datasets if dataset.place not in self._inputs]
        if not new:
            return
        self._inputs.update(one.place for one in new)
        if rows is not None:
            rows.inputs(self._experiment, self.id, new)
            return
        from mlflow.entities import Dataset as MlflowDataset
        from mlflow.entities import DatasetInput, InputTag

        inputs = [
            DatasetInput(
                MlflowDataset(one.name, one.digest, one.source_type, one.source, one.schema, one.profile),
                [InputTag("mlflow.data.context", one.context)],
            )
            for one in new
        ]
        self._client.log_inputs(self.id, inputs)

    def attach(self, files: Mapping[str, str]) -> None:
        """Keep texts as artifacts, by file name; one of the same name is replaced."""
        if self._folder is not None:
            _write(self._folder, files)
            return
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with TemporaryDirectory(prefix="goodfit-") as folder:
            _write(Path(folder), files)
            # MLflow's client would first ask the server where they go, which is known.
            place = get_artifact_repository(self._place, tracking_uri=self._client.tracking_uri)
            place.log_artifacts(folder)  # type: ignore[no-untyped-call]

    def attach_folder(self, folder: Path) -> None:
        """Keep a folder's files as artifacts, under its name; those of the same name are replaced."""
        self._client.log_artifacts(self.id, str(folder), folder.name)

    def set_status(self, status: str, end: int | None) -> None:
        """Say how the run stands; `end` in milliseconds, where it has ended."""
        if status == self._status:
            return
        if status in ENDED:
            self._client.set_terminated(self.id, status, end)
        else:
            self._client.update_run(self.id, status)
        self._status = status


def _folder_of(artifact_uri: str) -> Path | None:
    """The folder of a run's artifacts, where it is one of this machine."""
    from mlflow.utils.file_utils import local_file_uri_to_path
    from mlflow.utils.uri import is_local_uri

    if not is_local_uri(artifact_uri):  # type: ignore[no-untyped-call]
        return None
    return Path(local_file_uri_to_path(artifact_uri))  # type: ignore[no-untyped-call]


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if "/" in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
