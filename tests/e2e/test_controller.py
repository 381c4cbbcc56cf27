"""The controller and its runners on a real Ray cluster that outlives them: whatever is killed, each study runs once."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import Fenced
from goodfit.service.records import Batch, Lease, Study, StudyState
from goodfit.service.settings import Settings, is_dead
from goodfit.service.spec import read
from goodfit.service.store import SqlStore, open_store
from tests import ray_cluster, zoo
from tests.e2e.cli import PATIENCE, until
from tests.tracking import empty_mlflow

pytestmark = [pytest.mark.e2e, pytest.mark.soak]  # each starts clusters: `make test` has test_service.py

LEASE = 6.0
POINTS = 6


@dataclass
class Service:
    """A home, its store, and the controllers that were started on it."""

    home: Path
    address: str
    store: SqlStore
    controllers: list[subprocess.Popen[str]] = field(default_factory=list)

    def start_controller(self) -> subprocess.Popen[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GOODFIT_", "MLFLOW_", "RAY_"))}
        with (self.home / "controllers.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "goodfit.service.app", "controller", "--home", str(self.home), "--studies", "4"],
                stdin=subprocess.PIPE,
                stderr=log,
                text=True,
                env={
                    **kept,
                    **ray_cluster.ENVIRONMENT,
                    "RAY_ADDRESS": self.address,
                    "GOODFIT_LEASE_SECONDS": str(LEASE),
                },
            )
        self.controllers.append(process)
        return process

    def end_controllers(self, with_signal: signal.Signals) -> None:
        for process in self.controllers:
            process.send_signal(with_signal)
        for process in self.controllers:
            process.communicate(timeout=PATIENCE)
        codes = {process.returncode for process in self.controllers}
        self.controllers.clear()
        assert codes <= {0 if with_signal is signal.SIGTERM else -with_signal}

    def submit(self, name: str, files: dict[str, str] | None = None, priority: int = 0, **changes: Any) -> Study:
        spec: dict[str, Any] = {
            "name": name,
            "trainer": zoo.named("resumable"),
            "space": {"x": {"type": "float", "low": 0, "high": 1, "step": 0.5}, "y": ["a", "b"]},
            "objective": {"metric": "val/loss", "direction": "minimize"},
            "search": {"method": "grid", "try_defaults": False},
            "training": {"epochs": 5},
            "resources": {"parallel": 1},
        }
        file = self.home / f"{name}.yaml"
        file.write_text(json.dumps({**spec, **changes}))
        parsed, now = read(file), time.time()
        plain = parsed.to_dict() | ({"trainer": changes["trainer"]} if files else {})
        fields: dict[str, Any] = {"queued": now, "submitter": "ana", "priority": priority}
        return self.store.add_study(Study(name, plain, parsed.fingerprint(), now, **fields), files)

    def state(self, study: Study) -> StudyState:
        return self.store.study(study.name).state

    def await_reports(self, study: Study, number: int) -> Lease:
        until(lambda: len(self.store.reports(study.id)) >= number, f"{number} reports of {study.name}")
        lease = self.store.holder(study.id)
        assert lease is not None
        return lease

    def await_owner_after(self, lease: Lease, study: Study) -> float:
        """When, by the monotonic clock, the study went to another."""
        until(lambda: (self.store.holder(study.id) or lease).fence > lease.fence, f"another owner of {study.name}")
        return time.monotonic()

    def await_done(self, study: Study) -> None:
        until(lambda: self.state(study) not in (StudyState.QUEUED, StudyState.RUNNING), f"the end of {study.name}")
        found = self.store.study(study.name)
        assert found.state is StudyState.DONE, f"{found.state} {found.message}\n{self.said()}\n{self.log(study)}"

    def said(self) -> str:
        return (self.home / "controllers.log").read_text()

    def log(self, study: Study) -> str:
        path = Settings(self.home).runner_log(study.name)
        return path.read_text() if path.exists() else ""

    def runs(self, study: Study) -> int:
        return self.log(study).count("runs as")

    def assert_whole(self, study: Study) -> None:
        trials, reports = self.store.trials(study.id), self.store.reports(study.id)
        assert [str(trial.state) for trial in trials] == ["COMPLETE"] * POINTS
        assert len({(trial.params["x"], trial.params["y"]) for trial in trials}) == POINTS
        assert [(one.trial, one.epoch) for one in reports] == [(n, e) for n in range(POINTS) for e in range(1, 6)]
        assert all(one.metrics["val/loss"] == 1 / one.epoch for one in reports)


def pid_of(lease: Lease) -> int:
    return int(lease.owner.split(":")[1])


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("service")
    shutil.copy(empty_mlflow(), home / "mlflow.db")
    store = open_store(f"sqlite:///{home / 'goodfit.db'}")
    with ray_cluster.head(cpus=4) as address, contextlib.closing(store):
        service = Service(home, address, store)
        try:
            service.start_controller()
            service.start_controller()
            yield service
        finally:
            service.end_controllers(signal.SIGKILL)


def test_queued_studies_run_once_each_though_there_are_two_controllers_and_what_cannot_run_waits(
    service: Service,
) -> None:
    greedy = service.submit("greedy", resources={"gpus": 100})
    studies = [service.submit("first"), service.submit("second")]
    for study in studies:
        service.await_done(study)
        service.assert_whole(study)
        assert service.runs(study) == 1
        assert service.store.study(study.name).waits_for is None
    assert service.state(greedy) is StudyState.QUEUED
    assert service.store.study("greedy").waits_for == "waits for 100 GPUs: the cluster has 0"
    service.store.remove(service.store.acquire(greedy.id, "test", time.time(), 60.0, lambda _: False))
    lost = service.home / "lost.py"
    shutil.copy(zoo.HERE, lost)
    wrong = service.submit("wrong", trainer=f"{lost}:curve")
    lost.unlink()
    until(lambda: service.state(wrong) is StudyState.FAILED, "the end of a study that cannot run")
    assert "lost.py" in (service.store.study("wrong").message or "")


def test_a_runner_that_is_killed_or_stopped_is_replaced_and_its_writes_are_refused(service: Service) -> None:
    killed, stopped = service.submit("killed"), service.submit("stopped")
    first, zombie = service.await_reports(killed, 4), service.await_reports(stopped, 4)
    os.kill(pid_of(first), signal.SIGKILL)
    os.kill(pid_of(zombie), signal.SIGSTOP)
    began = time.monotonic()
    taken = {
        study.name: service.await_owner_after(lease, study) - began
        for study, lease in ((killed, first), (stopped, zombie))
    }
    print(f"claimed after {taken}")
    assert taken["stopped"] < LEASE + 5
    for lease in (first, zombie):
        with pytest.raises(Fenced):
            service.store.renew(lease, time.time(), LEASE)
    with pytest.raises(Fenced):
        service.store.apply(zombie, Batch(study=service.store.study("stopped")))
    for study in (killed, stopped):
        service.await_done(study)
        service.assert_whole(study)
        assert service.runs(study) == 2
    until(lambda: gone(pid_of(zombie)), "the end of the stopped runner")


def test_controllers_that_are_killed_and_started_again_disturb_no_study(service: Service) -> None:
    study = service.submit("calm")
    lease = service.await_reports(study, 2)
    service.end_controllers(signal.SIGKILL)
    service.start_controller()
    gentle = service.start_controller()
    service.await_done(study)
    service.assert_whole(study)
    assert service.runs(study) == 1
    assert f"fence {lease.fence}" in service.log(study)
    own = service.home / "my_net.py"
    shutil.copy(zoo.HERE, own)
    another = service.submit("another", {own.name: own.read_text()}, trainer=f"{own.name}:resumable")
    own.unlink()
    second = service.await_reports(another, 2)
    gentle.communicate(timeout=PATIENCE)
    assert gentle.returncode == 0
    service.controllers.remove(gentle)
    service.end_controllers(signal.SIGTERM)
    service.await_done(another)
    service.assert_whole(another)
    assert service.runs(another) == 1
    assert second.fence == 2  # the claim, and the runner


def test_freed_workers_go_to_the_study_of_the_higher_priority(service: Service) -> None:
    def spec(step: float) -> dict[str, Any]:
        space = {"x": {"type": "float", "low": 0, "high": 1, "step": step}}
        return {"space": space, "training": {"epochs": 8}, "resources": {"parallel": "auto"}}

    service.start_controller()  # the test before has ended them all
    low = service.submit("low", priority=-1000, **spec(0.01))
    service.await_reports(low, 8)
    high = service.submit("high", priority=1000, **spec(0.05))
    service.await_done(high)
    starts = sorted(trial.started or 0.0 for trial in service.store.trials(high.id))
    first, last = starts[4], starts[16]  # all four workers are its own, and all are of use to it
    beside = [trial for trial in service.store.trials(low.id) if first < (trial.started or 0.0) < last]
    assert beside == []
    service.await_done(low)
    assert {trial.attempts for trial in service.store.trials(low.id)} == {1}, "no running trial was given up"


def test_a_controller_without_ray_says_so_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "goodfit.service.app", "controller", "--home", str(tmp_path)],
        input="",
        capture_output=True,
        text=True,
        env={**os.environ, **ray_cluster.ENVIRONMENT, "RAY_ADDRESS": f"127.0.0.1:{ray_cluster.free_port()}"},
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "no Ray cluster at" in done.stderr.splitlines()[-1]


def test_without_a_cluster_the_controller_has_its_own_and_both_end_with_the_parent(tmp_path: Path) -> None:
    shutil.copy(empty_mlflow(), tmp_path / "mlflow.db")
    with contextlib.closing(open_store(f"sqlite:///{tmp_path / 'goodfit.db'}")) as store:
        service = Service(tmp_path, "", store)
        study = service.submit("own", training={"epochs": 1000})
        process = service.start_controller()
        lease = service.await_reports(study, 2)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        until(lambda: gone(pid_of(lease)), "the end of the runner")
        assert is_dead(lease.owner)  # so that the next controller goes on with it at once
        assert service.state(study) is StudyState.RUNNING
