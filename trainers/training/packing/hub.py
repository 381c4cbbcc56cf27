"""Has the trials of a worker take turns, and trains their epochs together where that is faster.

Each trial runs in a thread of its own, in code that knows nothing of the others, but one of them at a time: until it
hands over an epoch, waits for word of the engine, or ends. When none can go on by itself, the epochs that were handed
over are trained: those with the same pack key as one batched model. Then each trial gets what its epoch came to, and
goes on. So trials join and leave at the ends of epochs.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from time import perf_counter, thread_time
from types import ModuleType
from typing import Any

from goodfit.trainers.errors import is_out_of_memory
from goodfit.trainers.seeding import seed_generators
from goodfit.trainers.training.packing.pace import Pace
from goodfit.trainers.training.packing.processor import Processor
from goodfit.trainers.training.packing.work import (
    EpochResult,
    EpochWork,
    clock_of,
    pack_key,
    size_of,
    train_alone,
    train_together,
)

FIRST, MOST = 2, 2**10  # trials of a worker: before it has found out, and where they can train together
_hub: ContextVar[Hub | None] = ContextVar("hub", default=None)  # of the trial that runs in this context


def run_epoch(work: EpochWork) -> EpochResult:
    """Train an epoch of the trial that runs: alone, or with the epochs of others that share its worker."""
    hub = _hub.get()
    return train_alone(work) if hub is None else hub.run_epoch(work)


def _nothing() -> None:
    pass


class _Member:
    """A trial of the worker.

    Attributes:
        run: trains it; None: it has begun.
        begin: what comes before, in the worker's thread.
        end: what comes after it, likewise.
        ended: whether it has trained to its end.
        handed_over: the epoch that it waits for.
        ready: whether the word has come that it waits for; None: it waits for none.
        key: what says which epochs can be trained together with it; None: none.
        result: what its epoch came to; an exception is its own, None: it is to train it itself.
        seconds: of the worker that were spent on it, and those before it came.
        own: its values of what the process has one of.
        together: whether its last epoch was trained with others.
        allowed: the processors that its thread may have.
    """

    def __init__(
        self,
        run: Callable[[], None],
        begin: Callable[[], object],
        end: Callable[[], object],
        seconds: float,
        own: Sequence[Any],
    ) -> None:
        self.run: Callable[[], None] | None = run
        self.begin, self.end, self.ended = begin, end, False
        self.turn = threading.Semaphore(0)
        self.handed_over: EpochWork | None = None
        self.ready: Callable[[], bool] | None = None
        self.key: Hashable | None = None
        self.result: EpochResult | Exception | None = None
        self.seconds, self.own = seconds, own
        self.together = False
        self.allowed: set[int] | None = None

    @property
    def can_go_on(self) -> bool:
        return self.handed_over is None and (self.ready is None or self.ready())


class Hub:
    """The trials of one worker. Its thread calls `start`, `take_turns` and `train`, the trials the others.

    Args:
        start_thread: starts a thread that runs a function.
        own: modules and names of theirs whose values are each trial's own, though the process has one of each.
    """

    def __init__(
        self, start_thread: Callable[[Callable[[], None]], object], own: Sequence[tuple[ModuleType, str]] = ()
    ) -> None:
        self._start_thread, self._own = start_thread, own
        self._members: list[_Member] = []
        self._running: _Member | None = None
        self._back = threading.Semaphore(0)  # the trial that ran waits, or has ended
        self._seconds = 0.0  # that were spent on all trials
        self._pace = Pace()
        self._processor = Processor()
        self._most: dict[Hashable, int] = {}  # trials that there is memory for together
        self._packable: bool | None = None  # whether its trials can be trained together; None: not known
        self.abandoned = False  # no trial goes on, but for the one that runs: alone, to its end

    @property
    def is_idle(self) -> bool:
        """Whether it has no trial."""
        return not self._members

    @property
    def can_go_on(self) -> bool:
        """Whether a trial could go on now."""
        return any(member.can_go_on or member.handed_over is not None for member in self._members)

    @property
    def room(self) -> int:
        """How many trials are worth having at once, as far as it has found out."""
        if self._packable is None:
            return FIRST
        return MOST if self._packable else 1

    def elsewhere(self) -> float:
        """Seconds that were spent on others, of the trial that runs."""
        return self._seconds - self._running.seconds if self._running is not None else 0.0

    def start(
        self, run: Callable[[], None], begin: Callable[[], object] = _nothing, end: Callable[[], object] = _nothing
    ) -> None:
        """Add a trial; it begins with the next turns.

        Args:
            run: trains it, in a thread of its own.
            begin: done before it in the worker's thread, whose contexts it begins with.
            end: done after it in the worker's thread.
        """
        self._members.append(_Member(run, begin, end, self._seconds, self._values()))

    def take_turns(self) -> None:
        """Let each trial go on as far as it can alone."""
        for member in list(self._members):
            if member.can_go_on and not self.abandoned:
                self._resume(member)
        self._find_partners()

    def _find_partners(self) -> None:
        """Learn which of the epochs that were handed over can be trained together.

        A lone trial is not asked, for which a net of a user's own is tried, but where that would make room for others.
        """
        waiting = [(member, member.handed_over) for member in self._members if member.handed_over is not None]
        asked = len(self._members) > 1 or self._packable is False
        for member, work in waiting:
            member.key = pack_key(work) if asked else None
        if waiting and asked:
            self._packable = any(member.key is not None for member, _ in waiting)

    def train(self) -> None:
        """Train the epochs that have been handed over."""
        works = [(member, member.handed_over) for member in self._members if member.handed_over is not None]
        groups: dict[Hashable, list[tuple[_Member, EpochWork]]] = defaultdict(list)
        for member, work in works:
            member.handed_over, member.together = None, False
            if member.key is not None:
                groups[member.key].append((member, work))
        for key, group in groups.items():
            self._train(key, sorted(group, key=lambda one: size_of(one[1])))

    def run_epoch(self, work: EpochWork) -> EpochResult:
        """Train an epoch of the trial that runs."""
        member = self._running
        if self.abandoned or member is None:
            return train_alone(work)
        member.handed_over = work
        self._wait(member)
        result, member.result = member.result, None
        if isinstance(result, Exception):
            raise result
        if result is not None:
            return result
        seed_generators(work.seed, work.epoch)  # others have drawn from the generators since
        clock = clock_of(work)
        began = clock()
        result = train_alone(work)
        if member.key is not None:
            self._pace.note_alone(member.key, size_of(work), clock() - began)
        return result

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Have the trial that runs wait; the others go on meanwhile."""
        member = self._running
        if member is not None and not self.abandoned and not ready():
            member.ready = ready
            self._wait(member)

    def _resume(self, member: _Member) -> None:
        """Let a trial run until it waits or ends."""
        if member.run is not None:
            self._do(member, member.begin)
        self._let_run(member)
        if member.ended:
            self._do(member, member.end)
            self._members.remove(member)

    def _do(self, member: _Member, work: Callable[[], object]) -> None:
        """Do something for a trial in this thread, which may run anywhere then if no other trial is under way."""
        if not any(other.run is None for other in self._members if other is not member):
            self._processor.let_go()
        began = perf_counter()
        work()
        self._count(perf_counter() - began, [member])

    def _let_run(self, member: _Member) -> None:
        """Let a trial run until it stops to; what it prints, for example, goes where it has had it go."""
        before, began = self._values(), perf_counter()
        self._put(member.own)
        member.ready, self._running = None, member
        if member.run is not None:
            run, member.run = member.run, None
            self._start_thread(lambda: self._run(member, run))
        else:
            member.turn.release()
        self._back.acquire()
        if self.abandoned:
            return
        self._running = None
        member.own = self._values()
        self._put(before)
        self._count(perf_counter() - began, [member])

    def _run(self, member: _Member, run: Callable[[], None]) -> None:
        """In a trial's thread: train it."""
        member.allowed = self._processor.place(None, beside=False)
        _hub.set(self)
        try:
            run()
        finally:
            member.ended = True
            self._back.release()

    def _count(self, seconds: float, members: Sequence[_Member]) -> None:
        """Count seconds that were spent on these trials alike."""
        self._seconds += seconds
        for member in members:
            member.seconds += seconds / len(members)

    def _values(self) -> list[Any]:
        return [getattr(module, name) for module, name in self._own]

    def _put(self, values: Sequence[Any]) -> None:
        for (module, name), value in zip(self._own, values, strict=True):
            setattr(module, name, value)

    def _wait(self, member: _Member) -> None:
        """In a trial's thread: stop until it is resumed."""
        self._back.release()
        member.turn.acquire()
        member.allowed = self._processor.place(member.allowed, beside=member.together)

    def _train(self, key: Hashable, group: Sequence[tuple[_Member, EpochWork]]) -> None:
        """Train epochs with the same key together; those that are left out are trained by their trials alone."""
        if len(group) == 1:
            return
        measured = self._pace.to_measure(key, [size_of(work) for _, work in group])
        together = [one for place, one in enumerate(group) if place not in measured]
        if len(together) > 1 and self._pace.trains_together(key, [size_of(work) for _, work in together]):
            most = self._most.get(key, len(together))
            for first in range(0, len(together), most):
                self._train_together(key, together[first : first + most])

    def _train_together(self, key: Hashable, group: Sequence[tuple[_Member, EpochWork]]) -> None:
        """Train a group as one model; in halves where there is not memory enough for it."""
        if len(group) == 1:
            return
        clock = clock_of(group[0][1])
        began, measured = perf_counter(), clock()
        results: Sequence[EpochResult | Exception]
        try:
            results = train_together([work for _, work in group])
        except Exception as error:  # noqa: BLE001 - of the model: it is the trials' own, each says so
            if is_out_of_memory(error):
                half = self._most[key] = (len(group) + 1) // 2
                self._train_together(key, group[:half])
                self._train_together(key, group[half:])
                return
            results = [error] * len(group)
        seconds, measured = perf_counter() - began, clock() - measured
        sizes = [size_of(work) for _, work in group]
        self._pace.note_together(key, sizes, measured)
        self._count(seconds, [member for member, _ in group])
        if clock is thread_time:
            self._processor.note(measured, seconds)
        share = measured / len(group)
        for (member, _), size, result in zip(group, sizes, results, strict=True):
            member.result, member.together = result, True
            if isinstance(result, EpochResult):
                alone = self._pace.alone(key, size)
                member.result = replace(result, members=len(group), saved=alone - share if alone else 0.0)
