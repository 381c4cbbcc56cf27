"""The controller's loop: look at the queue, claim what may start, start its runner.

Any number of controllers may do so on one database: a claim is the study's lease, which the store
gives to one of them. So there is no leader, and none of them knows anything that the others do
not; a controller that ends takes nothing with it. The runner takes the lease over from the claim.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from goodfit.service.controller.queue import Attempts, decide
from goodfit.service.errors import ClusterLost, GoodfitError, StudyHeld, UnknownStudy
from goodfit.service.ports import Leases, Queue, Runners, Studies
from goodfit.service.records import Lease, Study, StudyState

PERIOD = 0.5  # seconds between looks at the queue
START_SECONDS = 60.0  # that a claim lasts: for a runner to come up and take it over
NODES_SECONDS = 2.0  # between looks at the cluster
MIRROR_SECONDS = 30.0  # between looks at what MLflow lacks
MIRRORS = 50  # of them looked at
LONGEST_PAUSE = 10.0  # while the database is away


class ControllerStore(Studies, Leases, Queue, Protocol):
    """What a controller needs of the store."""


class Controller:
    """Starts the studies of a queue.

    Args:
        store: with the queue in it.
        runners: on the cluster.
        owner: this process, as leases name it.
        dead: whether the owner of a lease is known to be gone.
        limit: how many studies may run at once.
        patience: seconds that a runner must have lived for its study not to be suspected of ending it.
        say: gets a line for people.
        clock: seconds since the epoch, for leases.
        ticks: seconds that never go back, for periods; None: the clock's.
    """

    def __init__(
        self,
        *,
        store: ControllerStore,
        runners: Runners,
        owner: str,
        dead: Callable[[str], bool],
        limit: int,
        patience: float = 60.0,
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] | None = None,
    ) -> None:
        self._store, self._runners = store, runners
        self._owner, self._dead, self._limit = owner, dead, limit
        self._say, self._clock, self._ticks = say, clock, ticks or clock
        self._attempts, self._patience = Attempts(patience), patience
        self._leases: dict[int, tuple[Lease | None, float]] = {}  # study -> its lease, and since when it is so
        self._silent: set[int] = set()  # studies whose leases nobody renews
        self._nodes: tuple[float, Sequence[Mapping[str, float]]] = (-math.inf, [])
        self._requested: Sequence[Mapping[str, float]] = ()
        self._mirrored: dict[int, float] = {}  # study -> when its mirror was started last
        self._claims: dict[int, Lease] = {}  # study -> with which it was started last
        self._failed: dict[int, str] = {}  # study -> why its runner could not be started
        self._looked = self._ticks()

    def run(self, pause: Callable[[float], bool]) -> None:
        """Look at the queue until told to end.

        Args:
            pause: waits so many seconds; whether to go on then.

        Raises:
            ClusterLost: a new process can connect again; this one cannot.
        """
        trouble, length = "", PERIOD
        while pause(length):
            try:
                self.turn()
                trouble, length = "", PERIOD
            except ClusterLost:
                raise
            except GoodfitError as error:  # the database is away, say: it may come back
                length = min(LONGEST_PAUSE, length * 2)
                if str(error) != trouble:
                    trouble = str(error)
                    self._say(f"the queue stands still: {trouble}")

    def turn(self) -> None:
        """Look once, and start what may start."""
        now = self._ticks()
        self._give_back_failed()
        rows = [(study, self._renewed(study.id, lease, now)) for study, lease in self._store.waiting()]
        self._leases = {study.id: self._leases[study.id] for study, _ in rows}
        pauses = dict(self._attempts.pauses([study.id for study, _ in rows], now))
        pauses |= {study_id: reason for study_id, reason in self._failed.items() if study_id in pauses}
        decision = decide(
            rows, now=self._clock(), limit=self._limit, nodes=self._nodes_at(now), dead=self._dead, pauses=pauses
        )
        known = {study.id: study.waits_for for study, _ in rows}
        news = {study_id: reason for study_id, reason in decision.waits.items() if reason != known[study_id]}
        self._store.note_waits(news)
        for study in decision.start:
            self._start(study, silent=study.id in self._silent)
        if decision.missing != self._requested:
            self._runners.request(decision.missing)
            self._requested = decision.missing
        if now - self._looked >= MIRROR_SECONDS:
            self._looked = now
            self._mirror(now)

    def _renewed(self, study_id: int, lease: Lease | None, now: float) -> Lease | None:
        """A study's lease; None where nobody has renewed it for long.

        When a lease ends is a time of its holder's clock. One that has not changed for longer than any lease
        lasts is over, though it may seem to have an hour left where a clock was set back.
        """
        if self._leases.get(study_id, (None, now))[0] != lease:
            self._leases.pop(study_id, None)
        _, since = self._leases.setdefault(study_id, (lease, now))
        self._silent.discard(study_id)
        if lease is None or now - since <= max(START_SECONDS, self._patience):
            return lease
        self._silent.add(study_id)
        return None

    def _give_back_failed(self) -> None:
        """Let go of the studies whose runners could not be started; why is what they wait for."""
        for study_id, reason in self._runners.failed().items():
            self._failed[study_id] = reason
            if claim := self._claims.pop(study_id, None):
                self._store.release(claim)

    def _nodes_at(self, now: float) -> Sequence[Mapping[str, float]]:
        if now - self._nodes[0] >= NODES_SECONDS:
            self._nodes = (now, self._runners.nodes())
        return self._nodes[1]

    def _start(self, study: Study, *, silent: bool) -> None:
        """Claim a study and start its runner, unless another controller or its user was quicker.

        Args:
            study: of the queue.
            silent: whoever has its lease has not renewed it for long.
        """
        dead = (lambda _: True) if silent else self._dead
        try:
            lease = self._store.acquire(study.id, self._owner, self._clock(), START_SECONDS, dead)
        except (StudyHeld, UnknownStudy):
            return
        try:
            found = self._store.study(study.name)
            if found.id != study.id or found.queued is None or found.state.at_rest:
                self._store.release(lease)
                return
            self._attempts.note(study.id, self._ticks())
            self._runners.end_older(study.id, lease.fence)
            self._claims[study.id] = lease
            self._failed.pop(study.id, None)
            self._runners.start(found, lease)
        except UnknownStudy:
            return
        except GoodfitError as error:
            self._store.release(lease)
            if isinstance(error, ClusterLost):
                raise
            self._say(f"study {study.name} cannot be started: {error}")  # the others can
            return
        self._say(f"started study {study.name}" + (" again" if found.state is StudyState.RUNNING else ""))

    def _mirror(self, now: float) -> None:
        """Let MLflow catch up with one study at rest: of those that it lacks, the one tried the longest ago."""
        behind = {study.id: study for study in self._store.behind(MIRRORS)}
        self._mirrored = {study_id: at for study_id, at in self._mirrored.items() if study_id in behind}
        if not behind or self._runners.mirroring():
            return
        idle = [study for study_id, study in behind.items() if study_id not in self._runners.running()]
        if idle:
            first = min(idle, key=lambda study: self._mirrored.get(study.id, -math.inf))
            self._mirrored[first.id] = now
            self._runners.mirror(first)
