"""Whatever is killed, nothing is lost and nothing is doubled."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests import zoo
from tests.e2e.cli import PATIENCE, Command, Home, kill_tree, tree, until
from tests.nets import NETS

pytestmark = pytest.mark.e2e

GRID = {
    "trainer": zoo.named("resumable"),
    "space": {"x": {"type": "float", "low": 0, "high": 1, "step": 0.25}, "y": ["a", "b"]},
    "search": {"method": "grid"},
    "training": {"epochs": 6},
    "budget": {},
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def assert_whole(home: Home, name: str, trials: int, epochs: int) -> list[dict[str, Any]]:
    """Every trial complete, every grid point once, every curve and every MLflow point whole and once."""
    rows: list[dict[str, Any]] = home.json("trials", name)
    assert [row["state"] for row in rows] == ["COMPLETE"] * trials
    assert len({tuple(sorted(row["params"].items())) for row in rows}) == trials
    assert all(row["epochs"] == epochs for row in rows)
    assert len({row["mlflow_run_id"] for row in rows}) == trials
    points = [point for point in home.points() if point[1] in ("train/loss", "val/loss")]
    assert {count for *_, count in points} == {1}
    expected = {
        (str(trial), key, step)
        for trial in range(trials)
        for key in ("train/loss", "val/loss")
        for step in range(1, epochs + 1)
    }
    assert {point[:3] for point in points} == expected
    return rows


def test_a_study_whose_whole_process_tree_is_killed_is_whole_after_resume(home: Home) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    file = home.study("grid", **GRID)
    process = home.start("run", str(file))
    for kill in range(3):
        wanted = home.reports() + chance.randint(3, 12)
        _await_reports(home, process, wanted)
        time.sleep(chance.random() * 0.3)
        kill_tree(process)
        assert home.json("ls")[0]["state"] in ("INTERRUPTED", "DONE"), f"after kill {kill}"
        process = home.start("resume", "grid")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    rows = assert_whole(home, "grid", trials=10, epochs=6)
    assert any(row["attempts"] > 1 for row in rows)
    for row in rows:
        curve = home.json("show", "grid", str(row["trial"]))["curve"]
        assert [point["val/loss"] for point in curve] == [1 / epoch for epoch in range(1, 7)]


def _await_reports(home: Home, process: Command, wanted: int) -> None:
    until(lambda: home.reports() >= wanted or process.poll() is not None, "progress")


def test_a_worker_killed_with_sigkill_costs_its_trial_an_attempt(home: Home) -> None:
    file = home.study("grid", **GRID)
    process = home.start("run", str(file))
    until(lambda: home.reports() >= 4, "progress")
    os.kill(_worker(process), signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    rows = assert_whole(home, "grid", trials=10, epochs=6)
    assert sorted(row["attempts"] for row in rows)[-1] == 2


def _worker(process: Command) -> int:
    """The process of a worker that trains."""
    for pid in tree(process.pid):
        if b"Host" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("no worker")


def test_trials_that_train_together_go_on_from_the_death_of_their_worker_as_if_nothing_had_been(home: Home) -> None:
    """Each has to the last digit the curve that it has alone."""
    nets = {**NETS, "training": {"epochs": 24, "checkpoint_epochs": 4}, "budget": {"trials": 6}}
    home.ok("run", str(home.study("alone", **nets, resources={"pack": 1})), "--executor", "local")
    process = home.start("run", str(home.study("together", **nets, resources={"pack": 4, "parallel": 4})))
    until(lambda: home.reports() >= 6 * 24 + 40, "reports of trials that train together")
    os.kill(_worker(process), signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    alone, together = (
        [home.json("show", name, str(trial))["curve"] for trial in range(6)] for name in ("alone", "together")
    )
    assert together == alone
    assert home.json("show", "together")["packs"]["size"] > 1


def test_ctrl_c_saves_says_how_to_go_on_and_exits_130(home: Home) -> None:
    file = home.study("grid", **GRID)
    process = home.start("run", str(file))
    until(lambda: home.reports() >= 4, "progress")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert "goodfit resume grid" in err
    assert "Traceback" not in err
    assert home.json("show", "grid")["state"] == "INTERRUPTED"
    states = {row["state"] for row in home.json("trials", "grid")}
    assert states <= {"COMPLETE", "QUEUED"}
    home.ok("resume", "grid", "--executor", "local")
    assert_whole(home, "grid", trials=10, epochs=6)


def test_stop_from_another_terminal_saves_and_resume_goes_on(home: Home) -> None:
    file = home.study("grid", **GRID | {"training": {"epochs": 10}})
    process = home.start("run", str(file), "--executor", "local")
    until(lambda: home.reports() >= 4, "progress")
    assert "asked study grid" in home.ok("stop", "grid")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert home.json("show", "grid")["state"] == "STOPPED"
    assert "goodfit resume grid" in err
    second = home.run("stop", "grid")
    assert "STOPPED" in second.stdout
    home.ok("resume", "grid", "--executor", "local")
    assert_whole(home, "grid", trials=10, epochs=10)


def test_a_study_is_run_by_one_process_at_a_time(home: Home) -> None:
    file = home.study("grid", **GRID)
    process = home.start("run", str(file), "--executor", "local")
    until(lambda: home.reports() >= 1, "progress")
    second = home.run("resume", "grid", "--executor", "local")
    assert second.returncode == 1
    assert "is run by" in second.stderr
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)


def test_mlflow_away_does_not_stop_a_study_and_is_caught_up_later(tmp_path: Path) -> None:
    home = Home(tmp_path, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    file = home.study("away")
    done = home.run("run", str(file), "--executor", "local")
    assert done.returncode == 0, done.stderr
    assert "MLflow" in done.stderr
    assert all(row["mlflow_run_id"] is None for row in home.json("trials", "away"))
    home.environment.clear()
    home.ok("resume", "away", "--executor", "local")
    assert_whole(home, "away", trials=4, epochs=5)
