"""What MLflow is told of some trials in one transaction, where its store is a database that this process writes.

Each call of MLflow's client opens up to four sessions, each with a transaction and settings of its own: of a small
trial that is most of what it costs. Here the store gets one session for the calls of some trials. Of what is left most
are the objects that SQLAlchemy makes of each run, tag, parameter and metric, and what it reads again of those that it
has just written. So what a run does not have yet is written as rows, with one statement for each table: a new run with
its tags, parameters, data and metrics, of metrics that are there all points but the last.
"""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from goodfit.service.errors import GoodfitError, TrackingError
from goodfit.service.tracker.content import Point
from goodfit.service.tracker.datasets import Dataset

if TYPE_CHECKING:
    from mlflow.entities import RunInfo

RUN_NAME = "mlflow.runName"


def is_server(tracking_uri: str) -> bool:
    """Whether MLflow is reached over HTTP."""
    return tracking_uri.startswith(("http://", "https://"))


@contextlib.contextmanager
def one_transaction(tracking_uri: str) -> Iterator[Rows | None]:
    """All that is written meanwhile is there afterwards, or nothing of it; on an HTTP server each call is its own.

    Yields:
        What writes rows in it; None on a server, which takes all by its own calls.

    Raises:
        MlflowException: the database refused.
    """
    store = _store(tracking_uri)
    maker = getattr(store, "ManagedSessionMaker", None)
    if maker is None:
        yield None
        return
    problem: GoodfitError | None = None
    try:
        with maker(read_only=False) as session:
            session.commit, session.rollback = session.flush, _refuse_part
            store.ManagedSessionMaker = lambda read_only=True: contextlib.nullcontext(session)  # noqa: ARG005 - MLflow's
            try:
                yield Rows(store, session)
            except GoodfitError as error:
                problem = error
                raise
            finally:
                store.ManagedSessionMaker = maker
                del session.commit, session.rollback
    except Exception as error:
        if problem is not None:  # MLflow would tell it as an error of its own
            raise problem from error
        raise


