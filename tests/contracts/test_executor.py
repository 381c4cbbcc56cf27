"""The executors held to their contract; and what the one on Ray does besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from goodfit.service.errors import InputError
from goodfit.service.local_executor import LocalExecutor
from goodfit.service.ports import ALONE, Claim, Executor, Sharing
from goodfit.service.ray_executor import Cluster, RayExecutor, WorkerResources
from goodfit.service.spec.sections import Resources
from goodfit.testing import ExecutorContract, PackingExecutorContract, ProcessExecutorContract
from goodfit.testing.executors import assignment, reports, sample, until_ended, until_reported, until_there
from goodfit.trainers.messages import Ended, Outcome, Pack
from goodfit.trainers.worker.worker import Setup
from tests import zoo


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.ready()
    yield cluster
    cluster.close()


@pytest.fixture(scope="class")
def ray_with_one_worker(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """For all tests of a class: to start a worker takes seconds."""
    setup = Setup(sample(tmp_path_factory.mktemp("samples"), "curve"), None)
    opened = RayExecutor(cluster, setup, WorkerResources(cpus=1, parallel=1))
    yield opened
    opened.close()


def test_a_cluster_of_our_own_has_no_process_that_trials_do_not_need(cluster: Cluster) -> None:
    assert cluster.own
    scripts = {Path(word).name for process in psutil.Process().children(recursive=True) for word in process.cmdline()}
    assert {"gcs_server", "raylet"} <= scripts
    assert not scripts & {"dashboard.py", "monitor.py", "log_monitor.py"}


class TestLocal(ExecutorContract):
    no_room = "this process has no more"

    @pytest.fixture
    def executor(self, study_setup: Setup) -> Iterator[Executor]:
        opened = LocalExecutor(study_setup)
        yield opened
        opened.close()


class TestLocalPacks(PackingExecutorContract):
    @pytest.fixture
    def executor(self, study_setup: Setup) -> Iterator[Executor]:
        opened = LocalExecutor(study_setup, pack=3)
        yield opened
        opened.close()


class TestRayPacks(PackingExecutorContract):
    @pytest.fixture
    def executor(self, study_setup: Setup, cluster: Cluster) -> Iterator[Executor]:
        opened = RayExecutor(cluster, study_setup, WorkerResources(cpus=1, parallel=3, pack=3))
        yield opened
        opened.close()

    def test_whoever_kills_a_shared_worker_is_found_alone_and_the_others_end_well(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        found: list[tuple[int, Outcome]] = []
        for attempt in (1, 2, 3):
            waits = assignment(tmp_path, "resumable", 0, epochs=2, attempt=attempt, pause_at=1)
            executor.launch(Pack((waits,)))
            executor.launch(Pack((assignment(tmp_path, zoo.named("dies"), 1, attempt=attempt),)))
            got = until_ended(executor, 1)
            ends = [one for one in got if isinstance(one, Ended)]
            if attempt < 3:
                ends += [] if len(ends) == 2 else [one for one in until_ended(executor, 0) if isinstance(one, Ended)]
                until_there(executor, 3)
            found += [(end.trial, end.outcome) for end in sorted(ends, key=lambda end: end.trial)]
        if not reports(got):
            until_reported(executor)  # only a trial that waits goes on
        executor.go_on(0, None)
        assert until_ended(executor, 0)[-1] == Ended(0, 3, Outcome.COMPLETE)
        assert found == [(0, Outcome.PREEMPTED), (1, Outcome.PREEMPTED)] * 2 + [(1, Outcome.LOST)]


class TestRay(ProcessExecutorContract):
    no_room = "no node of the cluster has room"

    @pytest.fixture
    def executor(self, ray_with_one_worker: Executor) -> Iterator[Executor]:
        yield ray_with_one_worker
        for trial in range(3):  # the numbers that the tests give
            ray_with_one_worker.kill(trial)

    def test_ray_says_nothing_of_a_dead_worker_on_standard_output(
        self, executor: Executor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        executor.launch(Pack((assignment(tmp_path, zoo.named("dies")),)))
        ended = until_ended(executor, 0)[-1]
        assert isinstance(ended, Ended)
        assert ended.outcome is Outcome.LOST
        executor.launch(Pack((assignment(tmp_path, "curve", 1),)))
        until_ended(executor, 1)
        assert capfd.readouterr() == ("", "")


class TestExample(ProcessExecutorContract):
    """The executor of the example package."""

    @pytest.fixture
    def executor(self, study_setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Executor]:
        monkeypatch.syspath_prepend(Path(zoo.__file__).parents[1] / "examples" / "extensions")
        from process_pool import ProcessPool

        opened = ProcessPool(study_setup, Resources(parallel=1))
        yield opened
        opened.close()


def test_a_worker_with_code_of_a_trainer_still_running_in_it_is_replaced(cluster: Cluster, tmp_path: Path) -> None:
    executor = RayExecutor(cluster, Setup(zoo.named("lingers"), None), WorkerResources(cpus=1, parallel=1))
    try:
        until_there(executor)
        for trial in range(2):
            until_there(executor)
            executor.launch(Pack((assignment(tmp_path, zoo.named("lingers"), trial, epochs=1),)))
            ended = until_ended(executor, trial)[-1]
            assert isinstance(ended, Ended)
            assert (ended.outcome, ended.worn) == (Outcome.COMPLETE, True)
        logs = [(tmp_path / str(trial) / "log.txt").read_text() for trial in range(2)]
        assert all("the worker is replaced after it: its thread lingering still runs" in log for log in logs)
        assert logs[0].splitlines()[0] != logs[1].splitlines()[0], "of another process"
    finally:
        executor.close()


def test_as_many_workers_as_fit_and_no_more_than_there_are_trials(cluster: Cluster) -> None:
    setup = Setup(zoo.named("curve"), None)
    executor = RayExecutor(cluster, setup, WorkerResources(cpus=0.25, most=3))
    until_there(executor, 3)
    executor.close()


def test_a_part_among_studies_is_taken_and_never_from_a_running_trial(cluster: Cluster, tmp_path: Path) -> None:
    room = int(ray_room())
    executor = RayExecutor(cluster, Setup(zoo.named("curve"), None), WorkerResources(cpus=0.5))
    until_there(executor, 2 * room)
    for trial in range(2 * room):
        executor.launch(Pack((assignment(tmp_path, "slow", trial, epochs=100_000),)))
    mine, other = (Claim(study, {"cpus": 0.5}) for study in (1, 2))
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
    executor = RayExecutor(cluster, Setup(zoo.named("curve"), None), WorkerResources(cpus=0.5, parallel=2))
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


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (WorkerResources(cpus=10_000), "lower `resources: {cpus, gpus}`"),
        (WorkerResources(gpus=1000), "GPUs, the cluster has"),
        (WorkerResources(custom={"tpu": 1}), "1 CPUs and 0 GPUs, 1 tpu, the cluster has"),
        (WorkerResources(cpus=0.5, parallel=100_000), "resources.parallel: 100000 trials at once do not fit"),
    ],
)
def test_what_the_cluster_does_not_have_is_refused(cluster: Cluster, share: WorkerResources, words: str) -> None:
    with pytest.raises(InputError, match=words.replace("{", r"\{").replace("}", r"\}")):
        RayExecutor(cluster, Setup(zoo.named("curve"), None), share)
