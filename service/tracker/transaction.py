"""Several calls to MLflow in one transaction, where its store is a database that this process writes.

Each call of MLflow's client opens up to four sessions, each with a transaction and settings of its own: of a small
trial that is most of what it costs. Here the store gets one session for the calls of some trials. Of a long trial most
is what each metric costs: an object of SQLAlchemy, two checks and two comparisons with the latest value. So the points
of metrics that a run does not have yet, and those that are not the last of their metric, are written as rows, with one
statement for each table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from goodfit.service.errors import GoodfitError, TrackingError
from goodfit.service.tracker.content import Point

# Writes points of a run: any but the last of a metric that it has already, and which are the last of their metric.
History = Callable[[str, Sequence[Point], Sequence[Point]], None]


def is_server(tracking_uri: str) -> bool:
    """Whether MLflow is reached over HTTP."""
    return tracking_uri.startswith(("http://", "https://"))


@contextlib.contextmanager
def one_transaction(tracking_uri: str) -> Iterator[History | None]:
    """All that is written meanwhile is there afterwards, or nothing of it; on an HTTP server each call is its own.

    Yields:
        What writes the history of metrics in it; None on a server, which takes all points by its own calls.

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
                yield _history(store, session)
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


def _history(store: Any, session: Any) -> History:
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric

    def row(run_id: str, point: Point) -> dict[str, Any]:
        is_nan, value = store.sanitize_metric_value(float(point.value))
        place = {"run_uuid": run_id, "key": point.key, "step": point.step, "timestamp": point.at}
        return {**place, "value": value, "is_nan": is_nan}

    def write(run_id: str, points: Sequence[Point], latest: Sequence[Point]) -> None:
        for table, some in ((SqlMetric.__table__, points), (SqlLatestMetric.__table__, latest)):
            if some:
                _insert(session, table, [row(run_id, point) for point in some])

    return write


def _insert(session: Any, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Hand rows to the driver as they are: for each of them SQLAlchemy takes as long again as the database."""
    connection = session.connection()
    statement = table.insert().compile(dialect=connection.dialect, column_keys=list(rows[0]))
    order = statement.positiontup
    given = rows if order is None else [tuple(map(row.__getitem__, order)) for row in rows]
    connection.exec_driver_sql(str(statement), list(given))


def _store(tracking_uri: str) -> Any:
    """The store that MLflow's clients of this URI share."""
    from mlflow.tracking._tracking_service.utils import _get_store

    return _get_store(tracking_uri)  # type: ignore[no-untyped-call]


def _refuse_part() -> NoReturn:
    """MLflow takes a part back to try it again; in one transaction that would take all before it back, too."""
    raise TrackingError("a write was refused; all of this turn is written again")
