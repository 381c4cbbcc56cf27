"""The stack runs what the containers run: the same commands, other hosts, ports and folders."""

from __future__ import annotations

import random
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from deploy import compose, plan, processes

PORTS = {name: 20_000 + number for number, name in enumerate(plan.PORT_VARIABLES)}
FOLDERS = plan.Folders(Path("/srv/stack"), Path("/tmp/gf-1"))
PLACES = re.compile(
    r"0\.0\.0\.0|127\.0\.0\.1|\b(?:postgres|mlflow|ray-head)(?=:\d)|/(?:srv|tmp|data|run)[\w/.-]*|\d{4,9}"
)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return compose.load(plan.COMPOSE)


@pytest.fixture(scope="module")
def stack(document: dict[str, Any]) -> dict[str, compose.Service]:
    known = plan.variables(FOLDERS, PORTS, cpus=2)
    return {service.name: service for service in plan.services(document, known, [21_000, 21_001])}


def placeless(text: str) -> str:
    return PLACES.sub("*", text)


@pytest.mark.parametrize("name", plan.SERVICES)
def test_stack_and_containers_run_the_same_commands(
    document: dict[str, Any], stack: dict[str, compose.Service], name: str
) -> None:
    contained = compose.service(document, name, {})
    ours = stack["ray-worker-1" if name == "ray-worker" else name]
    assert ours.command[0] == contained.command[0]
    same = [placeless(part) for part in contained.command]
    other = [placeless(part) for part in ours.command]
    if name == "ray-head":  # the one thing left out: its libraries are in the image alone
        same[same.index("--include-dashboard=true")] = "--include-dashboard=false"
    assert other == same
    assert ours.health is not None
    assert [placeless(part) for part in ours.health] == [placeless(part) for part in contained.health or ()]
    assert ours.after == contained.after


@pytest.mark.parametrize("name", plan.SERVICES)
def test_stack_and_containers_set_the_same_variables(
    document: dict[str, Any], stack: dict[str, compose.Service], name: str
) -> None:
    contained = compose.service(document, name, {}).environment
    ours = stack["ray-worker-1" if name == "ray-worker" else name].environment
    differing = {key for key in contained | ours if placeless(contained[key]) != placeless(ours[key])}
    assert differing <= {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"}


def test_everything_of_a_stack_is_on_this_machine_at_ports_of_its_own(stack: dict[str, compose.Service]) -> None:
    text = " ".join(" ".join([*service.command, *service.environment.values()]) for service in stack.values())
    assert "0.0.0.0" not in text
    assert "/data/" not in text
    for default in (":5432", ":5000", ":6379", ":8000", "=8265"):
        assert default not in text
    nodes = [part for service in stack.values() for part in service.command if "node-manager-port" in part]
    assert len(set(nodes)) == len(nodes) == 3


def test_each_node_has_a_short_folder_of_its_own(stack: dict[str, compose.Service]) -> None:
    folders = [part.split("=")[1] for service in stack.values() for part in service.command if "--temp-dir" in part]
    assert sorted(folders) == ["/tmp/gf-1/ray", "/tmp/gf-1/ray1", "/tmp/gf-1/ray2"]


def test_artifacts_roots_and_lease_of_the_caller_are_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOODFIT_ARTIFACTS", "s3://bucket/there")
    monkeypatch.setenv("GOODFIT_LEASE_SECONDS", "5")
    monkeypatch.setenv("GOODFIT_ALLOW_CODE", "true")
    known = plan.variables(FOLDERS, PORTS, cpus=1)
    assert (known["ARTIFACTS_ROOT"], known["LEASE_SECONDS"], known["ALLOW_CODE"]) == ("s3://bucket/there", "5", "true")


def test_what_the_caller_has_of_another_service_does_not_reach_a_stack(
    monkeypatch: pytest.MonkeyPatch, stack: dict[str, compose.Service]
) -> None:
    monkeypatch.setenv("GOODFIT_TOKEN", "gf_secret")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    monkeypatch.setenv("RAY_NAMESPACE", "other")
    made = plan.environment(stack["postgres"], [Path("/bin/here")], {processes.MARK: "x"})
    assert not {"GOODFIT_TOKEN", "MLFLOW_TRACKING_URI", "RAY_NAMESPACE"} & set(made)
    assert made["PATH"].startswith("/bin/here:")
    assert made[processes.MARK] == "x"


def test_a_port_of_the_last_start_is_taken_again_if_it_is_free() -> None:
    first = plan.free_ports(3, random.Random(0))
    assert plan.free_ports(2, random.Random(1), first) == first[:2]
    assert plan.free_ports(4, random.Random(1), first)[:3] == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first[1]))
        again = plan.free_ports(3, random.Random(1), first)
    assert (again[0], again[2]) == (first[0], first[2])
    assert again[1] not in first


def test_ports_are_free_and_different() -> None:
    found = plan.free_ports(8, random.Random(0))
    assert len(set(found)) == 8
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", found[0]))
        assert found[0] not in plan.free_ports(8, random.Random(0))


def test_a_port_whose_last_connections_have_just_ended_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            assert plan.free_ports(1, random.Random(0), [port]) != [port]  # somebody listens there
            accepted.close()  # the server's side ends first, and waits
            client.recv(1)
    assert plan.free_ports(1, random.Random(0), [port]) == [port]
