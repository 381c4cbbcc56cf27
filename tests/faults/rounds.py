"""A round of the kill matrix: four studies run on the real stack, each fault comes once, and all is as if none had.

The grid says whether every point was trained once; the pruned study, one trial at a time, whether all decisions are
those of an uninterrupted run; the one by the `auto` search, whether trials go on as they were paused. What that one
decides depends on how long epochs take, and so on the faults: it must be what its store says that it followed from.
The fourth trains nets, four at a time as one model: each has to the last digit the curve that it has alone.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goodfit.service.client import connect
from goodfit.service.errors import Fenced
from goodfit.service.records import FINISHED, Batch, Lease, Report, StudyState, Trial, TrialState
from tests import zoo
from tests.e2e.cli import Home, until
from tests.faults.machine import Clock, Disk
from tests.nets import NETS, SPACE
from tests.real_stack import LEASE, NODES, RUNNER, TRIAL_WORKER, RealStack

SECONDS = 0.7  # an epoch takes: the studies have to last for all faults on an idle machine
PATIENCE = 600.0
AWAY_SECONDS = 10.0
CLAIM_SECONDS = 10.0  # beyond the lease: the controller itself may have been killed a moment ago
METRICS = ("gap/loss", "train/loss", "val/loss")
STUDY: dict[str, Any] = {
    "space": {"x": {"type": "float", "low": 0, "high": 0.7, "step": 0.1}, "y": ["a", "b"]},
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "training": {"epochs": 20, "checkpoint_epochs": 1},
}
GRID = {**STUDY, "search": {"method": "grid", "try_defaults": False}}
POINTS = 16
PACKED: dict[str, Any] = {
    **NETS,
    "space": {**SPACE, "optimizer": ["sgd", "adam"]},
    "objective": {"metric": "val/loss", "direction": "minimize"},
    "training": {"epochs": 300, "checkpoint_epochs": 10},
    "resources": {"pack": 4},
    "budget": {"trials": 12},
}
PRUNINGS: dict[str, dict[str, Any]] = {
    "median": {"method": "median", "n_startup_trials": 2, "n_warmup_steps": 3},
    "asha": {"method": "asha", "min_resource": 2, "reduction_factor": 3},
}
PRUNED: dict[str, dict[str, Any]] = {
    name: {
        **STUDY,
        "search": {"method": "random", "seed": 3, "try_defaults": False},
        "pruning": pruning,
        "resources": {"parallel": 1},
        "budget": {"trials": 10},
    }
    for name, pruning in PRUNINGS.items()
}
AUTO = {
    **STUDY,
    "space": {"x": {"type": "float", "low": 0, "high": 0.7}, "y": ["a", "b"]},
    "search": {"method": "auto", "seed": 3, "try_defaults": False},
    "pruning": {"method": "auto"},
    "budget": {"trials": 20},
}

Outcome = tuple[Mapping[str, Any], str, float | None, int, list[Mapping[str, float]]]


def study_file(folder: Path, name: str, spec: Mapping[str, Any], seconds: float) -> Path:
    """A study that names its trainer, or one on the zoo's learner, whose file lies beside it and travels with it."""
    path = folder / f"{name}.yaml"
    learner: Mapping[str, Any] = {}
    if "trainer" not in spec:
        shutil.copy(zoo.HERE, folder / "zoo.py")
        learner = {"trainer": "zoo.py:learner", "fixed": {"seconds": seconds}}
    path.write_text(json.dumps({"name": name, **learner, **spec}))
    return path


def outcome(trial: Trial, reports: list[Report]) -> Outcome:
    """What a trial came to, without the times and the attempts that it took."""
    params = {name: value for name, value in trial.params.items() if name != "seconds"}
    curve = [one.metrics for one in reports if one.trial == trial.number]
    return params, str(trial.state), trial.value, trial.epochs, curve


