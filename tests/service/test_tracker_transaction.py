"""Several trials in one transaction of MLflow's database."""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goodfit.service.errors import TrackingError
from goodfit.service.records import Failure, TrialState, Verdict
from goodfit.service.tracker import Mirror, mirror
from goodfit.service.tracker.content import Point
from goodfit.service.tracker.experiment import connect
from goodfit.service.tracker.run import MirroredRun
from goodfit.service.tracker.transaction import one_transaction
from tests.tracking import Fuse, Lab, doubles, mirror_of, new_mlflow, seen


def names(uri: str) -> set[str]:
    return {run.info.run_name for run in connect(uri).search_runs(["1"])}


def test_what_is_written_together_is_there_together_or_not_at_all(tmp_path: Path) -> None:
    uri = new_mlflow(tmp_path)
    client = connect(uri)
    experiment = client.create_experiment("digits")

    def cut_short() -> None:
        with one_transaction(uri):
            client.create_run(experiment, run_name="gone")
            raise TrackingError("no")

    with pytest.raises(TrackingError, match="no"):
        cut_short()
    with one_transaction(uri):
        run = client.create_run(experiment, run_name="kept")
        client.log_metric(run.info.run_id, "loss", 1.0)
        assert connect(uri).get_run(run.info.run_id).data.metrics == {"loss": 1.0}
    client.set_terminated(run.info.run_id)
    assert names(uri) == {"kept"}


def test_points_that_are_written_as_rows_are_those_that_mlflow_writes(tmp_path: Path) -> None:
    uri = new_mlflow(tmp_path)
    client = connect(uri)
    experiment = client.create_experiment("digits")
    values = (0.5, math.nan, math.inf, -math.inf, 0.25)
    points = [Point(key, step, value, 1000 + step) for key in ("a", "b") for step, value in enumerate(values)]
    found = []
    for run in (MirroredRun.make(client, experiment, name, 0, {}) for name in ("rows", "calls")):
        with one_transaction(uri) as rows:
            run.log(points[:3], {}, {}, rows if not found else None)
        with one_transaction(uri) as rows:
            run.log(points, {}, {}, rows if not found else None)
        histories = [client.get_metric_history(run.id, key) for key in ("a", "b")]
        shown = [sorted((one.step, one.timestamp, repr(one.value)) for one in history) for history in histories]
        found.append((client.get_run(run.id).data.metrics, shown))
    assert found[0] == found[1]
    assert found[0][0] == {"a": 0.25, "b": 0.25}
    assert not doubles(uri)


def test_runs_that_are_written_as_rows_are_those_that_mlflow_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_rows = _tables_of_a_study(tmp_path / "rows")
    monkeypatch.setattr(mirror, "one_transaction", lambda _uri: contextlib.nullcontext())
    by_calls = _tables_of_a_study(tmp_path / "calls")
    assert by_rows == by_calls
    assert all(by_rows.values())


