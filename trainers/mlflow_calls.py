"""Calls of `mlflow` inside a trainer: they go to the trial's own run, by way of the trial's artifacts.

While a trial trains, MLflow's tracking store in its process is our own: it notes metrics, params and tags in
artifacts/mlflow.json and keeps artifacts beside it. The mirror adds them to the trial's run when it has ended. No
database is made here, and no server is asked. A trainer that sets a tracking URI of its own goes there.

The store is in mlflow_store.py, which alone in this room knows MLflow, and is imported where a trainer imports that.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from trainers.errors import Damaged
from trainers.files import read_json, write_json
from trainers.seeding import after_import

MODULE = "mlflow.tracking._tracking_service.utils"  # has the stores by scheme, and the URI that is used
SCHEME = "goodfit-trial"
FILE, FOLDER = "mlflow.json", "mlflow"  # of a trial's artifacts


@dataclass(slots=True)
class Notes:
    """What a trial has logged, in all its attempts.

    Attributes:
        folder: gives the folder of the trial's artifacts, made if it is not there.
        points: (metric, step) -> (value, milliseconds since the epoch); the last of a step counts.
    """

    folder: Callable[[], Path]
    points: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Keep them; nothing where nothing was logged."""
        if not (self.points or self.params or self.tags):
            return
        points = [[name, step, value, at] for (name, step), (value, at) in self.points.items()]
        write_json(self.folder() / FILE, {"points": points, "params": self.params, "tags": self.tags})

    def go_on(self, file: Path) -> None:
        """Begin with what an earlier attempt kept; without it where that cannot be used."""
        with contextlib.suppress(Damaged, FileNotFoundError):
            points, self.params, self.tags = read_notes(file)
            self.points = {(name, step): (value, at) for name, step, value, at in points}


def read_notes(file: Path) -> tuple[list[tuple[str, int, float, int]], dict[str, str], dict[str, str]]:
    """The points (metric, step, value, milliseconds since the epoch), params and tags of a file of notes.

    Raises:
        Damaged: it is none.
        FileNotFoundError: there is none.
    """
    kept = read_json(file)
    try:
        points = [(str(name), int(step), float(value), int(at)) for name, step, value, at in kept["points"]]
        params, tags = ({str(name): str(text) for name, text in kept[kind].items()} for kind in ("params", "tags"))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"{file} is damaged: {type(error).__name__}: {error}") from error
    return points, params, tags


_current: list[Notes] = []


@contextlib.contextmanager
def noted(notes: Notes) -> Iterator[None]:
    """While a trial trains, note what it logs among its artifacts."""
    _current.append(notes)
    after_import(MODULE, _direct)
    if MODULE in sys.modules:
        _direct(sys.modules[MODULE])
    try:
        yield
    finally:
        _current.remove(notes)
        notes.write()


def _direct(module: ModuleType) -> None:
    """Have MLflow use our store."""
    tracking: Any = module
    tracking._tracking_store_registry.register(SCHEME, _store)  # noqa: SLF001
    tracking._tracking_uri = f"{SCHEME}:///"  # noqa: SLF001 - set_tracking_uri would set it for child processes, too


def _store(store_uri: str, artifact_uri: str) -> Any:  # noqa: ARG001 - MLflow's signature
    from trainers.mlflow_store import TrialStore

    store: Any = TrialStore  # it lacks what no trainer calls
    return store(lambda: _current[-1])
