"""Drives the real command line: real Ray, real MLflow, real databases."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import zoo
from tests.e2e import forked
from tests.tracking import new_mlflow

PATIENCE = 600.0

Command = subprocess.Popen[str] | forked.Started


class Home:
    """A home folder and the commands run on it.

    Args:
        folder: where the commands run; the home is in it.
        environment: for them, beside the usual one.
        first_start: MLflow is to make its database itself, as on a new machine.
        own_interpreters: each command starts an interpreter. Else it, and what mirrors its study, are forks of one that
            has imported what they need.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        first_start: bool = False,
        own_interpreters: bool = False,
    ) -> None:
        self.folder, self.first_start, self.own_interpreters = folder, first_start, own_interpreters
        self.path = folder / "home"
        self.environment = dict(environment or {})

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "goodfit.service.cli", "--home", str(self.path), *words]

    def env(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("GOODFIT_", "MLFLOW_", "RAY_"))
        }
        root = str(Path(zoo.__file__).parents[1])
        return {**kept, "PYTHONPATH": root, **self.environment}

    def run(self, *words: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        self._spare_mlflow_its_first_start(words)
        if not self.own_interpreters:
            return forked.run(["--home", str(self.path), *words], self.env(), self.folder, timeout)
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, env=self.env(), cwd=self.folder, timeout=timeout
        )

    def ok(self, *words: str, timeout: float = PATIENCE) -> str:
        done = self.run(*words, timeout=timeout)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--json"))

    def start(self, *words: str) -> Command:
        self._spare_mlflow_its_first_start(words)
        if not self.own_interpreters:
            return forked.Started(["--home", str(self.path), *words], self.env(), self.folder)
        return subprocess.Popen(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env(),
            cwd=self.folder,
            start_new_session=True,
        )

    def _spare_mlflow_its_first_start(self, words: Sequence[str]) -> None:
        """Give a new home an empty MLflow database: making one takes seconds, in each of these tests."""
        if words[0] == "run" and not self.first_start and not (self.path / "mlflow.db").exists():
            new_mlflow(self.path)

    def study(self, name: str, **changes: Any) -> Path:
        """A study file on one of the zoo's trainers: a plain one, but for the changes."""
        spec: dict[str, Any] = {
            "name": name,
            "trainer": zoo.named("curve"),
            "space": {"x": {"type": "float", "low": 0, "high": 1}},
            "objective": {"metric": "val/loss", "direction": "minimize"},
            "search": {"method": "random"},
            "training": {"epochs": 5},
            "budget": {"trials": 4},
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps({**spec, **changes}))  # JSON is YAML
        return path

    def reports(self) -> int:
        """How many reports are in the store now."""
        try:
            with sqlite3.connect(f"file:{self.path / 'goodfit.db'}?mode=ro", uri=True) as connection:
                return int(connection.execute("SELECT count(*) FROM reports").fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    def points(self) -> list[tuple[str, str, int, int]]:
        """(trial, metric, step) and how often MLflow has it, for every trial's metric."""
        query = """
            SELECT tags.value, metrics.key, metrics.step, count(*) FROM metrics
            JOIN tags ON tags.run_uuid = metrics.run_uuid AND tags.key = 'goodfit.trial'
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """
        with sqlite3.connect(self.path / "mlflow.db") as connection:
            return [tuple(row) for row in connection.execute(query)]  # type: ignore[misc]


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for something that must come true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds:.0f} s"
        time.sleep(0.05)
    return found


def tree(pid: int) -> list[int]:
    """A process and all that came from it, children before parents; of a command that is a fork also its mirrors."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid, *forked.mirrors_of(pid)]
    for one in found:
        found += parents.get(one, [])
    return found[::-1]


def kill_tree(process: Command) -> None:
    """SIGKILL everything at once, as a power cut would."""
    for pid in tree(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate(timeout=PATIENCE)
