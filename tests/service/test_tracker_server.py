"""The mirror on an MLflow server over HTTP, which is killed in the middle and comes back."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from goodfit.service.errors import TrackingError
from goodfit.service.tracker import remove_study
from goodfit.service.tracker.datasets import Dataset
from goodfit.service.tracker.experiment import ENVIRONMENT, connect
from goodfit.service.tracker.run import MirroredRun
from goodfit.service.tracker.transaction import Rows
from tests.tracking import Lab, Server, doubles, free_port, mirror_of, new_mlflow, seen

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_mlflow(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module")
def server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port, tmp_path = free_port(), tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts"), "--port", str(port)]
    environment = {**ENVIRONMENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = Server(command, environment, port, tmp_path / "server.log")
    server.start()
    yield server
    server.kill()


class KillingClient:
    """Kills the server once a certain call has been made so often; the answer does not get through."""

    def __init__(self, uri: str, server: Server, name: str, count: int) -> None:
        self._client, self._server = connect(uri), server
        self._name, self._left = name, count

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name != self._name:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            found(*arguments, **options)
            self._left -= 1
            if self._left == 0:
                self._server.kill()
                raise ConnectionResetError("the server is gone")

        return call


def test_a_finished_trial_takes_five_requests(
    server: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    lab = Lab(tmp_path, "counted")
    mirror = mirror_of(lab, server.url, None)
    mirror.sync()
    for number in range(12):
        lab.finish(number)
    asked: list[str] = []
    request = requests.Session.request

    def counting(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
        asked.append(f"{method} {url}")
        return request(session, method, url, **options)

    with monkeypatch.context() as counted:
        counted.setattr(requests.Session, "request", counting)
        assert mirror.sync() == 0
    assert len(asked) <= 12 * 5 + 2, "and the study's own summary"
    found = seen(server.url, "counted")
    assert set(found) == {"counted", *(f"trial {number}" for number in range(12))}
    assert all(found[f"trial {number}"]["status"] == "FINISHED" for number in range(12))
    assert all(len(found[f"trial {number}"]["artifacts"]) == 2 for number in range(12))
    assert doubles(database) == {}
    lab.store.close()


def test_a_dataset_is_new_to_the_server_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs that bring it at once are a duplicate key to MLflow, which fails the request."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    brought: list[tuple[str, bool]] = []
    log_inputs = MirroredRun.log_inputs

    def noting(run: MirroredRun, datasets: Sequence[Dataset], rows: Rows | None = None) -> None:
        beside = threading.current_thread() is not threading.main_thread()
        brought.extend((dataset.digest, beside) for dataset in datasets)
        log_inputs(run, datasets, rows)

    monkeypatch.setattr(MirroredRun, "log_inputs", noting)
    lab = Lab(tmp_path, "data")
    digests = ["a"] * 3 + ["b"] * 3
    for number, digest in enumerate(digests):
        lab.finish(number, data=digest)
    assert mirror_of(lab, server.url, None).sync() == 0
    by_digest = {digest: [beside for found, beside in brought if found == digest] for digest in "ab"}
    assert all(len(found) == 3 * 2 for found in by_digest.values()), "of training and validation, by each trial"
    assert all(found == [False] * 2 + [True] * 4 for found in by_digest.values())
    lab.store.close()


def test_a_server_that_is_killed_in_the_middle_ends_up_with_every_point_once(
    server: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    lab = Lab(tmp_path)
    for number in range(4):
        lab.finish(number)
    mirror = mirror_of(lab, server.url, None, connect=lambda uri: KillingClient(uri, server, "log_batch", count=3))
    with pytest.raises(TrackingError, match=r"the server is gone|Connection"):  # any of several requests
        mirror.sync()
    with pytest.raises(TrackingError, match=f"MLflow at {server.url}: .*Connection"):
        mirror_of(lab, server.url, None).sync()
    assert lab.behind() == 4
    server.start()
    lab.end()
    mirror = mirror_of(lab, server.url, None)
    assert mirror.sync() == 0
    mirror.close_study()
    assert doubles(database) == {}
    found = seen(server.url)
    assert set(found) == {"digits", "trial 0", "trial 1", "trial 2", "trial 3"}
    for number in range(4):
        trial = found[f"trial {number}"]
        assert trial["status"] == "FINISHED"
        assert [step for step, _, _ in trial["metrics"]["gap/loss"]] == [1, 2, 3]
        assert trial["artifacts"] == ["diagnosis.json", "learning_curve.svg"]
    assert lab.study.model_uri == "models:/digits/1"
    version = connect(server.url).get_model_version("digits", "1")
    assert version.status == "READY"
    remove_study(server.url, lab.study)
    assert connect(server.url).get_experiment_by_name("digits") is None
    lab.store.close()
