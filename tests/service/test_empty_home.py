"""A folder without a home is an empty one until something is written; and a home of another user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goodfit import HomeError, UnknownStudy, connect
from goodfit.service.app import open_home
from goodfit.service.settings import Settings
from tests import zoo

STUDY = {
    "name": "first",
    "trainer": zoo.named("curve"),
    "space": {"x": {"type": "float", "low": 0, "high": 1}},
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "training": {"epochs": 2},
    "budget": {"trials": 1},
}


def test_a_new_folder_is_an_empty_home_and_reading_makes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "new"
    studies = connect(home)
    assert list(studies) == []
    assert len(studies) == 0
    assert "first" not in studies
    with pytest.raises(UnknownStudy, match=r"no studies in .*new"):
        studies["first"]
    assert "none" in repr(studies)
    assert not home.exists()


def test_the_home_is_made_when_something_is_written(tmp_path: Path) -> None:
    studies, other = connect(tmp_path / "new"), connect(tmp_path / "new")
    assert studies.submit(STUDY).state == "QUEUED"
    assert list(studies) == ["first"]
    assert list(other) == ["first"]  # which was opened before there was a home


@pytest.mark.parametrize(("name", "what"), [("home", "read"), ("goodfit.db", "write")])
def test_a_home_of_another_user_is_named(name: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    open_home(Settings(home), create=True).close()
    mode = os.W_OK if what == "write" else os.R_OK | os.X_OK
    monkeypatch.setattr(os, "access", lambda path, asked: (Path(path).name, asked) != (name, mode))
    with pytest.raises(HomeError, match=f"cannot {what} .*{name}: it belongs to .*; name a home of your own"):
        connect(home)


def test_a_home_that_cannot_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exists(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", exists)
    with pytest.raises(HomeError, match=r"cannot read .*home"):
        connect(tmp_path / "home")
