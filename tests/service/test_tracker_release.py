"""The aliases of MLflow's registry follow the study's decisions, whatever call fails on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import TrackingError
from goodfit.service.release import APPROVE, CANDIDATE, CHAMPION, REJECT, REJECTED, RELEASE, Held, Ruling, standing
from goodfit.service.tracker.content import AUDIT
from goodfit.service.tracker.experiment import connect
from tests.tracking import Fuse, Lab, mirror_of, new_mlflow

FAILED = (Held("confirmed", False, "it was not confirmed"),)
WAITS = Ruling(1.0, "here", RELEASE, 1, CANDIDATE, FAILED)
OVERRULED = Ruling(2.0, "ann", APPROVE, 1, CHAMPION, FAILED, ("confirmed",), "for the pilot")
WITHDRAWN = Ruling(3.0, "bea", REJECT, 1, REJECTED, (), (), "biased")
NEXT = Ruling(4.0, "here", RELEASE, 2, CANDIDATE, FAILED)


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    lab = Lab(tmp_path)
    lab.finish(0)
    lab.finish(1)
    lab.end()
    yield lab
    lab.store.close()


def close(lab: Lab, uri: str, folder: Path, *rulings: Ruling, **options: Any) -> None:
    mirror = mirror_of(lab, uri, folder / "art", release=lambda _: standing(rulings), **options)
    mirror.sync()
    mirror.close_study()


def aliases(uri: str) -> dict[str, str]:
    """The trial of each alias."""
    client = connect(uri)
    found = client.get_registered_model("digits").aliases
    return {
        alias: client.get_model_version("digits", version).tags["goodfit.trial"] for alias, version in found.items()
    }


def test_the_aliases_follow_the_decisions(lab: Lab, tmp_path: Path) -> None:
    uri = new_mlflow(tmp_path / "mlflow")
    client = connect(uri)
    close(lab, uri, tmp_path, WAITS)
    assert aliases(uri) == {"candidate": "1"}
    version = client.get_model_version("digits", "1")
    assert version.description == "trial 1 is candidate: it was not confirmed"
    assert (version.tags["goodfit.release"], lab.study.model_uri) == ("candidate", "models:/digits/1")
    run = client.get_run(lab.study.mlflow_run_id or "").data.tags
    assert (run["goodfit.release"], run["goodfit.release_reason"]) == ("candidate", version.description)
    close(lab, uri, tmp_path, WAITS, OVERRULED)
    assert aliases(uri) == {"champion": "1"}
    assert "over 1 failed gate: confirmed (for the pilot)" in client.get_model_version("digits", "1").description
    close(lab, uri, tmp_path, WAITS, OVERRULED, WITHDRAWN)
    assert aliases(uri) == {}
    assert client.get_model_version("digits", "1").tags["goodfit.release"] == "rejected"
    assert lab.study.registered == 3


def test_each_close_keeps_the_last_hash_of_the_audit_log_whatever_is_decided(lab: Lab, tmp_path: Path) -> None:
    uri = new_mlflow(tmp_path / "mlflow")
    for head, rulings in (("one", []), ("two", []), ("three", [WAITS]), ("four", [WAITS])):
        close(lab, uri, tmp_path, *rulings, head=lambda _, head=head: head)
        assert connect(uri).get_run(lab.study.mlflow_run_id or "").data.tags[AUDIT] == head


def test_a_champion_stays_beside_a_new_candidate(lab: Lab, tmp_path: Path) -> None:
    uri = new_mlflow(tmp_path / "mlflow")
    close(lab, uri, tmp_path, OVERRULED)
    lab.finish(2)
    close(lab, uri, tmp_path, OVERRULED, NEXT)
    assert aliases(uri) == {"champion": "1", "candidate": "2"}
    assert (lab.study.champion, lab.study.model_uri) == (2, "models:/digits/2")


def test_the_alias_of_another_study_is_left_alone(lab: Lab, tmp_path: Path) -> None:
    uri = new_mlflow(tmp_path / "mlflow")
    earlier = Lab(tmp_path / "earlier", created=1.0)
    earlier.finish(0)
    earlier.end()
    close(earlier, uri, tmp_path, Ruling(1.0, "here", RELEASE, 0, CHAMPION))
    earlier.store.close()
    close(lab, uri, tmp_path, WAITS, WITHDRAWN)
    assert aliases(uri) == {"champion": "0"}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_fault_at_any_call_leaves_the_same_aliases(lab: Lab, tmp_path: Path, after: bool) -> None:
    """From the champion 1 to the candidate 2: as if the process had been killed at each call, one after the other."""
    uri = new_mlflow(tmp_path / "mlflow")
    close(lab, uri, tmp_path, OVERRULED)
    lab.finish(2)
    close(lab, uri, tmp_path, OVERRULED)
    at, failures = 0, 0
    while True:
        fuse = Fuse(at, after=after)
        try:
            close(lab, uri, tmp_path, OVERRULED, NEXT, connect=lambda uri, fuse=fuse: fuse.wrap(connect(uri)))
            break
        except TrackingError:
            at, failures = at + 1, failures + 1
    assert failures > 5
    assert aliases(uri) == {"champion": "1", "candidate": "2"}
    assert (lab.study.champion, lab.study.registered) == (2, 2)