def undisturbed(folder: Path) -> dict[str, list[Outcome]]:
    """The trials of each study as they are run here, one after the other, with nothing in their way."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Home(folder)
    found = {}
    for name, spec in {"grid": GRID, **PRUNED, "packed": {**PACKED, "resources": {"pack": 1}}}.items():
        home.ok("run", str(study_file(folder, name, spec, 0.0)), "--executor", "local", timeout=600)
        study = connect(home.path)[name]
        found[name] = [outcome(trial, study.reports(trial.number)) for trial in study.records()]
    return found


@dataclass
class Round:
    """One pass of the matrix, by a seed.

    Attributes:
        stack: where.
        seed: of the order of the faults, their victims and their moments, and of how the second study prunes.
        expected: of `undisturbed`.
        folder: for study files.
        clock: of the stack.
        disk: where the stack's artifacts are; None: no small disk can be had here.
        recovery: fault -> seconds from it to the next reports.
    """

    stack: RealStack
    seed: int
    expected: Mapping[str, list[Outcome]]
    folder: Path
    clock: Clock
    disk: Disk | None = None
    recovery: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.mark = f"{self.seed}-{time.time_ns() % 10**9}"
        pruning = sorted(PRUNINGS)[self.seed % len(PRUNINGS)]
        self.specs = {"grid": GRID, pruning: PRUNED[pruning], "auto": AUTO, "packed": PACKED}
        self.names = {kind: f"{kind}-{self.mark}" for kind in self.specs}
        self.ids: dict[str, int] = {}

    def run(self, faults: Mapping[str, Callable[[Round], None]]) -> None:
        """Disturb the studies by each fault once, in any order; AssertionError where anything is lost or doubled."""
        order = self.chance.sample(sorted(faults), len(faults))
        print(f"seed {self.seed}: {', '.join(order)}", flush=True)
        watch_writes(self.stack)
        for kind in self.specs:
            self.submit(kind)
        for kind in self.specs:
            self.await_begin(kind)
        for name in order:
            self.renew()
            assert self.state("grid") is StudyState.RUNNING, f"the study was over before {name}: {self.state('grid')}"
            began = time.monotonic()
            print(f"  {name}: {self.reports()} reports ...", flush=True)
            faults[name](self)
            self.await_reports(3)
            self.recovery[name] = time.monotonic() - began
            print(f"  {name}: reports again after {self.recovery[name]:.1f} s", flush=True)
            time.sleep(self.chance.uniform(0.0, 1.0))
        self.await_ends()
        self.assert_whole()
        print(f"seed {self.seed}: passed", flush=True)

    def submit(self, kind: str) -> None:
        self.stack.studies.submit(study_file(self.folder, self.names[kind], self.specs[kind], SECONDS))
        self.ids[kind] = self.stack.store.study(self.names[kind]).id

    def await_begin(self, kind: str) -> None:
        study = self.ids[kind]
        until(lambda: self.stack.store.reports(study), f"the first reports of {kind}\n{self.told()}", PATIENCE)

    def renew(self) -> None:
        """Each fault finds trials of the grid, and nets that train together: where a study is over, another begins."""
        for kind in ("grid", "packed"):
            if self.state(kind) is StudyState.DONE:
                before = f"{kind} {len(self.names)}"
                self.names[before], self.ids[before] = self.names[kind], self.ids[kind]
                self.names[kind] = f"{kind}-{self.mark}-{len(self.names)}"
                self.submit(kind)
                self.await_begin(kind)

    # What is to be seen of the studies.

    def state(self, kind: str) -> StudyState:
        return self.stack.store.study(self.names[kind]).state

    def reports(self) -> int:
        """How many there are, of all studies."""
        return sum(len(self.stack.store.reports(one)) for one in self.ids.values())

    def over(self) -> bool:
        return all(self.state(kind) not in (StudyState.QUEUED, StudyState.RUNNING) for kind in self.names)

    def await_reports(self, number: int) -> None:
        """Until there are so many more."""
        wanted = self.reports() + number
        until(lambda: self.reports() >= wanted or self.over(), f"{number} more reports {self.told()}", PATIENCE)

    def await_successor(self, kind: str, held: Lease) -> None:
        """Until another runner has the study, and its trials go on."""
        store, study, began = self.stack.store, self.ids[kind], time.monotonic()
        until(lambda: store.fence(study) > held.fence, f"another runner of {kind}", LEASE + CLAIM_SECONDS)
        print(f"    {kind} was claimed again after {time.monotonic() - began:.1f} s", flush=True)
        before = len(store.reports(study))
        until(lambda: len(store.reports(study)) > before or self.over(), f"{kind} to go on\n{self.told()}", PATIENCE)

    def await_ends(self) -> None:
        try:
            until(self.over, "the end of all studies", PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None
        for kind, name in self.names.items():
            found = self.stack.store.study(name)
            assert found.state is StudyState.DONE, f"{kind}: {found.state} {found.message}\n{self.told()}"

    def await_state(self, kind: str, *states: StudyState) -> None:
        study = self.names[kind]
        until(lambda: self.state(kind) in states, f"{study} to be {' or '.join(states)}\n{self.told()}", PATIENCE)

    def resume(self, kind: str) -> None:
        self.stack.studies[self.names[kind]].resume()
        self.await_state(kind, StudyState.RUNNING, StudyState.DONE)

    def told(self) -> str:
        return "\n".join(self.stack.runner_said(name) for name in self.names.values())

    def lease(self) -> tuple[str, Lease, int]:
        """A study that is run by a runner now, its lease and the runner's process."""

        def found() -> tuple[str, Lease, int] | None:
            runners = set(self.stack.pids(RUNNER))
            for kind in self.chance.sample(sorted(self.names), len(self.names)):
                held = self.stack.store.holder(self.ids[kind])
                if held is not None and (pid := int(held.owner.split(":")[1])) in runners:
                    return kind, held, pid
            return None

        result: tuple[str, Lease, int] = until(found, "a study with a runner", PATIENCE)
        return result

    # What must be true at the end.

    def assert_whole(self) -> None:
        for kind, name in self.names.items():
            trials = self.stack.store.trials(self.ids[kind])
            reports = self.stack.store.reports(self.ids[kind])
            assert all(trial.state in FINISHED for trial in trials)
            if (expected := self.expected.get(kind.partition(" ")[0])) is not None:
                got = [outcome(trial, reports) for trial in trials]
                assert len(got) <= len(expected)
                assert got == expected, f"{kind} is not as if nothing had happened\n{self.told()}"
            counted = Counter((one.trial, one.epoch) for one in reports)
            assert counted == {(one.number, at): 1 for one in trials for at in range(1, one.epochs + 1)}
            self.assert_mirrored(kind, name)
        grid = self.stack.store.trials(self.ids["grid"])
        assert [one.state for one in grid] == [TrialState.COMPLETE] * POINTS
        assert len({(one.params["x"], one.params["y"]) for one in grid}) == POINTS
        self.assert_paused_and_resumed()
        for kind in self.names.keys() & PRUNED.keys():
            states = {one.state for one in self.stack.store.trials(self.ids[kind])}
            assert states == {TrialState.COMPLETE, TrialState.PRUNED}
        assert no_fenced_write(self.stack) == []
        for name in self.names.values():
            assert "Traceback" not in self.stack.runner_said(name), self.told()
            assert self.stack.store.study(name).seconds >= 0, "a study that took less than no time"

    def assert_paused_and_resumed(self) -> None:
        """Trials of the auto study were paused and went on, and each has the curve of one that was never paused."""
        trials, decisions = self.stack.store.trials(self.ids["auto"]), self.stack.store.decisions(self.ids["auto"])
        assert [trial.number for trial in trials] == list(range(AUTO["budget"]["trials"]))
        assert [one.index for one in decisions] == list(range(len(decisions)))
        assert len(decisions) > len(trials), "no trial went on"
        for trial in trials:
            losses = [one.metrics["val/loss"] for one in self.stack.store.reports(self.ids["auto"], trial.number)]
            assert losses == zoo.learned(trial.params["x"], trial.params["y"], trial.epochs)
        assert list(self.stack.studies[self.names["auto"]].replay().differences) == []

    def assert_mirrored(self, kind: str, name: str) -> None:
        """In MLflow, a run for each trial, and each point of each curve once."""
        until(lambda: not self.stack.store.unmirrored(self.ids[kind], 1), f"MLflow to catch up with {name}", PATIENCE)
        until(lambda: self.stack.store.study(name).mlflow_run_id, f"MLflow to have {name} itself", PATIENCE)
        trials = self.stack.store.trials(self.ids[kind])
        points = self.stack.mlflow_points(name)
        wanted = {(t.number, key, at) for t in trials for key in METRICS for at in range(1, t.epochs + 1)}
        assert {point: n for point, n in points.items() if n != 1} == {}
        assert {point for point in points if point[1] in METRICS} == wanted
        runs = self.stack.mlflow_runs(name)
        assert runs == {"": 1} | {str(trial.number): 1 for trial in trials}


