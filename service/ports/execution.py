"""What trains the trials of a study, and what runs studies on a cluster; who gets how much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from goodfit.service.records import Lease, Study
    from goodfit.trainers.messages import Message, Pack


@dataclass(frozen=True, slots=True)
class Claim:
    """What one of the studies that share a cluster could use of it.

    Attributes:
        study: its id.
        resources: of one worker: cpus, gpus, and custom resources of the cluster by their names.
        priority: the higher goes first.
        since: when it came; among equals, who came first.
        workers: at most so many are of use to it; None: any number.
    """

    study: int
    resources: Mapping[str, float]
    priority: int = 0
    since: float = 0.0
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who shares a cluster. No claims: the study has it for itself.

    Attributes:
        study: the one whose part is looked for.
        claims: of all studies, that one among them.
        turn: grows with time; decides who is next where there are fewer workers than equals.
    """

    study: int = 0
    claims: tuple[Claim, ...] = ()
    turn: int = 0

    @property
    def comes_later(self) -> bool:
        """Whether another study has a higher priority."""
        mine = next((claim.priority for claim in self.claims if claim.study == self.study), 0)
        return any(claim.priority > mine for claim in self.claims)


ALONE = Sharing()


class Executor(Protocol):
    """Runs packs on workers. Messages come out of `wait`; no call but `wait` and `close` blocks.

    A worker that dies gives an Ended(LOST), or Ended(PREEMPTED), for each of its assignments and is replaced. Where it
    had several trials it is PREEMPTED: whose fault it was is not known.
    """

    @property
    def slots(self) -> int:
        """How many trials may run at once, those that run included. It changes in `wait` alone.

        A pack with a greater share takes as many slots, rounded up.
        """
        ...

    @property
    def pending(self) -> Set[int]:
        """The trials that were launched and whose worker is not there yet: their time has not begun."""
        ...

    def share_among(self, sharing: Sharing) -> None:
        """Have no more workers than the study's part among these; a running trial keeps its worker to its end.

        Workers go to the studies of the highest priority, as many as they can use, and in fair turns among equals.
        """
        ...

    def launch(self, pack: Pack) -> None:
        """Give a pack to a free worker. Where there never is room for its share, it ends with OOM."""
        ...

    def go_on(self, trial: int, until: int | None) -> None:
        """Let a trial that waits after its `pause_at` train on, to wait again after an epoch; None: to its end."""
        ...

    def stop(self, trial: int) -> None:
        """Ask the trial to end at its next epoch; it answers with Ended."""
        ...

    def kill(self, trial: int) -> None:
        """End the trial now, whatever it is doing; nothing more comes from it.

        Other trials of its worker end with it, as PREEMPTED.
        """
        ...

    def wait(self, seconds: float) -> list[Message]:
        """All messages that have come, as soon as there is one, or none after `seconds`."""
        ...

    def close(self) -> None: ...


class Runners(Protocol):
    """Runs studies on the cluster, outlives whoever asked for it. No call waits for a study.

    A runner is known by its study and the fence of the lease that it was started with. It takes
    that lease over, runs the study, lets MLflow catch up, and ends by itself.
    """

    def nodes(self) -> list[Mapping[str, float]]:
        """What each node of the cluster that is alive has in all: cpus, gpus and custom resources."""
        ...

    def start(self, study: Study, lease: Lease) -> None:
        """Start the runner of a study; nothing if it is there."""
        ...

    def failed(self) -> dict[int, str]:
        """The studies whose runners could not be started here since this was asked last, and why."""
        ...

    def end_older(self, study_id: int, fence: int) -> None:
        """End the study's runners whose fences are smaller, whatever they are doing, and their trials."""
        ...

    def running(self) -> set[int]:
        """The studies that have a runner, be it one that only waits for MLflow."""
        ...

    def mirror(self, study: Study) -> None:
        """Start to send MLflow what it lacks of a study at rest; nothing if that is under way."""
        ...

    def mirroring(self) -> set[int]:
        """The studies for which that is under way."""
        ...

    def request(self, amounts: Sequence[Mapping[str, float]]) -> None:
        """Ask the cluster's autoscaler, where it has one, for room for all of these; replaces what was asked before."""
        ...
