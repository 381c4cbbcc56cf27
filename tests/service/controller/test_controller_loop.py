"""The controller on a real store, with runners that do as they are told and a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.controller import Controller
from goodfit.service.controller.controller import MIRROR_SECONDS, START_SECONDS
from goodfit.service.errors import ClusterLost, GoodfitError, HomeError
from goodfit.service.records import Batch, Lease, Study, StudyState, Trial, TrialState
from goodfit.service.store import SqlStore, open_store
from goodfit.testing.stores.opening import remove


@dataclass
class Puppets:
    """Runners that note what they are asked for."""

    cluster: list[Mapping[str, float]] = field(default_factory=lambda: [{"cpus": 4.0}])
    started: list[tuple[str, Lease]] = field(default_factory=list)
    ended: list[tuple[int, int]] = field(default_factory=list)
    mirrors: list[str] = field(default_factory=list)
    requests: list[Sequence[Mapping[str, float]]] = field(default_factory=list)
    alive: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    fault: GoodfitError | None = None
    not_started: dict[int, str] = field(default_factory=dict)

    def nodes(self) -> list[Mapping[str, float]]:
        return self.cluster

    def start(self, study: Study, lease: Lease) -> None:
        if self.fault:
            raise self.fault
        self.started.append((study.name, lease))

    def failed(self) -> dict[int, str]:
        found, self.not_started = self.not_started, {}
        return found

    def end_older(self, study_id: int, fence: int) -> None:
        self.ended.append((study_id, fence))

    def running(self) -> set[int]:
        return self.alive

    def mirror(self, study: Study) -> None:
        self.mirrors.append(study.name)

    def mirroring(self) -> set[int]:
        return self.busy

    def request(self, bundles: Sequence[Mapping[str, float]]) -> None:
        self.requests.append(bundles)

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.started]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Scene:
    store: SqlStore
    puppets: Puppets
    clock: Clock
    said: list[str] = field(default_factory=list)

    def controller(self, limit: int = 3, owner: str = "here:1:1", **changes: Any) -> Controller:
        return Controller(
            store=changes.get("store", self.store),
            runners=self.puppets,
            owner=owner,
            dead=lambda one: one == "dead",
            limit=limit,
            say=self.said.append,
            clock=self.clock,
            ticks=changes.get("ticks"),
        )

    def queue(self, name: str, **changes: Any) -> Study:
        values: dict[str, Any] = {"queued": self.clock.now, "spec": {}, "fingerprint": "f", "created": 1.0}
        return self.store.add_study(Study(name, **(values | changes)))

    def take_over(self, name: str) -> Lease:
        """What a runner does first."""
        lease = next(lease for started, lease in self.puppets.started[::-1] if started == name)
        taken = self.store.hand_over(lease, "runner", self.clock.now, 30.0)
        self.store.apply(taken, Batch(study=self.store.study(name).to(StudyState.RUNNING)))
        return taken


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    store = open_store(f"sqlite:///{tmp_path / 'goodfit.db'}")
    yield Scene(store, Puppets(), Clock())
    store.close()


def test_a_queued_study_is_claimed_and_started(scene: Scene) -> None:
    study = scene.queue("digits")
    scene.controller().turn()
    ((name, lease),) = scene.puppets.started
    assert name == "digits"
    assert lease == scene.store.holder(study.id)
    assert (lease.owner, lease.until) == ("here:1:1", scene.clock.now + START_SECONDS)
    assert scene.puppets.ended == [(study.id, lease.fence)]
    assert scene.said == ["started study digits"]


def test_why_a_runner_could_not_be_started_is_what_its_study_waits_for(scene: Scene) -> None:
    study = scene.queue("digits")
    controller = scene.controller()
    controller.turn()
    for _ in range(2):
        scene.puppets.not_started = {study.id: "its requirements cannot be installed: no such package"}
        controller.turn()
    assert scene.store.study("digits").waits_for == "its requirements cannot be installed: no such package"
    scene.clock.now += 1000.0
    controller.turn()
    assert len(scene.puppets.started) == 3
    assert scene.store.study("digits").waits_for is None


def test_a_lease_that_nobody_renews_ends_though_the_clock_was_set_back(scene: Scene) -> None:
    study = scene.queue("digits")
    scene.store.acquire(study.id, "elsewhere:1:1", scene.clock.now, 30.0, lambda _: False)
    scene.clock.now -= 3600.0
    ticks = Clock()
    controller = scene.controller(ticks=ticks)
    controller.turn()
    ticks.now += START_SECONDS
    controller.turn()
    assert scene.puppets.names == []
    ticks.now += 1.0
    controller.turn()
    assert scene.puppets.names == ["digits"]


def test_a_lease_that_is_renewed_by_another_clock_is_left_alone(scene: Scene) -> None:
    study = scene.queue("digits")
    lease = scene.store.acquire(study.id, "elsewhere:1:1", scene.clock.now + 3600.0, 30.0, lambda _: False)
    ticks = Clock()
    controller = scene.controller(ticks=ticks)
    for turn in range(10):
        ticks.now += START_SECONDS / 2
        scene.store.renew(lease, scene.clock.now + 3600.0 + turn, 30.0)
        controller.turn()
    assert scene.puppets.names == []


def test_a_study_of_the_foreground_is_not_the_controllers(scene: Scene) -> None:
    scene.queue("mine", queued=None)
    scene.controller().turn()
    assert scene.puppets.started == []


def test_two_controllers_start_each_study_once(scene: Scene) -> None:
    for number in range(5):
        scene.queue(f"s{number}")
    one, two = scene.controller(5), scene.controller(5, "there:2:2")
    for _ in range(3):
        one.turn()
        two.turn()
    assert scene.puppets.names == [f"s{number}" for number in range(5)]


class Late:
    """A store whose list of what waits is from before somebody else did something."""

    def __init__(self, store: SqlStore, between: Callable[[], None]) -> None:
        self._store, self._between = store, between

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def waiting(self) -> Any:
        rows = self._store.waiting()
        self._between()
        return rows


def test_a_study_that_goes_between_look_and_claim_is_left_alone(scene: Scene) -> None:
    held, stopped, removed = scene.queue("held"), scene.queue("stopped"), scene.queue("removed")

    def between() -> None:
        scene.store.acquire(held.id, "other", scene.clock.now, 30.0, lambda _: False)
        lease = scene.store.acquire(stopped.id, "user", scene.clock.now, 30.0, lambda _: False)
        scene.store.apply(lease, Batch(study=stopped.to(StudyState.STOPPED)))
        scene.store.release(lease)
        remove(scene.store, "removed")

    scene.controller(store=Late(scene.store, between)).turn()
    assert scene.puppets.started == []
    assert scene.store.holder(stopped.id) is None
    scene.controller().turn()
    assert scene.puppets.started == []
    assert removed.id not in [study.id for study, _ in scene.store.waiting()]


def test_a_stopped_or_removed_study_vanishes_from_the_queue(scene: Scene) -> None:
    first, second = scene.queue("first"), scene.queue("second")
    scene.queue("third")
    controller = scene.controller(1)
    controller.turn()
    assert scene.puppets.names == ["first"]
    remove(scene.store, "second")
    scene.store.release(scene.take_over("first"))
    lease = scene.store.acquire(first.id, "user", scene.clock.now, 30.0, lambda _: False)
    scene.store.apply(lease, Batch(study=scene.store.study("first").to(StudyState.STOPPED)))
    controller.turn()
    assert scene.puppets.names == ["first", "third"]
    assert second.id not in dict.fromkeys(study.id for study, _ in scene.store.waiting())


def test_why_a_study_waits_is_kept_and_written_only_when_it_changes(scene: Scene) -> None:
    scene.queue("big", spec={"resources": {"gpus": 1.0}})
    scene.queue("one")
    scene.queue("two")
    written: list[Mapping[int, str | None]] = []
    controller = scene.controller(1)
    noted = scene.store.note_waits

    class Noting(Late):
        def note_waits(self, reasons: Mapping[int, str | None]) -> None:
            written.append(reasons)
            noted(reasons)

    controller = scene.controller(1, store=Noting(scene.store, lambda: None))
    controller.turn()
    assert scene.store.study("big").waits_for == "waits for 1 GPU: the cluster has 0"
    assert scene.store.study("one").waits_for is None
    assert scene.store.study("two").waits_for == "1 of 1 studies run"
    controller.turn()
    assert written[1] == {}
    scene.puppets.cluster = [{"cpus": 4.0, "gpus": 1.0}]
    scene.clock.now += 5.0
    controller.turn()
    assert scene.store.study("big").waits_for == "1 of 1 studies run"


def test_the_autoscaler_is_asked_for_what_is_missing_when_that_changes(scene: Scene) -> None:
    scene.queue("big", spec={"resources": {"cpus": 2.0, "gpus": 1.0}})
    controller = scene.controller()
    controller.turn()
    controller.turn()
    assert [list(one) for one in scene.puppets.requests] == [[{"cpus": 2.0, "gpus": 1.0}]]
    remove(scene.store, "big")
    controller.turn()
    assert [list(one) for one in scene.puppets.requests][1:] == [[]]


def test_a_runner_whose_lease_ran_out_is_ended_and_replaced(scene: Scene) -> None:
    study = scene.queue("digits")
    controller = scene.controller()
    controller.turn()
    held = scene.take_over("digits")
    scene.clock.now += 29.0
    controller.turn()
    assert scene.puppets.names == ["digits"]
    scene.clock.now += 2.0
    controller.turn()
    assert scene.puppets.names == ["digits", "digits"]
    (_, first), (_, second) = scene.puppets.started
    assert first.fence < held.fence < second.fence
    assert scene.puppets.ended[-1] == (study.id, second.fence)
    assert scene.said[-1] == "started study digits again"


def test_a_claim_that_no_runner_takes_over_runs_out(scene: Scene) -> None:
    scene.queue("digits")
    controller = scene.controller()
    controller.turn()
    scene.clock.now += START_SECONDS - 1
    controller.turn()
    assert len(scene.puppets.started) == 1
    scene.clock.now += 2
    controller.turn()
    assert len(scene.puppets.started) == 2


def test_a_study_that_cannot_be_started_is_given_back_and_the_others_go_on(scene: Scene) -> None:
    bad = scene.queue("bad")
    scene.puppets.fault = GoodfitError("its name is taken")
    scene.controller().turn()
    assert scene.store.holder(bad.id) is None
    assert scene.said == ["study bad cannot be started: its name is taken"]


def test_a_lost_cluster_ends_the_controller_and_frees_the_claim(scene: Scene) -> None:
    study = scene.queue("digits")
    scene.puppets.fault = ClusterLost("Ray is away")
    with pytest.raises(ClusterLost):
        scene.controller().run(lambda _: True)
    assert scene.store.holder(study.id) is None


def test_a_database_that_is_away_is_waited_for_with_growing_pauses_and_one_line(scene: Scene) -> None:
    class Away(Late):
        times = 0

        def waiting(self) -> Any:
            Away.times += 1
            if Away.times <= 6:
                raise HomeError("the server cannot be reached")
            return self._store.waiting()

    scene.queue("digits")
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) < 9

    scene.controller(store=Away(scene.store, lambda: None)).run(pause)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 0.5, 0.5]
    assert scene.said == ["the queue stands still: the server cannot be reached", "started study digits"]


def test_mlflow_catches_up_with_studies_at_rest_one_at_a_time_and_in_turn(scene: Scene) -> None:
    for name in ("one", "two", "run"):
        study = scene.queue(name)
        lease = scene.store.acquire(study.id, "runner", 0.0, 1.0, lambda _: False)
        scene.store.apply(lease, Batch(trials={0: Trial(0, {}, 1, TrialState.COMPLETE, epochs=1)}))
        scene.store.apply(lease, Batch(study=study.to(StudyState.RUNNING).to(StudyState.DONE)))
        scene.store.release(lease)
        if name == "run":
            scene.puppets.alive = {study.id}  # its runner is still at it
    controller = scene.controller()

    def later() -> None:
        scene.clock.now += MIRROR_SECONDS
        controller.turn()

    controller.turn()
    assert scene.puppets.mirrors == []
    for _ in range(3):
        later()
    assert scene.puppets.mirrors == ["one", "two", "one"]
    scene.puppets.busy = {1}
    later()
    assert len(scene.puppets.mirrors) == 3


def test_a_clock_that_goes_back_holds_up_no_study(scene: Scene) -> None:
    ticks = Clock()
    controller = scene.controller(ticks=ticks)
    study = scene.queue("again")
    for _ in range(3):
        controller.turn()
        scene.clock.now -= 3600
        ticks.now += 10
        scene.puppets.started.clear()
        scene.store.release(scene.store.holder(study.id) or pytest.fail("it was not started"))
    controller.turn()
    assert scene.puppets.names == ["again"], "the pause after three starts in a row is 4 s, whatever the clock says"
