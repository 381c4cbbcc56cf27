"""How to open MLflow's own pages on a study."""

from __future__ import annotations

import sys
from pathlib import Path

from goodfit.service.tracker.experiment import ENVIRONMENT
from goodfit.service.tracker.view import KEY

VIEW = "workflowType=machine_learning"  # it opens in its GenAI mode otherwise


def ui_command(
    tracking_uri: str, artifact_root: Path | None, host: str = "127.0.0.1", port: int = 5000
) -> tuple[list[str], dict[str, str]]:
    """What to run for MLflow's pages on a database: the command, and what it wants in its environment.

    One worker and no jobs: 2 processes and 0.6 GB instead of 16 and 3.2 GB.

    Args:
        tracking_uri: the database; a server has its pages already.
        artifact_root: the folder of the artifacts.
        host: the address to listen on.
        port: likewise.
    """
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--backend-store-uri", tracking_uri]
    if artifact_root is not None:
        root = artifact_root.absolute().as_uri()
        command += ["--default-artifact-root", root, "--artifacts-destination", root]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    return command, {**ENVIRONMENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def ui_link(base: str, experiment_id: str | None, *, charts: bool = False) -> str:
    """The page of an experiment as the study's view has it, or its charts; or the page of all experiments."""
    if experiment_id is None:
        return f"{base.rstrip('/')}/#/experiments?{VIEW}"
    view = f"{VIEW}&viewStateShareKey={KEY}{'&compareRunsMode=CHART' if charts else ''}"
    return f"{base.rstrip('/')}/#/experiments/{experiment_id}/runs?{view}"