def _tables_of_a_study(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Of trials that run, have ended, are mirrored anew and are trained on other data."""
    uri, lab = new_mlflow(folder / "mlflow"), Lab(folder)
    lab.change(replace(lab.study, inputs={"data": {"digest": "d1"}}))

    def synced() -> Mirror:
        report = {"rows": 9, "kind": "image", "splits": {"train": 6}, "columns": []}
        made = mirror_of(lab, uri, folder / "art", describe=lambda: report)
        assert made.sync() == 0
        return made

    lab.finish(0)
    lab.run(1, epochs=2)
    lab.finish(2, epochs=0, state=TrialState.FAILED, message="it's no use\n" + "x" * 9000, failure=Failure.ERROR)
    lab.finish(3, state=TrialState.PRUNED, notes={"who": "me", "ä %": [1, None]}, data="d2")
    kept = synced()
    lab.run(1, epochs=4)
    assert kept.sync() == 0
    lab.finish(1, epochs=6)
    lab.finish(4, epochs=1, state=TrialState.COMPLETE, verdict=Verdict.GOOD_FIT)
    synced()
    lab.end()
    synced()
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        connection.row_factory = sqlite3.Row
        runs = dict(connection.execute("SELECT run_uuid, name FROM runs"))
        datasets = {
            one: f"{name} {digest}"
            for one, name, digest in connection.execute("SELECT dataset_uuid, name, digest FROM datasets")
        }
        inputs = {
            one: f"{datasets[source]} of {runs[run]}"
            for one, source, run in connection.execute("SELECT input_uuid, source_id, destination_id FROM inputs")
        }
        ids = runs | datasets | inputs
        found = {}
        for table in ("runs", "tags", "params", "metrics", "latest_metrics", "datasets", "inputs", "input_tags"):
            rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            found[table] = [{key: ids.get(value, value) for key, value in row.items()} for row in rows]
    connection.close()
    for row in found["runs"]:
        location, run, last = row.pop("artifact_uri").rsplit("/", 2)
        assert (location, ids[run], last) == ((folder / "art" / "digits").as_uri(), row["name"], "artifacts")
    return {table: sorted(rows, key=str) for table, rows in found.items()}


def test_no_run_is_written_into_an_experiment_that_was_deleted(tmp_path: Path) -> None:
    uri, lab = new_mlflow(tmp_path / "mlflow"), Lab(tmp_path)
    kept = mirror_of(lab, uri, tmp_path / "art")
    lab.finish(0)
    kept.sync()
    client = connect(uri)
    client.delete_experiment("1")
    lab.finish(1)
    with pytest.raises(TrackingError, match="must be in the 'active' state"):
        kept.sync()
    kept.sync()
    assert {"trial 0", "trial 1"} < seen(uri, "digits-2").keys()


def test_a_write_that_mlflow_would_take_back_takes_no_other_with_it(tmp_path: Path) -> None:
    """MLflow meets a point that is there by a rollback of its session, and goes on."""
    uri = new_mlflow(tmp_path)
    client = connect(uri)
    experiment = client.create_experiment("digits")
    run = client.create_run(experiment, run_name="first")
    client.log_metric(run.info.run_id, "loss", 1.0, timestamp=5, step=1)

    def repeated() -> None:
        with one_transaction(uri):
            client.create_run(experiment, run_name="second")
            client.log_metric(run.info.run_id, "loss", 1.0, timestamp=5, step=1)

    with pytest.raises(TrackingError, match="written again"):
        repeated()
    assert names(uri) == {"first"}
    client.log_metric(run.info.run_id, "loss", 0.5, timestamp=6, step=2)


def test_a_refused_trial_keeps_no_other_of_its_turn_out(tmp_path: Path) -> None:
    uri = new_mlflow(tmp_path / "mlflow")
    lab = Lab(tmp_path)
    fuse = Fuse()
    mirror = mirror_of(lab, uri, tmp_path / "art", connect=lambda uri: fuse.wrap(connect(uri)))
    for number in range(13):
        lab.finish(number)
    real = mirror._brought_up

    def picky(session: object, study: object, trial: object, rows: object) -> object:
        if trial.number == 4:  # type: ignore[attr-defined]
            from mlflow.exceptions import MlflowException

            raise MlflowException.invalid_parameter_value("not this one")
        return real(session, study, trial, rows)  # type: ignore[arg-type]

    mirror._brought_up = picky  # type: ignore[assignment, method-assign]
    for _ in range(2):
        with pytest.raises(TrackingError, match="not this one"):
            mirror.sync()
    assert mirror.sync() == 1
    assert list(mirror.refused) == [4]
    assert len(seen(uri)) == 1 + 12
    assert doubles(uri) == {}


def test_a_process_that_dies_within_a_turn_leaves_nothing_half_there(tmp_path: Path) -> None:
    uri = new_mlflow(tmp_path / "mlflow")
    lab = Lab(tmp_path)
    for number in range(3):
        lab.finish(number)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom tests.tracking import Lab, draw, export_doubler\n"
        "from goodfit.service.store import open_store\nfrom goodfit.service.tracker import Mirror\n"
        f"store = open_store('sqlite:///{tmp_path / 'goodfit.db'}')\n"
        f"mirror = Mirror(store, {lab.study.id}, {uri!r}, Path({str(tmp_path / 'art')!r}), draw=draw,"
        " export_model=export_doubler)\n"
        "real = mirror._brought_up\n"
        "mirror._brought_up = lambda s, t, trial, h: os._exit(9) if trial.number == 2 else real(s, t, trial, h)\n"
        "mirror.sync()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=Path(__file__).parents[2], env=dict(os.environ), check=False
    )
    assert done.returncode == 9
    assert {name for name in seen(uri) if name.startswith("trial")} == set()
    assert not list((tmp_path / "art").rglob("diagnosis.json"))
    assert mirror_of(lab, uri, tmp_path / "art").sync() == 0
    assert {name for name in seen(uri) if name.startswith("trial")} == {"trial 0", "trial 1", "trial 2"}
    assert doubles(uri) == {}
