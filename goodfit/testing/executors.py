"""The contract of executors: what `goodfit run FILE --executor NAME` needs of one."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.ports import Claim, Executor, Sharing
from goodfit.testing import sample_trainers
from goodfit.trainers.messages import Assignment, Ended, Message, Outcome, Pack, Reported
from goodfit.trainers.worker.worker import Setup

PATIENCE = 600.0  # seconds that a worker may take for what is done in one


def sample(folder: Path, name: str) -> str:
    """One of the sample trainers as a study would name it: a function of a file in this folder."""
    file = folder / "sample_trainers.py"
    if not file.exists():
        shutil.copy(sample_trainers.__file__, file)
    return f"{file}:{name}"


def until_there(executor: Executor, slots: int = 1) -> None:
    """Wait for so many workers: those that have to start are no slots before they have."""
    deadline = time.monotonic() + PATIENCE
    while executor.slots < slots:
        assert time.monotonic() < deadline, f"{executor.slots} workers of {slots}"
        assert executor.wait(1.0) == []


def assignment(folder: Path, trainer: str, trial: int = 0, **changes: Any) -> Assignment:
    """Five epochs of a sample trainer, or of another one that is named in full."""
    values: dict[str, Any] = {
        "study": "s",
        "trial": trial,
        "attempt": 1,
        "trainer": trainer if ":" in trainer else sample(folder, trainer),
        "params": {"x": 0.5},
        "data": None,
        "seed": 1,
        "epochs": 5,
        "metric": "val/loss",
        "direction": "minimize",
        "folder": folder / str(trial),
    }
    return Assignment(**(values | changes))


def until_ended(executor: Executor, trial: int) -> list[Message]:
    """All messages that come, up to the end of the trial."""
    got: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while not any(isinstance(message, Ended) and message.trial == trial for message in got):
        assert time.monotonic() < deadline, f"trial {trial} does not end; so far {got}"
        got += executor.wait(1.0)
    return got


def until_reported(executor: Executor) -> None:
    """Wait for the first report."""
    deadline = time.monotonic() + PATIENCE
    while not reports(executor.wait(1.0)):
        assert time.monotonic() < deadline, "no report"


def until_epoch(executor: Executor, epoch: int) -> list[Reported]:
    """The reports that come, up to this epoch."""
    got: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while not any(report.epoch == epoch for report in reports(got)):
        assert time.monotonic() < deadline, f"epoch {epoch} is not reported; so far {got}"
        got += executor.wait(1.0)
    return reports(got)


def reports(messages: list[Message]) -> list[Reported]:
    """Those of the messages that report an epoch."""
    return [message for message in messages if isinstance(message, Reported)]


class ExecutorContract:
    """What every executor must do, with one worker."""

    no_room = ".+"  # what it says of a trial that needs more than there ever is: a regular expression

    @pytest.fixture
    def study_setup(self, tmp_path: Path) -> Setup:
        """What all trials of the suite share; goes to the executor."""
        return Setup(sample(tmp_path, "curve"), None)

    @pytest.fixture
    def executor(self, study_setup: Setup) -> Executor:
        """The executor under test, with one worker; close it after the test."""
        raise NotImplementedError("override the fixture `executor`: it yields your executor with one worker")

    @pytest.fixture(autouse=True)
    def _worker_has_started(self, executor: Executor) -> None:
        until_there(executor)

    def test_every_report_comes_in_order_and_then_the_end(self, executor: Executor, tmp_path: Path) -> None:
        executor.launch(Pack((assignment(tmp_path, "curve"),)))
        messages = until_ended(executor, 0)
        assert [report.epoch for report in reports(messages)] == [1, 2, 3, 4, 5]
        assert [report.final for report in reports(messages)] == [False] * 4 + [True]
        assert messages[-1] == Ended(0, 1, Outcome.COMPLETE)

    def test_wait_returns_nothing_when_there_is_nothing(self, executor: Executor) -> None:
        assert executor.wait(0.05) == []

    def test_one_worker_trains_one_trial_after_the_other(self, executor: Executor, tmp_path: Path) -> None:
        assert executor.slots == 1
        assert executor.pending == set()
        for trial in range(3):
            executor.launch(Pack((assignment(tmp_path, "curve", trial),)))
            assert until_ended(executor, trial)[-1] == Ended(trial, 1, Outcome.COMPLETE)

    def test_a_stopped_trial_ends_at_its_next_epoch(self, executor: Executor, tmp_path: Path) -> None:
        executor.launch(Pack((assignment(tmp_path, "slow", epochs=1000),)))
        until_reported(executor)
        executor.stop(0)
        assert until_ended(executor, 0)[-1] == Ended(0, 1, Outcome.STOPPED)

    def test_a_trial_can_be_launched_again_after_it_was_stopped(self, executor: Executor, tmp_path: Path) -> None:
        executor.launch(Pack((assignment(tmp_path, "resumable", epochs=50),)))
        until_reported(executor)
        executor.stop(0)
        first = until_ended(executor, 0)
        done = max((report.epoch for report in reports(first)), default=1)
        executor.launch(Pack((assignment(tmp_path, "resumable", epochs=done + 2, attempt=2, reported=done),)))
        again = until_ended(executor, 0)
        assert [report.epoch for report in reports(again)] == [done + 1, done + 2]
        assert [report.metrics["val/loss"] for report in reports(again)] == [1 / (done + 1), 1 / (done + 2)]

    def test_a_trial_waits_at_its_pause_goes_on_by_go_on_and_is_resumed_after_a_stop(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        """One attempt throughout: what it reports is the curve of a trial that was never paused."""
        executor.launch(Pack((assignment(tmp_path, "resumable", pause_at=2),)))
        curve = until_epoch(executor, 2)
        assert executor.wait(0.3) == [], "it waits"
        executor.go_on(0, 3)
        curve += until_epoch(executor, 3)
        assert executor.wait(0.3) == [], "it waits again"
        executor.stop(0)
        assert until_ended(executor, 0) == [Ended(0, 1, Outcome.STOPPED)]
        executor.launch(Pack((assignment(tmp_path, "curve", 1, pause_at=4),)))  # its worker is free
        until_epoch(executor, 4)
        executor.go_on(1, None)
        assert until_ended(executor, 1)[-1] == Ended(1, 1, Outcome.COMPLETE)
        executor.launch(Pack((assignment(tmp_path, "resumable", pause_at=4, reported=3),)))
        curve += until_epoch(executor, 4)
        executor.go_on(0, None)
        last = until_ended(executor, 0)
        assert last[-1] == Ended(0, 1, Outcome.COMPLETE)
        curve += reports(last)
        assert [(one.attempt, one.epoch, one.metrics["val/loss"]) for one in curve] == [
            (1, epoch, 1 / epoch) for epoch in range(1, 6)
        ]
        assert all(one.resumable for one in curve)
        assert all(one.seconds > 0 for one in curve), "how long an epoch takes is told"

    def test_a_trial_that_waits_at_its_pause_can_be_killed(self, executor: Executor, tmp_path: Path) -> None:
        executor.launch(Pack((assignment(tmp_path, "curve", pause_at=1),)))
        (waiting,) = until_epoch(executor, 1)
        assert not waiting.resumable, "this trainer keeps no checkpoint"
        executor.kill(0)
        executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
        assert {message.trial for message in until_ended(executor, 1)} == {1}

    @pytest.mark.parametrize(
        ("trainer", "outcome", "words"),
        [
            ("raises", Outcome.ERROR, "ValueError: the second epoch is too much (sample_trainers.py:"),
            ("nan", Outcome.NAN, "val/loss is nan at epoch 3"),
            ("silent", Outcome.ERROR, "without one trial.report"),
            ("hungry", Outcome.OOM, "no more"),
            ("other_metric", Outcome.UNUSABLE, "val/loss is not reported; the trainer reports: val/perplexity"),
        ],
    )
    def test_however_a_trainer_fails_its_worker_says_how_and_goes_on(
        self, executor: Executor, tmp_path: Path, trainer: str, outcome: Outcome, words: str
    ) -> None:
        executor.launch(Pack((assignment(tmp_path, trainer),)))
        ended = until_ended(executor, 0)[-1]
        assert isinstance(ended, Ended)
        assert ended.outcome is outcome
        assert words in str(ended.message)
        executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
        assert until_ended(executor, 1)[-1] == Ended(1, 1, Outcome.COMPLETE)

    def test_a_traceback_is_in_the_trials_log(self, executor: Executor, tmp_path: Path) -> None:
        work = assignment(tmp_path, "raises")
        executor.launch(Pack((work,)))
        until_ended(executor, 0)
        text = work.log.read_text()
        assert "Traceback (most recent call last)" in text
        assert "the second epoch is too much" in text

    def test_a_killed_trial_says_no_more_and_its_place_is_free(self, executor: Executor, tmp_path: Path) -> None:
        executor.launch(Pack((assignment(tmp_path, "endless"),)))
        until_reported(executor)
        executor.kill(0)
        executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
        messages = until_ended(executor, 1)
        assert {message.trial for message in messages} == {1}

    def test_more_than_any_node_has_is_out_of_memory_for_good(self, executor: Executor, tmp_path: Path) -> None:
        executor.launch(Pack((assignment(tmp_path, "curve"),), share=10_000.0))
        ended = until_ended(executor, 0)[-1]
        assert isinstance(ended, Ended)
        assert ended.outcome is Outcome.OOM
        assert re.search(self.no_room, str(ended.message))
        until_there(executor)
        executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
        assert until_ended(executor, 1)[-1] == Ended(1, 1, Outcome.COMPLETE)

    def test_sharing_is_no_ones_business_where_there_is_one_worker(self, executor: Executor, tmp_path: Path) -> None:
        executor.share_among(Sharing(1, tuple(Claim(study, {"cpus": 0.25}) for study in (1, 2, 3))))
        executor.wait(0.1)
        assert executor.slots == 1
        executor.launch(Pack((assignment(tmp_path, "curve"),)))
        assert until_ended(executor, 0)[-1] == Ended(0, 1, Outcome.COMPLETE)


class ProcessExecutorContract(ExecutorContract):
    """And what one must do whose workers are processes: a worker that dies is replaced, its output goes to logs."""

    def test_a_worker_that_dies_loses_its_trial_and_is_replaced(self, executor: Executor, tmp_path: Path) -> None:
        executor.launch(Pack((assignment(tmp_path, "dies_once", checkpoint_epochs=1),)))
        ended = until_ended(executor, 0)[-1]
        assert isinstance(ended, Ended)
        assert ended.outcome is Outcome.LOST
        executor.launch(Pack((assignment(tmp_path, "dies_once", attempt=2, reported=2),)))
        again = until_ended(executor, 0)
        assert [report.epoch for report in reports(again)] == [3, 4, 5]
        assert [report.metrics["val/loss"] for report in reports(again)] == [1 / 3, 1 / 4, 1 / 5]

    def test_what_a_trainer_prints_on_a_worker_is_in_its_log(self, executor: Executor, tmp_path: Path) -> None:
        work = assignment(tmp_path, "talks", epochs=2)
        executor.launch(Pack((work,)))
        until_ended(executor, 0)
        assert work.log.read_text() == "epoch 1\nand on stderr\nepoch 2\nand on stderr\n"


class PackingExecutorContract:
    """What an executor must do whose workers have several trials at once, with one worker of three."""

    @pytest.fixture
    def study_setup(self, tmp_path: Path) -> Setup:
        """What all trials of the suite share; goes to the executor."""
        return Setup(sample(tmp_path, "curve"), None)

    @pytest.fixture
    def executor(self, study_setup: Setup) -> Executor:
        """The executor under test, with one worker of three trials; close it after the test."""
        raise NotImplementedError("override the fixture `executor`: it yields your executor with one worker of three")

    @pytest.fixture(autouse=True)
    def _worker_has_started(self, executor: Executor) -> None:
        until_there(executor, 3)

    def test_trials_of_one_worker_train_side_by_side_and_one_that_waits_holds_up_none(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        executor.launch(Pack((assignment(tmp_path, "resumable", 0, pause_at=1),)))
        until_epoch(executor, 1)
        executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
        executor.launch(Pack((assignment(tmp_path, "raises", 2),)))
        messages = until_ended(executor, 1)
        ends = [message for message in messages if isinstance(message, Ended)]
        if len(ends) < 2:
            ends += [one for one in until_ended(executor, 2) if isinstance(one, Ended)]
        assert {(end.trial, end.outcome) for end in ends} == {(1, Outcome.COMPLETE), (2, Outcome.ERROR)}
        executor.go_on(0, None)
        last = until_ended(executor, 0)
        assert last[-1] == Ended(0, 1, Outcome.COMPLETE)
        assert [report.epoch for report in reports(last)] == [2, 3, 4, 5]

    def test_the_others_of_a_killed_trial_are_interrupted_and_go_on_from_their_checkpoints(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        executor.launch(Pack((assignment(tmp_path, "resumable", 1, pause_at=2, checkpoint_epochs=1),)))
        curve = until_epoch(executor, 2)
        executor.launch(Pack((assignment(tmp_path, "endless", 0),)))
        until_reported(executor)
        executor.kill(0)
        ended = until_ended(executor, 1)[-1]
        assert isinstance(ended, Ended)
        assert ended.outcome is Outcome.PREEMPTED
        assert "because of trial 0" in str(ended.message)
        until_there(executor, 3)
        executor.launch(Pack((assignment(tmp_path, "resumable", 1, attempt=2, reported=2),)))
        messages = until_ended(executor, 1)
        assert {message.trial for message in messages} == {1}
        curve += reports(messages)
        assert [(one.epoch, one.metrics["val/loss"]) for one in curve] == [(epoch, 1 / epoch) for epoch in range(1, 6)]
