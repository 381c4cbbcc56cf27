"""A study's report in MLflow: attached to the study's run when it ends, once an end."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from goodfit.service.errors import TrackingError
from goodfit.service.records import Batch, Study, StudyState
from goodfit.service.tracker import Mirror, run
from goodfit.service.tracker.experiment import connect
from goodfit.testing.lab import START
from tests.tracking import Lab, mirror_of, new_mlflow


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_mlflow(tmp_path / "mlflow")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.store.close()


class Concluded:
    """The states in which a conclusion was asked for."""

    def __init__(self) -> None:
        self.states: list[StudyState] = []

    def __call__(self, study: Study) -> dict[str, str]:
        self.states.append(study.state)
        return {"report.html": f"<p>{study.state}</p>"}


def attached(lab: Lab, uri: str, folder: Path) -> str | None:
    client = connect(uri)
    run = str(lab.study.mlflow_run_id)
    if "report.html" not in [item.path for item in client.list_artifacts(run)]:
        return None
    return Path(client.download_artifacts(run, "report.html", str(folder))).read_text()


def closed(mirror: Mirror) -> None:
    mirror.sync()
    mirror.close_study()


def test_the_report_comes_when_the_study_is_done_and_once(lab: Lab, uri: str, tmp_path: Path) -> None:
    concluded = Concluded()
    mirror = mirror_of(lab, uri, tmp_path / "art", conclude=concluded)
    lab.finish(0)
    closed(mirror)
    assert attached(lab, uri, tmp_path) is None
    lab.end()
    closed(mirror)
    closed(mirror)
    assert concluded.states == [StudyState.DONE]
    assert attached(lab, uri, tmp_path) == "<p>DONE</p>"


def test_a_study_that_goes_on_after_a_stop_gets_a_new_report_at_its_next_end(
    lab: Lab, uri: str, tmp_path: Path
) -> None:
    concluded = Concluded()
    mirror = mirror_of(lab, uri, tmp_path / "art", conclude=concluded)
    lab.finish(0)
    lab.end(StudyState.STOPPED)
    closed(mirror)
    assert attached(lab, uri, tmp_path) == "<p>STOPPED</p>"
    lab.store.apply(lab.lease, Batch(study=lab.study.to(StudyState.RUNNING, ended=None)))
    closed(mirror)
    lab.change(replace(lab.study.to(StudyState.DONE), ended=START + 2000))
    closed(mirror)
    assert concluded.states == [StudyState.STOPPED, StudyState.DONE]
    assert attached(lab, uri, tmp_path) == "<p>DONE</p>"


def test_what_ends_after_the_last_push_is_pushed_before_the_end_is_told(lab: Lab, uri: str, tmp_path: Path) -> None:
    concluded = Concluded()
    mirror = mirror_of(lab, uri, tmp_path / "art", conclude=concluded)
    lab.finish(0)
    mirror.sync()
    lab.finish(1)  # better, and not pushed yet
    lab.end()
    mirror.close_study()
    assert (concluded.states, lab.study.champion) == ([], None)
    closed(mirror)
    assert (concluded.states, lab.study.champion) == ([StudyState.DONE], 1)


def test_nobody_waits_for_a_report_after_ctrl_c(lab: Lab, uri: str, tmp_path: Path) -> None:
    concluded = Concluded()
    mirror = mirror_of(lab, uri, tmp_path / "art", conclude=concluded)
    lab.finish(0)
    lab.end(StudyState.INTERRUPTED)
    closed(mirror)
    assert concluded.states == []


def test_a_crash_while_it_is_attached_is_made_good_by_the_next_start(
    lab: Lab, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.finish(0)
    lab.end()
    mirror_of(lab, uri, tmp_path / "art").sync()
    mirror = mirror_of(lab, uri, tmp_path / "art", conclude=Concluded())
    mirror.sync()

    def full(folder: Path, files: Mapping[str, str]) -> None:
        (folder / next(iter(files))).write_text("<p>")
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run, "_write", full)
        with pytest.raises(TrackingError, match="no space left"):
            mirror.close_study()
    assert lab.study.champion is None  # so that whoever comes next knows that MLflow has not all
    closed(mirror_of(lab, uri, tmp_path / "art", conclude=Concluded()))
    assert attached(lab, uri, tmp_path) == "<p>DONE</p>"
    assert lab.study.champion == 0