class Rows:
    """Writes what runs do not have yet, as MLflow's calls would: its own rows, but for ids and the time of day.

    Args:
        store: MLflow's.
        session: of the transaction.
    """

    def __init__(self, store: Any, session: Any) -> None:
        from mlflow.store.tracking.dbmodels import models

        self._store, self._session, self._models = store, session, models
        self._places: dict[str, str] = {}  # of each experiment, where its artifacts are
        self._datasets: dict[str, dict[tuple[str, str], str]] = {}  # of each experiment, their ids

    def run(
        self, experiment: str, name: str, start: int, tags: Mapping[str, str], status: str, end: int | None
    ) -> RunInfo:
        """A new run; `start` and `end` in milliseconds.

        Raises:
            MlflowException: the experiment is not there any more.
        """
        from mlflow.entities import LifecycleStage, RunInfo, SourceType
        from mlflow.utils.uri import append_to_uri_path

        given, run_id = {**tags, RUN_NAME: name}, uuid.uuid4().hex
        place = append_to_uri_path(  # type: ignore[no-untyped-call]
            self._place(experiment), run_id, self._store.ARTIFACTS_FOLDER_NAME
        )
        row = {
            "run_uuid": run_id,
            "name": name,
            "source_type": SourceType.to_string(SourceType.UNKNOWN),
            "source_name": "",
            "entry_point_name": "",
            "user_id": tags.get("mlflow.user", "unknown"),
            "status": status,
            "start_time": start,
            "end_time": end,
            "deleted_time": None,
            "source_version": "",
            "lifecycle_stage": LifecycleStage.ACTIVE,
            "artifact_uri": place,
            "experiment_id": int(experiment),
        }
        self._insert(self._models.SqlRun, [row])
        self._insert(self._models.SqlTag, _named(run_id, given.items()))
        return RunInfo(run_id, experiment, row["user_id"], status, start, end, LifecycleStage.ACTIVE, place)

    def params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Parameters of which it has none.

        Raises:
            MlflowException: one of them is none that MLflow takes.
        """
        from mlflow.entities import Param
        from mlflow.utils.validation import _validate_batch_log_data

        given = [Param(*pair) for pair in params.items()]
        _, taken, _ = _validate_batch_log_data([], given, [])  # type: ignore[no-untyped-call]
        self._insert(self._models.SqlParam, _named(run_id, ((param.key, param.value) for param in taken)))

    def points(self, run_id: str, points: Sequence[Point], latest: Sequence[Point]) -> None:
        """Any points but the last of a metric that it has already, and which of them are the last of their metric."""
        for table, some in ((self._models.SqlMetric, points), (self._models.SqlLatestMetric, latest)):
            self._insert(table, [self._point(run_id, point) for point in some])

    def inputs(self, experiment: str, run_id: str, datasets: Sequence[Dataset]) -> None:
        """Data that it was not said to be of."""
        known = self._known_datasets(experiment)
        new = {one.place: uuid.uuid4().hex for one in datasets if one.place not in known}
        known |= new
        self._insert(
            self._models.SqlDataset,
            [
                {
                    "dataset_uuid": known[one.place],
                    "experiment_id": int(experiment),
                    "name": one.name,
                    "digest": one.digest,
                    "dataset_source_type": one.source_type,
                    "dataset_source": one.source,
                    "dataset_schema": one.schema,
                    "dataset_profile": one.profile,
                }
                for one in datasets
                if one.place in new
            ],
        )
        ids = {one.place: uuid.uuid4().hex for one in datasets}
        ends = {"source_type": "DATASET", "destination_type": "RUN", "destination_id": run_id}
        self._insert(
            self._models.SqlInput,
            [{"input_uuid": own, "source_id": known[place], **ends, "step": 0} for place, own in ids.items()],
        )
        self._insert(
            self._models.SqlInputTag,
            [{"input_uuid": ids[one.place], "name": "mlflow.data.context", "value": one.context} for one in datasets],
        )

    def _point(self, run_id: str, point: Point) -> dict[str, Any]:
        is_nan, value = self._store.sanitize_metric_value(float(point.value))
        place = {"run_uuid": run_id, "key": point.key, "step": point.step, "timestamp": point.at}
        return {**place, "value": value, "is_nan": is_nan}

    def _place(self, experiment: str) -> str:
        if experiment not in self._places:
            found = self._store.get_experiment(experiment)
            self._store._check_experiment_is_active(found)  # noqa: SLF001 - as MLflow does for each run
            self._places[experiment] = found.artifact_location
        return self._places[experiment]

    def _known_datasets(self, experiment: str) -> dict[tuple[str, str], str]:
        if experiment not in self._datasets:
            table = self._models.SqlDataset
            asked = self._session.query(table.name, table.digest, table.dataset_uuid)
            rows = asked.filter(table.experiment_id == int(experiment)).all()
            self._datasets[experiment] = {(name, digest): own for name, digest, own in rows}
        return self._datasets[experiment]

    def _insert(self, model: Any, rows: Sequence[dict[str, Any]]) -> None:
        """Hand rows to the driver as they are: for each of them SQLAlchemy takes as long again as the database."""
        if not rows:
            return
        connection = self._session.connection()
        text, order = _statement(model.__table__, connection.dialect, tuple(rows[0]))
        connection.exec_driver_sql(text, [*rows] if order is None else [tuple(map(row.get, order)) for row in rows])


def _named(run_id: str, pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value, "run_uuid": run_id} for key, value in pairs]


@functools.lru_cache(maxsize=64)
def _statement(table: Any, dialect: Any, columns: tuple[str, ...]) -> tuple[str, Sequence[str] | None]:
    """That inserts a row, and the order of its values; None where they go by their names."""
    statement = table.insert().compile(dialect=dialect, column_keys=list(columns))
    return str(statement), statement.positiontup


def _store(tracking_uri: str) -> Any:
    """The store that MLflow's clients of this URI share."""
    from mlflow.tracking._tracking_service.utils import _get_store

    return _get_store(tracking_uri)  # type: ignore[no-untyped-call]


def _refuse_part() -> NoReturn:
    """MLflow takes a part back to try it again; in one transaction that would take all before it back, too."""
    raise TrackingError("a write was refused; all of this turn is written again")
