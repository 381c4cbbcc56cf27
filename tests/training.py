"""What the trainers' tests share: data, and a full disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.trainers.messages import DataSpec

IRIS = DataSpec("iris")
DIGITS = DataSpec("digits")
DIABETES = DataSpec("diabetes")

FULL = Path("/dev/full")  # every write to it fails for want of room
needs_full_disk = pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a file that is opened for writing is on a full disk."""
    opened = Path.open

    def open_full(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        return opened(self if mode.startswith("r") else FULL, mode, *rest, **more)

    monkeypatch.setattr(Path, "open", open_full)
