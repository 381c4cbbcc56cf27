"""The `auto` search on the real command line: the same study twice, why of a trial, and decisions derived again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests import zoo
from tests.e2e.cli import Home

AUTO = {
    "trainer": zoo.named("learner"),
    "fixed": {"y": "a", "seconds": 0.0},
    "search": {"method": "auto", "seed": 3},
    "pruning": {"method": "auto"},
    "training": {"epochs": 8},
    "budget": {"trials": 9},
}


@pytest.mark.soak
def test_an_auto_study_is_the_same_again_and_says_why(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for name in ("one", "two"):
        home.ok("run", str(home.study(name, **AUTO)), "--executor", "local")
    first, second = (home.json("trials", name) for name in ("one", "two"))
    kept = ("trial", "state", "params", "value", "epochs", "attempts")
    assert [[row[key] for key in kept] for row in first] == [[row[key] for key in kept] for row in second]
    assert {row["state"] for row in first} == {"COMPLETE", "PRUNED"}
    assert {row["attempts"] for row in first} == {1}

    paused = next(row["trial"] for row in first if row["state"] == "PRUNED")
    told = home.json("why", "one", str(paused))
    assert [reason["event"] for reason in told["reasons"]][:2] == ["proposed", "paused"]
    assert told["reasons"][-1]["text"].startswith("The search ended, and it was not resumed: it counts as pruned")
    assert home.ok("why", "one", str(paused)).splitlines() == [reason["text"] for reason in told["reasons"]]

    again = home.json("replay", "one")
    assert (again["decisions"] > 9, again["differences"]) == (True, [])
    assert "are the same when derived again" in home.ok("replay", "two")
    with closing(sqlite3.connect(home.path / "goodfit.db")) as database, database:
        [[number]] = database.execute("SELECT id FROM studies WHERE name = 'two'").fetchall()
        params = json.dumps({"x": 0.111, "y": "a", "seconds": 0.0})
        database.execute("UPDATE trials SET params = ? WHERE number = 3 AND study_id = ?", (params, number))
    changed = home.run("replay", "two")
    assert changed.returncode == 1
    assert "(trial 3)\n" in changed.stdout
    assert '"params": {"x": 0.111' in changed.stdout


def test_a_study_without_decisions_is_explained_as_far_as_it_can_be(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.ok("run", str(home.study("plain", pruning={"method": "median"})), "--executor", "local")
    assert "search method, random, proposed it." in home.ok("why", "plain", "1")
    assert "search method random with pruning median keeps none" in home.ok("replay", "plain")
    missing = home.run("why", "plain", "99")
    assert (missing.returncode, "has no trial 99; it has 0 to 3" in missing.stderr) == (2, True)
