"""The main job of a team: `make stack`, submit, and the best configuration from two nodes, with its runs in MLflow."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy import plan
from tests.e2e.cli import PATIENCE, until
from tests.real_stack import NODES, TRIAL_WORKER, RealStack, real_stack

pytestmark = pytest.mark.e2e

TRIALS, EPOCHS = 4, 4
BEST_KEYS = {
    "trial", "value", "params", "verdict", "gap", "epochs", "best_epoch", "test", "mlflow_run_id", "model_uri",
}  # fmt: skip


def goodfit(stack: RealStack, *words: str) -> subprocess.Popen[str]:
    """The command line of a user who has the server's address and a token, and nothing else."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(plan.OURS)}
    environment = {**kept, "GOODFIT_TOKEN": stack.client_environment["GOODFIT_TOKEN"]}
    command = [
        sys.executable,
        "-m",
        "goodfit.service.cli",
        "--server",
        stack.client_environment["GOODFIT_SERVER"],
        *words,
    ]
    return subprocess.Popen(
        command, cwd=plan.ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, f"exit {process.returncode}\n{out}\n{err}"
    return out


def mlflow(stack: RealStack, path: str, body: Mapping[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        f"{stack.known.urls['mlflow']}/api/2.0/mlflow/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_a_study_is_submitted_and_its_best_comes_from_two_nodes_with_its_runs_in_mlflow() -> None:
    with real_stack() as stack:
        gates = "release={require: [approved]}"
        overrides = (f"budget.trials={TRIALS}", f"training.epochs={EPOCHS}", "pruning={method: none}", gates)
        words = [word for one in overrides for word in ("--set", one)]
        submitted = goodfit(stack, "submit", str(Path("examples", "digits.yaml")), *words, "--wait")

        def working_on(node: str) -> bool:
            assert submitted.poll() in (None, 0), submitted.communicate()
            return bool(stack.pids(TRIAL_WORKER, below=node))

        with contextlib.ExitStack() as cleanup:
            cleanup.callback(submitted.kill)
            for node in NODES:
                until(functools.partial(working_on, node), f"a worker of a trial on {node}")
            said(submitted)
        best = json.loads(said(goodfit(stack, "best", "digits-cnn", "--json")))
        assert best.keys() == {"study", "metric", "direction", "best"}
        assert (best["study"], best["metric"], best["direction"]) == ("digits-cnn", "val/accuracy", "maximize")
        assert all(one.keys() >= BEST_KEYS for one in best["best"])
        assert best["best"][0]["value"] == max(one["value"] for one in best["best"]) > 0.8
        _assert_side_by_side(stack)
        _assert_in_mlflow(stack, best["best"][0]["trial"])
        _assert_released_when_approved(stack, best["best"][0]["trial"])
        assert stack.runner_said("digits-cnn").count("runs as") == 1
        assert "Traceback" not in stack.runner_said("digits-cnn")


def _assert_side_by_side(stack: RealStack) -> None:
    """Each node has one CPU, and a trial takes one: two at once are on two nodes."""
    times = sorted((trial.started or 0.0, trial.ended or 0.0) for trial in stack.studies["digits-cnn"].records())
    assert len(times) == TRIALS
    assert any(second[0] < first[1] for first, second in pairwise(times))


def _assert_released_when_approved(stack: RealStack, winner: int) -> None:
    """The alias `champion` moves, and the study's run has the cards, once somebody has approved by the API."""

    def aliases() -> list[str]:
        found = mlflow(stack, "registered-models/get?name=digits-cnn")["registered_model"]
        return [one["alias"] for one in found.get("aliases", ())]

    until(lambda: aliases() == ["candidate"], "the model to be registered as candidate")
    told = said(goodfit(stack, "approve", "digits-cnn", "--note", "seen"))
    assert f"trial {winner} is champion, approved by" in told
    until(lambda: aliases() == ["champion"], "the alias champion to follow")
    run = stack.studies["digits-cnn"].record.mlflow_run_id
    files = mlflow(stack, f"artifacts/list?run_id={run}&path=card")["files"]
    assert [one["path"] for one in files] == ["card/README.md", "card/croissant.json"]


def _assert_in_mlflow(stack: RealStack, winner: int) -> None:
    """By its REST API: a run for the study, one for each trial, and each point of each curve once."""
    until(lambda: not stack.store.behind(10), "MLflow to catch up")
    found = mlflow(stack, f"experiments/get-by-name?experiment_name={urllib.parse.quote('digits-cnn')}")
    query = {"experiment_ids": [found["experiment"]["experiment_id"]], "max_results": 100}
    runs = {run["info"]["run_id"]: run for run in mlflow(stack, "runs/search", query)["runs"]}
    tags = {run_id: {tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run_id, run in runs.items()}
    numbers = sorted(tag["goodfit.trial"] for tag in tags.values() if "goodfit.trial" in tag)
    assert numbers == [str(number) for number in range(TRIALS)]
    assert len(runs) == TRIALS + 1
    best = stack.studies["digits-cnn"].best()
    assert (best.trial, best.mlflow_run_id) == (
        winner,
        next(at for at in runs if tags[at].get("goodfit.trial") == str(winner)),
    )
    for run_id in [run_id for run_id in runs if "goodfit.trial" in tags[run_id]]:
        for metric in ("train/loss", "val/loss", "val/accuracy"):
            path = f"metrics/get-history?run_id={run_id}&metric_key={urllib.parse.quote(metric, safe='')}"
            assert [point["step"] for point in mlflow(stack, path)["metrics"]] == list(range(1, EPOCHS + 1))
