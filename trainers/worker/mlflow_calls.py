"""Calls of `mlflow` inside a trainer: they go to the trial's own run, by way of the trial's artifacts.

While a trial trains, MLflow's tracking store in its process is our own: it notes metrics, params and tags in
artifacts/mlflow.json and keeps artifacts beside it. The mirror adds them to the trial's run when it has ended. No
database is made here, and no server is asked. A trainer that sets a tracking URI of its own goes there.

The store is in mlflow_store.py, which alone in this room knows MLflow, and is imported where a trainer imports that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from goodfit.trainers.seeding import after_import
from goodfit.trainers.worker.mlflow_notes import Notes

MODULE = "mlflow.tracking._tracking_service.utils"  # has the stores by scheme, and the URI that is used
SCHEME = "goodfit-trial"


_current: tuple[Notes, ...] = ()  # of the trial that runs


@contextlib.contextmanager
def noted(notes: Notes) -> Iterator[None]:
    """While a trial trains, note what it logs among its artifacts."""
    global _current
    before, _current = _current, (*_current, notes)
    after_import(MODULE, _direct)
    try:
        yield
    finally:
        _current = before
        notes.write()


def _direct(module: ModuleType) -> None:
    """Have MLflow use our store."""
    tracking: Any = module
    tracking._tracking_store_registry.register(SCHEME, _store)  # noqa: SLF001
    tracking._tracking_uri = f"{SCHEME}:///"  # noqa: SLF001 - set_tracking_uri would set it for child processes, too


def _store(store_uri: str, artifact_uri: str) -> Any:  # noqa: ARG001 - MLflow's signature
    from goodfit.trainers.worker.mlflow_store import TrialStore

    store: Any = TrialStore  # it lacks what no trainer calls
    return store(lambda: _current[-1])
