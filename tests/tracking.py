"""What the tracker's tests share: a store with a study in it, an MLflow on SQLite, and what MLflow then has."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from goodfit.service.objective import Objective
from goodfit.service.records import Report, Trial
from goodfit.service.tracker import Mirror, ModelExport
from goodfit.service.tracker.experiment import connect, prepare
from goodfit.testing.lab import Lab
from tests import SHARED


def empty_mlflow() -> Path:
    """An MLflow database without anything in it, to be copied; making one takes seconds, so it is made once a run."""
    file = Path(os.environ[SHARED], "mlflow.db")
    prepare(f"sqlite:///{file}")
    return file


def new_mlflow(folder: Path) -> str:
    """The tracking URI of a fresh MLflow in a folder: a home, say, that need not make its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_mlflow(), folder / "mlflow.db")
    return f"sqlite:///{folder / 'mlflow.db'}"


def draw(reports: Sequence[Report], objective: Objective, diagnosis: Any, title: str) -> str:
    return f"<svg><title>{title}: {objective.metric}, {objective.direction}, {len(reports)} epochs</title></svg>"


def export_doubler(trial: Trial, folder: Path) -> ModelExport:
    """A model that multiplies by the trial's number; see doubler.py."""
    import numpy as np

    (folder / "factor.txt").write_text(str(trial.number))
    batch = np.ones((2, 3), dtype=np.float32)
    return ModelExport(folder, batch, batch * trial.number, "tests.doubler", ("numpy",))


def mirror_of(lab: Lab, uri: str, folder: Path | None, **options: Any) -> Mirror:
    options = {"draw": draw, "export_model": export_doubler, **options}
    return Mirror(lab.store, lab.store.study(lab.name).id, uri, folder, **options)


def seen(uri: str, name: str = "digits") -> dict[str, Any]:
    """What MLflow has of an experiment, without ids and its own times: run name -> what is in the run."""
    client = connect(uri)
    experiment = client.get_experiment_by_name(name)
    found: dict[str, Any] = {}
    for run in client.search_runs([experiment.experiment_id], max_results=5000):
        histories = {
            key: [
                (metric.step, metric.value, metric.timestamp)
                for metric in client.get_metric_history(run.info.run_id, key)
            ]
            for key in run.data.metrics
        }
        parent = run.data.tags.get("mlflow.parentRunId")
        told = {
            "status": run.info.status,
            "start": run.info.start_time,
            "end": run.info.end_time,
            "parent": client.get_run(parent).info.run_name if parent else None,
            "params": run.data.params,
            "tags": {key: value for key, value in run.data.tags.items() if key.startswith("goodfit.")},
            "metrics": {key: sorted(points) for key, points in histories.items()},
            "artifacts": sorted(item.path for item in client.list_artifacts(run.info.run_id)),
        }
        assert run.info.run_name not in found, f"two runs are named {run.info.run_name}"
        found[run.info.run_name] = told
    return found


def doubles(uri: str) -> dict[tuple[str, str, int], int]:
    """Points that are there more than once, by run, key and step."""
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        rows = connection.execute("SELECT run_uuid, key, step FROM metrics").fetchall()
    connection.close()
    return {place: count for place, count in Counter(rows).items() if count > 1}


class Fault(Exception):
    """The crash that a test wants."""


class Fuse:
    """Counts calls, whoever makes them, and fails one: call number `at`, before it is done or after."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.at, self.after = at, after
        self.calls: list[str] = []

    def wrap(self, target: Any, counted: Callable[[str], bool] = lambda name: True) -> Any:
        return _Fused(target, self, counted)


class _Fused:
    def __init__(self, target: Any, fuse: Fuse, counted: Callable[[str], bool]) -> None:
        self._target, self._fuse, self._counted = target, fuse, counted

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found) or not self._counted(name):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._fuse.calls.append(name)
            now = len(self._fuse.calls) - 1 == self._fuse.at
            if now and not self._fuse.after:
                raise Fault(f"before {name}")
            answer = found(*arguments, **options)
            if now:
                raise Fault(f"after {name}")
            return answer

        return call


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server:
    """An MLflow server in a process group of its own, which can be killed and started again."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], port: int, log: Path) -> None:
        self._command, self._environment, self._log = command, {**os.environ, **environment}, log
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self._log.parent,
                start_new_session=True,
            )
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.1)  # pytest's own time limit ends a server that never comes

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
