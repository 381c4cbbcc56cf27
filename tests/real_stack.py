"""The whole service as `make stack` starts it, for tests: PostgreSQL, an MLflow server, a Ray head with two nodes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from deploy import processes, stack, state
from deploy.state import Running, State
from goodfit.service.client import Studies, connect
from goodfit.service.store import SqlStore, open_store

PATIENCE = 240.0  # seconds that the store waits for its database
LEASE = 5.0
NODES = ("ray-worker-1", "ray-worker-2")
TRIAL_WORKER, RUNNER = "ray::Host", "ray::_Host"  # the titles that Ray gives to the processes of actors


@dataclass
class RealStack:
    """A stack that is up.

    Attributes:
        folder: of the stack.
        store: on its database, past the service.
        studies: over its API.
    """

    folder: Path
    store: SqlStore
    studies: Studies

    @property
    def known(self) -> State:
        found = state.read(self.folder)
        assert found is not None
        return found

    def service(self, name: str) -> Running:
        found = self.known.service(name)
        assert found is not None
        return found

    @property
    def client_environment(self) -> dict[str, str]:
        """What a user sets."""
        known = self.known
        return {"GOODFIT_SERVER": known.urls["api"], "GOODFIT_TOKEN": known.token or ""}

    def restart(self, *names: str) -> None:
        for name in names:
            stack.restart(self.folder, name, lambda _: None)

    def pids(self, title: str, below: str | None = None) -> list[int]:
        """The stack's processes of a title, such as those of a service and of what came from it."""
        if below is not None:
            found = self.tree(below)
        else:
            found = [psutil.Process(one.pid) for one in processes.marked(self.known.mark)]
        return [process.pid for process in found if _titled(process, title)]

    def tree(self, name: str) -> list[psutil.Process]:
        """A service's process and all that came from it."""
        started = self.service(name).process
        if not started.alive:
            return []
        top = psutil.Process(started.pid)
        return [top, *top.children(recursive=True)]

    def controller(self) -> int:
        """The controller's process."""
        return next(one.pid for one in self.tree("goodfit") if _titled(one, "goodfit.service.app controller"))

    def send(self, pid: int, number: signal.Signals) -> None:
        """A signal to one process of this stack; to no other."""
        assert psutil.Process(pid).environ().get(processes.MARK) == self.known.mark
        os.kill(pid, number)

    def lose(self, *names: str) -> None:
        """SIGKILL services with all that came from them, as when their machines lose power."""
        for process in [process for name in names for process in self.tree(name)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        processes.wait_until_gone([self.service(name).process for name in names], 30)

    def runner_said(self, study: str) -> str:
        path = self.folder / "home" / "logs" / f"{study}-runner.log"
        return path.read_text() if path.exists() else ""

    def mlflow_points(self, study: str) -> Counter[tuple[int, str, int]]:
        """How often MLflow's database has a metric of a trial at a step."""
        rows = self._ask_mlflow(
            """
            SELECT trial.value, metrics.key, metrics.step, count(*) FROM metrics
            JOIN tags AS trial ON trial.run_uuid = metrics.run_uuid AND trial.key = 'goodfit.trial'
            JOIN tags AS study ON study.run_uuid = metrics.run_uuid AND study.key = 'goodfit.study'
            WHERE study.value = %s GROUP BY 1, 2, 3
            """,
            study,
        )
        return Counter({(int(str(trial)), str(key), int(str(step))): int(str(n)) for trial, key, step, n in rows})

    def mlflow_runs(self, study: str) -> Counter[str]:
        """How many runs MLflow's database has of each trial, and of the study ("")."""
        rows = self._ask_mlflow(
            """
            SELECT coalesce(trial.value, ''), count(*) FROM runs
            JOIN tags AS study ON study.run_uuid = runs.run_uuid AND study.key = 'goodfit.study'
            LEFT JOIN tags AS trial ON trial.run_uuid = runs.run_uuid AND trial.key = 'goodfit.trial'
            WHERE study.value = %s AND runs.lifecycle_stage = 'active' GROUP BY 1
            """,
            study,
        )
        return Counter({str(trial): int(str(n)) for trial, n in rows})

    def _ask_mlflow(self, query: str, study: str) -> list[tuple[object, ...]]:
        service = self.service("mlflow").environment
        url = service["MLFLOW_BACKEND_STORE_URI"].replace("+psycopg", "")
        with psycopg.connect(url, password=Path(service["PGPASSWORD_FILE"]).read_text()) as connection:
            return connection.execute(query.encode(), (study,)).fetchall()


def _titled(process: psutil.Process, title: str) -> bool:
    try:
        return title in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextlib.contextmanager
def real_stack(
    *, allow_code: bool = False, environment: Mapping[str, str] | None = None, starter: str = "deploy.stack"
) -> Iterator[RealStack]:
    """A stack of its own, ended with everything that it started.

    Args:
        allow_code: studies may bring trainers of their own.
        environment: of whoever starts it.
        starter: the module that starts it.
    """
    folder = Path(tempfile.mkdtemp(prefix="goodfit-stack-"))
    folder.chmod(0o711)  # PostgreSQL does not run as root: another user passes through
    variables = {
        "GOODFIT_LEASE_SECONDS": str(LEASE),
        "GOODFIT_ALLOW_CODE": str(allow_code).lower(),
        **(environment or {}),
    }
    try:
        up = [sys.executable, "-m", starter, "up", "--folder", str(folder)]
        done = subprocess.run(
            up, env={**os.environ, **variables}, cwd=Path(stack.__file__).parents[1], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        known = state.read(folder)
        assert known is not None
        with contextlib.closing(open_store(known.urls["database"], PATIENCE)) as store:
            yield RealStack(folder, store, connect(known.urls["api"], known.token))
    finally:
        stack.down(folder, lambda _: None)
        if "GOODFIT_KEEP_STACK" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)
