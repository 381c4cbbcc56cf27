"""Commands, and what Goodfit starts beside itself, as forks of processes that have their libraries.

To import these is most of what many of them do.

`python -m tests.e2e.forked PLACE` imports what commands need, and waits at PLACE; a fork of it waits for mirrors, and
imports MLflow for the first. Each connection brings a line of JSON and the standard streams; a fork, in a session of
its own, becomes the process that is meant, and answers with its number. The server answers with its exit code.
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
import runpy
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
from collections.abc import Callable, Mapping, Sequence
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
    "service.app.quality_process", "service.app.rerun_process", "service.app.submission_process",
    "service.tracker", "trainers.worker.worker", "trainers.training.loop", "trainers.training.supervised",
    "trainers.data",
)  # fmt: skip
LIBRARIES = (
    *(f"goodfit.{name}" for name in GOODFIT),
    *("scipy.stats", "sklearn.datasets", "pandas", "psycopg", "torch._dynamo"),
)
MLFLOW = ("mlflow.pyfunc", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")
COMMAND, MIRROR, SCRIPT = "goodfit.service.cli", "goodfit.service.app.__main__", "a script"  # modules with a main()
PROCESS = "_process"  # ends the names of modules whose main() takes a path
NUMBER = struct.Struct("i")


def run(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float, module: str = COMMAND
) -> subprocess.CompletedProcess[str]:
    """A `goodfit` command, as by subprocess.run with its output captured; TimeoutExpired after `timeout` seconds."""
    return _run(server(), module, words, environment, folder, timeout)


def script(
    file: Path, environment: Mapping[str, str], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """A program in Python, likewise."""
    return run([str(file)], environment, folder, timeout, SCRIPT)


def _run(
    place: str, module: str, words: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(tempfile.TemporaryDirectory(prefix="goodfit-forked-"))
        said = [stack.enter_context(Path(kept, name).open("w+", encoding="utf-8")) for name in ("out", "err")]
        nothing = stack.enter_context(Path(os.devnull).open())
        process = Forked(place, module, words, environment, folder, [nothing, *said])
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise subprocess.TimeoutExpired(words, timeout, *map(_text, said)) from None
        return subprocess.CompletedProcess(words, code, *map(_text, said))


def mirrors_of(pid: int) -> list[int]:
    """The mirrors that a command has started, by its number; no children of it, as they are forks of a server."""
    started = _started(_mirrors(server()), pid) if server.cache_info().currsize else None
    return [int(line) for line in started.read_text().split()] if started and started.exists() else []


def _started(place: str, pid: int) -> Path:
    return Path(f"{place}-of-{pid}")


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
        self.stdin: IO[Any] | None = None
        self.stdout: IO[Any] | None = None
        self.stderr: IO[Any] | None = None
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

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdin, self.stdout):
            if stream is not None:
                stream.close()
        self.wait()

    def _number(self) -> int:
        """The next that is said; that of a kill where the server was killed before it could answer."""
        said = self._connection.recv(NUMBER.size, socket.MSG_WAITALL)
        return int(NUMBER.unpack(said)[0]) if said else -signal.SIGKILL


class Started(Forked):
    """A command that the test goes on beside, with pipes for what it says as text."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        (out, says), (err, complains) = os.pipe(), os.pipe()
        with Path(os.devnull).open() as nothing, os.fdopen(says, "w") as told, os.fdopen(complains, "w") as complained:
            super().__init__(server(), COMMAND, words, environment, folder, [nothing, told, complained])
        self.stdout, self.stderr = os.fdopen(out, encoding="utf-8"), os.fdopen(err, encoding="utf-8")

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it says until its end, and until all that it started have closed their ends of the pipes."""
        texts: dict[str, str] = {}

        def read(name: str, file: IO[str]) -> None:
            with file:
                texts[name] = file.read()

        readers = [
            threading.Thread(target=read, args=[name, file], daemon=True)
            for name, file in (("out", self.stdout), ("err", self.stderr))
            if file is not None and not file.closed
        ]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired("a fork", timeout or 0.0)
        return texts.get("out", ""), texts.get("err", "")


@cache
def server() -> str:
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
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    running: dict[int, tuple[int, socket.socket]] = {}  # the number of each fork and who waits for it, by its handle
    while os.getppid() == parent:
        for found, _ in waiting.poll(1000):
            if found in running:
                waiting.unregister(found)
                _answer(found, *running.pop(found))
                continue
            _import(libraries)
            connection, _ = listener.accept()
            fork = os.fork()
            if fork == 0:
                for place in (listener, *(other for _, other in running.values())):
                    place.close()
                for handle in running:
                    os.close(handle)
                return _begin(connection)
            handle = os.pidfd_open(fork)
            running[handle] = fork, connection
            waiting.register(handle, select.POLLIN)
    sys.exit()


def _answer(handle: int, fork: int, connection: socket.socket) -> None:
    """Say how a fork has ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    os.close(handle)
    with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody waits for it any more
        connection.sendall(NUMBER.pack(code))


