"""MLflow's client, and the experiment of a study: finding it, making it, taking it out."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodfit.service.errors import GoodfitError, TrackingError
from goodfit.service.records import Study
from goodfit.service.tracker.content import identity
from goodfit.service.tracker.database import is_unmade, make_sqlite, sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment as MlflowExperiment

Connect = Callable[[str], "MlflowClient"]

# Whoever sets these wins. No retries of MLflow's own: they wait for minutes and repeat what is not idempotent.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_UV_AUTO_DETECT": "false",  # it would look for a project in the current folder
}
FULL = "database or disk is full"  # what SQLite says
NO_ROOM = "no room is left on its disk; what is missing is sent once there is room again"
_STUDY_TAG = "goodfit.study"
_IDENTITY_TAG = "goodfit.study_id"


@dataclass(frozen=True, slots=True)
class Experiment:
    """A study's experiment. `fresh`: made just now, so there is nothing in it."""

    id: str
    name: str
    fresh: bool = False


def connect(tracking_uri: str) -> MlflowClient:
    """MLflow's client, quiet. A first one on a new SQLite file takes seconds to make its tables."""
    prepare(tracking_uri)
    return client_of(tracking_uri)


def prepare(tracking_uri: str) -> None:
    """Make MLflow's database, where it is a SQLite file that is not there yet."""
    file = sqlite_file(tracking_uri)
    if file is not None:
        make_sqlite(file, _make_tables)


def _make_tables(tracking_uri: str) -> None:
    """By MLflow's own store, whose connections end here: the file is moved then, or thrown away."""
    _quiet_mlflow()
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    try:
        SqlAlchemyStore(tracking_uri, DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise TrackingError(one_line(error)) from error
    finally:
        engine = getattr(SqlAlchemyStore, "_engine_map", {}).pop(tracking_uri, None)
        if engine is not None:
            engine.dispose()


def client_of(tracking_uri: str) -> MlflowClient:
    """MLflow's client of a database that is there, or of a server."""
    _quiet_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri, registry_uri=tracking_uri)


def _quiet_mlflow() -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401 - it sets its loggers' levels

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def error_code(error: Exception) -> str:
    """MLflow's name for an error; empty for an error that is not MLflow's."""
    return str(getattr(error, "error_code", ""))


def find_or_make(client: MlflowClient, study: Study, artifact_root: Path | None) -> Experiment:
    """The study's experiment: the one that the store names, else one with the study's tag, else a new one.

    Its name is the study's, or the study's with -2, -3, ... where that belongs to another study
    (of another home on a shared server) or was deleted in MLflow, which keeps names of the deleted.
    """
    known = _known(client, study)
    if known is not None:
        return Experiment(known.experiment_id, known.name)
    candidates = names(study.name)
    while True:
        name = next(candidates)
        found = client.get_experiment_by_name(name)
        if found is None:
            tags = {_STUDY_TAG: study.name, _IDENTITY_TAG: identity(study)}
            location = (artifact_root / name).absolute().as_uri() if artifact_root else None
            return Experiment(client.create_experiment(name, location, tags), name, fresh=True)
        if _belongs(found, study):
            return Experiment(found.experiment_id, found.name)


def names(base: str) -> Iterator[str]:
    """The name, then the name with a number, without end."""
    return itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))


def _known(client: MlflowClient, study: Study) -> MlflowExperiment | None:
    """The experiment that the store names, if this MLflow has it and it is this study's."""
    if study.mlflow_experiment_id is None:
        return None
    try:
        found = client.get_experiment(study.mlflow_experiment_id)
    except Exception as error:
        if error_code(error) in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return found if _belongs(found, study) else None


def _belongs(found: MlflowExperiment, study: Study) -> bool:
    active = found.lifecycle_stage == "active"
    return active and (found.tags or {}).get(_IDENTITY_TAG) == identity(study)


def remove_study(tracking_uri: str, study: Study, connect: Connect = connect) -> None:
    """Delete a study's experiment in MLflow; its name is free again. Does nothing where there is none.

    MLflow keeps what is deleted until `mlflow gc`. Registered models stay: they may be in use.

    Raises:
        TrackingError: MLflow is away or refused.
    """
    file = sqlite_file(tracking_uri)
    if file is not None and is_unmade(file):  # MLflow would take seconds to make it
        return
    try:
        client = connect(tracking_uri)
        found = _known(client, study) or _tagged(client, study)
        if found is not None:
            client.rename_experiment(found.experiment_id, f"{found.name} (removed {identity(study)})")
            client.delete_experiment(found.experiment_id)
    except Exception as error:
        raise TrackingError(
            f"study {study.name} could not be removed from MLflow at {shown(tracking_uri)}: {one_line(error)}"
        ) from error


def _tagged(client: MlflowClient, study: Study) -> MlflowExperiment | None:
    found = client.search_experiments(filter_string=f"tags.`{_IDENTITY_TAG}` = '{identity(study)}'")
    return found[0] if found else None


@contextlib.contextmanager
def refusals_told(tracking_uri: str) -> Iterator[None]:
    """Have whatever MLflow raises be a TrackingError that says where."""
    try:
        yield
    except GoodfitError:
        raise  # it says where by itself
    except Exception as error:
        raise TrackingError(f"MLflow at {shown(tracking_uri)}: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """An error in one line."""
    if FULL in str(error):
        return NO_ROOM
    lines: list[Any] = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def shown(uri: str) -> str:
    """A tracking URI without a password."""
    scheme, slashes, rest = uri.partition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}" if slashes else uri
