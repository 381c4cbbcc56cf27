"""The executor on a cluster whose nodes come and go. Each node is a tree of processes on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.ray_executor import Cluster, RayExecutor, WorkerResources
from goodfit.testing.executors import assignment, reports, until_ended
from goodfit.trainers.messages import Ended, Message, Outcome, Pack
from goodfit.trainers.worker.worker import Setup
from tests import zoo

pytestmark = pytest.mark.soak  # a cluster of several nodes: `make test` has that of tests/e2e/test_service.py

PATIENCE = 600.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield nodes
    nodes.shutdown()


@pytest.fixture
def cluster(nodes: Any) -> Iterator[Cluster]:
    joined = Cluster(nodes.address)
    joined.ready()
    yield joined
    joined.close()


def until(executor: RayExecutor, what: Callable[[], bool]) -> list[Message]:
    got: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, f"{executor.slots} slots; so far {got}"
        got += executor.wait(0.5)
    return got


def test_nodes_join_are_lost_and_are_preempted_while_trials_run(nodes: Any, cluster: Cluster, tmp_path: Path) -> None:
    executor = RayExecutor(cluster, Setup(zoo.named("curve"), None), WorkerResources(cpus=1))
    until(executor, lambda: executor.slots == 1)
    second = nodes.add_node(num_cpus=1)
    until(executor, lambda: executor.slots == 2)
    for trial in (0, 1):
        executor.launch(Pack((assignment(tmp_path, "slow", trial, epochs=100_000),)))
    until(executor, lambda: executor.slots == 2 and not executor.pending)
    nodes.remove_node(second, allow_graceful=False)
    ended = _next_end(executor)
    assert ended.outcome is Outcome.LOST
    assert "node" in str(ended.message)
    until(executor, lambda: executor.slots == 1)  # the other trial's

    third = nodes.add_node(num_cpus=1)
    until(executor, lambda: executor.slots == 2)
    executor.launch(Pack((assignment(tmp_path, "slow", ended.trial, epochs=100_000, attempt=2),)))
    drain(nodes, third)
    until_passed = time.monotonic() + 1.5  # it has had the second that it was given
    until(executor, lambda: time.monotonic() > until_passed)
    nodes.remove_node(third, allow_graceful=False)
    again = _next_end(executor)
    assert (again.trial, again.attempt, again.outcome) == (ended.trial, 2, Outcome.PREEMPTED)
    left = 1 - ended.trial
    executor.stop(left)
    assert until_ended(executor, left)[-1] == Ended(left, 1, Outcome.STOPPED)
    executor.close()


def test_a_study_waits_for_a_node_that_has_what_it_asks_for(nodes: Any, cluster: Cluster, tmp_path: Path) -> None:
    share = WorkerResources(cpus=1, custom={"tpu": 1}, parallel=1)
    executor = RayExecutor(cluster, Setup(zoo.named("curve"), None), share)
    assert executor.wait(0.2) == []
    assert executor.slots == 0
    node = nodes.add_node(num_cpus=1, resources={"tpu": 1})
    until(executor, lambda: executor.slots == 1)
    executor.launch(Pack((assignment(tmp_path, "curve"),)))
    assert len(reports(until_ended(executor, 0))) == 5
    executor.close()
    nodes.remove_node(node)


def test_a_process_that_is_in_a_cluster_already_stays_in_it(nodes: Any) -> None:
    import ray

    ray.init(address=nodes.address, log_to_driver=False)
    try:
        joined = Cluster()
        joined.ready()
        assert not joined.own
        assert joined.nodes()[0]["cpus"] == 1
        joined.close()
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def _next_end(executor: RayExecutor) -> Ended:
    found: list[Ended] = []
    deadline = time.monotonic() + PATIENCE
    while not found:
        assert time.monotonic() < deadline
        found = [message for message in executor.wait(0.5) if isinstance(message, Ended)]
    assert len(found) == 1
    return found[0]


def drain(nodes: Any, node: Any) -> None:
    """Announce a node's end, as a cloud does for a spot instance: in a second."""
    from ray._raylet import GcsClient
    from ray.core.generated import autoscaler_pb2

    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    accepted, why = GcsClient(address=nodes.gcs_address).drain_node(
        node.node_id, reason, "a test", int((time.time() + 1) * 1000)
    )
    assert accepted, why
