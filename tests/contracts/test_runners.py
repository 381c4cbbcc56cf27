"""The contract of Runners, on a Ray cluster of this process."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from goodfit.service.errors import ClusterLost
from goodfit.service.ports import Runners
from goodfit.service.ray_executor import Cluster
from goodfit.service.ray_executor.cluster_nodes import ask_nodes
from goodfit.service.ray_runners import RayRunners
from goodfit.service.records import Lease, Study
from tests import ray_work
from tests.e2e.cli import until
from tests.ray_cluster import free_port


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.ready()
    yield cluster
    cluster.close()


@pytest.fixture
def runners(cluster: Cluster, tmp_path: Path) -> Iterator[Runners]:
    opened: Runners = RayRunners(
        functools.partial(ray_work.serve, tmp_path),
        functools.partial(ray_work.catch_up, tmp_path),
        {"GOODFIT_TOLD": "a secret"},
    )
    yield opened
    (tmp_path / "end").touch()
    until(lambda: not opened.running() | opened.mirroring(), "the end of all runners")


def a_study(study_id: int = 1) -> Study:
    return Study(f"s{study_id}", {}, "f", 1.0, id=study_id)


def a_lease(study_id: int = 1, fence: int = 1) -> Lease:
    return Lease(study_id, "controller", fence, 30.0)


def came_up(folder: Path, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = until(lambda: ray_work.notes(folder, name), f"the start of {name}")
    assert len(found) == 1
    return found[0]


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_nodes_say_what_they_have(runners: Runners) -> None:
    (node,) = runners.nodes()
    assert node["cpus"] >= 1
    assert ask_nodes(ray.get_runtime_context().gcs_address) == [node]


def test_a_place_where_no_cluster_is_is_told_in_time() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ClusterLost, match=f"the Ray cluster at {address} does not answer: .*refused"):
        ask_nodes(address)
    with pytest.raises(ClusterLost, match=r"does not answer within 0\.001 s"):
        ask_nodes(address, 0.001)


def test_a_runner_works_once_in_a_process_of_its_own_and_ends_with_its_work(runners: Runners, tmp_path: Path) -> None:
    runners.start(a_study(), a_lease())
    runners.start(a_study(), a_lease())
    found = came_up(tmp_path, "s1-1")
    assert found["pid"] != os.getpid()
    assert found["told"] == "a secret"
    assert runners.running() == {1}
    assert runners.mirroring() == set()
    (tmp_path / "end").touch()
    until(lambda: not runners.running() and gone(found["pid"]), "the end of the runner")
    assert len(ray_work.notes(tmp_path, "s1-1")) == 1


def test_older_runners_of_a_study_are_ended_even_when_they_are_stopped(runners: Runners, tmp_path: Path) -> None:
    for lease in (a_lease(1, 1), a_lease(1, 2), a_lease(1, 4), a_lease(11, 1)):
        runners.start(a_study(lease.study_id), lease)
    old, zombie, current, other = (came_up(tmp_path, name)["pid"] for name in ("s1-1", "s1-2", "s1-4", "s11-1"))
    os.kill(zombie, signal.SIGSTOP)
    runners.end_older(1, 4)
    until(lambda: gone(old) and gone(zombie), "the end of the older runners")
    assert runners.running() == {1, 11}
    assert not gone(current)
    assert not gone(other)
    runners.end_older(1, 4)
    runners.end_older(99, 4)


def test_a_study_has_one_mirror(runners: Runners, tmp_path: Path) -> None:
    runners.mirror(a_study())
    runners.mirror(a_study())
    came_up(tmp_path, "mirror-s1")
    assert runners.mirroring() == {1}
    assert runners.running() == set()
    runners.end_older(1, 99)
    assert runners.mirroring() == {1}


def test_the_autoscaler_can_be_asked_where_there_is_none(runners: Runners) -> None:
    runners.request([{"cpus": 2.0, "gpus": 0.5}, {"license": 1.0}])
    runners.request([])
