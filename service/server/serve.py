"""`goodfit serve`: the API in this process and the controller in a child, until a signal ends both."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from goodfit.service import app as goodfit
from goodfit.service.app.submission import Rules
from goodfit.service.errors import InputError
from goodfit.service.server.connections import BACKLOG, Connection, Entrance, most_connections
from goodfit.service.server.factory import create_app
from goodfit.service.server.supervisor import Supervisor
from goodfit.service.signals import heeding
from goodfit.trainers.environment import hide

if TYPE_CHECKING:
    from goodfit.service.ports import Store
    from goodfit.service.server.state import State
    from goodfit.service.settings import Settings

GRACE_SECONDS = 10  # for requests under way, when the server is to end
KEEP_ALIVE_SECONDS = 30
FEW = 300  # connections: the streams that may be watched, and some more
SWITCH_SECONDS = 0.001  # that a thread computes while others wait: /health has five waits between threads that do


@dataclass(frozen=True, slots=True)
class Serving:
    """The options of `goodfit serve`."""

    host: str = "127.0.0.1"
    port: int = 8000
    api: bool = True
    controller: bool = True
    allow_code: bool = False
    studies: int | None = None  # at once; None: the controller's own limit


def serve(settings: Settings, options: Serving, command: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP.

    Args:
        settings: the home and its database.
        options: what is served, and where.
        command: the controller's; None: the real one.

    Raises:
        HomeError: the database cannot be used; InputError: the address cannot, or nothing is to be served.
    """
    if not options.api and not options.controller:
        raise InputError("--no-api and --no-controller leave nothing to serve; leave one out")
    hide()
    store = goodfit.open_home(settings, create=True)  # refuses an older or newer database, and one that is away
    listening = _listening(options.host, options.port) if options.api else None
    supervisor = None
    if options.controller:
        supervisor = Supervisor(command or controller_command(settings, options), "controller")
        supervisor.start()
    try:
        if listening is not None:
            _serve_api(settings, store, options, listening)
        else:
            _wait_for_signal()
    finally:
        if supervisor is not None:
            supervisor.end()
        store.close()


def controller_command(settings: Settings, options: Serving) -> list[str]:
    """The command line of the controller's process."""
    command = [sys.executable, "-P", "-m", "goodfit.service.app", "controller", "--home", str(settings.home)]
    return command if options.studies is None else [*command, "--studies", str(options.studies)]


def rules_of(options: Serving, environ: str | None) -> Rules:
    """The rules of submission: GOODFIT_DATA_ROOTS and --allow-code; InputError names a root that is no folder."""
    roots = tuple(Path(root).expanduser().absolute() for root in (environ or "").split(os.pathsep) if root)
    for root in roots:
        if not root.is_dir():
            raise InputError(f"GOODFIT_DATA_ROOTS names {root}, which is no folder")
    return Rules(roots, options.allow_code)


def trusted_proxies(environ: str | None) -> list[str]:
    """The addresses and networks whose X-Forwarded-For counts, from GOODFIT_TRUSTED_PROXIES.

    Raises:
        InputError: one of them is neither.
    """
    found = [word.strip() for word in (environ or "").split(",") if word.strip()]
    for word in found:
        try:
            ipaddress.ip_network(word)
        except ValueError as error:
            raise InputError(
                f"GOODFIT_TRUSTED_PROXIES names {word!r}: {error}; write addresses or networks of your proxies, "
                "separated by commas: 127.0.0.1,10.0.0.0/24"
            ) from error
    return found


def _serve_api(settings: Settings, store: Store, options: Serving, listening: socket.socket) -> None:
    rules = rules_of(options, os.environ.get("GOODFIT_DATA_ROOTS"))
    proxies = trusted_proxies(os.environ.get("GOODFIT_TRUSTED_PROXIES"))
    Connection.most = most_connections()
    api = create_app(settings, store, rules=rules, connections=Connection.most)
    host, port = listening.getsockname()[:2]
    where = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    print(f"goodfit serves {store.place} at {where}", flush=True)
    if not store.access.tokens():
        print(f"there is no token yet; make one by {settings.hint('token create --role admin')}", flush=True)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if Connection.most < FEW:
        print(
            f"this process may open so few files that it takes {Connection.most} connections at once, and lets others "
            "wait; raise the limit: `ulimit -n 8256`",
            file=sys.stderr,
        )
    config = uvicorn.Config(
        api,
        http=Connection,
        ws="none",
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        use_colors=False,  # standard error has no control characters
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    server = _Server(config, api.state.shared)
    with heeding(server.handle_exit):  # uvicorn itself knows no SIGHUP
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """Tells the watchers that it ends: they would keep it from ending."""

    def __init__(self, config: uvicorn.Config, shared: State) -> None:
        super().__init__(config)
        self._shared = shared
        self._entrances: list[Entrance] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections: by an entrance of our own, which uvicorn's is not asked for."""
        await super().startup(sockets=[])
        connections = self.server_state.connections

        def protocol() -> Connection:
            return Connection(self.config, self.server_state, self.lifespan.state)

        self._entrances = [Entrance(one, protocol, lambda: len(connections)) for one in sockets or ()]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and let end what is under way."""
        for entrance in self._entrances:
            entrance.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """A signal has come."""
        self._shared.ending.set()
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True  # not raised again afterwards, as uvicorn does: it is an end in order


def warm_up() -> None:
    """Import what the first submission needs while nobody waits for it, and let no collection of garbage go through it.

    A full collection would: 64,000 objects, for 14 ms, in the midst of an answer.
    """
    from goodfit.service.app import catalog

    catalog.trainer_rows()
    gc.collect()
    gc.freeze()


def _listening(host: str, port: int) -> socket.socket:
    """A socket at the address; InputError where it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)  # from here on whoever comes is kept waiting, not refused
    except OSError as error:
        raise InputError(
            f"cannot listen at {host} port {port}: {error.strerror or error}; choose others with --host and --port"
        ) from error
    return listening


def _wait_for_signal() -> None:
    ending = threading.Event()
    with heeding(lambda *_: ending.set()):
        while not ending.wait(1.0):  # a wait without end would not be woken by a signal on every system
            pass
