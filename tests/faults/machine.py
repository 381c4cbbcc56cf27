"""What the machine under the stack does to it: a disk that fills up or goes away, a clock that is turned back."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cli import until

BYTES = 64 * 2**20


@dataclass(frozen=True)
class Disk:
    """A small file system of its own for the stack's artifacts."""

    folder: Path

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left meanwhile."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        try:
            yield
        finally:
            filler.unlink()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """As a disk is remounted after an error, with those at work on it."""
        # The system refuses while a file is open for writing.
        until(lambda: _ran("mount", "--options", "remount,bind,ro", str(self.folder)), "a moment without writers", 30)
        try:
            yield
        finally:
            _run("mount", "--options", "remount,bind,rw", str(self.folder))

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """As the folder of a network's disk that is not mounted."""
        elsewhere = self.folder / "elsewhere"
        self.artifacts.rename(elsewhere)
        try:
            yield
        finally:
            made = sorted(map(str, self.artifacts.rglob("*"))) if self.artifacts.exists() else None
            assert made is None, f"a folder was made in the place of one that is away: {made}"
            elsewhere.rename(self.artifacts)


@contextlib.contextmanager
def small_disk() -> Iterator[Disk | None]:
    """A file system in memory; None, with a line that says so, where this user may mount none."""
    folder = Path(tempfile.mkdtemp(prefix="goodfit-disk-"))
    try:
        if os.geteuid() != 0:
            print("no disk is filled or taken away: only root can mount one for that", flush=True)
            yield None
            return
        _run("mount", "--types", "tmpfs", "--options", f"size={BYTES}", "tmpfs", str(folder))
        try:
            disk = Disk(folder)
            disk.artifacts.mkdir()
            yield disk
        finally:
            _run("umount", "--lazy", str(folder))
    finally:
        folder.rmdir()


@dataclass(frozen=True)
class Clock:
    """The wall clock of the stack's Python processes: see clocked.py."""

    file: Path

    def __post_init__(self) -> None:
        self._write(0.0)

    def turn_back(self, seconds: float) -> None:
        self._write(float(self.file.read_text()) - seconds)

    def _write(self, seconds: float) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(str(seconds))
        part.replace(self.file)


def _ran(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
