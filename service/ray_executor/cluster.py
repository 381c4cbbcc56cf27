"""A Ray cluster: of our own, at an address, or the one that this process has joined already."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from goodfit.service.errors import GoodfitError
from goodfit.service.ray_executor.ray_words import Resources, from_ray
from goodfit.trainers.environment import PRIVATE, take

CONNECT_SECONDS = 5.0  # for a cluster's head to answer at all
ABANDON_SECONDS = 1.0  # that a start which nobody needs any more is waited for
_DASHBOARD = "ray.dashboard.optional_deps"  # what has to be installed for it
OBJECT_STORE_BYTES = 128 * 2**20  # nothing large travels through it: workers load their own data


class Cluster:
    """A Ray cluster of our own in this process tree, or the one at an address.

    A process that has joined a cluster stays in it, and stays when this closes. Starting takes seconds,
    so it begins in the background; `ready` waits for it. One that is closed while Ray is still being imported
    starts nothing. Ray's processes end with the thread that started them, so that thread lives until `close`.

    Args:
        address: of a cluster that is there.
        withheld: how the names of variables begin that the processes of our own do not get, nor what runs in them.
    """

    def __init__(self, address: str | None = None, *, withheld: Sequence[str] = PRIVATE) -> None:
        self._address = address
        self._withheld = withheld
        self._folder: str | None = None
        self._joined = False  # by whoever started this process, before us
        self._running = False  # it has been started here, and must be ended here
        self._error: Exception | None = None
        atexit.register(self._remove_folder)  # before Ray's own, so that it comes after it
        self._started, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live, name="goodfit-ray", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        try:
            self._start()
        except Exception as error:  # noqa: BLE001 - kept for `ready`, which raises it
            self._error = error
        self._started.set()
        self._closing.wait()
        if self._running:
            import ray

            ray.shutdown()
        self._remove_folder()
        atexit.unregister(self._remove_folder)

    def _remove_folder(self) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")  # of 15 they get little beside whatever else there is
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        if ray.is_initialized():
            self._joined = True
            return
        if self._closing.is_set():
            return
        require_listener(self._address)
        if not self._address:
            self._folder = tempfile.mkdtemp(prefix="goodfit-")
        local: dict[str, Any] = {
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_temp_dir": self._folder,
        }
        ours = take(os.environ, self._withheld)
        try:
            with _essentials():
                ray.init(
                    address=self._address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **({} if self._address else local),
                )
        finally:
            os.environ.update(ours)
        self._running = True
        _hush()

    def ready(self) -> None:
        """Wait until the cluster is there; GoodfitError if it cannot be."""
        self._started.wait()
        if self._error is not None:
            where = f"no Ray cluster at {self._address}" if self._address else "Ray does not start"
            raise GoodfitError(f"{where}: {self._error}; try `goodfit doctor`, or --executor local") from self._error

    @property
    def own(self) -> bool:
        """Whether it is ours alone, and stays as it is; once it is ready."""
        return self._folder is not None

    def nodes(self) -> list[Resources]:
        """What each of its nodes has, once it is ready."""
        import ray

        return [from_ray(node["Resources"]) for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]

    def describe(self) -> str:
        """What it has, for people; waits until it is ready."""
        self.ready()
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        where = self._address or "in this process tree"
        return f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs {where}"

    def close(self) -> None:
        """Leave the cluster; one of our own ends, with its files.

        One that is still starting is not waited for: its processes end with this one.
        """
        again = self._closing.is_set()
        self._closing.set()
        if self._started.is_set() or not again:
            self._thread.join(None if self._started.is_set() else ABANDON_SECONDS)


def require_listener(address: str | None) -> None:
    """Raise OSError where nobody listens at host:port; Ray (2.60) would try for two minutes, and longer."""
    host, _, port = (address or "").rpartition(":")
    if host and "/" not in host and port.isdigit():
        with socket.create_connection((host, int(port)), CONNECT_SECONDS):
            pass


@contextlib.contextmanager
def _essentials() -> Iterator[None]:
    """Have Ray start and import no more than trials need.

    Of a cluster of our own it would start, and wait for, a dashboard's process even without a dashboard, a monitor
    for autoscaling, and one that follows logs; in this process it would import pyarrow, starlette and aiohttp, to send
    their objects and to find out whether the dashboard is installed: a third of the CPU of a start, and 55 MB.
    Ray has no switches for it (2.60).
    """
    from ray._private import worker
    from ray._private.node import Node
    from ray.util import serialization_addons

    unneeded = [(Node, "start_api_server"), (Node, "start_monitor"), (Node, "start_log_monitor")]
    with contextlib.ExitStack() as stack:
        for owner, name in [*unneeded, (serialization_addons, "apply")]:
            if hasattr(owner, name):
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, _nothing)
        if _DASHBOARD not in sys.modules:
            stack.callback(sys.modules.pop, _DASHBOARD, None)
            sys.modules[_DASHBOARD] = None  # type: ignore[assignment]  # as if it were not installed
        yield
        worker.global_worker.get_serialization_context()  # type: ignore[no-untyped-call] # made now, without these


def _nothing(*_: object, **__: object) -> None:
    pass


def _hush() -> None:
    """Keep what Ray's daemons say of dead workers out of standard output; an Ended tells it, and their logs do.

    Ray has no switch for it (2.60: `listen_error_messages` prints whatever `log_to_driver` says).
    """
    from ray._private import worker

    def note(data: Mapping[str, Any], ignore_prefix: bool = False) -> None:  # noqa: ARG001 - Ray's signature
        for line in data.get("lines", ()):
            logging.getLogger(__name__).info("ray: %s", line)

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = note
