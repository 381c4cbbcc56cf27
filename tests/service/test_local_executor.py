"""The executor inside this process, beyond what its contract asks (tests/contracts/test_executor.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.service.local_executor import LocalExecutor
from goodfit.testing.executors import assignment, until_ended
from goodfit.trainers.messages import Ended, Outcome, Pack
from goodfit.trainers.training.packing.hub import Hub
from goodfit.trainers.worker.worker import Setup


def test_trials_whose_thread_has_failed_are_lost_and_the_next_have_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = assignment(tmp_path, "curve")
    executor = LocalExecutor(Setup(trial.trainer, None))
    with monkeypatch.context() as patch:
        patch.setattr(Hub, "take_turns", lambda _: 1 / 0)
        executor.launch(Pack((trial,)))
        (lost,) = until_ended(executor, trial.trial)
    assert isinstance(lost, Ended)
    assert (lost.trial, lost.attempt, lost.outcome) == (0, 1, Outcome.LOST)
    assert (lost.message or "").startswith("the worker failed: ZeroDivisionError: division by zero")
    executor.launch(Pack((trial,)))
    assert until_ended(executor, trial.trial)[-1] == Ended(0, 1, Outcome.COMPLETE)
    executor.close()
