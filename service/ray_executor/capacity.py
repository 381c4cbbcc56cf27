"""How many workers a cluster has room for. Pure: resources in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from goodfit.service.errors import InputError
from goodfit.service.packed import PART
from goodfit.service.ports import Sharing
from goodfit.service.ray_executor.fair_share import divided
from goodfit.service.ray_executor.ray_words import Resources

_SLACK = 1e-9  # ten tenths are one
WIDEST = 16  # trials of a worker, where the study does not say how many


@dataclass(frozen=True, slots=True)
class WorkerResources:
    """What one trial takes of the cluster.

    Attributes:
        cpus: may be a fraction.
        gpus: likewise.
        custom: of the resources that the cluster's nodes name themselves.
        parallel: how many trials run at once; None: as many as fit.
        most: how many there are to run at all; None: no end of them.
        pack: how many trials share a worker; None: as many as their number allows.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    custom: Mapping[str, float] = field(default_factory=dict)
    parallel: int | None = None
    most: int | None = None
    pack: int | None = 1

    @property
    def workers(self) -> int | None:
        """How many workers the study asks for; None: as many as fit."""
        return None if self.parallel is None else math.ceil(self.parallel / (self.pack or 1))

    def times(self, factor: float) -> WorkerResources:
        """So many times the CPUs, which memory goes with, and the GPUs; a part of one grows to the whole of it."""
        gpus = min(1.0, self.gpus * factor) if self.gpus < 1 else math.ceil(self.gpus * factor)
        return replace(self, cpus=self.cpus * factor, gpus=gpus)

    @property
    def amounts(self) -> dict[str, float]:
        """What it takes of one node."""
        return {"cpus": self.cpus, "gpus": self.gpus, **self.custom}

    def __str__(self) -> str:
        custom = "".join(f", {amount:g} {name}" for name, amount in self.custom.items())
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs{custom}"


def room(share: WorkerResources, nodes: Sequence[Resources]) -> int:
    """How many such shares the nodes have between them; one is never cut across two nodes."""
    return sum(_room_on(share, node) for node in nodes)


def _room_on(share: WorkerResources, node: Resources) -> int:
    needed = [(name, amount) for name, amount in share.amounts.items() if amount]
    return min((math.floor(node.get(name, 0.0) / amount + _SLACK) for name, amount in needed), default=0)


def seats_wanted(share: WorkerResources, nodes: Sequence[Resources], sharing: Sharing) -> int:
    """How many workers a study should have, or wait for: that is also what an autoscaler is asked for.

    Args:
        share: of one trial.
        nodes: all that the cluster has.
        sharing: the studies that share it, if any; then also an explicit `parallel` is cut to the study's part.
    """
    there = room(share, nodes)
    wanted = there if share.workers is None else share.workers
    if share.most is not None:
        wanted = min(wanted, share.most)
    if there and len(sharing.claims) > 1:
        return min(wanted, divided(sharing.claims, nodes, sharing.turn)[sharing.study])
    return max(1, wanted)


def places(share: WorkerResources, workers: int) -> int:
    """How many trials share each of so many workers.

    More trials at once make a search learn less from each, so there are no more than a part of all: see PART.
    """
    if share.pack is not None:
        return share.pack
    if share.most is None:
        return WIDEST
    return max(1, min(WIDEST, share.most // (PART * max(1, workers))))


def require_room(share: WorkerResources, nodes: Sequence[Resources]) -> None:
    """For a cluster that does not grow: InputError where not one trial fits, or fewer than asked for."""
    fit = room(share, nodes)
    has = {name: sum(node.get(name, 0.0) for node in nodes) for name in ("cpus", "gpus", *share.custom)}
    if fit < 1:
        custom = "".join(f", {has[name]:g} {name}" for name in share.custom)
        raise InputError(
            f"a trial asks for {share}, the cluster has {has['cpus']:g} and {has['gpus']:g}{custom}: "
            "lower `resources: {cpus, gpus}`"
        )
    if share.parallel is not None and share.workers is not None and share.workers > fit:
        raise InputError(
            f"resources.parallel: {share.parallel} trials at once do not fit on {has['cpus']:g} CPUs and "
            f"{has['gpus']:g} GPUs, {fit * (share.pack or 1):g} do; lower it, or give each trial less "
            f"(resources.cpus: {has['cpus'] / share.parallel:.2g})"
        )
