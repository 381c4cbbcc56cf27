"""How many workers a cluster has room for."""

from __future__ import annotations

import pytest

from goodfit.service.errors import InputError
from goodfit.service.packed import PART
from goodfit.service.ports import Claim, Sharing
from goodfit.service.ray_executor.capacity import (
    WIDEST,
    WorkerResources,
    places,
    require_room,
    room,
    seats_wanted,
)
from goodfit.service.settings import Settings

TWO = [{"cpus": 1.5, "gpus": 1.0}, {"cpus": 1.5, "tpu": 2.0}]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (WorkerResources(), 2),  # and not 3: no worker is cut across two nodes
        (WorkerResources(cpus=0.1), 30),
        (WorkerResources(cpus=0.5, gpus=0.25), 3),
        (WorkerResources(cpus=0.5, custom={"tpu": 1}), 2),
        (WorkerResources(cpus=2), 0),
        (WorkerResources(custom={"fpga": 1}), 0),
    ],
)
def test_room_is_counted_node_by_node(share: WorkerResources, expected: int) -> None:
    assert room(share, TWO) == expected


def shared_by(share: WorkerResources, studies: int) -> Sharing:
    """The last of so many studies alike."""
    claims = tuple(Claim(number, share.amounts, since=float(number)) for number in range(studies))
    return Sharing(studies - 1, claims)


@pytest.mark.parametrize(
    ("share", "studies", "expected"),
    [
        (WorkerResources(), 1, 2),
        (WorkerResources(cpus=0.1), 4, 7),  # of 30: 8, 8, 7, 7
        (WorkerResources(cpus=0.1, parallel=5), 4, 5),
        (WorkerResources(cpus=0.1, parallel=20), 4, 7),
        (WorkerResources(parallel=9), 1, 9),  # seven wait: an autoscaler sees them
        (WorkerResources(cpus=2), 1, 1),  # likewise
        (WorkerResources(cpus=2), 4, 1),  # likewise
        (WorkerResources(cpus=0.1, most=3), 1, 3),
        (WorkerResources(), 99, 0),  # it is not its turn
    ],
)
def test_a_study_wants_what_fits_or_what_it_asks_for(share: WorkerResources, studies: int, expected: int) -> None:
    assert seats_wanted(share, TWO, shared_by(share, studies)) == expected


@pytest.mark.parametrize(
    ("share", "grown"),
    [
        (WorkerResources(cpus=1, gpus=0.25), (2, 0.5)),
        (WorkerResources(cpus=0.5, gpus=0.75), (1, 1)),  # a GPU, not one and a half
        (WorkerResources(cpus=4, gpus=1), (8, 2)),
    ],
)
def test_twice_the_share_is_something_that_ray_takes(share: WorkerResources, grown: tuple[float, float]) -> None:
    assert (share.times(2).cpus, share.times(2).gpus) == grown


def test_what_never_fits_is_told_with_what_there_is() -> None:
    with pytest.raises(InputError, match="asks for 1 CPUs and 0 GPUs, 3 tpu, the cluster has 3 and 1, 2 tpu"):
        require_room(WorkerResources(custom={"tpu": 3}), TWO)
    with pytest.raises(InputError, match="9 trials at once do not fit on 3 CPUs and 1 GPUs, 2 do"):
        require_room(WorkerResources(parallel=9), TWO)
    require_room(WorkerResources(), TWO)


def test_the_lease_time_comes_from_the_environment() -> None:
    assert Settings.from_environment(environ={}).lease_seconds == 30.0
    assert Settings.from_environment(environ={"GOODFIT_LEASE_SECONDS": "5"}).lease_seconds == 5.0
    for wrong in ("soon", "0", "-1", "inf", "nan"):
        with pytest.raises(InputError, match=f"GOODFIT_LEASE_SECONDS={wrong}: give a positive number"):
            Settings.from_environment(environ={"GOODFIT_LEASE_SECONDS": wrong})


@pytest.mark.parametrize(
    ("pack", "most", "workers", "expected"),
    [
        (1, 1000, 2, 1),
        (12, 3, 2, 12),  # as the study says
        (None, None, 2, WIDEST),  # no end of trials
        (None, 1000, 2, WIDEST),
        (None, 2 * PART * 5, 2, 5),
        (None, PART - 1, 1, 1),
    ],
)
def test_how_many_trials_share_a_worker(pack: int | None, most: int | None, workers: int, expected: int) -> None:
    assert places(WorkerResources(most=most, pack=pack), workers) == expected


def test_parallel_counts_trials_and_a_worker_has_a_pack_of_them() -> None:
    share = WorkerResources(parallel=5, pack=4)
    assert share.workers == 2
    assert seats_wanted(share, TWO, Sharing()) == 2
    require_room(share, TWO)
    with pytest.raises(InputError, match="9 trials at once do not fit on 3 CPUs and 1 GPUs, 8 do"):
        require_room(WorkerResources(parallel=9, pack=4), TWO)
