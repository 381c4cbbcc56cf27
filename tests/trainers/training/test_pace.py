"""By what was measured it is decided whether trials train together."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter, thread_time
from typing import Any

import pytest
import torch

from goodfit.trainers.training.loop import Tensors
from goodfit.trainers.training.packing.pace import AGAIN, TIMES, Pace
from goodfit.trainers.training.packing.work import EpochWork, clock_of

SIZES = [1000] * 8


def measured(alone: float, together: float) -> Pace:
    pace = Pace()
    for _ in range(TIMES):
        pace.note_alone("key", 1000, alone)
        pace.note_together("key", SIZES, together)
    return pace


def test_one_model_of_each_size_trains_alone_until_its_time_is_known() -> None:
    pace = Pace()
    sizes = [500, 1000, 1000, 1010, 3000]
    assert pace.to_measure("key", sizes) == {0, 1, 4}
    for _ in range(TIMES):
        pace.note_alone("key", 1000, 1.0)
    assert pace.to_measure("key", sizes) == {0, 4}
    assert pace.to_measure("another", sizes) == {0, 1, 4}
    assert pace.alone("key", 1010) == 1.0


def test_a_group_that_is_faster_together_stays_together() -> None:
    pace = measured(alone=1.0, together=2.0)
    assert all(pace.trains_together("key", SIZES) for _ in range(100))


def test_a_group_that_is_slower_together_is_split_and_tried_again_more_and_more_seldom() -> None:
    pace = measured(alone=1.0, together=9.0)
    waits = []
    for _ in range(3):
        waits.append(0)
        while not pace.trains_together("key", SIZES):
            waits[-1] += 1
        for _ in range(TIMES):
            pace.note_together("key", SIZES, 9.0)
    assert waits == [AGAIN, 2 * AGAIN, 4 * AGAIN]


def test_one_slow_epoch_is_no_reason_to_split() -> None:
    pace = measured(alone=1.0, together=9.0)
    pace.note_together("key", SIZES, 4.0)
    assert pace.trains_together("key", SIZES)


@pytest.fixture
def torch_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("torch_threads")
@pytest.mark.parametrize(
    ("device", "threads", "clock"), [("cpu", 1, thread_time), ("cpu", 2, perf_counter), ("meta", 1, perf_counter)]
)
def test_an_epoch_of_one_thread_is_timed_by_its_cpu_time(device: str, threads: int, clock: object) -> None:
    torch.set_num_threads(threads)
    rows = Tensors(torch.empty(2, 3, device=device), torch.empty(2, device=device))
    none: Any = None
    assert clock_of(EpochWork(none, 0, 1, rows, rows, rows, none)) is clock
