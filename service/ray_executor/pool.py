"""RayExecutor: a pool of warm actors, each of which trains a trial at a time, or several of a pack.

An actor keeps its trainer imported and its data loaded between trials. Each is asked for its
messages by one call that waits in it (a long poll), so reports come in batches and training
never waits for the engine. The next such call tells it what came of them: a short trial takes one call. An actor that
dies answers its call with an error: its trials are lost, and another takes its place. Where several were lost together
it is not known whose fault that was: each goes on as one that was interrupted, and alone if it loses its worker in
company again. Every few seconds the pool fits itself to the cluster: actors that Ray has no room for stay pending,
which is what its autoscaler sees.
"""

from __future__ import annotations

import math
import pickle
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from goodfit.service.errors import GoodfitError
from goodfit.service.ports import ALONE, Sharing
from goodfit.service.ray_executor.capacity import WorkerResources, places, require_room, room, seats_wanted
from goodfit.service.ray_executor.cluster import Cluster
from goodfit.service.ray_executor.ray_words import Resources
from goodfit.trainers.messages import Ended, Message, Outcome, Pack
from goodfit.trainers.training.packing.hub import FIRST
from goodfit.trainers.worker.host import Host, Word
from goodfit.trainers.worker.worker import Setup

POLL_SECONDS = 20.0  # how long a worker holds a poll when it has nothing to say
CONCURRENCY = 4  # a worker's calls at once: the poll, and launch and stop beside it
FIT_SECONDS = 3.0  # between looks at what the cluster has
DOUBT_SECONDS = 20.0  # for Ray to find out whether a worker that does not answer is dead
DOUBT_PAUSE = 0.1
SUSPECT = 2  # deaths of its worker in company by which a trial may be their cause, and is trained alone
FRUITLESS = 5  # looks in a row by which workers had died as they started and none had come up
WIDEST = 300  # characters of what Ray says of a death


@dataclass(eq=False)
class _Seat:
    """One actor of the pool.

    Attributes:
        actor: itself.
        answer: to the call that it has: first whether it is there, then for its messages; None: it gets one at the next
            wait.
        words: that go with that call.
        requested: when Ray was asked for it.
        size: how many usual workers it stands for.
        lone: whether it is for the one trial that it was made for.
        there: whether it has started.
        worn: whether it is to be replaced as soon as its trials have ended.
        doubted: since when it is out of reach, and Ray does not know yet whether it lives.
        room: trials that are worth having at once in it, as it has said last.
        trials: that it has: number -> attempt.
    """

    actor: Any
    answer: Any
    requested: float
    size: int = 1
    lone: bool = False
    there: bool = False
    worn: bool = False
    doubted: float | None = None
    room: int = FIRST
    trials: dict[int, int] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)

    def tell(self, name: str, *arguments: Any) -> None:
        """Have it call a method of its host: with the next call for its messages, or beside the one that it has."""
        if self.answer is None:
            self.words.append((name, arguments))
        else:
            getattr(self.actor, name).remote(*arguments)

    def ask(self) -> None:
        """See to it that it has a call."""
        if self.answer is None:
            words, self.words = self.words, []
            self.answer = self.actor.answer.remote(POLL_SECONDS, pickle.dumps(words))

    @property
    def takes_trials(self) -> bool:
        return not (self.lone or self.worn) and self.doubted is None


