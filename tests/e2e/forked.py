"""Commands and their mirrors as forks of processes that have their libraries: to import these is most of what many do.

`python -m tests.e2e.forked PLACE` imports what commands need, and waits at PLACE; a fork of it waits for mirrors, and
imports MLflow for the first. Each connection brings a line of JSON and the standard streams; a fork, in a session of
its own, becomes the process that is meant. It answers with the session's number and, in the end, with the exit code.
All end with the process that started the first.
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
import struct
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

from goodfit.service.tracker.experiment import ENVIRONMENT

ROOT = Path(__file__).parents[2]
GOODFIT = (
    "service.cli.commands", "service.cli.showing", "service.cli.around", "service.cli.run_study", "service.cli.tables",
    "service.queries.local", "service.app.run",
    "service.app.diagnoses", "service.local_executor", "service.runner", "service.diagnosis.ped_anova",
    "service.diagnosis.study", "service.report", "service.store", "service.store.migrations", "service.spec",
    "service.tracker", "trainers.worker.worker", "trainers.training.loop", "trainers.training.supervised",
    "trainers.data",
)  # fmt: skip
LIBRARIES = (
    *(f"goodfit.{name}" for name in GOODFIT),
    *("scipy.stats", "sklearn.datasets", "pandas", "psycopg", "torch._dynamo"),
)
MLFLOW = ("mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")
COMMAND, MIRROR = "goodfit.service.cli", "goodfit.service.app.__main__"  # modules with a main()
NUMBER = struct.Struct("i")


def run(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """A `goodfit` command, as by subprocess.run with its output captured; TimeoutExpired after `timeout` seconds."""
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(tempfile.TemporaryDirectory(prefix="goodfit-forked-"))
        said = [stack.enter_context(Path(kept, name).open("w+", encoding="utf-8")) for name in ("out", "err")]
        nothing = stack.enter_context(Path(os.devnull).open())
        process = Forked(_server(), COMMAND, words, environment, folder, [nothing, *said])
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise subprocess.TimeoutExpired(["goodfit", *words], timeout, *map(_text, said)) from None
        return subprocess.CompletedProcess(["goodfit", *words], code, *map(_text, said))


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


class Forked:
    """A fork of the server at `place`, to the one who started it like a subprocess.Popen."""

    def __init__(
        self,
        place: str,
        module: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        streams: Sequence[IO[Any]],
    ) -> None:
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(place)
        wanted = {"module": module, "words": list(words), "environment": dict(environment), "folder": str(folder)}
        socket.send_fds(self._connection, [f"{json.dumps(wanted)}\n".encode()], [stream.fileno() for stream in streams])
        self.pid = self._number()

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        with self._lock:
            if self.returncode is None:
                waiting = select.poll()  # select() takes no file above 1,023, and a long run of tests has such
                waiting.register(self._connection, select.POLLIN)
                if not waiting.poll(None if timeout is None else timeout * 1000):
                    raise subprocess.TimeoutExpired("a fork", timeout or 0.0)
                self.returncode = self._number()
                self._connection.close()
            return self.returncode

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _number(self) -> int:
        """The server's next; that of a kill where it was killed before it could answer."""
        said = self._connection.recv(NUMBER.size, socket.MSG_WAITALL)
        return int(NUMBER.unpack(said)[0]) if said else -signal.SIGKILL


@cache
def _server() -> str:
    """Where this process's own waits for commands."""
    folder = tempfile.mkdtemp(prefix="goodfit-forks-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = str(Path(folder, "socket"))
    own = {**ENVIRONMENT, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    log = Path(folder, "log")
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, place],
            cwd=ROOT, env={**os.environ, **own}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    atexit.register(process.wait)
    atexit.register(process.terminate)
    assert process.stdout is not None
    with process.stdout as lines:
        assert lines.readline() == b"ready\n", log.read_text()
    return place


def _mirrors(place: str) -> str:
    """Where the server that has a place for commands waits for mirrors."""
    return f"{place}-mirrors"


def _serve(place: str) -> tuple[dict[str, Any], list[int]]:
    """Wait for both; returns in the process that is to become a command or a mirror."""
    parent = os.getppid()
    _import(LIBRARIES)
    with _listening(place) as commands, _listening(_mirrors(place)) as mirrors:
        first = os.getpid()
        if os.fork() == 0:
            commands.close()
            return _fork_for_each(mirrors, first, MLFLOW)
        mirrors.close()
        print("ready", flush=True)
        return _fork_for_each(commands, parent, ())


def _listening(place: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen()
    return listener


def _import(names: Sequence[str]) -> None:
    for name in names:
        importlib.import_module(name)
    gc.freeze()  # a collection in a fork would copy all that it looks at


def _fork_for_each(listener: socket.socket, parent: int, libraries: Sequence[str]) -> tuple[dict[str, Any], list[int]]:
    """Imports what all need when the first comes."""
    while os.getppid() == parent:
        if select.select([listener], [], [], 1.0)[0]:
            _import(libraries)
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return _begin(connection)
            connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    sys.exit()


def _begin(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Stay with the process until it ends; returns in the process."""
    os.setsid()
    with connection:
        line, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        while not line.endswith(b"\n"):
            line += connection.recv(1 << 20)
        connection.sendall(NUMBER.pack(os.getpid()))
        process = os.fork()
        if process:
            for stream in streams:
                os.close(stream)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
                connection.sendall(NUMBER.pack(code))
            os._exit(0)
    wanted: dict[str, Any] = json.loads(line)
    return wanted, streams


def _become(wanted: Mapping[str, Any], streams: Sequence[int], place: str) -> None:
    """What an interpreter would have found that was started for the process."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    installed = [found for found in sys.path if found.startswith((sys.prefix, sys.base_prefix))]
    here = [wanted["folder"]] if wanted["module"] == COMMAND else []  # a mirror is started with -P
    sys.path[:] = [*here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *installed]
    importlib.invalidate_caches()
    sys.argv = ["goodfit", *wanted["words"]]
    random.seed()
    importlib.import_module("numpy").random.seed()
    _fork_mirrors(_mirrors(place))
    try:
        importlib.import_module(wanted["module"]).main(wanted["words"])
    except SystemExit as ended:
        _end(ended.code)


def _fork_mirrors(place: str) -> None:
    """Let the tracker of this process have forks of the server at the place."""

    def popen(command: Sequence[str], *, stderr: IO[bytes], env: Mapping[str, str], **options: object) -> Forked:
        assert command[:4] == [sys.executable, "-P", "-m", MIRROR.removesuffix(".__main__")]
        assert options == {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
        (reads, tells), (hears, says) = os.pipe(), os.pipe()
        with os.fdopen(reads) as stdin, os.fdopen(says, "w") as stdout:
            process = Forked(place, MIRROR, command[4:], env, Path.cwd(), [stdin, stdout, stderr])
        process.stdin, process.stdout = os.fdopen(tells, "wb"), os.fdopen(hears, "rb")
        return process

    tracker = importlib.import_module("goodfit.service.tracker.process")
    tracker.subprocess = types.SimpleNamespace(**{**vars(subprocess), "Popen": popen})  # type: ignore[attr-defined]


def _end(code: object) -> NoReturn:
    """As an interpreter ends, but for taking itself apart, which would copy all of it."""
    assert isinstance(code, int), f"the command line ends with a number, not {code!r}"
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _become(*_serve(sys.argv[1]), sys.argv[1])