def _begin(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """In the fork: hear what it is to become."""
    os.setsid()
    with connection:
        line, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        while not line.endswith(b"\n"):
            line += connection.recv(1 << 20)
        connection.sendall(NUMBER.pack(os.getpid()))
    wanted: dict[str, Any] = json.loads(line)
    return wanted, streams


def _become(wanted: Mapping[str, Any], streams: Sequence[int], place: str) -> None:
    """What an interpreter would have found that was started for the process."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of the server take theirs for files, or for pipes.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    installed = [found for found in sys.path if found.startswith((sys.prefix, sys.base_prefix))]
    here = [wanted["folder"]] if wanted["module"] in (COMMAND, SCRIPT) else []  # others are started with -P
    sys.path[:] = [*here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *installed]
    importlib.invalidate_caches()
    sys.argv = ["goodfit", *wanted["words"]]
    random.seed()
    importlib.import_module("numpy").random.seed()
    fork_processes(lambda: place)
    try:
        _main(wanted["module"], wanted["words"])
    except SystemExit as ended:
        _end(ended.code or 0)
    _end(0)


def _main(module: str, words: list[str]) -> None:
    if module == SCRIPT:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")
    elif module.endswith(PROCESS):
        importlib.import_module(module).main(Path(*words))
    else:
        importlib.import_module(module).main(words)


def fork_processes(place: Callable[[], str], prepare: Callable[[Path], object] = lambda _: None) -> None:
    """Let what this process starts beside itself be forks of a server.

    Args:
        place: of the server.
        prepare: is done with the home of a study before its mirror starts.
    """

    def popen(command: Sequence[str], **options: Any) -> Any:
        if (module := _module_of(command)) is None:
            return subprocess.Popen(command, **options)
        assert options.keys() <= {"stdin", "stdout", "stderr", "env", "start_new_session", "text"}
        assert options["stdin"] == options["stdout"] == subprocess.PIPE
        if module == MIRROR:
            prepare(Path(command[command.index("--home") + 1]))
        at, (reads, tells), (hears, says) = place(), os.pipe(), os.pipe()
        at = _mirrors(at) if module == MIRROR else at
        with os.fdopen(reads) as stdin, os.fdopen(says, "w") as stdout:
            streams = [stdin, stdout, options["stderr"]]
            process = Forked(at, module, command[4:], options["env"], Path.cwd(), streams)
        text = options.get("text", False)
        process.stdin, process.stdout = os.fdopen(tells, "w" if text else "wb"), os.fdopen(hears, "r" if text else "rb")
        if module == MIRROR:
            with _started(at, os.getpid()).open("a") as started:
                started.write(f"{process.pid}\n")
        return process

    def run(command: Sequence[str], **options: Any) -> Any:
        if (module := _module_of(command)) is None:
            return subprocess.run(command, **options)
        assert options.keys() == {"cwd", "env", "capture_output", "text", "timeout", "check"}
        return _run(place(), module, command[4:], options["env"], options["cwd"], options["timeout"])

    instead = types.SimpleNamespace(**{**vars(subprocess), "Popen": popen, "run": run})
    for name in ("tracker.process", "app.child_process", "app.submission"):
        importlib.import_module(f"goodfit.service.{name}").subprocess = instead  # type: ignore[attr-defined]


def _module_of(command: Sequence[str]) -> str | None:
    """What of Goodfit a command starts; None of any other."""
    name = command[3] if list(command[:3]) == [sys.executable, "-P", "-m"] else ""
    if name == MIRROR.removesuffix(".__main__"):
        return MIRROR
    return name if name.startswith("goodfit.service.app.") and name.endswith(PROCESS) else None


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