# The faults.


def worker_killed(at: Round) -> None:
    at.stack.send(at.chance.choice(until(lambda: at.stack.pids(TRIAL_WORKER), "a trial's worker")), signal.SIGKILL)


def runner_killed(at: Round) -> None:
    kind, held, pid = at.lease()
    at.stack.send(pid, signal.SIGKILL)
    at.await_successor(kind, held)


def controller_killed(at: Round) -> None:
    old = at.stack.controller()
    at.stack.send(old, signal.SIGKILL)
    until(lambda: at.stack.pids("goodfit.service.app controller") not in ([], [old]), "another controller", 60)


def api_killed(at: Round) -> None:
    at.stack.send(at.stack.service("goodfit").process.pid, signal.SIGKILL)
    time.sleep(1)
    at.stack.restart("goodfit")
    assert at.names["grid"] in at.stack.studies


def node_lost(at: Round) -> None:
    node = at.chance.choice(NODES)
    at.stack.lose(node)
    time.sleep(at.chance.uniform(0, 5))
    at.stack.restart(node)


def mlflow_down(at: Round) -> None:
    _mlflow_away(at, at.chance.uniform(2, 15))


def mlflow_down_for_a_minute(at: Round) -> None:
    _mlflow_away(at, 60.0)


def _mlflow_away(at: Round, seconds: float) -> None:
    at.stack.lose("mlflow")
    time.sleep(seconds)
    at.await_reports(1)  # a study needs no MLflow
    at.stack.restart("mlflow")


