"""Where the trials of a study would run, and whether a node there has what one of them takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goodfit.service.app.packing import workers_of
from goodfit.service.controller.queue import short_of
from goodfit.service.errors import GoodfitError

if TYPE_CHECKING:
    from goodfit.service.ray_executor import Cluster
    from goodfit.service.records import Study
    from goodfit.service.settings import Settings
    from goodfit.service.spec import StudySpec

Amounts = Mapping[str, float]
_UNITS = {"cpus": "CPUs", "gpus": "GPUs"}


@dataclass(frozen=True, slots=True)
class Room:
    """Where trials run.

    Attributes:
        place: for people; None: on this machine.
        nodes: what each node there has: cpus, gpus and custom resources; GoodfitError where that cannot be found out.
    """

    place: str | None
    nodes: Callable[[], Sequence[Amounts]]

    def notes(self, spec: StudySpec) -> Iterator[str]:
        """Sentences for people: of a study whose trials have no room there, or not as many at once as it says."""
        try:
            nodes = self.nodes()
        except GoodfitError as error:
            yield f"whether {self.place or 'this machine'} has room for a trial is not known: {error}"
            return
        yield from _lacking(spec, nodes, self.place) if self.place else _lacking_here(spec, nodes[0])


def room_of(settings: Settings, cluster: Cluster | None = None) -> Room:
    """Where the studies of a home are run; `cluster`: to which this process connects anyhow."""
    if settings.ray_address in (None, "local"):
        return Room(None, lambda: nodes_of(settings))

    def nodes() -> Sequence[Amounts]:
        if cluster is None:
            return nodes_of(settings)
        cluster.ready()
        return cluster.nodes()

    return Room(f"the Ray cluster at {settings.ray_address}", nodes)


def nodes_of(settings: Settings) -> list[Amounts]:
    """What each node has on which the studies of a home are run; ClusterLost where the cluster does not answer."""
    if settings.ray_address is None or settings.ray_address == "local":
        return [{"cpus": float(os.cpu_count() or 1), "gpus": float(len(list(Path("/dev").glob("nvidia[0-9]*"))))}]
    from goodfit.service.ray_executor.cluster_nodes import ask_nodes

    return ask_nodes(settings.ray_address)


def lacks_room(study: Study, nodes: Callable[[], Sequence[Amounts]]) -> bool:
    """Whether it is known that no node has room for a trial of a study."""
    try:
        return short_of(study.resources, nodes()) is not None
    except GoodfitError:
        return False


def _lacking(spec: StudySpec, nodes: Sequence[Amounts], place: str) -> Iterator[str]:
    needed = spec.resources.amounts
    if short_of(needed, nodes) is None:
        return
    most = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in needed}
    short = [
        f"{amount:g} {_UNITS.get(name, name)}, and no node has more than {most[name]:g}"
        for name, amount in needed.items()
        if amount > most[name]
    ]
    together = " and ".join(f"{amount:g} {_UNITS.get(name, name)}" for name, amount in needed.items())
    yield (
        f"no trial has room on {place}: each takes {'; '.join(short) or f'{together}, which no node has together'}. "
        "The study waits for such a node; or ask for less under `resources:`"
    )


def _lacking_here(spec: StudySpec, node: Amounts) -> Iterator[str]:
    share = spec.resources
    cpus, gpus = node["cpus"], node["gpus"]
    lacking = []
    if share.cpus > cpus:
        lacking.append(f"{share.cpus:g} CPUs, of which it has {cpus:g}")
    if share.gpus > gpus:
        lacking.append(f"{share.gpus:g} GPUs, of which it has {gpus:g}")
    lacking += [f"{amount:g} {name}, of which it has none" for name, amount in share.custom.items()]
    if lacking:
        yield (
            f"no trial has room on this machine: each takes {' and '.join(lacking)}. "
            "Ask for less under `resources:`, or name a cluster with RAY_ADDRESS"
        )
    elif (workers := workers_of(share)) is not None and workers * share.cpus > cpus:
        yield (
            f"resources.parallel: {share.parallel} trials at once take {workers * share.cpus:g} CPUs, and this "
            f"machine has {cpus:g}. Lower it, or name a cluster with RAY_ADDRESS"
        )
