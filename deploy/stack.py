"""`make stack`: the service without a container engine. `python -m deploy.stack up|down|status|restart|upgrade`.

Starts the commands of docker-compose.yml as plain processes, in its order, each when those before it are
healthy by its own health checks. Nobody starts a part again when it ends: that is what containers are for,
and `restart NAME` is for tests and hands.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from deploy import compose, plan, postgres, probe, processes, state
from deploy.starting import POLL_SECONDS, START_SECONDS, StackError, Starting, is_healthy, prepare, started, tail
from deploy.state import Running, State

LEAVE_SECONDS = 15.0  # for services that were asked to end
TOKEN_SECONDS = 60.0
UPGRADE_SECONDS = 600.0
UPGRADES = {  # service -> the command of docs/operations.md that upgrades its database
    "goodfit": ("goodfit", "upgrade"),
    "mlflow": ("python", "-m", "deploy.with_password", "sh", "-c", 'mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"'),
}
TOKEN_COMMAND = ("goodfit", "token", "create", "--role", "admin", "--name", "first-admin")


def up(
    folder: Path,
    *,
    only: Sequence[str] = plan.SERVICES,
    workers: int = 2,
    say: Callable[[str], None] = print,
    chance: random.Random | None = None,
) -> State:
    """Start a stack in a folder.

    Args:
        folder: its logs, state and data; made if it is not there. What it has from before is gone on with.
        only: the services to start.
        workers: how many worker nodes; the machine's cores are divided among them.
        say: gets progress, line by line.
        chance: picks the ports.

    Raises:
        StackError: it is up already, or a part does not come up: then the rest is ended.
    """
    folder = folder.absolute()
    with _alone(folder):
        found = state.read(folder)
        if found is not None:
            raise StackError(_already(folder, found))
        try:
            starting = prepare(folder, only, workers, say, chance or random.SystemRandom())
        except (postgres.NoPostgres, compose.ComposeError, OSError) as error:
            raise StackError(str(error)) from error
        state.write(folder, starting.state)
        try:
            starting.run()
            made = replace(starting.state, token=_token(starting, say))
        except (postgres.NoPostgres, OSError) as error:
            _end(folder, starting.state, say)
            raise StackError(str(error)) from error
        except StackError as error:
            _end(folder, starting.state, say)
            raise StackError(f"{error}{_hint(folder, str(error))}") from error
        except BaseException:
            _end(folder, starting.state, say)
            raise
        state.write(folder, made)
        state.write_private(folder / "env", f"export {_exports(made)}\n")
        return made


def down(folder: Path, say: Callable[[str], None] = print) -> bool:
    """End exactly what `up` started; False where there was nothing. Data and logs stay."""
    folder = folder.absolute()
    if state.read(folder) is None:
        return False
    with _alone(folder):
        found = state.read(folder)
        if found is not None:
            _end(folder, found, say)
        return found is not None


def upgrade(folder: Path, say: Callable[[str], None] = print, chance: random.Random | None = None) -> None:
    """Bring the databases of a stack that is down to the version of this code.

    Raises:
        StackError: it is up, or a database cannot be upgraded.
    """
    folder = folder.absolute()
    with _alone(folder):
        found = state.read(folder)
        if found is not None:
            raise StackError(f"the stack in {folder} is up: end it ({_make(folder, 'stack-down')}), then upgrade it")
        try:
            starting = prepare(folder, plan.SERVICES, 0, say, chance or random.SystemRandom())
        except (postgres.NoPostgres, compose.ComposeError, OSError) as error:
            raise StackError(str(error)) from error
        services = {service.name: service for service in starting.services}
        starting.services = [services["postgres"]]
        state.write(folder, starting.state)
        try:
            starting.run()
            for name, command in UPGRADES.items():
                _upgrade(name, command, plan.environment(services[name], starting.programs, {}), say)
        finally:
            _end(folder, starting.state, say)


def _upgrade(name: str, command: Sequence[str], environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            command, env=environment, capture_output=True, text=True, timeout=UPGRADE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"the upgrade of {name}'s database does not end") from None
    if done.returncode:
        raise StackError(f"{name}'s database cannot be upgraded: {(done.stderr or done.stdout).strip()}")
    say(f"  the database of {name} is up to date")


def restart(folder: Path, name: str, say: Callable[[str], None] = print) -> Running:
    """Start a service of the stack again by the same command; one that is alive is ended first.

    Worker nodes go with the Ray head: none outlives the loss of its cluster, and Ray refuses to start a head
    on a machine where one of them still names the old one.

    Raises:
        StackError: there is none of that name, or it does not come up.
    """
    folder = folder.absolute()
    with _alone(folder):
        found = state.read(folder)
        old = None if found is None else found.service(name)
        if found is None or old is None:
            names = "none" if found is None else ", ".join(running.name for running in found.services)
            raise StackError(f"no service {name} was started in {folder}; there are: {names}")
        below = [one for one in found.services if name == "ray-head" and plan.base_name(one.name) == "ray-worker"]
        for wave in (below, [old]):
            _leave(wave)
            for one in wave:
                # PostgreSQL that was killed does not start while there is a process, if only a zombie, of its old pid.
                processes.wait_until_forgotten(one.process, LEAVE_SECONDS)
        again: dict[str, Running] = {}
        for one in (old, *below):
            process = started(one.name, one.command, one.environment, Path(one.log), one.user)
            again[one.name] = replace(one, process=process)
            found = found.with_service(again[one.name])
            state.write(folder, found)
            _await_health(again[one.name], say)
        return again[name]


def _await_health(running: Running, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_healthy(running):
        processes.reap()
        if not running.process.alive or time.monotonic() > deadline:
            raise StackError(
                f"{running.name} does not come up again; the end of {running.log}:\n{tail(Path(running.log))}"
            )
        time.sleep(POLL_SECONDS)
    say(f"{running.name} is up again")


def _hint(folder: Path, text: str) -> str:
    """What to do about a database of an older version: the commands that its server names are for other places."""
    old = "goodfit upgrade" in text or "mlflow db upgrade" in text
    return f"\nits data are of an older version: back {folder} up, then {_make(folder, 'stack-upgrade')}" if old else ""


def _alone(folder: Path) -> state.Alone:
    return state.Alone(folder, StackError(f"another command is working on the stack in {folder}; wait for it"))


def _already(folder: Path, found: State) -> str:
    dead = [running.name for running in found.services if not running.process.alive]
    end = _make(folder, "stack-down")
    if dead:
        return f"the stack in {folder} is up, but for {', '.join(dead)}: end it ({end}), then start it again"
    status = _make(folder, "stack-status")
    return f"the stack in {folder} is up already: {found.urls['api']}; {status} shows how to use it, {end} ends it"


def _make(folder: Path, target: str) -> str:
    """The command of the Makefile for this folder."""
    return f"`make {target}`" if folder == Path(".stack").absolute() else f"`make {target} STACK={folder}`"


def _token(starting: Starting, say: Callable[[str], None]) -> str | None:
    """The first administrator's token: that of the last start, or a new one; None where the service was not started."""
    service = starting.state.service("goodfit")
    if service is None:
        return None
    kept = state.read_kept(starting.folders.base).token
    if kept is not None and probe.answers_http(f"{starting.state.urls['api']}/v1/studies?limit=1", kept):
        return kept
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            TOKEN_COMMAND, env=dict(service.environment), capture_output=True, text=True, timeout=TOKEN_SECONDS,
            check=False, cwd=starting.folders.base,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        say("no token was made: `goodfit token create` does not end")
        return None
    found = re.search(r"\bgf_[\w-]+", done.stdout)
    if done.returncode or found is None:
        say(f"no token was made: {(done.stderr or done.stdout).strip()}")
        return None
    state.keep(starting.folders.base, token=found[0])
    return found[0]


