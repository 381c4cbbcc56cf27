"""Which studies of the queue start now, and why the others wait. Pure: no clock, no store, no cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from goodfit.service.records import Lease, Study, StudyState

Amounts = Mapping[str, float]
Row = tuple[Study, Lease | None]

EPSILON = 1e-9  # of a CPU or a GPU: fractions do not add up exactly
_UNITS = {"cpus": "CPU", "gpus": "GPU"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with the studies that wait.

    Attributes:
        start: those to start now, the first one first.
        waits: study id -> why the service does not start it yet; of one that runs what its runner says; None: nothing.
        missing: for each study that no node has room for, what one trial of it takes.
    """

    start: tuple[Study, ...] = ()
    waits: Mapping[int, str | None] = field(default_factory=dict)
    missing: tuple[Amounts, ...] = ()


def decide(
    rows: Sequence[Row],
    *,
    now: float,
    limit: int,
    nodes: Sequence[Amounts],
    dead: Callable[[str], bool],
    pauses: Mapping[int, str],
) -> Decision:
    """Choose what to start.

    First whatever ran already and has lost its runner; then by priority; among equals whoever of the
    submitters has the fewest running; then who came first. A study that the cluster has no room for
    holds up nobody.

    Args:
        rows: the service's studies that are QUEUED or RUNNING, with their leases.
        now: seconds since the epoch.
        limit: how many studies may run at once.
        nodes: what each node of the cluster has.
        dead: whether the owner of a lease is known to be gone.
        pauses: studies that are not to be tried just now, and why.
    """
    running = [study for study, lease in rows if _held(lease, now, dead)]
    free = [study for study, lease in rows if not _held(lease, now, dead)]
    waits: dict[int, str | None] = {study.id: study.waits_for for study in running}  # which its runner says
    missing: list[Amounts] = []
    ready: list[Study] = []
    for study in free:
        needed = study.resources
        shortage = short_of(needed, nodes)
        if shortage:
            missing.append(needed)
        waits[study.id] = shortage or pauses.get(study.id)
        if waits[study.id] is None:
            ready.append(study)
    start = _first(ready, Counter(study.submitter for study in running), limit - len(running))
    for study in ready:
        waits[study.id] = None if study in start else f"{limit} of {limit} studies run"
    if len(running) > limit:  # it was lowered
        waits |= {study.id: f"{len(running)} studies run, and {limit} may" for study in ready}
    return Decision(start, waits, tuple(missing))


def _held(lease: Lease | None, now: float, dead: Callable[[str], bool]) -> bool:
    return lease is not None and lease.until > now and not dead(lease.owner)


def _first(ready: Sequence[Study], running: Counter[str | None], places: int) -> tuple[Study, ...]:
    """Those that get the places."""
    left, chosen = list(ready), list[Study]()

    def rank(study: Study) -> tuple[bool, int, int, float, int]:
        fresh = study.state is not StudyState.RUNNING
        return fresh, -study.priority, running[study.submitter], study.queued or 0.0, study.id

    while left and len(chosen) < places:
        best = min(left, key=rank)
        left.remove(best)
        chosen.append(best)
        running[best.submitter] += 1
    return tuple(chosen)


def short_of(needed: Amounts, nodes: Sequence[Amounts]) -> str | None:
    """What a cluster lacks for one trial, for people; None where some node has it all."""
    if any(all(node.get(name, 0.0) + EPSILON >= amount for name, amount in needed.items()) for node in nodes):
        return None
    for name, amount in needed.items():
        there = sum(node.get(name, 0.0) for node in nodes)
        if there + EPSILON < amount:
            return f"waits for {_amount_of(name, amount)}: the cluster has {there:g}"
    wanted = " and ".join(_amount_of(name, amount) for name, amount in needed.items())
    return f"waits for a node with {wanted}: none of the cluster's {len(nodes)} has them"


def _amount_of(name: str, amount: float) -> str:
    unit = _UNITS.get(name)
    if unit is None:
        return f"{amount:g} of {name}"
    return f"{amount:g} {unit}" if amount <= 1 else f"{amount:g} {unit}s"


@dataclass(slots=True)
class Attempts:
    """When each study was started, so that one that ends its runner each time is tried less and less often."""

    patience: float  # seconds that a runner must have lived for its study to be trusted again
    longest: float = 300.0
    _started: dict[int, tuple[int, float]] = field(default_factory=dict)  # study -> (how often in a row, last when)

    def note(self, study_id: int, now: float) -> None:
        """A runner of the study is started."""
        times, last = self._started.get(study_id, (0, now))
        self._started[study_id] = (1 if now - last > self._pause(times) + self.patience else times + 1, now)

    def pauses(self, studies: Sequence[int], now: float) -> dict[int, str]:
        """Which studies are not to be tried yet, and why; forgets those that are not among them."""
        known = set(studies)
        self._started = {study_id: found for study_id, found in self._started.items() if study_id in known}
        waits = {}
        for study_id, (times, last) in self._started.items():
            left = last + self._pause(times) - now
            if left > 0:
                waits[study_id] = f"its runner ended {times} times in a row; its log and those of Ray say more"
        return waits

    def _pause(self, times: int) -> float:
        """None after the first two starts: a runner may be killed once for no fault of its study."""
        return 0.0 if times < 2 else min(self.longest, 2.0 ** (times - 1))
