"""What is known of a stack between two commands: a file that only its owner reads, for it holds passwords."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from deploy.processes import Started


@dataclass(frozen=True, slots=True)
class Running:
    """A service of a stack, and all that starting it again takes."""

    name: str
    process: Started
    log: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...] | None = None
    user: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A stack that was started.

    Attributes:
        mark: in the environment of all its processes.
        short: the folder that goes with it.
        urls: of what people open.
        token: of the first administrator, where one was made.
    """

    mark: str
    short: str
    services: tuple[Running, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None

    def service(self, name: str) -> Running | None:
        return next((running for running in self.services if running.name == name), None)

    def with_service(self, running: Running) -> State:
        others = tuple(other for other in self.services if other.name != running.name)
        return replace(self, services=(*others, running))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a stack keeps from one start to the next, so that clients find it again.

    Attributes:
        ports: of the services, then of the worker nodes.
        token: of the first administrator.
    """

    ports: tuple[int, ...] = ()
    token: str | None = None


def read_kept(folder: Path) -> Kept:
    """What the stack in a folder had at its last start; nothing before the first."""
    try:
        found = json.loads((folder / "kept.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Kept()
    return Kept(ports=tuple(found["ports"]), token=found["token"])


def keep(folder: Path, *, ports: Sequence[int] | None = None, token: str | None = None) -> None:
    """Keep these for the next start, and what was kept before of the others."""
    before = read_kept(folder)
    more = before.ports[len(ports) :] if ports is not None else ()  # of nodes that this start does without
    now = Kept(before.ports if ports is None else (*ports, *more), token or before.token)
    write_private(folder / "kept.json", json.dumps(asdict(now)))


def path_of(folder: Path) -> Path:
    """Where the state of the stack in a folder is kept."""
    return folder / "state.json"


def read(folder: Path) -> State | None:
    """None where no stack was started, or it was ended."""
    try:
        found = json.loads(path_of(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    services = [
        Running(
            name=one["name"],
            process=Started(**one["process"]),
            log=one["log"],
            command=tuple(one["command"]),
            environment=one["environment"],
            health=None if one["health"] is None else tuple(one["health"]),
            user=one["user"],
        )
        for one in found.pop("services")
    ]
    return State(**found, services=tuple(services))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def write(folder: Path, state: State) -> None:
    """Keep it for the next command."""
    write_private(path_of(folder), json.dumps(asdict(state), indent=1))


class Alone:
    """One command at a time works on a stack: a lock on its folder, or an error for the second.

    Args:
        folder: of the stack; made if it is not there.
        busy: raised when another holds it.
    """

    def __init__(self, folder: Path, busy: Exception) -> None:
        self._folder, self._busy = folder, busy

    def __enter__(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._folder / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise self._busy from None

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)
