"""A stack on its way up: each service when those before it are healthy, as the compose file says."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy import compose, dotenv, plan, postgres, processes, state
from deploy.state import Running, State

START_SECONDS = 180.0  # for all of it; a busy machine takes 40
CHECK_SECONDS = 5.0  # for one health check
POLL_SECONDS = 0.2
TAIL_LINES = 25
POSTGRES_COPY = "/var/tmp/goodfit-postgres-{uid}"  # noqa: S108 - root's own, for an unprivileged user to read


class StackError(Exception):
    """The stack cannot be started, ended, or changed; says which part and why."""


@dataclass
class Starting:
    """A start of a stack: its plan, and how far it got."""

    folders: plan.Folders
    services: list[compose.Service]
    state: State
    programs: list[Path]  # the folders of Python's and of PostgreSQL's
    uid: int | None
    say: Callable[[str], None]
    healthy: set[str] = field(default_factory=set)
    earlier: dict[str, int] = field(default_factory=dict)  # service -> bytes in its log from earlier starts

    def run(self) -> None:
        """Start all services; StackError names the one that does not come up."""
        deadline = time.monotonic() + START_SECONDS
        while len(self.healthy) < len(self.services):
            for service in self._startable():
                self._start(service)
            self._look()
            if time.monotonic() > deadline:
                slow = next(one.name for one in self.services if one.name not in self.healthy)
                raise StackError(f"{slow} is not healthy after {START_SECONDS:g} s{self._tail(slow)}")
            time.sleep(POLL_SECONDS)

    def _startable(self) -> list[compose.Service]:
        """What may start now; PostgreSQL last, for making its folder takes a while."""
        names = {plan.base_name(service.name) for service in self.services}
        done = {plan.base_name(name) for name in self.healthy}
        new = [service for service in self.services if self.state.service(service.name) is None]
        ready = [service for service in new if all(name in done or name not in names for name in service.after)]
        return sorted(ready, key=lambda service: service.name == "postgres")

    def _start(self, service: compose.Service) -> None:
        mark = {processes.MARK: self.state.mark}
        command, environment, uid = service.command, plan.environment(service, self.programs, mark), None
        if service.name == "postgres":  # what its image does and says
            data, uid = self.folders.postgres / "data", self.uid
            postgres.make_folder(self.programs[-1], data, self._password(), uid)
            environment["PGDATA"] = str(data)
            command = (*command, "-c", f"unix_socket_directories={self.folders.short / 'postgres'}")
        log = self.folders.logs / f"{service.name}.log"
        self.earlier[service.name] = log.stat().st_size if log.exists() else 0
        process = started(service.name, command, environment, log, uid)
        running = Running(service.name, process, str(log), command, environment, service.health, uid)
        self.state = self.state.with_service(running)
        state.write(self.folders.base, self.state)

    def _look(self) -> None:
        """See who is healthy by now, and whether anybody has died."""
        processes.reap()
        for running in self.state.services:
            if not running.process.alive:
                raise StackError(f"{running.name} ended{self._tail(running.name)}")
        for running in self.state.services:
            if running.name not in self.healthy and is_healthy(running):
                if running.name == "postgres":
                    self._make_databases(running)
                self.say(f"  {running.name} is up")
                self.healthy.add(running.name)

    def _make_databases(self, running: Running) -> None:
        done = self.folders.postgres / "databases-made"
        if not done.exists():
            port = next(part for part in running.command if part.startswith("port=")).removeprefix("port=")
            script = plan.ROOT / "deploy" / "databases.sql"
            postgres.make_databases(
                self.programs[-1], plan.LOCALHOST, int(port), self._password(), script, running.environment
            )
            done.touch()

    def _password(self) -> str:
        return (self.folders.secrets / "postgres_password").read_text(encoding="utf-8")

    def _tail(self, name: str) -> str:
        log = self.folders.logs / f"{name}.log"
        return f"; the end of {log}:\n{tail(log, self.earlier.get(name, 0))}"


def prepare(
    folder: Path, only: Sequence[str], workers: int, say: Callable[[str], None], chance: random.Random
) -> Starting:
    """What a stack in this folder is going to be; makes its folders and, the first time, its passwords."""
    uid = postgres.user()
    programs = postgres.readable(postgres.binaries(), Path(POSTGRES_COPY.format(uid=os.getuid())), uid)
    folders = plan.Folders(folder, Path(tempfile.mkdtemp(prefix="gf-", dir="/tmp")))
    made = ("logs", "postgres", "home", "mlflow", "artifacts", "data")
    for one in (*(folder / name for name in made), folders.short / "ray", folders.short / "postgres"):
        one.mkdir(parents=True, exist_ok=True)
    if uid is not None:  # PostgreSQL's user passes through to its own
        folders.short.chmod(0o711)
        os.chown(folders.short / "postgres", uid, uid)
        os.chown(folders.postgres, uid, uid)
        if not postgres.may_enter(folders.postgres / "data", uid):
            shutil.rmtree(folders.short)
            raise StackError(
                f"PostgreSQL does not run as root, and as the user {postgres.UNPRIVILEGED} it cannot enter {folder}: "
                "choose a folder that others may pass through, as by `make stack STACK=/var/tmp/goodfit-stack`"
            )
    _make_secrets(folders)
    numbers = plan.free_ports(len(plan.PORT_VARIABLES) + workers, chance, state.read_kept(folder).ports)
    ports = dict(zip(plan.PORT_VARIABLES, numbers, strict=False))
    known = plan.variables(folders, ports, max(1, (os.cpu_count() or 1) // max(1, workers)))
    found = plan.services(compose.load(plan.COMPOSE), known, numbers[len(ports) :])
    urls = {
        "api": f"http://{plan.LOCALHOST}:{ports['GOODFIT_PORT']}",
        "mlflow": f"http://{plan.LOCALHOST}:{ports['MLFLOW_PORT']}",
        "ray": f"{plan.LOCALHOST}:{ports['STACK_RAY_PORT']}",
        "database": known_database(found),
    }
    state.keep(folder, ports=numbers)
    chosen = [service for service in found if plan.base_name(service.name) in only]
    state_now = State(secrets.token_hex(8), str(folders.short), urls=urls)
    return Starting(folders, chosen, state_now, [Path(sys.executable).parent, programs], uid, say)


def known_database(services: Sequence[compose.Service]) -> str:
    """The URL of Goodfit's database, with its password."""
    goodfit = next(one.environment for one in services if one.name == "goodfit")
    password = Path(goodfit["GOODFIT_DATABASE_PASSWORD_FILE"]).read_text(encoding="utf-8")
    return goodfit["GOODFIT_DATABASE"].replace("//goodfit@", f"//goodfit:{password}@")


def _make_secrets(folders: plan.Folders) -> None:
    """The passwords of this stack: made once, for the databases keep them."""
    old = folders.base / "secrets.json"  # of Goodfit 0.1.0
    known = json.loads(old.read_text(encoding="utf-8")) if old.exists() else {}
    dotenv.make_secrets(folders.secrets, known, lambda: secrets.token_hex(dotenv.BYTES))


def started(
    name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, uid: int | None
) -> processes.Started:
    """Start a service's process; StackError when there is no such program."""
    try:
        return processes.start(command, environment, log, uid)
    except OSError as error:
        raise StackError(f"{name} cannot be started: {error}") from error


def is_healthy(running: Running) -> bool:
    """By the compose file's health check; a service without one is when it runs."""
    if running.health is None:
        return True
    try:
        done = subprocess.run(  # noqa: S603 - the compose file's health check; no shell
            list(running.health), env=dict(running.environment), capture_output=True, timeout=CHECK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def tail(log: Path, earlier: int = 0) -> str:
    """The last lines of a log, indented; without its first bytes, which are of earlier starts."""
    content = log.read_bytes()[earlier:] if log.exists() else b""
    lines = content.decode(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(f"  {line}" for line in lines)
