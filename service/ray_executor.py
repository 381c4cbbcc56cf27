"""The executor on Ray: a pool of warm actors, one for each trial that may run at once.

An actor keeps its trainer imported and its data loaded between trials. Each is asked for its
messages by one call that waits in it (a long poll), so reports come in batches and training
never waits for the engine. An actor that dies answers that call with an error: its trials are
lost, and another takes its place. The only module that knows Ray.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.errors import GoodfitError, InputError
from trainers.messages import Ended, Message, Outcome, Pack
from trainers.worker import Host, Setup

POLL_SECONDS = 20.0  # how long a worker holds a poll when it has nothing to say
OBJECT_STORE_BYTES = 128 * 2**20  # nothing large travels through it: workers load their own data
CONNECT_SECONDS = 5.0  # for a cluster's head to answer at all
CONCURRENCY = 4  # a worker's calls at once: the poll, and launch and stop beside it


@dataclass(frozen=True, slots=True)
class Share:
    """What one trial takes of the cluster.

    Attributes:
        cpus: may be a fraction.
        gpus: likewise.
        parallel: how many trials run at once; None: as many as fit.
        most: how many there are to run at all; None: no end of them.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    parallel: int | None = None
    most: int | None = None


class Cluster:
    """A Ray cluster of our own in this process tree, or the one at an address.

    Starting takes seconds, so it begins in the background; `ready` waits for it. Ray's processes end
    with the thread that started them, so that thread lives until `close`.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._folder = None if address else tempfile.mkdtemp(prefix="goodfit-")
        self._error: Exception | None = None
        self._borrowed = False
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
        if self._error is None and not self._borrowed:
            import ray

            ray.shutdown()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        if ray.is_initialized():
            self._borrowed = True  # inside an actor: the connection is the process's own
            return
        _answers(self._address)
        local: dict[str, Any] = {
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_temp_dir": self._folder,
        }
        ray.init(
            address=self._address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if self._address else local),
        )
        _hush()

    def ready(self) -> None:
        """Wait until the cluster is there; GoodfitError if it cannot be."""
        self._started.wait()
        if self._error is not None:
            where = f"no Ray cluster at {self._address}" if self._address else "Ray does not start"
            raise GoodfitError(f"{where}: {self._error}; try `goodfit doctor`, or --executor local") from self._error

    def describe(self) -> str:
        """What it has, for people; waits until it is ready."""
        self.ready()
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        where = self._address or "in this process tree"
        return f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs {where}"

    def close(self) -> None:
        """Leave the cluster; one of our own ends, with its files."""
        self._closing.set()
        self._thread.join()


@dataclass(eq=False)
class _Seat:
    """One actor of the pool, the poll that waits in it, and the trials it has: number -> attempt."""

    actor: Any
    poll: Any
    trials: dict[int, int] = field(default_factory=dict)


class RayExecutor:
    """Runs packs on a pool of actors.

    Args:
        cluster: where they live; this waits until it is ready.
        setup: what they import and load before the first pack comes.
        share: what one trial takes.

    Raises:
        InputError: the cluster has not what the share asks for.
    """

    def __init__(self, cluster: Cluster, setup: Setup, share: Share) -> None:
        cluster.ready()
        import ray

        self._ray = ray
        self._setup = setup
        self._share = share
        self._slots = _fitting(share, ray.cluster_resources())  # type: ignore[no-untyped-call]
        self._host_class: Any = ray.remote(Host).options(
            num_cpus=share.cpus, num_gpus=share.gpus, max_concurrency=CONCURRENCY, max_restarts=0
        )
        self._seats = [self._new_seat() for _ in range(self._slots)]

    def _new_seat(self) -> _Seat:
        actor = self._host_class.remote(self._setup)
        return _Seat(actor, actor.poll.remote(POLL_SECONDS))

    @property
    def slots(self) -> int:
        return self._slots

    def launch(self, pack: Pack) -> None:
        seat = next(seat for seat in self._seats if not seat.trials)
        seat.trials = {assignment.trial: assignment.attempt for assignment in pack.assignments}
        seat.actor.launch.remote(pack)

    def stop(self, trial: int) -> None:
        for seat in self._seats:
            if trial in seat.trials:
                seat.actor.stop.remote(trial)

    def kill(self, trial: int) -> None:
        for seat in list(self._seats):
            if trial in seat.trials:
                self._replace(seat)

    def _replace(self, seat: _Seat) -> None:
        self._ray.kill(seat.actor)
        self._seats[self._seats.index(seat)] = self._new_seat()

    def wait(self, seconds: float) -> list[Message]:
        polls = {seat.poll: seat for seat in self._seats}
        ready, _ = self._ray.wait(list(polls), num_returns=1, timeout=seconds)
        if ready and len(polls) > 1:
            ready, _ = self._ray.wait(list(polls), num_returns=len(polls), timeout=0)
        messages: list[Message] = []
        for poll in ready:
            messages += self._receive(polls[poll])
        return messages

    def _receive(self, seat: _Seat) -> list[Message]:
        """What one worker has sent; a dead one has lost its trials."""
        try:
            messages: list[Message] = self._ray.get(seat.poll)
        except self._ray.exceptions.RayError as error:
            lost = [Ended(trial, attempt, *_death(error)) for trial, attempt in seat.trials.items()]
            self._replace(seat)
            return list(lost)
        seat.poll = seat.actor.poll.remote(POLL_SECONDS)
        for message in messages:
            if isinstance(message, Ended):
                seat.trials.pop(message.trial, None)
        return messages

    def close(self) -> None:
        for seat in self._seats:
            self._ray.kill(seat.actor)
        self._seats = []


def _fitting(share: Share, resources: dict[str, float]) -> int:
    """How many trials fit at once; InputError if that is none, or fewer than asked for."""
    cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
    fit = math.inf
    if share.cpus:
        fit = min(fit, math.floor(cpus / share.cpus + 1e-9))
    if share.gpus:
        fit = min(fit, math.floor(gpus / share.gpus + 1e-9))
    if fit < 1:
        raise InputError(
            f"a trial asks for {share.cpus:g} CPUs and {share.gpus:g} GPUs, the cluster has {cpus:g} and {gpus:g}: "
            "lower `resources: {cpus, gpus}`"
        )
    if share.parallel is not None and share.parallel > fit:
        raise InputError(
            f"resources.parallel: {share.parallel} trials at once do not fit on {cpus:g} CPUs and {gpus:g} GPUs, "
            f"{fit:g} do; lower it, or give each trial less (resources.cpus: {cpus / share.parallel:.2g})"
        )
    wanted = share.parallel or int(fit)
    return wanted if share.most is None else max(1, min(wanted, share.most))


def _answers(address: str | None) -> None:
    """Raise OSError where nobody listens at host:port; Ray (2.60) would try for two minutes, and longer."""
    host, _, port = (address or "").rpartition(":")
    if host and "/" not in host and port.isdigit():
        with socket.create_connection((host, int(port)), CONNECT_SECONDS):
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


def _death(error: Exception) -> tuple[Outcome, str]:
    if type(error).__name__ == "OutOfMemoryError":
        return Outcome.OOM, "the machine ran out of memory and Ray ended the worker"
    first = (str(error).strip().splitlines() or ["no word from Ray"])[0]
    return Outcome.LOST, first
