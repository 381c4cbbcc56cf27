"""Several calls to MLflow in one transaction, where its store is a database that this process writes.

Each call of MLflow's client opens up to four sessions, each with a transaction and settings of its own: of a small
trial that is most of what it costs. Here the store gets one session for the calls of some trials. Of a long trial most
is what each metric costs: an object of SQLAlchemy, two checks and two comparisons with the latest value. So the points
that are not the last of their metric are written as rows, with one statement.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from goodfit.service.errors import GoodfitError, TrackingError
from goodfit.service.tracker.content import Point

History = Callable[[str, Sequence[Point]], None]  # writes points of a run that are not the last of their metric


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
    from mlflow.store.tracking.dbmodels.models import SqlMetric

    insert = SqlMetric.__table__.insert()

    def write(run_id: str, points: Sequence[Point]) -> None:
        rows = []
        for point in points:
            is_nan, value = store.sanitize_metric_value(float(point.value))
            place = {"run_uuid": run_id, "key": point.key, "step": point.step, "timestamp": point.at}
            rows.append({**place, "value": value, "is_nan": is_nan})
        session.execute(insert, rows)

    return write


def _store(tracking_uri: str) -> Any:
    """The store that MLflow's clients of this URI share."""
    from mlflow.tracking._tracking_service.utils import _get_store

    return _get_store(tracking_uri)  # type: ignore[no-untyped-call]


def _refuse_part() -> NoReturn:
    """MLflow takes a part back to try it again; in one transaction that would take all before it back, too."""
    raise TrackingError("a write was refused; all of this turn is written again")