class RayExecutor:
    """Runs packs on a pool of actors.

    Args:
        cluster: where they live; this waits until it is ready.
        setup: what they import and load before the first pack comes.
        share: what one trial takes.
        sharing: who shares the cluster.
        runtime_env: Ray's, for the workers; None: that of this process.
        clock: seconds, from anywhere.
        sleep: waits for so many seconds.

    Raises:
        InputError: the cluster is our own, and has not what the share asks for. On another the study waits.
    """

    def __init__(
        self,
        cluster: Cluster,
        setup: Setup,
        share: WorkerResources,
        sharing: Sharing = ALONE,
        *,
        runtime_env: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        cluster.ready()
        import ray

        self._ray = ray
        self._host: Any = ray.remote(Host)
        self._cluster, self._setup, self._share = cluster, setup, share
        self._clock, self._sleep = clock, sleep
        self._runtime_env = {"runtime_env": dict(runtime_env)} if runtime_env else {}
        self._seats: list[_Seat] = []
        self._sharing = sharing
        self._wanted = 0
        self._places = 1  # trials of a usual worker
        self._most = sys.maxsize  # of them, as far as is known of their memory
        self._deaths: dict[int, int] = {}  # of workers with several trials, by trial, without a report since
        self._interrupted: list[Message] = []  # the ends of trials whose worker was ended on account of another
        self._death: Exception | None = None  # of a worker that never came up, since the last look
        self._fruitless = 0
        nodes = cluster.nodes()
        if cluster.own:
            require_room(share, nodes)
        self._fit(nodes)

    @property
    def slots(self) -> int:
        count, starves = 0, self._starves()
        for seat in self._seats:
            if seat.lone:
                count += seat.size
            elif seat.there and seat.takes_trials and not starves:
                count += max(self._places_of(seat), len(seat.trials))
            else:
                count += len(seat.trials)
        return count if self._share.parallel is None else min(count, self._share.parallel)

    @property
    def pending(self) -> Set[int]:
        return {trial for seat in self._seats if not seat.there for trial in seat.trials}

    def share_among(self, sharing: Sharing) -> None:
        if sharing != self._sharing:
            self._sharing, self._fit_at = sharing, -math.inf

    def launch(self, pack: Pack) -> None:
        suspect = any(self._deaths.get(one.trial, 0) >= SUSPECT for one in pack.assignments)
        if pack.share > 1 or suspect:
            seat = self._new_seat(pack.share, lone=True)
        else:
            free = [seat for seat in self._seats if seat.takes_trials and len(seat.trials) < self._places_of(seat)]
            seat = min(free, key=lambda seat: (not seat.there, len(seat.trials)), default=None) or self._new_seat()
        seat.trials |= {assignment.trial: assignment.attempt for assignment in pack.assignments}
        seat.tell("launch", pack)
        if seat.lone:
            self._fit_at = -math.inf  # the next look says whether there can ever be room for it
            self._trim()

    def go_on(self, trial: int, until: int | None) -> None:
        for seat in self._seats:
            if trial in seat.trials:
                seat.tell("go_on", trial, until)

    def stop(self, trial: int) -> None:
        for seat in self._seats:
            if trial in seat.trials:
                seat.tell("stop", trial)

    def kill(self, trial: int) -> None:
        for seat in list(self._seats):
            if trial in seat.trials:
                del seat.trials[trial]
                text = f"its worker was ended because of trial {trial}"
                self._interrupted += [Ended(*one, Outcome.PREEMPTED, text) for one in seat.trials.items()]
                self._dismiss(seat)
                self._grow()

    def wait(self, seconds: float) -> list[Message]:
        for seat in self._seats:
            seat.ask()
        if self._interrupted:
            interrupted, self._interrupted = self._interrupted, []
            return interrupted
        if self._clock() >= self._fit_at:
            hopeless = self._fit(self._cluster.nodes())
            if hopeless:
                return hopeless
        calls = {seat.answer: seat for seat in self._seats}
        if not calls:
            self._sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(calls), num_returns=1, timeout=seconds)
        if ready and len(calls) > 1:
            ready, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        messages: list[Message] = []
        for call in ready:
            messages += self._hear(calls[call])
        return messages

    def close(self) -> None:
        for seat in list(self._seats):
            self._dismiss(seat)

    def _hear(self, seat: _Seat) -> list[Message]:
        """What one worker has sent; a dead one has lost its trials."""
        try:
            answer = self._ray.get(seat.answer)
        except self._ray.exceptions.ActorUnavailableError as error:
            return self._doubt(seat, error)
        except self._ray.exceptions.RayError as error:
            return self._bury(seat, error)
        if seat.doubted is not None:
            return self._bury(seat, GoodfitError("its worker was out of reach, and what it said then is lost"))
        seat.answer = None
        if not seat.there:
            seat.there, self._fruitless = True, 0
            return []
        messages: list[Message]
        messages, seat.room = pickle.loads(answer)  # noqa: S301 - of our own worker
        for message in messages:
            self._deaths.pop(message.trial, None)
            if isinstance(message, Ended):
                seat.trials.pop(message.trial, None)
                seat.worn |= message.worn
        if not seat.trials and (seat.worn or seat.lone or self._size() > self._wanted or self._starves()):
            self._dismiss(seat)
            self._grow()
        return messages

    def _doubt(self, seat: _Seat, error: Exception) -> list[Message]:
        """Ask again: when its machine is known to be gone, Ray says so, and whether that was announced."""
        now = self._clock()
        if seat.doubted is None:
            seat.doubted = now
        elif now - seat.doubted >= DOUBT_SECONDS:
            return self._bury(seat, error)
        else:
            self._sleep(DOUBT_PAUSE)
        seat.answer = seat.actor.pid.remote()
        return []

    def _bury(self, seat: _Seat, error: Exception) -> list[Message]:
        outcome, text = _cause_of(error)
        if len(seat.trials) > 1 and outcome is not Outcome.PREEMPTED:
            self._note_deaths(seat, outcome)
            outcome = Outcome.PREEMPTED
        lost: list[Message] = [Ended(trial, attempt, outcome, text) for trial, attempt in seat.trials.items()]
        self._dismiss(seat)
        if seat.there or lost:
            self._grow()
        else:
            self._death = error  # the next look replaces it: not at once, or it would go round and round
        return lost

    def _note_deaths(self, seat: _Seat, outcome: Outcome) -> None:
        """Remember which trials have lost their worker together; fewer share one where they took too much memory."""
        if outcome is Outcome.OOM:
            self._most = self._places = min(self._places, max(1, len(seat.trials) // 2))
            return
        for trial in seat.trials:
            self._deaths[trial] = self._deaths.get(trial, 0) + 1

    def _fit(self, nodes: list[Resources]) -> list[Message]:
        """Have as many workers as there should be; the ends of trials that there can never be room for."""
        self._fit_at = self._clock() + FIT_SECONDS
        self._note_fruitless()
        self._wanted = seats_wanted(self._share, nodes, self._sharing)
        self._places = min(self._most, places(self._share, self._wanted))
        self._trim()
        self._grow()
        hopeless: list[Message] = []
        for seat in [seat for seat in self._seats if seat.lone and not seat.there]:
            greater = self._share.times(seat.size)
            if not room(greater, nodes):
                text = f"no node of the cluster has room for {greater}"
                hopeless += [Ended(trial, attempt, Outcome.OOM, text) for trial, attempt in seat.trials.items()]
                self._dismiss(seat)
        if hopeless:
            self._grow()
        return hopeless

    def _note_fruitless(self) -> None:
        """Give up where workers die as they start, again and again; one that waits for room has not died."""
        death, self._death = self._death, None
        if death is None or any(seat.there for seat in self._seats):
            return
        self._fruitless += 1
        if self._fruitless >= FRUITLESS:
            raise GoodfitError(
                f"workers die as they start: {_cause_of(death)[1]}; is Goodfit installed on every node of the cluster?"
            ) from death

    def _places_of(self, seat: _Seat) -> int:
        """Trials that a worker may have: where the study leaves it open, as many as are worth having at once."""
        return self._places if self._share.pack is not None else min(self._places, seat.room)

    def _size(self) -> int:
        return sum(seat.size for seat in self._seats)

    def _trim(self) -> None:
        """Give back idle workers beyond those wanted; first those that have not started."""
        idle = sorted((seat for seat in self._seats if not seat.trials), key=lambda seat: seat.there)
        excess = self._size() - self._wanted
        for seat in idle[: max(0, excess)]:
            self._dismiss(seat)

    def _starves(self) -> bool:
        """Whether a greater worker waits for room, which may be there but in pieces, on several nodes."""
        before = self._clock() - FIT_SECONDS
        return any(seat.lone and not seat.there and seat.requested < before for seat in self._seats)

    def _grow(self) -> None:
        if self._starves():
            return
        for _ in range(self._wanted - self._size()):
            self._new_seat()

    def _new_seat(self, times: float = 1.0, *, lone: bool = False) -> _Seat:
        """Ask Ray for a worker, of so many times the usual share; it starts when there is room."""
        share, setup = self._share, self._setup
        if times > 1:
            share = share.times(times)
            setup = replace(setup, threads=max(1, math.floor(share.cpus)), gpus=share.gpus)
        host = self._host.options(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            resources=dict(share.custom),
            max_concurrency=CONCURRENCY,
            max_restarts=0,
            **self._runtime_env,
        )
        actor = host.remote(setup)
        seat = _Seat(actor, actor.pid.remote(), self._clock(), math.ceil(times), lone)
        self._seats.append(seat)
        return seat

    def _dismiss(self, seat: _Seat) -> None:
        self._ray.kill(seat.actor)
        self._seats.remove(seat)


def _cause_of(error: Exception) -> tuple[Outcome, str]:
    """How a worker died, and in one line why."""
    if type(error).__name__ == "OutOfMemoryError":
        return Outcome.OOM, "the machine ran out of memory and Ray ended the worker"
    if (own := getattr(error, "cause", None)) is not None and type(error).__name__.startswith("RayTaskError"):
        return Outcome.LOST, textwrap.shorten(str(own), WIDEST, placeholder=" ...")
    lines = [line for line in str(error).splitlines() if line.strip()] or ["no word from Ray"]
    cause = next((line for line in lines[1:] if not line.startswith("\t")), lines[0])  # after facts about the actor
    outcome = Outcome.PREEMPTED if getattr(error, "preempted", False) else Outcome.LOST
    return outcome, textwrap.shorten(cause, WIDEST, placeholder=" ...")