def _leave(running: Sequence[Running]) -> None:
    """Ask services to end, wait, and end what is left of them."""
    asked = [one.process for one in running]
    for one in running:
        # PostgreSQL takes SIGTERM for: when the last client has gone; SIGINT for: now, cleanly.
        one.process.send(signal.SIGINT if one.name == "postgres" else signal.SIGTERM)
    for process in processes.wait_until_gone(asked, LEAVE_SECONDS):
        process.send(signal.SIGKILL)
    processes.wait_until_gone(asked, LEAVE_SECONDS)


def _end(folder: Path, found: State, say: Callable[[str], None]) -> None:
    """End a stack: first what works, then what it works on; then whatever they left behind."""
    known = {plan.base_name(running.name) for running in found.services}
    for wave in (("goodfit",), ("ray-worker",), ("ray-head", "mlflow"), ("postgres",)):
        if known & set(wave):
            _leave([running for running in found.services if plan.base_name(running.name) in wave])
    left = processes.end_marked(found.mark)
    if left:
        say(f"{left} processes that the services left behind were killed")
    for session in Path(found.short).glob("ray*/session_*/logs"):  # what Ray's own daemons said
        if not session.parent.is_symlink():
            shutil.copytree(session, folder / "logs" / session.parents[1].name, dirs_exist_ok=True)
    shutil.rmtree(found.short, ignore_errors=True)
    (folder / "env").unlink(missing_ok=True)
    state.path_of(folder).unlink(missing_ok=True)


