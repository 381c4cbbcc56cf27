"""A study in a notebook: run in a real kernel, which is killed in the middle; another one goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel

import goodfit
from goodfit.service.errors import GoodfitError
from tests.tracking import new_mlflow

pytestmark = pytest.mark.timeout(1800)

DEFINED = """
import time
import goodfit

SLOW = 0.15

def train(trial):
    state = State()
    trial.restore(state)
    for epoch in trial.epochs():
        time.sleep(SLOW)
        state.steps += 1
        loss = abs(trial.config.lr - 0.03) + 1 / state.steps
        trial.report(train={"loss": loss}, val={"loss": loss + 0.01})

class State:
    steps = 0
    def state_dict(self):
        return {"steps": self.steps}
    def load_state_dict(self, state):
        self.steps = state["steps"]
"""
RUN = """
study = goodfit.run(train, name="mine", space={"lr": goodfit.float(1e-3, 1e-1, log=True)}, objective="val/loss",
                    trials=8, epochs=8, pruning={"method": "none"})
study
"""
RESUME = """
import goodfit
study = goodfit.connect()["mine"]
print(study.resume())
study
"""


class Cells:
    """A kernel, and what its cells show."""

    def __init__(self, manager: KernelManager, client: Any) -> None:
        self.manager, self.client = manager, client
        self.shown: list[str] = []

    def begin(self, code: str) -> None:
        self.client.execute(code)

    def end(self, seconds: float = 300.0) -> None:
        """Take in what the cell shows until it is over; an error in it fails the test."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            message = self.client.get_iopub_msg(timeout=seconds)
            content = message["content"]
            if message["msg_type"] == "error":
                raise AssertionError("\n".join(content["traceback"]))
            if message["msg_type"] == "stream":
                self.shown.append(content["text"])
            if "data" in content:
                self.shown.append(content["data"].get("text/html", content["data"]["text/plain"]))
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return
        raise AssertionError("the cell does not end")


@contextmanager
def kernel(folder: Path) -> Iterator[Cells]:
    manager, client = start_new_kernel(startup_timeout=300, cwd=str(folder))
    try:
        yield Cells(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def finished(home: Path) -> int:
    """How many trials have come to their end; 0 while there is no study."""
    try:
        return len(goodfit.connect(home)["mine"].records("COMPLETE"))
    except GoodfitError:
        return 0


def wait_for(home: Path, trials: int) -> None:
    limit = time.monotonic() + 300
    while finished(home) < trials:
        assert time.monotonic() < limit, "no trial ends"
        time.sleep(0.1)


def test_a_cell_is_interrupted_a_kernel_is_killed_and_another_goes_on(tmp_path: Path) -> None:
    home = tmp_path / ".goodfit"
    new_mlflow(home)
    with kernel(tmp_path) as first:
        first.begin(DEFINED + RUN)
        wait_for(home, 1)
        first.manager.interrupt_kernel()
        first.end()
        assert any("study.resume()" in text for text in first.shown)
        first.begin("print(study.state, study.resume())")
        wait_for(home, 3)
        first.manager.shutdown_kernel(now=True)
    before = {trial.number: trial for trial in goodfit.connect(home)["mine"].records("COMPLETE")}
    assert 3 <= len(before) < 8
    with kernel(tmp_path) as second:
        second.begin(RESUME)
        second.end()
    text = "\n".join(second.shown)
    assert "study mine is DONE" in text
    assert "<svg" in text  # while it ran
    assert "<iframe" in text  # the study itself
    study = goodfit.connect(home)["mine"]
    trials = study.records()
    assert [trial.number for trial in trials] == list(range(8))
    assert {trial.label for trial in trials} == {"COMPLETE"}
    for number, trial in before.items():
        assert trials[number] == replace(trial, mlflow_run_id=trials[number].mlflow_run_id)
    for trial in trials:
        assert [report.epoch for report in study.reports(trial.number)] == list(range(1, 9))
