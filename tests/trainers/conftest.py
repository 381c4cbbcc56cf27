"""What all tests of trainers train with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Curves are compared to the last bit, and sums depend on the threads that share them; before any other fixture."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def disk_order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed to the disk, and which files take their names, in this order."""
    seen: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        file = Path(f"/proc/self/fd/{handle}").readlink()
        seen.append(f"flush {file.name if file.is_dir() else file.name.rsplit('.', 2)[0]}")
        sync(handle)

    def replaced(self: Path, target: Path) -> Path:
        seen.append(f"name {Path(target).name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    return seen
