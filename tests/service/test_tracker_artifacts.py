"""Files that a trial's trainer left, in MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.service.app.tracker_process import mirror_of as app_mirror_of
from goodfit.service.errors import TrackingError
from goodfit.service.records import Trial, TrialState
from goodfit.service.settings import Settings
from goodfit.service.tracker import Mirror
from goodfit.service.tracker.experiment import connect
from tests.tracking import Fuse, Lab, doubles, mirror_of, new_mlflow, seen


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_mlflow(tmp_path / "mlflow")


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    lab = Lab(tmp_path)
    yield lab
    lab.store.close()


def kept(uri: str, run: str) -> list[str]:
    client = connect(uri)
    found = next(item for item in client.search_runs(["1"]) if item.info.run_name == run)
    return sorted(item.path for item in client.list_artifacts(found.info.run_id, "artifacts"))


def leave(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"\x89PNG")
    return folder


def test_what_a_finished_trial_left_is_kept_and_what_a_running_one_leaves_is_not_yet(
    lab: Lab, uri: str, tmp_path: Path
) -> None:
    folders = {number: leave(tmp_path / str(number) / "artifacts", "a.png", "b.png") for number in (0, 1)}
    mirror = mirror_of(lab, uri, tmp_path / "art", artifacts=lambda trial: folders.get(trial.number))
    lab.finish(0)
    lab.run(1, epochs=2)
    lab.finish(2)
    mirror.sync()
    assert kept(uri, "trial 0") == ["artifacts/a.png", "artifacts/b.png"]
    assert kept(uri, "trial 1") == kept(uri, "trial 2") == []
    lab.finish(1, state=TrialState.PRUNED)
    mirror.sync()
    assert kept(uri, "trial 1") == ["artifacts/a.png", "artifacts/b.png"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_around_the_files_leaves_each_of_them_once(lab: Lab, uri: str, tmp_path: Path, after: bool) -> None:
    folder = leave(tmp_path / "left" / "artifacts", "a.png")

    def mirror(fuse: Fuse) -> Mirror:
        counted = lambda name: name == "log_artifacts"  # noqa: E731
        return mirror_of(
            lab,
            uri,
            tmp_path / "art",
            artifacts=lambda trial: folder,
            connect=lambda uri: fuse.wrap(connect(uri), counted),
        )

    lab.finish(0)
    crash = Fuse(0, after=after)  # texts are written straight into the run's folder
    with pytest.raises(TrackingError):
        mirror(crash).sync()
    assert crash.calls == ["log_artifacts"]
    mirror(Fuse()).sync()
    assert kept(uri, "trial 0") == ["artifacts/a.png"]
    assert seen(uri)["trial 0"]["artifacts"] == ["artifacts", "diagnosis.json", "learning_curve.svg"]
    assert (doubles(uri), lab.behind()) == ({}, 0)


def test_the_app_looks_for_them_in_the_trials_own_folder(lab: Lab, tmp_path: Path, uri: str) -> None:
    settings = Settings(tmp_path / "home", mlflow_uri=uri)
    mirror = app_mirror_of(settings, lab.store, lab.study)
    trial = Trial(3, {}, seed=0)
    assert mirror._artifacts(trial) is None
    folder = leave(settings.home / "studies" / "digits" / "trials" / "00003" / "artifacts", "a.png")
    assert mirror._artifacts(trial) == folder


def test_what_is_said_of_a_study_is_asked_for_once_and_not_before_a_trial_has_finished(
    lab: Lab, uri: str, tmp_path: Path
) -> None:
    asked: list[int] = []

    def describe() -> dict[str, Any]:
        asked.append(1)
        return {"source": "digits"}

    mirror = mirror_of(lab, uri, tmp_path / "art", describe=describe)
    lab.run(0, epochs=2)
    mirror.sync()
    assert asked == []
    lab.finish(0)
    mirror.sync()
    mirror.sync()
    assert asked == [1]
    client = connect(uri)
    parent = lab.store.study(lab.name).mlflow_run_id
    assert "data.json" in [item.path for item in client.list_artifacts(str(parent))]
