"""A process of its own that trains for whoever waits for it, and says in JSON lines how far it is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from goodfit.trainers.environment import PRIVATE, take

LOG = "process.txt"
LOG_LINES = 8  # of a trainer that fails, that are shown


@contextlib.contextmanager
def child_lines(module: str, folder: Path, job: Path, threads: int) -> Iterator[Iterator[str]]:
    """The lines of the process; it ends with the context.

    Args:
        module: of goodfit.service.app, which is run with the job.
        folder: for what it prints besides.
        job: a file that says what it is to do.
        threads: that its libraries may use.
    """
    environment = dict(os.environ)
    take(environment, PRIVATE)
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-P", "-m", f"goodfit.service.app.{module}", str(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**environment, **limits},
            text=True,
        )
    with process:
        try:
            yield iter(process.stdout or ())
        finally:
            process.kill()


def child_log(folder: Path) -> list[str]:
    """The last lines that it printed."""
    with contextlib.suppress(OSError):
        return (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    return []
