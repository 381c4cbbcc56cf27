"""A study's removal: its name is free for others only when nothing of it is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service import app
from goodfit.service.errors import Fenced, StudyHeld
from goodfit.service.records import Lease
from goodfit.service.store import SqlStore
from tests.serving import NOW, Place, place


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr("goodfit.service.tracker.remove_study", lambda *_: None)  # MLflow has tests of its own
    made = place(tmp_path)
    made.study(folder="digits")
    folder = made.settings.home / "studies" / "digits" / "trials" / "00000"
    folder.mkdir(parents=True)
    (folder / "best.pt").write_text("weights")
    return made


def test_the_files_are_gone_before_the_name_is_free(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[bool] = []
    remove = SqlStore.remove

    def removing(self: SqlStore, lease: Lease, by: str) -> None:
        left.append((at.settings.home / "studies" / "digits").exists())
        remove(self, lease, by)

    monkeypatch.setattr(SqlStore, "remove", removing)
    assert app.remove_study(at.settings, at.store, "digits", NOW) == ["removed study digits"]
    assert left == [False]


def test_a_removal_that_was_killed_half_way_is_done_by_the_next(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqlStore, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            app.remove_study(at.settings, at.store, "digits", NOW)
    assert at.store.study("digits").name == "digits"
    assert app.remove_study(at.settings, at.store, "digits", NOW) == ["removed study digits"]


def test_a_removal_that_takes_too_long_leaves_the_study_to_who_has_it_now(
    at: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        at.store.acquire(at.store.study("digits").id, "another:1:1", NOW + 1e6, 30.0, lambda _: False)

    monkeypatch.setattr("goodfit.service.tracker.remove_study", slow)
    with pytest.raises(Fenced):
        app.remove_study(at.settings, at.store, "digits", NOW)
    assert at.store.study("digits").name == "digits"
    assert (at.settings.home / "studies" / "digits" / "trials" / "00000" / "best.pt").exists()


def test_a_study_that_somebody_runs_is_not_removed(at: Place) -> None:
    at.store.acquire(at.store.study("digits").id, "another:1:1", NOW, 30.0, lambda _: False)
    with pytest.raises(StudyHeld):
        app.remove_study(at.settings, at.store, "digits", NOW)
    assert (at.settings.home / "studies" / "digits" / "trials" / "00000" / "best.pt").exists()


def test_files_that_cannot_be_removed_are_named(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(30, "Read-only file system", "best.pt")

    monkeypatch.setattr("shutil.rmtree", refused)
    said = app.remove_study(at.settings, at.store, "digits", NOW)
    assert said == ["removed study digits", "its files were not removed: [Errno 30] Read-only file system: 'best.pt'"]
