"""`goodfit gc`: what a home keeps, what of it goes, and what stays whatever is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from goodfit.service import app, cli
from goodfit.service.app.garbage import sizes_of
from goodfit.service.app.quota import Quota
from goodfit.service.cli.garbage import collected
from goodfit.service.errors import HomeError, InputError, StudyHeld
from goodfit.service.records import Failure, Study, StudyState, Trial, TrialState
from goodfit.service.settings import Settings, owner
from goodfit.trainers.node_cache import META, Reserve, sealed
from tests.serving import NOW, Place, place

FILES = ("best.pt", "last.pt", "log.txt", "fold-1/best.pt")

SIZES = {"20GB": 20 * 10**9, "1.5 TB": 1_500_000_000_000, "2GiB": 2**31, "500": 500, "": None}


@pytest.fixture
def at(tmp_path: Path) -> Place:
    """A home with a study that is done, of five trials, and one that was interrupted, of two."""
    found = place(tmp_path)
    (tmp_path / "file").write_bytes(b"x" * 1000)
    for name, state in (("done", StudyState.DONE), ("later", StudyState.INTERRUPTED)):
        study = found.study(name)
        trials = [Trial(n, {}, n, TrialState.COMPLETE, value=n / 10, best_epoch=1) for n in range(3)]
        trials += [Trial(3, {}, 3, TrialState.FAILED, Failure.LOST), Trial(4, {}, 4, TrialState.CANCELLED)]
        trials = trials if name == "done" else [trials[0], Trial(1, {}, 1, TrialState.PAUSED)]
        for trial in trials:
            for file in FILES:
                found.settings.trial_place(study, trial.number).put(tmp_path / "file", file)
        found.write(study, trials, [], state)
    return found


def left(at: Place, study: Study) -> list[str]:
    return [name for name in (at.settings.study_place(study) / "trials").names() if name.endswith(".pt")]


def test_what_only_a_resume_would_need_goes_and_what_one_needs_stays(at: Place) -> None:
    done, later = at.store.study("done"), at.store.study("later")
    uses = app.uses_of(at.settings, at.store, [], None, NOW)
    sizes = [(use.study, use.models, use.checkpoints, use.logs, use.removable) for use in uses]
    assert sizes == [("done", 5000, 10_000, 5000, 6000), ("later", 2000, 4000, 2000, 2000)]
    assert app.collect(at.settings, at.store, "done", None, NOW) == 6000
    assert app.collect(at.settings, at.store, "later", None, NOW) == 2000
    whole = [f"0000{trial}/{file}" for trial in (3, 4) for file in ("best.pt", "fold-1/best.pt", "last.pt")]
    assert left(at, done) == ["00000/best.pt", "00001/best.pt", "00002/best.pt", *whole]
    assert left(at, later) == ["00000/best.pt", "00001/best.pt", "00001/fold-1/best.pt", "00001/last.pt"]
    assert app.collect(at.settings, at.store, "done", 1, NOW) == 2000
    assert left(at, done) == ["00002/best.pt", *whole]


def test_the_champion_stays(at: Place) -> None:
    done = at.store.study("done")
    at.store.note_study_mirrored(done.id, champion=0)
    app.collect(at.settings, at.store, "done", 1, NOW)
    assert [name for name in left(at, done) if name < "00003"] == ["00000/best.pt", "00002/best.pt"]


def test_a_study_that_runs_is_left_alone_and_refused_by_name(at: Place, capsys: pytest.CaptureFixture[str]) -> None:
    study = at.store.study("done")
    before = left(at, study)
    at.store.acquire(study.id, owner(), NOW, 1e9, lambda _: False)
    with pytest.raises(StudyHeld):
        app.collect(at.settings, at.store, "done", None, NOW)
    home = ["--home", str(at.settings.home)]
    assert cli.run([*home, "gc", "done", "--yes"]) == 2
    assert "done: it runs; stop a study that runs first" in capsys.readouterr().err
    assert cli.run([*home, "gc", "later", "unknown", "--yes"]) == 2
    assert "unknown" in capsys.readouterr().err
    assert cli.run([*home, "gc", "--yes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["study"], row["why_not"]) for row in found["studies"]] == [("done", "it runs"), ("later", None)]
    assert (found["removable"], found["removed"], found["mlflow_deleted"]["runs"]) == (2000, 2000, 0)
    assert left(at, study) == before


def test_nothing_goes_without_a_yes(at: Place, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(at.settings.home)]
    assert cli.run([*home, "gc", "--dry-run", "--keep", "1"]) == 0
    out = capsys.readouterr().out
    assert "kept: 28.0 kB; can go: 10.0 kB; removed: 0 B" in " ".join(out.split("\n"))
    assert cli.run([*home, "gc"]) == 2
    assert "give --yes" in capsys.readouterr().err
    assert cli.run([*home, "gc", "--keep", "0"]) == 2
    assert collected(at.settings, [], None, dry_run=False, sure=lambda _: False)["notes"] == ["nothing was removed"]
    assert sum(use.removable for use in app.uses_of(at.settings, at.store, [], None, NOW)) == 8000


def test_a_study_that_starts_meanwhile_keeps_its_files_and_the_others_lose_theirs(at: Place) -> None:
    def start_one(question: str) -> bool:
        return at.store.acquire(at.store.study("done").id, owner(), NOW, 60, lambda _: False) is not None

    found = collected(at.settings, [], None, dry_run=False, sure=start_one)
    assert found["removed"] == 2000
    assert any(note.startswith("nothing of done was removed: ") for note in found["notes"])


def test_files_of_another_user_are_named(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "last.pt")

    monkeypatch.setattr("goodfit.trainers.artifacts.places.FolderPlace.drop", refused)
    with pytest.raises(HomeError, match=r"files of study done cannot be removed.*another user"):
        app.collect(at.settings, at.store, "done", None, NOW)
    assert at.store.holder(at.store.study("done").id) is None


def test_the_cache_is_shown_and_goes_and_does_not_count_as_kept(at: Place, capsys: pytest.CaptureFixture[str]) -> None:
    def make(folder: Path, reserve: Reserve) -> None:
        reserve(50_000)
        (folder / "bytes").write_bytes(bytes(50_000))
        (folder / META).write_text(sealed(None))

    before = app.home_size(at.settings)
    app.cache_of(at.settings).entry("a", make)
    assert app.home_size(at.settings) == before
    home = ["--home", str(at.settings.home)]
    assert cli.run([*home, "gc", "--yes", "--json", "done"]) == 0
    assert app.cache_of(at.settings).use().entries == 1, "it is no study's"
    capsys.readouterr()
    assert cli.run([*home, "gc", "--dry-run"]) == 0
    assert f"decoded and prepared data in {at.settings.cache_folder}: 50.0 kB" in " ".join(
        capsys.readouterr().out.split("\n")
    )
    assert cli.run([*home, "gc", "--yes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cache"]["entries"] == 1
    assert found["removed"] > 50_000
    assert app.cache_of(at.settings).use().size == 0


def test_a_home_over_its_quota_loses_what_can_go_and_then_refuses(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    large = b"x" * 3_000_000
    (at.settings.home / "studies" / "done" / "trials" / "00000" / "last.pt").write_bytes(large)
    kept = sum(sizes_of(at.settings.home).values())
    said: list[str] = []
    ticks = iter(range(0, 1000, 10))
    quota = Quota(replace(at.settings, quota=kept - 1_000_000), at.store, said.append, at.clock, lambda: next(ticks))
    quota.require()
    assert said == [f"removed 3.0 MB of checkpoints that nothing needs: {at.settings.home} is over its quota"]
    (at.settings.home / "more").write_bytes(large)
    quota.look()
    assert "more than its quota" in (quota.exceeded() or "")
    with pytest.raises(HomeError, match=r"GOODFIT_QUOTA.*gc --keep 1.*rm NAME"):
        quota.require()
    (at.settings.home / "more").unlink()
    quota.look()
    assert (quota.exceeded(), len(said)) == (None, 1)
    Quota(at.settings, at.store, said.append).require()
    monkeypatch.setenv("GOODFIT_QUOTA", "20 gigs")
    with pytest.raises(InputError, match="GOODFIT_QUOTA=20 gigs: give a size"):
        Settings.from_environment(at.settings.home)
    sizes = {text: Settings.from_environment(at.settings.home, {"GOODFIT_QUOTA": text}).quota for text in SIZES}
    caches = {text: Settings.from_environment(at.settings.home, {"GOODFIT_CACHE": text}).cache for text in SIZES}
    assert caches == sizes
    assert Settings.from_environment(at.settings.home, {"GOODFIT_CACHE": "0"}).cache == 0
    assert sizes == SIZES
