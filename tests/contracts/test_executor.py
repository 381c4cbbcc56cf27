"""The contract of executors: the same for the one in this process and the one on Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import InputError
from goodfit.service.local_executor import LocalExecutor
from goodfit.service.ports import ALONE, Claim, Executor, Sharing
from goodfit.service.ray_executor import Cluster, RayExecutor, Share
from goodfit.service.spec.sections import Resources
from goodfit.trainers.messages import Assignment, Ended, Message, Outcome, Pack, Reported
from goodfit.trainers.worker.worker import Setup
from tests import zoo

Open = Callable[..., Executor]
PATIENCE = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.ready()
    yield cluster
    cluster.close()


@pytest.fixture
def process_pool(monkeypatch: pytest.MonkeyPatch) -> Callable[[Setup], Executor]:
    """The executor of the example package, with one process."""
    monkeypatch.syspath_prepend(Path(zoo.__file__).parents[1] / "examples" / "extensions")
    from process_pool import ProcessPool

    return lambda setup: ProcessPool(setup, Resources(parallel=1))


@pytest.fixture(params=["local", "ray", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    setup = Setup(zoo.named("curve"), None)
    if request.param == "local":
        opened: Executor = LocalExecutor(setup)
    elif request.param == "processes":
        opened = request.getfixturevalue("process_pool")(setup)
    else:
        opened = RayExecutor(request.getfixturevalue("cluster"), setup, Share(cpus=1, parallel=1))
    until_there(opened)
    yield opened
    opened.close()


def until_there(executor: Executor, slots: int = 1) -> None:
    """Workers that have to start are no slots before they have."""
    deadline = time.monotonic() + PATIENCE
    while executor.slots < slots:
        assert time.monotonic() < deadline, f"{executor.slots} workers of {slots}"
        assert executor.wait(1.0) == []


def assignment(folder: Path, trainer: str, trial: int = 0, **changes: Any) -> Assignment:
    values: dict[str, Any] = {
        "study": "s",
        "trial": trial,
        "attempt": 1,
        "trainer": zoo.named(trainer),
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
    """Everything that comes, up to the end of the trial."""
    got: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while not any(isinstance(message, Ended) and message.trial == trial for message in got):
        assert time.monotonic() < deadline, f"trial {trial} does not end; so far {got}"
        got += executor.wait(1.0)
    return got


def reports(messages: list[Message]) -> list[Reported]:
    return [message for message in messages if isinstance(message, Reported)]


def test_every_report_comes_in_order_and_then_the_end(executor: Executor, tmp_path: Path) -> None:
    executor.launch(Pack((assignment(tmp_path, "curve"),)))
    messages = until_ended(executor, 0)
    assert [report.epoch for report in reports(messages)] == [1, 2, 3, 4, 5]
    assert [report.final for report in reports(messages)] == [False] * 4 + [True]
    assert messages[-1] == Ended(0, 1, Outcome.COMPLETE)


def test_wait_returns_nothing_when_there_is_nothing(executor: Executor) -> None:
    assert executor.wait(0.05) == []


def test_one_worker_trains_one_trial_after_the_other(executor: Executor, tmp_path: Path) -> None:
    assert executor.slots == 1
    assert executor.pending == set()
    for trial in range(3):
        executor.launch(Pack((assignment(tmp_path, "curve", trial),)))
        assert until_ended(executor, trial)[-1] == Ended(trial, 1, Outcome.COMPLETE)


def test_a_worker_with_code_of_a_trainer_still_running_in_it_is_replaced(cluster: Cluster, tmp_path: Path) -> None:
    executor = RayExecutor(cluster, Setup(zoo.named("lingers"), None), Share(cpus=1, parallel=1))
    try:
        until_there(executor)
        for trial in range(2):
            until_there(executor)
            executor.launch(Pack((assignment(tmp_path, "lingers", trial, epochs=1),)))
            ended = until_ended(executor, trial)[-1]
            assert isinstance(ended, Ended)
            assert (ended.outcome, ended.worn) == (Outcome.COMPLETE, True)
        logs = [(tmp_path / str(trial) / "log.txt").read_text() for trial in range(2)]
        assert all("the worker is replaced after it: its thread lingering still runs" in log for log in logs)
        assert logs[0].splitlines()[0] != logs[1].splitlines()[0], "of another process"
    finally:
        executor.close()


def test_a_stopped_trial_ends_at_its_next_epoch(executor: Executor, tmp_path: Path) -> None:
    executor.launch(Pack((assignment(tmp_path, "slow", epochs=1000),)))
    while not reports(executor.wait(1.0)):
        pass
    executor.stop(0)
    assert until_ended(executor, 0)[-1] == Ended(0, 1, Outcome.STOPPED)


def test_a_trial_can_be_launched_again_after_it_was_stopped(executor: Executor, tmp_path: Path) -> None:
    executor.launch(Pack((assignment(tmp_path, "resumable", epochs=50),)))
    while not reports(executor.wait(1.0)):
        pass
    executor.stop(0)
    first = until_ended(executor, 0)
    done = max((report.epoch for report in reports(first)), default=1)
    executor.launch(Pack((assignment(tmp_path, "resumable", epochs=done + 2, attempt=2, reported=done),)))
    again = until_ended(executor, 0)
    assert [report.epoch for report in reports(again)] == [done + 1, done + 2]
    assert [report.metrics["val/loss"] for report in reports(again)] == [1 / (done + 1), 1 / (done + 2)]


@pytest.mark.parametrize(
    ("trainer", "outcome", "words"),
    [
        ("raises", Outcome.ERROR, "ValueError: the second epoch is too much (zoo.py:"),
        ("nan", Outcome.NAN, "val/loss is nan at epoch 3"),
        ("silent", Outcome.ERROR, "without one trial.report"),
        ("hungry", Outcome.OOM, "no more"),
        ("other_metric", Outcome.UNUSABLE, "val/loss is not reported; the trainer reports: val/perplexity"),
    ],
)
def test_however_a_trainer_fails_its_worker_says_how_and_goes_on(
    executor: Executor, tmp_path: Path, trainer: str, outcome: Outcome, words: str
) -> None:
    executor.launch(Pack((assignment(tmp_path, trainer),)))
    ended = until_ended(executor, 0)[-1]
    assert isinstance(ended, Ended)
    assert ended.outcome is outcome
    assert words in str(ended.message)
    executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
    assert until_ended(executor, 1)[-1] == Ended(1, 1, Outcome.COMPLETE)


def test_a_traceback_is_in_the_trials_log(executor: Executor, tmp_path: Path) -> None:
    work = assignment(tmp_path, "raises")
    executor.launch(Pack((work,)))
    until_ended(executor, 0)
    text = work.log.read_text()
    assert "Traceback (most recent call last)" in text
    assert "the second epoch is too much" in text


def test_a_killed_trial_says_no_more_and_its_place_is_free(executor: Executor, tmp_path: Path) -> None:
    executor.launch(Pack((assignment(tmp_path, "endless"),)))
    while not reports(executor.wait(1.0)):
        pass
    executor.kill(0)
    executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
    messages = until_ended(executor, 1)
    assert {message.trial for message in messages} == {1}


@pytest.fixture
def on_ray(cluster: Cluster) -> Iterator[Executor]:
    opened = RayExecutor(cluster, Setup(zoo.named("curve"), None), Share(cpus=1, parallel=1))
    until_there(opened)
    yield opened
    opened.close()


def test_a_worker_that_dies_loses_its_trial_and_is_replaced(on_ray: Executor, tmp_path: Path) -> None:
    on_ray.launch(Pack((assignment(tmp_path, "dies_once", checkpoint_epochs=1),)))
    ended = until_ended(on_ray, 0)[-1]
    assert isinstance(ended, Ended)
    assert ended.outcome is Outcome.LOST
    on_ray.launch(Pack((assignment(tmp_path, "dies_once", attempt=2, reported=2),)))
    again = until_ended(on_ray, 0)
    assert [report.epoch for report in reports(again)] == [3, 4, 5]
    assert [report.metrics["val/loss"] for report in reports(again)] == [1 / 3, 1 / 4, 1 / 5]


def test_ray_says_nothing_of_a_dead_worker_on_standard_output(
    on_ray: Executor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    on_ray.launch(Pack((assignment(tmp_path, "dies"),)))
    ended = until_ended(on_ray, 0)[-1]
    assert isinstance(ended, Ended)
    assert ended.outcome is Outcome.LOST
    on_ray.launch(Pack((assignment(tmp_path, "curve", 1),)))
    until_ended(on_ray, 1)
    assert capfd.readouterr() == ("", "")


def test_what_a_trainer_prints_on_a_worker_is_in_its_log(on_ray: Executor, tmp_path: Path) -> None:
    work = assignment(tmp_path, "talks", epochs=2)
    on_ray.launch(Pack((work,)))
    until_ended(on_ray, 0)
    assert work.log.read_text() == "epoch 1\nand on stderr\nepoch 2\nand on stderr\n"


def test_as_many_workers_as_fit_and_no_more_than_there_are_trials(cluster: Cluster) -> None:
    setup = Setup(zoo.named("curve"), None)
    executor = RayExecutor(cluster, setup, Share(cpus=0.25, most=3))
    until_there(executor, 3)
    executor.close()


def test_a_part_among_studies_is_taken_and_never_from_a_running_trial(cluster: Cluster, tmp_path: Path) -> None:
    room = int(ray_room())
    executor = RayExecutor(cluster, Setup(zoo.named("curve"), None), Share(cpus=0.5))
    until_there(executor, 2 * room)
    for trial in range(2 * room):
        executor.launch(Pack((assignment(tmp_path, "slow", trial, epochs=30),)))
    mine, other = (Claim(study, {"CPU": 0.5}) for study in (1, 2))
    executor.share_among(Sharing(1, (mine, other)))
    executor.wait(0.1)
    assert executor.slots == 2 * room  # all of them train
    executor.stop(0)
    messages = until_ended(executor, 0)
    assert executor.slots == 2 * room - 1  # that place is another study's now
    assert {message.outcome for message in messages if isinstance(message, Ended)} == {Outcome.STOPPED}
    executor.share_among(Sharing(1, (mine, replace(other, priority=5))))
    executor.stop(1)
    until_ended(executor, 1)
    assert executor.slots == 2 * room - 2  # the next goes to whoever comes first
    executor.share_among(ALONE)
    while executor.slots < 2 * room:
        executor.wait(1.0)
    executor.close()


def ray_room() -> float:
    import ray

    return float(ray.cluster_resources()["CPU"])


def test_twice_the_share_is_a_worker_of_its_own(cluster: Cluster, tmp_path: Path) -> None:
    executor = RayExecutor(cluster, Setup(zoo.named("curve"), None), Share(cpus=0.5, parallel=2))
    until_there(executor, 2)
    work = assignment(tmp_path, "curve")
    executor.launch(Pack((work,), share=2.0))
    assert executor.pending == {0}
    assert executor.slots == 2
    assert until_ended(executor, 0)[-1] == Ended(0, 1, Outcome.COMPLETE)
    assert executor.pending == set()
    until_there(executor, 2)
    executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
    assert until_ended(executor, 1)[-1] == Ended(1, 1, Outcome.COMPLETE)
    executor.close()


def test_more_than_any_node_has_is_out_of_memory_for_good(executor: Executor, tmp_path: Path) -> None:
    executor.launch(Pack((assignment(tmp_path, "curve"),), share=10_000.0))
    ended = until_ended(executor, 0)[-1]
    assert isinstance(ended, Ended)
    assert ended.outcome is Outcome.OOM
    assert "no node of the cluster has room" in str(ended.message) or "no more" in str(ended.message)
    until_there(executor)
    executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
    assert until_ended(executor, 1)[-1] == Ended(1, 1, Outcome.COMPLETE)


def test_sharing_is_no_ones_business_where_there_is_one_worker(executor: Executor, tmp_path: Path) -> None:
    executor.share_among(Sharing(1, tuple(Claim(study, {"CPU": 0.25}) for study in (1, 2, 3))))
    executor.wait(0.1)
    assert executor.slots == 1
    executor.launch(Pack((assignment(tmp_path, "curve"),)))
    assert until_ended(executor, 0)[-1] == Ended(0, 1, Outcome.COMPLETE)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (Share(cpus=10_000), "lower `resources: {cpus, gpus}`"),
        (Share(gpus=1000), "GPUs, the cluster has"),
        (Share(custom={"tpu": 1}), "1 CPUs and 0 GPUs, 1 tpu, the cluster has"),
        (Share(cpus=0.5, parallel=100_000), "resources.parallel: 100000 trials at once do not fit"),
    ],
)
def test_what_the_cluster_does_not_have_is_refused(cluster: Cluster, share: Share, words: str) -> None:
    with pytest.raises(InputError, match=words.replace("{", r"\{").replace("}", r"\}")):
        RayExecutor(cluster, Setup(zoo.named("curve"), None), share)
