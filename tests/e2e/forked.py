"""Commands as forks of a process that has their libraries: to import these is most of what many a command does.

`python -m tests.e2e.forked SOCKET` imports them and waits. Each connection asks, in a line of JSON, for a command; a
fork of it, in a session of its own, becomes that command. It answers with the session's number and, in the end, with
the exit code. It ends with the process that started it.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]
GOODFIT = (
    "service.cli.commands", "service.cli.run_study", "service.cli.tables", "service.queries.local", "service.app.run",
    "service.app.diagnoses", "service.local_executor", "service.runner", "service.diagnosis.ped_anova",
    "service.diagnosis.study", "service.report", "service.store", "service.store.migrations", "service.spec",
    "trainers.worker.worker", "trainers.training.loop", "trainers.training.supervised", "trainers.data",
)  # fmt: skip
LIBRARIES = (
    *(f"goodfit.{name}" for name in GOODFIT),
    *("scipy.stats", "sklearn.datasets", "pandas", "psycopg", "torch._dynamo"),
)


def run(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """A `goodfit` command, as by subprocess.run with its output captured; TimeoutExpired after `timeout` seconds."""
    with tempfile.TemporaryDirectory(prefix="goodfit-forked-") as kept, socket.socket(socket.AF_UNIX) as connection:
        said = [str(Path(kept, name)) for name in ("out", "err")]
        connection.connect(_server())
        asked = {"words": list(words), "environment": dict(environment), "folder": str(folder), "said": said}
        connection.sendall(f"{json.dumps(asked)}\n".encode())
        connection.settimeout(timeout)
        with connection.makefile() as answers:
            session = int(answers.readline())
            try:
                code = int(answers.readline())
            except TimeoutError:
                os.killpg(session, signal.SIGKILL)
                raise subprocess.TimeoutExpired(["goodfit", *words], timeout, *map(_text, said)) from None
        return subprocess.CompletedProcess(["goodfit", *words], code, *map(_text, said))


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


@cache
def _server() -> str:
    """Where this process's own listens."""
    folder = tempfile.mkdtemp(prefix="goodfit-forks-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = str(Path(folder, "socket"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    log = Path(folder, "log")
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, path],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    atexit.register(process.wait)
    atexit.register(process.terminate)
    assert process.stdout is not None
    with process.stdout as lines:
        assert lines.readline() == b"ready\n", log.read_text()
    return path


def _serve(path: str) -> Mapping[str, object]:
    """Wait for commands; returns in the process that is to become one."""
    parent = os.getppid()
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # a collection in a fork would copy all that it looks at
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        while os.getppid() == parent:
            if select.select([listener], [], [], 1.0)[0]:
                connection, _ = listener.accept()
                if os.fork() == 0:
                    listener.close()
                    return _begin(connection)
                connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    sys.exit()


def _begin(connection: socket.socket) -> Mapping[str, object]:
    """Stay with the command until it ends; returns in the command."""
    os.setsid()
    with connection, connection.makefile("rw") as line:
        asked: Mapping[str, object] = json.loads(line.readline())
        line.write(f"{os.getpid()}\n")
        line.flush()
        command = os.fork()
        if command:
            line.write(f"{os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])}\n")
            line.flush()
            os._exit(0)
    return asked


def _become(asked: Mapping[str, object]) -> None:
    """What an interpreter would have found that was started for the command."""
    words, environment, folder, said = (asked[key] for key in ("words", "environment", "folder", "said"))
    assert isinstance(words, list)
    assert isinstance(environment, dict)
    assert isinstance(said, list)
    for number, path in enumerate(said, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.chdir(str(folder))
    os.environ.clear()
    os.environ.update(environment)
    installed = [place for place in sys.path if place.startswith((sys.prefix, sys.base_prefix))]
    sys.path[:] = [str(folder), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)), *installed]
    importlib.invalidate_caches()
    sys.argv = ["goodfit", *words]
    random.seed()
    importlib.import_module("numpy").random.seed()
    try:
        importlib.import_module("goodfit.service.cli").main(words)
    except SystemExit as ended:
        _end(ended.code)


def _end(code: object) -> NoReturn:
    """As an interpreter ends, but for taking itself apart, which would copy all of it."""
    assert isinstance(code, int), f"the command line ends with a number, not {code!r}"
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _become(_serve(sys.argv[1]))