def database_restarted(at: Round) -> None:
    at.stack.lose("postgres")
    time.sleep(at.chance.uniform(0, 5))
    at.stack.restart("postgres")


def runner_stopped(at: Round) -> None:
    """A zombie: it sleeps past its lease, another takes over, and it wakes up."""
    kind, held, pid = at.lease()
    at.stack.send(pid, signal.SIGSTOP)
    try:
        at.await_successor(kind, held)
        with pytest.raises(Fenced):
            at.stack.store.apply(held, Batch(study=at.stack.store.study(at.names[kind])))
    finally:
        with contextlib.suppress(ProcessLookupError, Exception):
            at.stack.send(pid, signal.SIGCONT)
    until(lambda: pid not in at.stack.pids(RUNNER), "the end of the runner that had been stopped", 60)


def head_lost(at: Round) -> None:
    at.stack.lose("ray-head")
    time.sleep(at.chance.uniform(1, 8))
    at.stack.restart("ray-head")


def disk_full(at: Round) -> None:
    """Studies are interrupted, and resumed when there is room again."""
    assert at.disk is not None
    with at.disk.full():
        for kind in at.names:
            at.await_state(kind, StudyState.INTERRUPTED, StudyState.DONE)
    for kind, name in at.names.items():
        if at.state(kind) is StudyState.INTERRUPTED:
            message = at.stack.store.study(name).message
            assert "No space left" in (message or ""), message
            at.resume(kind)


def artifacts_away(at: Round) -> None:
    """Trials wait for their files."""
    assert at.disk is not None
    away = at.chance.choice([at.disk.read_only, at.disk.gone])
    print(f"    {away.__name__.replace('_', ' ')}", flush=True)
    with away():
        time.sleep(AWAY_SECONDS)
    for kind in at.names:
        assert at.state(kind) in (StudyState.RUNNING, StudyState.DONE), at.told()


def clock_turned_back(at: Round) -> None:
    """All goes on, and a stop is heard at once."""
    at.clock.turn_back(3600)
    at.await_reports(3)
    running = [kind for kind in at.names if at.state(kind) is StudyState.RUNNING]
    for kind in running:
        at.stack.studies[at.names[kind]].stop()
    for kind in running:
        at.await_state(kind, StudyState.STOPPED, StudyState.DONE)
        if at.state(kind) is StudyState.STOPPED:
            at.resume(kind)


FAULTS: dict[str, Callable[[Round], None]] = {
    one.__name__.replace("_", " "): one
    for one in (
        worker_killed, runner_killed, controller_killed, api_killed, node_lost, mlflow_down, database_restarted,
        runner_stopped, head_lost, disk_full, artifacts_away, clock_turned_back,
    )
}  # fmt: skip
NEED_A_DISK = ("disk full", "artifacts away")


def faults(disk: Disk | None, names: Collection[str] = ()) -> dict[str, Callable[[Round], None]]:
    """Those that are possible here; of these names alone if there are any."""
    return {
        name: fault
        for name, fault in FAULTS.items()
        if (not names or name in names) and (disk is not None or name not in NEED_A_DISK)
    }


# Who wrote what, as the database saw it.

_WATCH = """
CREATE TABLE IF NOT EXISTS seen_writes (study_id int, backend text, fence int);
CREATE OR REPLACE FUNCTION see_write() RETURNS trigger AS $$ BEGIN
    INSERT INTO seen_writes SELECT NEW.study_id,
        pg_postmaster_start_time()::text || '/' || pg_backend_pid() || '/' || inet_client_port(), fence
        FROM leases WHERE leases.study_id = NEW.study_id;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER see_write AFTER INSERT ON reports FOR EACH ROW EXECUTE FUNCTION see_write();
"""


def watch_writes(stack: RealStack) -> None:
    """From here on, the database notes for each report by which connection it came, and under which fence."""
    with psycopg.connect(_plain_url(stack)) as connection:
        connection.execute(_WATCH.encode())


def no_fenced_write(stack: RealStack) -> list[tuple[object, ...]]:
    """Connections that wrote reports of one study under two fences: their runner's, and its successor's."""
    query = "SELECT study_id, backend FROM seen_writes GROUP BY 1, 2 HAVING count(DISTINCT fence) > 1"
    with psycopg.connect(_plain_url(stack)) as connection:
        return connection.execute(query).fetchall()


def _plain_url(stack: RealStack) -> str:
    return stack.known.urls["database"].replace("+psycopg", "")