def _exports(found: State) -> str:
    token = f" GOODFIT_TOKEN={found.token}" if found.token else ""
    return f"GOODFIT_SERVER={found.urls['api']}{token}"


def _told(folder: Path, found: State) -> str:
    """Where it answers, and what a user sets."""
    lines = []
    names = {"goodfit": "api", "mlflow": "mlflow", "ray-head": "ray"}
    lines += [f"  {url:<9}{found.urls[url]}" for name, url in names.items() if found.service(name)]
    lines.append(f"  logs     {folder / 'logs'}")
    if found.service("goodfit"):
        lines += ["", f"  export {_exports(found)}", "  goodfit submit examples/digits.yaml --wait"]
    return "\n".join(lines)


def _status(folder: Path) -> int:
    found = state.read(folder)
    if found is None:
        print(f"no stack is up in {folder}")
        return 1
    for running in found.services:
        word = "up" if running.process.alive else "ended"
        print(f"{running.name:<14} {word:<6} pid {running.process.pid:<8} {running.log}")
    print(_told(folder, found))
    return 0 if all(running.process.alive for running in found.services) else 1


def _do(options: argparse.Namespace, folder: Path, only: Sequence[str]) -> int:
    started_at = time.monotonic()
    match options.command:
        case "up":
            print(f"starting {', '.join(only)} in {folder}", flush=True)
            found = up(folder, only=only, workers=options.workers)
            end = _make(folder, "stack-down")
            print(f"the stack is up after {time.monotonic() - started_at:.0f} s; end it with {end}")
            print(_told(folder, found))
        case "down":
            print("the stack is down" if down(folder) else f"no stack is up in {folder}")
        case "status":
            return _status(folder)
        case "restart":
            restart(folder, options.name)
        case "upgrade":
            upgrade(folder)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done; 1: it could not be."""
    parser = argparse.ArgumentParser(prog="deploy.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "restart", "upgrade"])
    parser.add_argument("name", nargs="?", help="of the service to restart")
    parser.add_argument("--folder", type=Path, default=Path(".stack"))
    parser.add_argument("--only", default=",".join(plan.SERVICES), help="services to start, comma-separated")
    parser.add_argument("--workers", type=int, default=2, help="how many Ray worker nodes")
    options = parser.parse_intermixed_args(arguments)
    only = [name for name in options.only.split(",") if name]
    if unknown := set(only) - set(plan.SERVICES):
        parser.error(f"no service {', '.join(sorted(unknown))}; there are: {', '.join(plan.SERVICES)}")
    if options.command == "restart" and not options.name:
        parser.error("restart which? give the name of a service, such as mlflow or ray-worker-1")
    if options.workers < 0:
        parser.error("--workers is at least 0")
    try:
        return _do(options, options.folder.absolute(), only)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; what had been started is ended\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
