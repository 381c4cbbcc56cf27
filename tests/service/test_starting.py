"""What happens between a command and its first epoch: Ray starts beside all else, and what is waited for is told."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import ray
from ray._private import worker
from ray._private.node import Node
from ray.util import serialization_addons

from goodfit.service.app import Options
from goodfit.service.app.run import FIRST_EPOCH, WORKERS, _watching
from goodfit.service.progress import Progress, TrialProgress
from goodfit.service.ray_executor import Cluster
from goodfit.service.records import TrialState

DASHBOARD = "ray.dashboard.optional_deps"


@dataclass
class Workers:
    """An executor, as far as it says which trials have none yet."""

    pending: set[int] = field(default_factory=set)


def progress(*epochs: int, settled: int = 0) -> Progress:
    running = [TrialProgress(number, TrialState.RUNNING, "RUNNING", epochs=at) for number, at in enumerate(epochs)]
    done = [TrialProgress(9 + number, TrialState.COMPLETE, "COMPLETE") for number in range(settled)]
    return Progress("digits", 4, running=running, settled=done)


def test_what_is_waited_for_is_told_once_each_until_the_first_epoch() -> None:
    phases: list[str | None] = []
    seen: list[Progress] = []
    workers: Any = Workers({0, 1})
    watch = _watching(Options(on_phase=phases.append), seen.append, workers)
    watch(progress())
    watch(progress(0, 0))
    assert phases == [WORKERS]
    workers.pending = {1}
    watch(progress(0, 0))
    watch(progress(0, 0))
    assert phases == [WORKERS, FIRST_EPOCH]
    watch(progress(0, 1))
    watch(progress(2, 2))
    assert phases == [WORKERS, FIRST_EPOCH, None]
    assert len(seen) == 6


def test_a_resumed_trial_is_waited_for_though_it_has_epochs_from_before() -> None:
    phases: list[str | None] = []
    workers: Any = Workers()
    watch = _watching(Options(on_phase=phases.append), lambda _: None, workers)
    watch(progress(5))
    assert phases == [FIRST_EPOCH]
    watch(progress(6))
    assert phases == [FIRST_EPOCH, None]


def test_a_study_that_ends_without_an_epoch_is_waited_for_no_more() -> None:
    phases: list[str | None] = []
    workers: Any = Workers()
    _watching(Options(on_phase=phases.append), lambda _: None, workers)(progress(settled=1))
    assert phases == [None]


def test_ray_starts_without_parts_that_trials_do_not_need_and_has_them_again_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[str] = []
    for owner, name in ((Node, "start_api_server"), (Node, "start_monitor"), (serialization_addons, "apply")):
        monkeypatch.setattr(owner, name, lambda *_, name=name: called.append(name))
    monkeypatch.delitem(sys.modules, DASHBOARD, raising=False)
    found: list[object] = []

    def start(**_: object) -> None:
        Node.start_api_server(None)
        Node.start_monitor(None)
        found.append(sys.modules.get(DASHBOARD, "not looked for"))

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(
        worker.global_worker, "get_serialization_context", lambda: serialization_addons.apply("a context")
    )
    cluster = Cluster()
    cluster.ready()
    cluster.close()
    assert (called, found) == ([], [None])
    Node.start_api_server(None)
    serialization_addons.apply("another context")
    assert called == ["start_api_server", "apply"]
    assert DASHBOARD not in sys.modules


def test_a_cluster_that_is_closed_before_ray_was_started_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    imported, go, started = threading.Event(), threading.Event(), threading.Event()

    def is_initialized() -> bool:
        imported.set()
        go.wait(30)
        return False

    monkeypatch.setattr(ray, "is_initialized", is_initialized)
    monkeypatch.setattr(ray, "init", lambda **_: started.set())
    cluster = Cluster()
    assert imported.wait(30)
    closing = threading.Thread(target=cluster.close)
    closing.start()
    while not cluster._closing.is_set():
        time.sleep(0.001)
    go.set()
    closing.join()
    assert not started.is_set()


def test_a_start_that_takes_long_is_not_waited_for_by_who_needs_it_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    starting, go = threading.Event(), threading.Event()

    def init(**_: object) -> None:
        starting.set()
        go.wait(30)

    monkeypatch.setattr("goodfit.service.ray_executor.cluster.ABANDON_SECONDS", 0.01)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    cluster = Cluster("auto")
    assert starting.wait(30)
    cluster.close()
    assert cluster._thread.is_alive()
    go.set()
    cluster._thread.join()
