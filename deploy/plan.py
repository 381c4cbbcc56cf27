"""What a stack consists of: the services of docker-compose.yml with the ports and folders of one machine.

A container listens on all its addresses, at ports of its own, with folders of its own. Here the same
commands listen on 127.0.0.1, at free ports, in one folder. That is all that differs, and the compose
file's variables are the only way in which it may.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy import compose

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES = ("postgres", "mlflow", "ray-head", "ray-worker", "goodfit")
LOCALHOST = "127.0.0.1"
PORTS = range(20_000, 32_000)  # below those that systems give out by themselves
PORT_VARIABLES = (
    "STACK_POSTGRES_PORT", "MLFLOW_PORT", "STACK_RAY_PORT", "STACK_RAY_NODE_PORT", "RAY_DASHBOARD_PORT", "GOODFIT_PORT",
)  # fmt: skip
OURS = ("GOODFIT_", "MLFLOW_", "RAY_", "POSTGRES_", "PG")  # of the caller's environment, these stay out


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a stack keeps what it has: `base` stays, `short` is made anew for each start.

    Ray puts sockets below its folder, whose paths a system limits to about a hundred characters.
    """

    base: Path
    short: Path

    @property
    def logs(self) -> Path:
        return self.base / "logs"

    @property
    def postgres(self) -> Path:
        return self.base / "postgres"

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def secrets(self) -> Path:
        return self.base / "secrets"


def variables(folders: Folders, ports: Mapping[str, int], cpus: int) -> dict[str, str]:
    """What the compose file's variables are in a stack.

    Args:
        folders: of the stack.
        ports: by PORT_VARIABLES.
        cpus: of each worker node.
    """
    caller = os.environ
    return {
        "STACK_LISTEN": LOCALHOST,
        "STACK_POSTGRES_HOST": LOCALHOST,
        "STACK_MLFLOW_HOST": LOCALHOST,
        "STACK_RAY_HOST": LOCALHOST,
        "STACK_RAY_TMPDIR": str(folders.short / "ray"),
        "STACK_RAY_DASHBOARD": "false",  # its libraries come with ray[default], which the image has
        "STACK_RAY_OBJECT_STORE_BYTES": "78643200",
        "STACK_HOME": str(folders.home),
        "STACK_SECRETS": str(folders.secrets),
        "STACK_DATA_ROOTS": caller.get("GOODFIT_DATA_ROOTS") or str(folders.base / "data"),
        "RAY_DRAIN_SECONDS": "5",
        "RAY_WORKER_CPUS": str(cpus),
        "MLFLOW_ARTIFACTS": str(folders.base / "mlflow"),
        "ARTIFACTS_ROOT": caller.get("GOODFIT_ARTIFACTS") or str(folders.base / "artifacts"),
        "ALLOW_CODE": caller.get("GOODFIT_ALLOW_CODE") or "false",
        "LEASE_SECONDS": caller.get("GOODFIT_LEASE_SECONDS") or "30",
        **{name: str(port) for name, port in ports.items()},
    }


def services(document: Mapping[str, Any], known: Mapping[str, str], node_ports: list[int]) -> list[compose.Service]:
    """The stack's services, the worker nodes numbered: ray-worker-1, ray-worker-2, ...

    Args:
        document: the compose file.
        known: its variables.
        node_ports: one for each worker node.
    """
    found = [compose.service(document, name, known) for name in SERVICES if name != "ray-worker"]
    for number, port in enumerate(node_ports, start=1):
        # A folder each: two that start at once in one folder take the same socket, and one of them aborts (Ray 2.60).
        own = {"STACK_RAY_NODE_PORT": str(port), "STACK_RAY_TMPDIR": f"{known['STACK_RAY_TMPDIR']}{number}"}
        worker = compose.service(document, "ray-worker", {**known, **own})
        found.append(replace(worker, name=f"ray-worker-{number}"))
    return found


def base_name(name: str) -> str:
    """The service that a process of the stack is one of: ray-worker for ray-worker-2."""
    stem, _, number = name.rpartition("-")
    return stem if number.isdigit() else name


def environment(service: compose.Service, programs: list[Path], mark: Mapping[str, str]) -> dict[str, str]:
    """All that a service's process gets: the caller's environment without what is ours, and the compose file's.

    Args:
        service: whose.
        programs: folders where its programs are, before those of PATH.
        mark: by which its descendants are found.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    path = os.pathsep.join([*map(str, programs), os.environ.get("PATH", os.defpath)])
    image = {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return {**kept, **image, **service.environment, **mark}


def free_ports(count: int, chance: random.Random, before: Sequence[int] = ()) -> list[int]:
    """Ports that nobody listens at now; those of `before` in their places, as far as they are free."""
    kept = {place: port for place, port in enumerate(before[:count]) if _is_free(port)}
    found: list[int] = []
    others = (port for port in _shuffled(chance) if port not in kept.values() and _is_free(port))
    for place in range(count):
        port = kept.get(place) or next(others, None)
        if port is None:
            break
        found.append(port)
    if len(found) == count:
        return found
    raise OSError(f"no {count} ports are free between {PORTS.start} and {PORTS.stop}")


def _shuffled(chance: random.Random) -> Iterator[int]:
    yield from chance.sample(PORTS, len(PORTS))


def _is_free(port: int) -> bool:
    for host in (LOCALHOST, "0.0.0.0"):  # noqa: S104 - asked, not listened at: Ray binds all addresses
        with socket.socket() as probe:
            # As servers do: connections that have just ended hold a port for a minute, and keep none from listening.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
