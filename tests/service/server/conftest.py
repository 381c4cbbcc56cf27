"""A server with data roots, and one that takes in code."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.app.submission import Rules
from tests.serving import Place, place


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    rows = "x,y,label\n" + "".join(f"{i},{i * 2},{i % 2}\n" for i in range(60))
    (folder / "inner" / "table.csv").write_text(rows)
    (tmp_path / "secret.csv").write_text(rows)
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "well.csv").symlink_to(folder / "inner" / "table.csv")
    (folder / "round.csv").symlink_to(folder / "round.csv")
    for name in ("cats", "dogs"):
        (folder / "images" / name).mkdir(parents=True)
    (folder / "images" / "cats" / "a.png").symlink_to(tmp_path / "secret.csv")
    return folder


@pytest.fixture
def at(tmp_path: Path, roots: Path) -> Place:
    return place(tmp_path, rules=Rules((roots,)))


@pytest.fixture
def open_minded(tmp_path: Path, roots: Path) -> Place:
    return place(tmp_path, rules=Rules((roots,), allow_code=True))
