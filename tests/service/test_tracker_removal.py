"""What is left in MLflow of a study that is removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import TrackingError
from goodfit.service.tracker import Mirror, remove_deleted, remove_study
from goodfit.service.tracker.experiment import connect
from goodfit.testing.lab import START
from tests.tracking import Fault, Fuse, Lab, mirror_of, new_mlflow, seen


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_mlflow(tmp_path / "mlflow")


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    lab = Lab(tmp_path)
    yield lab
    lab.store.close()


@pytest.fixture
def mirror(lab: Lab, uri: str, tmp_path: Path) -> Mirror:
    return mirror_of(lab, uri, tmp_path / "artifacts")


def test_what_a_removed_study_left_is_deleted_and_its_name_is_free(
    lab: Lab, mirror: Mirror, uri: str, tmp_path: Path
) -> None:
    lab.finish(0)
    mirror.sync()
    remove_study(uri, lab.study)
    remove_study(uri, lab.study)
    assert connect(uri).get_experiment(lab.study.mlflow_experiment_id or "").lifecycle_stage == "deleted"
    again = Lab(tmp_path / "again", created=START + 9)
    again.finish(0)
    mirror_of(again, uri, tmp_path).sync()
    assert set(seen(uri, "digits")) == {"digits", "trial 0"}
    again.store.close()
    runs, size = remove_deleted(uri, tmp_path / "artifacts", dry_run=True)
    assert (runs, size > 0) == (2, True)
    assert remove_deleted(uri, tmp_path / "artifacts", dry_run=False) == (runs, size)
    assert remove_deleted(uri, tmp_path / "artifacts", dry_run=False) == (0, 0)
    assert not [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
    assert set(seen(uri, "digits")) == {"digits", "trial 0"}


@pytest.mark.parametrize("after", [False, True])
def test_a_removal_that_was_cut_short_can_be_repeated(lab: Lab, mirror: Mirror, uri: str, after: bool) -> None:
    mirror.sync()
    fuse = Fuse()
    remove_study(uri, lab.study, lambda uri: _without_effect(fuse.wrap(connect(uri))))
    for at, name in enumerate(fuse.calls):
        broken = Fuse(at, after=after)
        with pytest.raises(TrackingError, match=f"study digits could not be removed.*{name}"):
            remove_study(uri, lab.study, lambda uri, broken=broken: broken.wrap(connect(uri)))
        if connect(uri).get_experiment(lab.study.mlflow_experiment_id or "").lifecycle_stage == "deleted":
            break
    remove_study(uri, lab.study)
    assert connect(uri).get_experiment_by_name("digits") is None


def _without_effect(client: Any) -> Any:
    """Calls are counted, and nothing is renamed or deleted."""
    client._target.rename_experiment = lambda *arguments: None
    client._target.delete_experiment = lambda *arguments: None
    return client


def test_a_removal_while_mlflow_is_away_says_so(lab: Lab) -> None:
    def away(uri: str) -> Any:
        raise OSError("no route")

    with pytest.raises(
        TrackingError, match="study digits could not be removed from MLflow at http://h: OSError: no route"
    ):
        remove_study("http://h", lab.study, away)


def test_no_database_is_made_to_remove_a_study_from_it(lab: Lab, tmp_path: Path) -> None:
    def refused(uri: str) -> Any:
        raise Fault("it is looked into")

    file = tmp_path / "none.db"
    remove_study(f"sqlite:///{file}", lab.study, refused)
    assert list(tmp_path.glob("none.db*")) == []
    file.with_name("none.db.lock").touch()  # of somebody who makes it now
    with pytest.raises(TrackingError, match="it is looked into"):
        remove_study(f"sqlite:///{file}", lab.study, refused)
