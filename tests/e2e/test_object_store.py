"""A study whose files are kept in an object store: the same commands, the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from goodfit import connect
from goodfit.trainers.artifacts.places import place_of
from tests.e2e.cli import Home
from tests.s3 import s3_server

pytestmark = pytest.mark.e2e

IRIS = {
    "trainer": "mlp",
    "data": {"source": "iris"},
    "space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}},
    "objective": {"metric": "val/accuracy", "direction": "maximize"},
    "training": {"epochs": 3},
    "budget": {"trials": 2},
}


@pytest.fixture
def bucket() -> Iterator[str]:
    with s3_server() as url:
        yield url


def test_search_best_model_log_mlflow_and_removal(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path, {"GOODFIT_ARTIFACTS": f"{bucket}/root"})
    home.ok("run", str(home.study("flowers", **IRIS)), "--executor", "local")
    place = place_of(f"{bucket}/root/flowers/trials")
    assert place.names() == [f"{number:05d}/{name}" for number in (0, 1) for name in ("best.pt", "facts.json")]
    assert not list((tmp_path / "home").glob("studies/*"))

    best = home.json("best", "flowers", "-k", "2")["best"]
    assert best[0]["model_uri"] == "models:/flowers/1"  # the champion was exported from the store
    assert best[1]["model_uri"] == f"{bucket}/root/flowers/trials/{best[1]['trial']:05d}/best.pt"

    monkeypatch.setenv("GOODFIT_ARTIFACTS", f"{bucket}/root")
    study = connect(home.path)["flowers"]
    assert len(study.model().predict([[5.1, 3.5, 1.4, 0.2]])) == 1
    assert study.diagnosis()["study"] == "flowers"

    home.ok("rm", "flowers", "--yes")
    assert place.names() == []


def test_a_root_that_cannot_be_written_is_refused_at_once(tmp_path: Path, bucket: str) -> None:
    file = Home(tmp_path).study("flowers", **IRIS)
    for root, words in (
        ("ftpx://there", "GOODFIT_ARTIFACTS=ftpx://there"),
        ("s3://no-such-bucket/root", "the files of study 'flowers' cannot be kept at s3://no-such-bucket/root/flowers"),
    ):
        done = Home(tmp_path, {"GOODFIT_ARTIFACTS": root}).run("run", str(file), "--executor", "local")
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
