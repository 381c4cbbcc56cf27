"""A Ray cluster of its own for a test: a head as a process, on free ports, with its files in one folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.e2e.cli import tree

ROOT = Path(__file__).parents[1]
PATIENCE = 600.0
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # a token left by another cluster of this user would make it ask for one
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONPATH": str(ROOT),
}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def head(cpus: int, **resources: float) -> Iterator[str]:
    """A cluster of one node; its address."""
    folder = tempfile.mkdtemp(prefix="gf-ray-")  # short: paths of sockets may have 107 characters
    address = f"127.0.0.1:{free_port()}"
    process = _start(
        folder,
        ["--head", "--node-ip-address=127.0.0.1", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false"],
        cpus,
        resources,
    )
    try:
        yield address
    finally:
        end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: str, words: list[str], cpus: int, resources: Mapping[str, float]) -> subprocess.Popen[bytes]:
    command = [
        *(str(Path(sys.executable).with_name("ray")), "start", *words),
        f"--num-cpus={cpus}",
        "--object-store-memory=134217728",
        f"--temp-dir={folder}",
        "--include-log-monitor=false",
        "--disable-usage-stats",
        "--block",
    ]
    if resources:
        import json

        command.append(f"--resources={json.dumps(resources)}")
    log = Path(folder) / "start.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **ENVIRONMENT}, start_new_session=True
        )
    deadline = time.monotonic() + PATIENCE
    while b"Ray runtime started" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            end(process)
            raise AssertionError(f"Ray does not start:\n{log.read_text()}")
        time.sleep(0.1)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a node with all that came from it."""
    for pid in tree(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(30)
