"""How long a trial waits for a DataLoader's batches."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from goodfit.trainers.worker import data_loading
from goodfit.trainers.worker.data_loading import timed

ROWS = TensorDataset(torch.arange(6.0))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second after the one before."""
    seconds = iter(range(1000))
    monkeypatch.setattr(data_loading, "perf_counter", lambda: float(next(seconds)))


def test_each_batch_and_the_end_are_waited_for_once_however_many_trials_came_before() -> None:
    for _ in range(2):
        waits: list[float] = []
        with timed(waits.append):
            assert len(list(DataLoader(ROWS, batch_size=2))) == 3
        assert waits == [1.0, 1.0, 1.0, 1.0]


def test_without_a_trial_and_in_other_threads_nothing_is_said() -> None:
    waits: list[float] = []
    with timed(waits.append):
        thread = threading.Thread(target=lambda: list(DataLoader(ROWS, batch_size=2)))
        thread.start()
        thread.join()
    list(DataLoader(ROWS, batch_size=2))
    assert waits == []
