"""What tests of data share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from goodfit.trainers.data.reading import images, node
from goodfit.trainers.data.reading.pixels import Reading, read_pixels
from goodfit.trainers.node_cache import CacheSpec


@pytest.fixture
def node_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the node's cache, for which no file was written just now."""
    monkeypatch.setattr(node, "JUST_WRITTEN", -1e9)
    node.use(CacheSpec(tmp_path / "cache"))
    yield tmp_path / "cache"
    node.use(None)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files of images that were decoded, in their order."""
    seen: list[Path] = []

    def counting(path: Path, reading: Reading) -> np.ndarray:
        seen.append(path)
        return read_pixels(path, reading)

    monkeypatch.setattr(images, "read_pixels", counting)
    return seen
