"""A study's folder is its own, whoever shares the place and whatever a lost database has left there."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service import app
from goodfit.service.app.places import MARK, settle_place
from goodfit.service.errors import HomeError
from goodfit.service.records import Study
from goodfit.service.settings import Settings
from goodfit.trainers.artifacts.places import FolderPlace
from tests.serving import NOW, Place


def home(folder: Path, name: str = "home", artifacts: Path | str | None = None, now: float = NOW) -> Place:
    at = Place(Settings(folder / name, artifacts=artifacts))
    at.clock.now = now
    return at


def settled(at: Place, name: str = "digits") -> Study:
    """A study that begins to run."""
    study = at.store.study(name) if name in at.local() else at.study(name)
    lease = at.store.acquire(study.id, "runner:1:1", at.clock(), 30.0, lambda _: True)
    found = settle_place(at.settings, at.store, lease, study)
    at.store.release(lease)
    assert at.store.study(name) == found
    return found


def left(at: Place, study: Study, content: str) -> None:
    """What a worker leaves of trial 0."""
    folder = at.settings.trial_place(study, 0).folder
    assert folder is not None
    folder.mkdir(parents=True)
    (folder / "best.pt").write_text(content)


def model(at: Place, study: Study) -> bytes | None:
    return at.settings.trial_place(study, 0).read("best.pt")


def test_a_study_has_the_folder_of_its_name_and_keeps_it(tmp_path: Path) -> None:
    at = home(tmp_path)
    study = settled(at)
    assert study.folder == "digits"
    assert (tmp_path / "home" / "studies" / "digits" / MARK).is_file()
    left(at, study, "weights")
    assert settled(at).folder == "digits"


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_two_homes_that_share_a_place_touch_nothing_of_each_other(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goodfit.service.tracker.remove_study", lambda *_: None)
    shared = tmp_path / "shared" if kind == "folder" else f"memory://{tmp_path.name}"
    here, there = home(tmp_path, "here", shared), home(tmp_path, "there", shared, now=NOW + 1)
    mine, yours = settled(here), settled(there)
    assert mine.folder == "digits"
    assert str(yours.folder).startswith("digits-")
    for at, study in ((here, mine), (there, yours)):
        file = tmp_path / "best.pt"
        file.write_text(study.folder or "")
        at.settings.trial_place(study, 0).put(file, "best.pt")
    assert (model(here, mine), model(there, yours)) == (b"digits", str(yours.folder).encode())
    assert settled(there).folder == yours.folder
    assert app.remove_study(here.settings, here.store, "digits", NOW) == ["removed study digits"]
    assert model(here, mine) is None
    assert model(there, yours) == str(yours.folder).encode()


def test_what_a_lost_database_left_is_not_taken_for_ones_own_nor_lost(tmp_path: Path) -> None:
    before = home(tmp_path)
    left(before, settled(before), "of the first search")
    for file in (tmp_path / "home").glob("goodfit.db*"):
        file.unlink()
    after = home(tmp_path, now=NOW + 1)
    again = settled(after)
    assert str(again.folder).startswith("digits-")
    assert model(after, again) is None
    assert (tmp_path / "home" / "studies" / "digits" / "trials" / "00000" / "best.pt").read_text() == (
        "of the first search"
    )


def test_files_without_a_mark_are_somebody_elses(tmp_path: Path) -> None:
    at = home(tmp_path)
    old = tmp_path / "home" / "studies" / "digits" / "trials" / "00000"
    old.mkdir(parents=True)
    (old / "facts.json").write_text("{}")
    assert str(settled(at).folder).startswith("digits-")


def test_a_study_from_before_there_were_marks_keeps_its_folder(tmp_path: Path) -> None:
    at = home(tmp_path)
    study = at.study("digits", folder="digits")  # as the migration writes it
    left(at, study, "weights")
    assert settled(at).folder == "digits"
    assert model(at, at.store.study("digits")) == b"weights"


def test_a_folder_that_somebody_else_took_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    at = home(tmp_path)
    study = settled(at)
    (tmp_path / "home" / "studies" / "digits" / MARK).write_text('{"study": "digits", "created": 1.0}')
    assert settled(at).folder != study.folder


def test_a_study_that_never_ran_removes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.service.tracker.remove_study", lambda *_: None)
    at = home(tmp_path)
    left(at, at.study("digits"), "somebody else's")
    app.remove_study(at.settings, at.store, "digits", NOW)
    assert (tmp_path / "home" / "studies" / "digits" / "trials" / "00000" / "best.pt").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise OSError(30, "Read-only file system", "study.json")

    monkeypatch.setattr(FolderPlace, "claim", refuse)
    with pytest.raises(
        HomeError, match=r"Read-only file system: 'study.json'; fix that, then .* resume digits"
    ) as told:
        settled(home(tmp_path))
    assert f"'digits' cannot be kept at {(tmp_path / 'home' / 'studies' / 'digits').as_uri()}: " in str(told.value)


@pytest.mark.parametrize("content", [b"", b'{"study": "digits", "crea', b"\0" * 40, b"\xff\xfe", b"[]", b"null", b"3"])
def test_a_study_keeps_its_folder_though_its_mark_is_damaged(tmp_path: Path, content: bytes) -> None:
    at = home(tmp_path)
    left(at, settled(at), "weights")
    mark = tmp_path / "home" / "studies" / "digits" / MARK
    whole = mark.read_bytes()
    mark.write_bytes(content)
    study = settled(at)
    assert (study.folder, model(at, study), mark.read_bytes()) == ("digits", b"weights", whole)


def test_artifacts_that_are_away_are_not_made_anew(tmp_path: Path) -> None:
    at = home(tmp_path, artifacts=tmp_path / "big")
    settled(at)
    (tmp_path / "big").rename(tmp_path / "away")
    with pytest.raises(HomeError, match=f"the folder {tmp_path / 'big'} .* 'digits', does not exist; restore it"):
        settled(at)
    assert not (tmp_path / "big").exists()
    (tmp_path / "away").rename(tmp_path / "big")
    assert settled(at).folder == "digits"


def test_two_folders_of_others_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderPlace, "claim", lambda *_: False)
    with pytest.raises(HomeError, match=r"the folders digits and digits-[0-9a-f]{8} .* belong to other studies"):
        settled(home(tmp_path))
